package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"korr/cmd/internal/cli"
	"korr/train/queue"
)

// TestQueueRefuses: wrong addresses and flags are usage errors that say what to do.
func TestQueueRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, queue.JoinName), []byte(`{"url":"tls://secret@lab:4222"}`),
		0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"worker"}, "address is missing"},
		{[]string{"worker", "--join", "nats://lab:4222"}, "tls://"},
		{[]string{"worker", "--join", dir, "--slots", "0"}, "--slots"},
		{[]string{"eval", "--queue", filepath.Join(dir, "none")}, "no queue serves there"},
		{[]string{"eval", "--queue", "embedded", "--ros"}, "--ros"},
		{[]string{"queue", "serve", "--listen", "lab"}, "HOST:PORT"},
		{[]string{"queue", "serve", "--lease", "1ms"}, "--lease"},
		{[]string{"queue", "status", "--serve", "0.0.0.0:8081"}, "loopback"},
		{[]string{"launch", "slurm", "--join", "tls://secret@lab:4222"}, "read by everybody"},
		{[]string{"launch", "kubernetes", "--join", dir}, "--image"},
		{[]string{"verify", "queue", "--kills", "1"}, "--kills"},
	} {
		o := korr(t, c.args...)
		if o.code != cli.ExitUsage || !strings.Contains(o.err, c.want) {
			t.Errorf("%v: %+v", c.args, o)
		}
	}
	launched := korr(t, "launch", "slurm", "--join", dir, "--workers", "7")
	script := launched.out
	if launched.code != cli.ExitOK || !strings.Contains(script, "--array=1-7\n") || strings.Contains(script, "secret") {
		t.Errorf("script\n%s", script)
	}
}
