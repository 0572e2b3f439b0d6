package simnode_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"korr/ros/action"
	"korr/ros/master"
	"korr/ros/msgs"
	"korr/ros/names"
	"korr/ros/node"
	"korr/ros/simarm"
	"korr/ros/simnode"
	"korr/ros/toyarm"
	"korr/sim"
)

// bench is a served simulator and a node beside it.
type bench struct {
	uri    string
	server *simnode.Server
	node   *node.Node
	state  atomic.Pointer[msgs.SimState]
	arm    atomic.Pointer[msgs.FrankaState]
	joint  atomic.Pointer[msgs.JointState]
	pose   *node.Publisher[msgs.PoseStamped]
}

func serve(t *testing.T, uri string, cfg simnode.Config) *bench {
	t.Helper()
	b := &bench{uri: uri}
	if uri == "" {
		m, err := master.Start(master.Config{Addr: "127.0.0.1:0"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.Close() })
		b.uri = m.URI()
	}
	var err error
	if cfg.Names, err = names.New(msgs.SimNode, b.uri); err != nil {
		t.Fatal(err)
	}
	if b.server, err = simnode.New(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := b.server.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		_ = b.server.Close()
	})
	nm, _ := names.New("tester", b.uri)
	if b.node, err = node.Open(context.Background(), node.Config{Names: nm}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.node.Close() })
	if b.pose, err = node.Advertise[msgs.PoseStamped](b.node, msgs.CommandTopic, false); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		node.Subscribe(b.node, "/korr_sim/state", b.state.Store),
		node.Subscribe(b.node, msgs.StateTopic, b.arm.Store),
		node.Subscribe(b.node, msgs.FingerTopic, b.joint.Store),
	); err != nil {
		t.Fatal(err)
	}
	within(t, "all topics", func() bool { return b.state.Load() != nil && b.arm.Load() != nil && b.joint.Load() != nil })
	return b
}

func within(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never happened: %s", what)
}

// answer sends a pose that answers an observation.
func (b *bench) answer(s *msgs.SimState, x float64) {
	b.pose.Write(&msgs.PoseStamped{
		Header: msgs.Header{Stamp: s.Header.Stamp},
		Pose:   msgs.Pose{Position: msgs.Point{X: x, Z: 0.2}, Orientation: msgs.Quaternion{X: 1}},
	})
}

