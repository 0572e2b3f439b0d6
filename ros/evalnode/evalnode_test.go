package evalnode_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"korr/ros/action"
	"korr/ros/evalnode"
	"korr/ros/master"
	"korr/ros/msgs"
	"korr/ros/names"
	"korr/ros/node"
	"korr/ros/rostest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		rostest.Clean()
		os.Exit(code)
	}))
}

type client = action.Client[msgs.EvaluateActionGoal, msgs.EvaluateActionResult]

// serve runs an evaluation node whose episodes take d each; every second one succeeds, and number fails breaks down.
func serve(t *testing.T, uri string, d time.Duration, fails int) (closed *atomic.Int32) {
	t.Helper()
	nm, err := names.New(evalnode.NodeName, uri)
	if err != nil {
		t.Fatal(err)
	}
	closed = new(atomic.Int32)
	s, err := evalnode.New(context.Background(), evalnode.Config{
		Names:    nm,
		Interval: func(k, n int) [2]float64 { return [2]float64{float64(k) / float64(2*n), 1} },
		Start: func(_ context.Context, g *msgs.EvaluateGoal) (*evalnode.Job, error) {
			if g.Policy == "none" {
				return nil, errors.New("no such policy")
			}
			return &evalnode.Job{
				Episodes: int(g.Episodes),
				Play: func(ctx context.Context, i int) (msgs.EpisodeResult, error) {
					if i+1 == fails {
						return msgs.EpisodeResult{}, errors.New("the simulator is gone")
					}
					select {
					case <-time.After(d):
						return msgs.EpisodeResult{Seed: g.Seed + uint64(i), Steps: 10, Success: i%2 == 0}, nil
					case <-ctx.Done():
						return msgs.EpisodeResult{}, ctx.Err()
					}
				},
				Close: func() error { closed.Add(1); return nil },
			}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		_ = s.Close()
	})
	return closed
}

func start(t *testing.T) (uri string) {
	t.Helper()
	m, err := master.Start(master.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m.URI()
}

func open(t *testing.T, uri string) (*node.Node, *client) {
	t.Helper()
	nm, _ := names.New("tester", uri)
	n, err := node.Open(context.Background(), node.Config{Names: nm})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	c, err := action.NewClient[msgs.EvaluateActionGoal, msgs.EvaluateActionResult](n, "/korr_eval/run")
	if err != nil {
		t.Fatal(err)
	}
	return n, c
}

func send(t *testing.T, c *client, g msgs.EvaluateGoal) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := c.Do(ctx, func(m *msgs.EvaluateActionGoal) { m.Goal = g }); err != nil {
		t.Fatal(err)
	}
}

func result(t *testing.T, c *client) *msgs.EvaluateActionResult {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if r := c.Result(); r != nil {
			return r
		}
	}
	t.Fatal("no result")
	return nil
}

// TestEvaluate: every episode is told of, the result has them all in order with the rate and its interval.
func TestEvaluate(t *testing.T) {
	uri := start(t)
	closed := serve(t, uri, 20*time.Millisecond, 0)
	n, c := open(t, uri)
	var mu sync.Mutex
	var told []msgs.EvaluateFeedback
	if err := node.Subscribe(n, "/korr_eval/run/feedback", func(f *msgs.EvaluateActionFeedback) {
		mu.Lock()
		told = append(told, f.Feedback)
		mu.Unlock()
	}); err != nil {
		t.Fatal(err)
	}
	heard := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(told)
	}
	goals := int32(1)
	for ; goals < 50 && heard() == 0; goals++ { // until the feedback is connected
		send(t, c, msgs.EvaluateGoal{Episodes: 1})
		result(t, c)
		time.Sleep(20 * time.Millisecond)
	}
	mu.Lock()
	told = nil
	mu.Unlock()
	send(t, c, msgs.EvaluateGoal{Episodes: 5, Seed: 7})
	r := result(t, c)
	if r.Status.Status != msgs.GoalSucceeded || r.Result.Episodes != 5 || r.Result.Successes != 3 ||
		r.Result.Rate != 0.6 || r.Result.RateLow != 0.3 || r.Result.Error != "" {
		t.Errorf("%+v", r)
	}
	for i, e := range r.Result.Results {
		if e.Seed != 7+uint64(i) || e.Success != (i%2 == 0) || e.Steps != 10 {
			t.Errorf("episode %d: %+v", i, e)
		}
	}
	for end := time.Now().Add(3 * time.Second); heard() < 5 && time.Now().Before(end); { // by another connection
		time.Sleep(5 * time.Millisecond)
	}
	mu.Lock()
	defer mu.Unlock()
	for i, f := range told {
		if f.Done != uint32(i+1) || f.Total != 5 || f.Episode.Seed != 7+uint64(i) {
			t.Errorf("feedback %d: %+v", i, f)
		}
	}
	if len(told) != 5 {
		t.Errorf("%d feedbacks", len(told))
	}
	if closed.Load() != goals {
		t.Errorf("%d of %d jobs were closed", closed.Load(), goals)
	}
}

