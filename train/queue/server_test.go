package queue

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"korr/train/unit"
)

// TestServerComesBack: a server that ends and starts again under units loses none and repeats none.
func TestServerComesBack(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, dir)
	var begun atomic.Int32
	h := counter(10*time.Millisecond, &begun)
	stop, stopToo := work(t, s.Join, h, nil), work(t, s.Join, h, nil)
	j := &unit.Job{Name: "count"}
	for i := range 20 {
		j.Units = append(j.Units, unit.Unit{Kind: "count", Name: fmt.Sprint(i), Spec: unit.Encode(20 + i)})
	}
	result := make(chan map[string]string, 1)
	c := client(t, s.Join)
	go func() { result <- collect(t, c, j) }()
	for begun.Load() < 5 {
		time.Sleep(5 * time.Millisecond)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	again := serve(t, dir)
	if again.Join != s.Join {
		t.Fatalf("the server moved from %v to %v", s.Join, again.Join)
	}
	got := <-result
	stop()
	stopToo()
	for i := range 20 {
		if got[fmt.Sprint(i)] != fmt.Sprint(20+i) {
			t.Errorf("unit %d gave %q", i, got[fmt.Sprint(i)])
		}
	}
}

// TestOneServerForAFolder: a second one is told who serves.
func TestOneServerForAFolder(t *testing.T) {
	dir := t.TempDir()
	serve(t, dir)
	if _, err := Serve(t.Context(), Settings{Dir: dir, Listen: "127.0.0.1:0", Log: quiet()}); !errors.Is(err, ErrServed) {
		t.Errorf("a second server: %v", err)
	}
}
