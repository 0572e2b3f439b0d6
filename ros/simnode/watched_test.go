package simnode_test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"

	"korr/ros/msgs"
	"korr/ros/names"
	"korr/ros/node"
	"korr/ros/simnode"
	"korr/ros/toyarm"
)

// watched collects a program's output and notices when it holds what is wanted.
type watched struct {
	want string
	seen chan struct{}
	once sync.Once

	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.b.Write(p)
	if strings.Contains(w.b.String(), w.want) {
		w.once.Do(func() { close(w.seen) })
	}
	return n, err
}

// String is what was printed so far.
func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// endless is seen for a program that does not end by itself, and nil, which never happens, for others.
func (w *watched) endless(args []string) <-chan struct{} {
	if args[1] == "hz" {
		return w.seen
	}
	return nil
}

func subscribeArm(n *node.Node, topic string, h *heard) error {
	return node.Subscribe(n, topic, func(m *msgs.FrankaState) { h.add(m.Header.Stamp) })
}

// serveUntilKilled serves a simulator and returns what its Run returns; it is closed then.
func serveUntilKilled(t *testing.T, uri string) <-chan error {
	t.Helper()
	nm, err := names.New(msgs.SimNode, uri)
	if err != nil {
		t.Fatal(err)
	}
	s, err := simnode.New(context.Background(), simnode.Config{Names: nm, Env: toyarm.New(1000)})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go func() {
		err := s.Run(ctx)
		_ = s.Close()
		ended <- err
	}()
	return ended
}