// TestCancel: a cancelled evaluation ends soon, preempted, with what was played; a second goal meanwhile is rejected.
func TestCancel(t *testing.T) {
	uri := start(t)
	closed := serve(t, uri, 50*time.Millisecond, 0)
	n, c := open(t, uri)
	cancel, err := node.Advertise[msgs.GoalID](n, "/korr_eval/run/cancel", false)
	if err != nil {
		t.Fatal(err)
	}
	other, err := action.NewClient[msgs.EvaluateActionGoal, msgs.EvaluateActionResult](listener(t, uri), "/korr_eval/run")
	if err != nil {
		t.Fatal(err)
	}
	send(t, c, msgs.EvaluateGoal{Episodes: 1000})
	for i := 0; i < 20 && other.Result() == nil; i++ { // the first rejection may be too early for the connection
		send(t, other, msgs.EvaluateGoal{Episodes: 1})
		for end := time.Now().Add(250 * time.Millisecond); other.Result() == nil && time.Now().Before(end); {
			time.Sleep(2 * time.Millisecond)
		}
	}
	if r := result(t, other); r.Status.Status != msgs.GoalRejected || !strings.Contains(r.Status.Text, "cancel it") {
		t.Errorf("a second goal: %+v", r.Status)
	}
	time.Sleep(200 * time.Millisecond)
	if c.Result() != nil {
		t.Fatalf("the rejected goal ended the first: %+v", c.Result())
	}
	begin := time.Now()
	for ; c.Result() == nil && time.Since(begin) < 3*time.Second; time.Sleep(20 * time.Millisecond) {
		cancel.Write(&msgs.GoalID{}) // the first ones may be too early for the connection
	}
	r := result(t, c)
	if d := time.Since(begin); d > 3*time.Second {
		t.Errorf("cancelling took %v", d)
	}
	if r.Status.Status != msgs.GoalPreempted || r.Result.Episodes == 0 || r.Result.Episodes >= 1000 ||
		r.Result.Error != "cancelled" || int(r.Result.Episodes) != len(r.Result.Results) {
		t.Errorf("%+v", r)
	}
	send(t, c, msgs.EvaluateGoal{Episodes: 2})
	if r := result(t, c); r.Status.Status != msgs.GoalSucceeded || r.Result.Episodes != 2 {
		t.Errorf("after a cancellation: %+v", r)
	}
	if closed.Load() != 2 {
		t.Errorf("%d of 2 jobs were closed", closed.Load())
	}
}

// TestFailures: what cannot be evaluated ends as aborted, and says why.
func TestFailures(t *testing.T) {
	uri := start(t)
	serve(t, uri, time.Millisecond, 3)
	_, c := open(t, uri)
	send(t, c, msgs.EvaluateGoal{Episodes: 5, Policy: "none"})
	if r := result(t, c); r.Status.Status != msgs.GoalAborted || r.Result.Error != "no such policy" ||
		r.Result.RateHigh != 1 {
		t.Errorf("%+v", r)
	}
	send(t, c, msgs.EvaluateGoal{Episodes: 5})
	if r := result(t, c); r.Status.Status != msgs.GoalAborted || r.Result.Error != "the simulator is gone" ||
		r.Result.Episodes != 2 {
		t.Errorf("%+v", r)
	}
	send(t, c, msgs.EvaluateGoal{Episodes: 1 << 30})
	if r := result(t, c); r.Status.Status != msgs.GoalRejected {
		t.Errorf("%+v", r)
	}
}

// script drives the node with ROS's own action client: one evaluation to its end, one that is cancelled after two
// episodes.
const script = `
import sys, actionlib, rospy
from korr_msgs.msg import EvaluateAction, EvaluateGoal
rospy.init_node("client")
c = actionlib.SimpleActionClient("/korr_eval/run", EvaluateAction)
if not c.wait_for_server(rospy.Duration(10)):
    sys.exit("no action server")
told = []
c.send_goal(EvaluateGoal(policy="expert", episodes=5, seed=7), feedback_cb=told.append)
if not c.wait_for_result(rospy.Duration(10)):
    sys.exit("no result")
r = c.get_result()
print("state", c.get_state(), "rate", r.rate, "low", r.rate_low, "seeds", [e.seed for e in r.results], "told", [f.done for f in told][:2]) # the client drops feedback that comes after the result
def second(f):
    if f.done == 2:
        c.cancel_goal()
c.send_goal(EvaluateGoal(episodes=1000), feedback_cb=second)
if not c.wait_for_result(rospy.Duration(10)):
    sys.exit("no result of the cancelled goal")
r = c.get_result()
print("state", c.get_state(), "few", 2 <= r.episodes < 50, r.error)
`

// TestActionlib: ROS's Python action client drives the node at both masters.
func TestActionlib(t *testing.T) {
	rostest.Need(t, rostest.Python, "/usr/lib/python3/dist-packages/actionlib", "/usr/lib/python3/dist-packages/rospy")
	rostest.Masters(t, func(t *testing.T, uri string) {
		serve(t, uri, 50*time.Millisecond, 0)
		out := rostest.Tool(t, uri, rostest.Python, "-c", script)
		for _, want := range []string{
			"state 3 rate 0.6 low 0.3 seeds [7, 8, 9, 10, 11] told [1, 2]",
			"state 2 few True cancelled",
		} {
			if !strings.Contains(out, want) {
				t.Errorf("the client says %q, want %q in it", out, want)
			}
		}
	})
}

func listener(t *testing.T, uri string) *node.Node {
	t.Helper()
	nm, _ := names.New("other", uri)
	n, err := node.Open(context.Background(), node.Config{Names: nm})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return n
}