func call[S, Q, R any](t *testing.T, b *bench, name string, q *Q) *R {
	t.Helper()
	c, err := node.NewClient[S, Q, R](b.node, name)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Call(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// TestLockStepWaits: nothing moves without an answer; the same observation is repeated; one answer is one step however
// often it is sent; simulated time advances by one period.
func TestLockStepWaits(t *testing.T) {
	b := serve(t, "", simnode.Config{Env: toyarm.New(100), LockStep: true, Resend: 20 * time.Millisecond})
	first := b.state.Load()
	within(t, "a repetition", func() bool { return b.state.Load() != first })
	if s := b.state.Load(); s == first || !s.Header.Stamp.Equal(first.Header.Stamp) || b.server.Steps() != 0 {
		t.Fatalf("not repeated (%v) or moved: %+v, %d steps", s == first, s, b.server.Steps())
	}
	within(t, "a step", func() bool { b.answer(first, 0.5); return b.server.Steps() > 0 })
	within(t, "its observation", func() bool { return b.state.Load().Step == 1 })
	if d := b.state.Load().Header.Stamp.Sub(first.Header.Stamp); d != 100*time.Millisecond {
		t.Errorf("simulated time advanced by %v", d)
	}
	for range 10 { // answers to an old observation
		b.answer(first, 0.6)
	}
	time.Sleep(60 * time.Millisecond)
	if n := b.server.Steps(); n != 1 {
		t.Errorf("%d steps for one answer", n)
	}
}

func TestPauseStepReset(t *testing.T) {
	b := serve(t, "", simnode.Config{Env: toyarm.New(10), LockStep: true, Seed: 3, Resend: 20 * time.Millisecond})
	if s := b.state.Load(); s.Seed != 3 || s.Episode != 1 {
		t.Errorf("the first episode is %+v", s)
	}
	step := func(n uint32) *msgs.StepRes {
		return call[msgs.Step, msgs.StepReq, msgs.StepRes](t, b, "/korr_sim/step", &msgs.StepReq{Steps: n})
	}
	if res := step(1); res.Success || !strings.Contains(res.Message, "pause") {
		t.Errorf("stepping a running simulator: %+v", res)
	}
	if res := call[msgs.SetBool, msgs.SetBoolReq, msgs.SetBoolRes](t, b, "/korr_sim/pause",
		&msgs.SetBoolReq{Data: true}); !res.Success {
		t.Fatalf("%+v", res)
	}
	b.answer(b.state.Load(), 0.5)
	time.Sleep(50 * time.Millisecond)
	if n := b.server.Steps(); n != 0 {
		t.Fatalf("%d steps while paused", n)
	}
	if res := step(4); !res.Success {
		t.Fatalf("%+v", res)
	}
	within(t, "four steps", func() bool { return b.state.Load().Step == 4 })
	if res := step(10); res.Success || !strings.Contains(res.Message, "reset") {
		t.Errorf("stepping past the end: %+v", res)
	}
	within(t, "the end", func() bool { return b.state.Load().Truncated })
	if res := step(math.MaxUint32); res.Success {
		t.Error("four thousand million steps were accepted")
	}
	before := b.state.Load().Header.Stamp
	res := call[msgs.Reset, msgs.ResetReq, msgs.ResetRes](t, b, "/korr_sim/reset", &msgs.ResetReq{Seed: 9})
	if !res.Success || res.Episode != 2 || !res.Stamp.After(before) {
		t.Errorf("%+v; simulated time must not run backwards", res)
	}
	within(t, "the new episode", func() bool { s := b.state.Load(); return s.Seed == 9 && s.Step == 0 && !s.Over() })
}

// TestGripper: a grasp closes and succeeds, a move opens, a goal that asks for nonsense is rejected, and one action
// preempts another.
func TestGripper(t *testing.T) {
	b := serve(t, "", simnode.Config{Env: toyarm.New(math.MaxInt)})
	grasp, err := action.NewClient[msgs.GraspActionGoal, msgs.GraspActionResult](b.node, "/franka_gripper/grasp")
	if err != nil {
		t.Fatal(err)
	}
	move, err := action.NewClient[msgs.MoveActionGoal, msgs.MoveActionResult](b.node, "/franka_gripper/move")
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	width := func() float64 { p := b.joint.Load().Position; return p[0] + p[1] }
	if err := grasp.Do(ctx, func(g *msgs.GraspActionGoal) {
		g.Goal.Width, g.Goal.Speed, g.Goal.Epsilon.Outer = 0.015, 0.1, 0.01
	}); err != nil {
		t.Fatal(err)
	}
	within(t, "a grasp", func() bool { return grasp.Result() != nil })
	if r := grasp.Result(); !r.Result.Success || width() > 0.021 {
		t.Errorf("%+v at %g m", r, width())
	}
	if err := grasp.Do(ctx, func(g *msgs.GraspActionGoal) { g.Goal.Width, g.Goal.Speed = 0.05, 0.1 }); err != nil {
		t.Fatal(err)
	}
	if err := move.Do(ctx, func(g *msgs.MoveActionGoal) { g.Goal.Width, g.Goal.Speed = 0.08, 0.1 }); err != nil {
		t.Fatal(err)
	}
	within(t, "preemption", func() bool { r := grasp.Result(); return r != nil && r.Status.Status == msgs.GoalPreempted })
	within(t, "a move", func() bool { return move.Result() != nil && move.Result().Result.Success })
	if width() < 0.06 {
		t.Errorf("open to %g m", width())
	}
	if err := move.Do(ctx, func(g *msgs.MoveActionGoal) { g.Goal.Width, g.Goal.Speed = math.NaN(), 0.1 }); err != nil {
		t.Fatal(err)
	}
	within(t, "a rejection", func() bool { r := move.Result(); return r != nil && r.Status.Status == msgs.GoalRejected })
}

// bare hides what the environment offers beyond sim.Env and, if given, ArmState.
type bare struct{ sim.Env }

type armed struct {
	sim.Env
	simarm.State
}

func TestNoArm(t *testing.T) {
	nm, _ := names.New(msgs.SimNode, "")
	if _, err := simnode.New(context.Background(), simnode.Config{Names: nm, Env: bare{toyarm.New(1)}}); !errors.Is(err,
		simnode.ErrNoArm) {
		t.Errorf("got %v", err)
	}
}

// TestFloat32Actions: an environment without PoseStepper is driven by float32 actions, which bend a pose by less than
// a micrometre or microradian.
func TestFloat32Actions(t *testing.T) {
	env, exact := toyarm.New(100), toyarm.New(100)
	b := serve(t, "", simnode.Config{Env: armed{env, env}, LockStep: true, Seed: 5, Resend: 20 * time.Millisecond})
	obs := make([]float32, exact.Spec().ObsDim)
	if err := exact.Reset(obs, 5); err != nil {
		t.Fatal(err)
	}
	first, x := b.state.Load(), 0.5+1.0/3e3 // no float32 has this value
	within(t, "a step", func() bool { b.answer(first, x); return b.server.Steps() == 1 })
	within(t, "its observation", func() bool {
		return b.arm.Load().Header.Stamp.Equal(b.state.Load().Header.Stamp) && b.state.Load().Step == 1
	})
	if _, err := exact.StepPose(obs, [3]float64{x, 0, 0.2}, [4]float64{1, 0, 0, 0}, 0); err != nil {
		t.Fatal(err)
	}
	var d float64
	for k := range 3 {
		d = max(d, math.Abs(b.arm.Load().OTEE[12+k]-float64(obs[k])))
	}
	t.Logf("position differs by %.2g m", d)
	if d > 1e-6 {
		t.Errorf("position differs by %g m", d)
	}
}
