package bare_test

import (
	"context"
	"testing"
	"time"

	"korr/ros/master"
	"korr/ros/msgs"
	"korr/ros/names"
	"korr/ros/node"
	"korr/ros/node/bare"
)

// TestRoundTrip: a node's answers are heard, those with another stamp are not taken for them, and silence is told from
// an answer.
func TestRoundTrip(t *testing.T) {
	m, err := master.Start(master.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	end, err := bare.Open(
		t.Context(), m.URI(), "/x/end", bare.Topic{Name: "/x/command", Kind: msgs.PoseStamped{}},
		bare.Message{
			Topic: bare.Topic{Name: "/x/state", Kind: msgs.JointState{}},
			Value: &msgs.JointState{Position: make([]float64, 7)},
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	defer end.Close()
	nm, err := names.New("peer", m.URI())
	if err != nil {
		t.Fatal(err)
	}
	nm.Host = "127.0.0.1"
	n, err := node.Open(context.Background(), node.Config{Names: nm})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = n.Close() }()
	out, err := node.Advertise[msgs.PoseStamped](n, "/x/command", false)
	if err != nil {
		t.Fatal(err)
	}
	stale := make(chan time.Duration, 1) // how much older than the state the answers are
	stale <- 0
	if err := node.Subscribe(n, "/x/state", func(s *msgs.JointState) {
		age := <-stale
		stale <- age
		out.Write(&msgs.PoseStamped{Header: msgs.Header{Stamp: s.Header.Stamp.Add(-age)}})
	}); err != nil {
		t.Fatal(err)
	}
	if err := end.Join(t.Context(), "/peer", 10*time.Second); err != nil {
		t.Fatal(err)
	}
	trip := func(limit time.Duration) (time.Duration, bool) {
		d, ok, err := end.RoundTrip(limit)
		if err != nil {
			t.Fatal(err)
		}
		return d, ok
	}
	for range 20 { // the first may come before the node's publisher has its subscriber
		if _, ok := trip(time.Second); ok {
			break
		}
	}
	if d, ok := trip(5 * time.Second); !ok || d <= 0 {
		t.Errorf("answered %v after %v", ok, d)
	}
	<-stale
	stale <- time.Second
	if d, ok := trip(300 * time.Millisecond); ok {
		t.Errorf("an answer to another message counted, after %v", d)
	}
}
