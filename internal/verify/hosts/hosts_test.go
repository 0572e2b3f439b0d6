//go:build ros2 && cgo

package hosts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"
)

// TestMain is the first host where it is asked to be: host --only TEXT FOLDER.
func TestMain(m *testing.M) {
	if len(os.Args) != 5 || os.Args[1] != "host" {
		os.Exit(m.Run())
	}
	r, err := Rows(context.Background(), os.Args[4], os.Args[3], nil)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// TestPeersOfOtherHands: messages, calls and goals cross to other implementations and back, and one that is killed is
// noticed. korr verify ros2 tries the rest.
func TestPeersOfOtherHands(t *testing.T) {
	for only, rows := range map[string]int{"topic both ways": 4, "vanishes": 2, "called by the peer": 1} {
		r, err := Run(t.Context(), Config{Self: []string{os.Args[0], "host"}, Only: only})
		if errors.Is(err, ErrNetwork) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range r.Missing {
			t.Logf("%s: %s", m.Peer, m.Why)
		}
		for _, x := range r.Rows {
			if !x.Passed {
				t.Errorf("%s, %s: %s", x.Name, x.Peer, x.Error)
			}
		}
		if len(r.Rows) != rows && len(r.Missing) == 0 {
			t.Errorf("%d rows of %q, want %d", len(r.Rows), only, rows)
		}
	}
}
