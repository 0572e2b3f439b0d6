package action_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"korr/ros/action"
	"korr/ros/master"
	"korr/ros/msgs"
	"korr/ros/names"
	"korr/ros/node"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type (
	server = action.Server[msgs.GraspActionGoal, msgs.GraspActionResult, msgs.GraspActionFeedback]
	client = action.Client[msgs.GraspActionGoal, msgs.GraspActionResult]
)

func open(t *testing.T, name, uri string) *node.Node {
	t.Helper()
	nm, err := names.New(name, uri)
	if err != nil {
		t.Fatal(err)
	}
	n, err := node.Open(context.Background(), node.Config{Names: nm})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return n
}

func pair(t *testing.T, onGoal func(*msgs.GraspActionGoal) error, onCancel func()) (*node.Node, *server, *client) {
	t.Helper()
	m, err := master.Start(master.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	a, b := open(t, "gripper", m.URI()), open(t, "hand", m.URI())
	c, err := action.NewClient[msgs.GraspActionGoal, msgs.GraspActionResult](b, "/grasp")
	if err != nil {
		t.Fatal(err)
	}
	s, err := action.NewServer[msgs.GraspActionGoal, msgs.GraspActionResult, msgs.GraspActionFeedback](a, "/grasp",
		onGoal, onCancel)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return b, s, c
}

func within(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never happened: %s", what)
}

func width(w float64) func(*msgs.GraspActionGoal) {
	return func(g *msgs.GraspActionGoal) { g.Goal.Width = w }
}

// TestGoals: a goal sent before anything is connected arrives, exactly once; it succeeds; the next one preempts.
func TestGoals(t *testing.T) {
	var got atomic.Int32
	var last atomic.Pointer[msgs.GraspActionGoal]
	_, s, c := pair(t, func(g *msgs.GraspActionGoal) error {
		got.Add(1)
		last.Store(g)
		return nil
	}, nil)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if err := c.Do(ctx, width(0.01)); err != nil {
		t.Fatal(err)
	}
	if got.Load() != 1 || last.Load().Goal.Width != 0.01 || !s.Active() {
		t.Fatalf("%d goals, %+v", got.Load(), last.Load())
	}
	s.Finish(last.Load().GoalId.Id, msgs.GoalSucceeded, func(r *msgs.GraspActionResult) { r.Result.Success = true })
	within(t, "a result", func() bool { return c.Result() != nil })
	if r := c.Result(); !r.Result.Success || r.Status.Status != msgs.GoalSucceeded || s.Active() {
		t.Errorf("%+v", r)
	}
	s.Finish(last.Load().GoalId.Id, msgs.GoalAborted, nil) // no longer active: no effect

	for _, w := range []float64{0.02, 0.03} {
		if err := c.Do(ctx, width(w)); err != nil {
			t.Fatal(err)
		}
	}
	if got.Load() != 3 || !s.Active() {
		t.Errorf("%d goals", got.Load())
	}
	s.Finish("another", msgs.GoalAborted, nil)
	if !s.Active() {
		t.Error("finishing another goal ended this one")
	}
	s.Finish(last.Load().GoalId.Id, msgs.GoalAborted, nil)
	within(t, "an aborted result", func() bool { r := c.Result(); return r != nil && r.Status.Status == msgs.GoalAborted })
}

func TestRejectAndCancel(t *testing.T) {
	var cancelled atomic.Bool
	n, s, c := pair(t, func(g *msgs.GraspActionGoal) error {
		if g.Goal.Width < 0 {
			return errors.New("negative width")
		}
		return nil
	}, func() { cancelled.Store(true) })
	ctx := context.Background()
	if err := c.Do(ctx, width(0.01)); err != nil {
		t.Fatal(err)
	}
	pub, err := node.Advertise[msgs.GoalID](n, "/grasp/cancel", false)
	if err != nil {
		t.Fatal(err)
	}
	within(t, "a cancelled goal", func() bool {
		pub.Write(&msgs.GoalID{Id: "someone else's"})
		pub.Write(&msgs.GoalID{})
		r := c.Result()
		return r != nil && r.Status.Status == msgs.GoalPreempted
	})
	if !cancelled.Load() || s.Active() {
		t.Error("the server was not told")
	}
	if err := c.Do(ctx, width(-1)); err != nil {
		t.Fatal(err)
	}
	within(t, "a rejection", func() bool { r := c.Result(); return r != nil && r.Status.Status == msgs.GoalRejected })
	if r := c.Result(); r.Status.Text != "negative width" {
		t.Errorf("%+v", r.Status)
	}
}

func TestNoServer(t *testing.T) {
	m, err := master.Start(master.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	c, err := action.NewClient[msgs.GraspActionGoal, msgs.GraspActionResult](open(t, "hand", m.URI()), "/grasp")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 150*time.Millisecond)
	defer cancel()
	if err := c.Do(ctx, width(0)); !errors.Is(err, action.ErrNoServer) {
		t.Errorf("got %v", err)
	}
}
