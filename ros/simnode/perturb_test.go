package simnode_test

import (
	"context"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"korr/ros/action"
	"korr/ros/msgs"
	"korr/ros/node"
	"korr/ros/simnode"
	"korr/ros/toyarm"
)

func perturb(t *testing.T, b *bench, q msgs.PerturbReq) *msgs.PerturbRes {
	t.Helper()
	return call[msgs.Perturb, msgs.PerturbReq, msgs.PerturbRes](t, b, "/korr_sim/perturb", &q)
}

func mustPerturb(t *testing.T, b *bench, kind, target string, value ...float64) {
	t.Helper()
	if res := perturb(t, b, msgs.PerturbReq{Kind: kind, Target: target, Value: value, Seed: 1}); !res.Success {
		t.Fatalf("%s %s: %s", kind, target, res.Message)
	}
}

// TestInjections: each fault shows in the messages as it is described, and is gone when it is cleared.
func TestInjections(t *testing.T) {
	b := serve(t, "", simnode.Config{Env: toyarm.New(math.MaxInt), Hz: 100})
	var parts atomic.Pointer[msgs.PoseArray]
	var clock atomic.Pointer[msgs.Clock]
	var count atomic.Int64
	if err := node.Subscribe(b.node, msgs.PartsTopic,
		func(m *msgs.PoseArray) { parts.Store(m); count.Add(1) }); err != nil {
		t.Fatal(err)
	}
	if err := node.Subscribe(b.node, msgs.ClockTopic, clock.Store); err != nil {
		t.Fatal(err)
	}
	// nothing moves but the clock
	call[msgs.SetBool, msgs.SetBoolReq, msgs.SetBoolRes](t, b, "/korr_sim/pause", &msgs.SetBoolReq{Data: true})
	parts.Store(nil)
	within(t, "parts", func() bool { return parts.Load() != nil && clock.Load() != nil })
	clean := parts.Load()
	n := len(clean.Poses)
	age := func(stamp time.Time) time.Duration { return time.Since(stamp) }
	ages := func() time.Duration { return age(parts.Load().Header.Stamp) }
	for _, tc := range []struct {
		kind, target string
		value        []float64
		shows        func() bool
	}{
		{
			msgs.PerturbNoise, "parts",
			[]float64{0.5, 0.1},
			func() bool { return math.Abs(parts.Load().Poses[0].Position.X) > 0.5 },
		},
		{msgs.PerturbNoise, "gripper", []float64{1}, func() bool { return math.Abs(b.joint.Load().Position[0]) > 0.5 }},
		{msgs.PerturbNoise, "arm", []float64{1, 0.1}, func() bool { return math.Abs(b.arm.Load().OTEE[14]) > 1.5 }},
		{msgs.PerturbNaN, "arm", nil, func() bool { return math.IsNaN(b.arm.Load().OTEE[12]) }},
		{msgs.PerturbNaN, "parts", nil, func() bool { return math.IsNaN(parts.Load().Poses[0].Position.X) }},
		{msgs.PerturbLength, "parts", nil, func() bool { return len(parts.Load().Poses) == n-1 }},
		{msgs.PerturbLength, "gripper", nil, func() bool { return len(b.joint.Load().Position) == 1 }},
		{msgs.PerturbReorder, "", nil, func() bool { return parts.Load().Poses[n-1] == clean.Poses[0] }},
		{msgs.PerturbStamp, "parts", []float64{-30}, func() bool { return ages() > 29*time.Second }},
		{msgs.PerturbStamp, "arm", []float64{30}, func() bool { return age(b.arm.Load().Header.Stamp) < -29*time.Second }},
		{msgs.PerturbClock, "", []float64{3600}, func() bool {
			return ages() < -3599*time.Second && age(clock.Load().Clock) < -3599*time.Second
		}},
		{msgs.PerturbClock, "", []float64{-3600}, func() bool {
			return ages() > 3599*time.Second && age(clock.Load().Clock) > 3599*time.Second
		}},
		{msgs.PerturbDelay, "parts", []float64{0.3}, func() bool {
			return ages() > 300*time.Millisecond && ages() < 5*time.Second
		}},
		{msgs.PerturbStuck, "parts", []float64{0}, func() bool { return ages() > 200*time.Millisecond }},
		{msgs.PerturbLoss, "parts", []float64{1}, func() bool { return ages() > 200*time.Millisecond }},
		{msgs.PerturbMode, "", []float64{5}, func() bool { return b.arm.Load().RobotMode == msgs.RobotModeUserStopped }},
	} {
		mustPerturb(t, b, tc.kind, tc.target, tc.value...)
		within(t, tc.kind+" "+tc.target, tc.shows)
		mustPerturb(t, b, msgs.PerturbClear, "")
		within(t, "the end of "+tc.kind, func() bool {
			m, a, g := parts.Load(), b.arm.Load(), b.joint.Load()
			return m.Poses[0] == clean.Poses[0] && len(m.Poses) == n && !math.IsNaN(a.OTEE[12]) && a.OTEE[14] < 1.5 &&
				a.RobotMode == msgs.RobotModeMove &&
				len(g.Position) == 2 && math.Abs(g.Position[0]) < 0.1 && ages() >= 0 && ages() < 100*time.Millisecond &&
				age(a.Header.Stamp) >= 0 && age(clock.Load().Clock) < time.Second
		})
	}
	mustPerturb(t, b, msgs.PerturbLoss, "parts", 0.5)
	before, began := count.Load(), time.Now()
	time.Sleep(500 * time.Millisecond)
	if f := float64(count.Load()-before) / (100 * time.Since(began).Seconds()); f < 0.2 || f > 0.8 {
		t.Errorf("half of the messages lost leaves %.2f of them", f)
	}
}

// TestFrozenWithFreshStamps: a stuck publisher whose stamps go on repeats the old content.
func TestFrozenWithFreshStamps(t *testing.T) {
	b := serve(t, "", simnode.Config{Env: toyarm.New(math.MaxInt)})
	mustPerturb(t, b, msgs.PerturbStuck, "arm", 1)
	x := b.arm.Load().OTEE[12]
	p := b.arm.Load().OTEE
	b.pose.Write(&msgs.PoseStamped{Pose: msgs.Pose{
		Position:    msgs.Point{X: p[12] + 0.1, Y: p[13], Z: p[14]},
		Orientation: msgs.Quaternion{X: 1},
	}})
	time.Sleep(400 * time.Millisecond)
	m := b.arm.Load()
	if m.OTEE[12] != x || time.Since(m.Header.Stamp) > 300*time.Millisecond {
		t.Errorf("x %g, want %g, at an age of %v", m.OTEE[12], x, time.Since(m.Header.Stamp))
	}
	if res := perturb(t, b, msgs.PerturbReq{
		Kind: msgs.PerturbNoise, Target: "gripper", Value: []float64{1},
		Duration: 0.2,
	}); !res.Success {
		t.Fatal(res.Message)
	}
	within(t, "noise for a while", func() bool { return math.Abs(b.joint.Load().Position[0]) > 0.2 })
	within(t, "its end", func() bool { return math.Abs(b.joint.Load().Position[0]) < 0.05 })
	mustPerturb(t, b, msgs.PerturbClear, "arm")
	within(t, "the truth", func() bool { return b.arm.Load().OTEE[12] > x+0.02 })
}

// TestReflex: a stopped arm stays where it is, whatever it is told, until it is recovered; a pressed user stop cannot
// be.
func TestReflex(t *testing.T) {
	b := serve(t, "", simnode.Config{Env: toyarm.New(math.MaxInt)})
	recovery, err := action.NewClient[msgs.ErrorRecoveryActionGoal, msgs.ErrorRecoveryActionResult](b.node,
		msgs.RecoveryAction)
	if err != nil {
		t.Fatal(err)
	}
	recover := func() uint8 {
		t.Helper()
		if err := recovery.Do(context.Background(), func(*msgs.ErrorRecoveryActionGoal) {}); err != nil {
			t.Fatal(err)
		}
		within(t, "an answer", func() bool { return recovery.Result() != nil })
		return recovery.Result().Status.Status
	}
	mustPerturb(t, b, msgs.PerturbMode, "", 4)
	within(t, "the reflex", func() bool { m := b.arm.Load(); return m.RobotMode == 4 && m.CurrentErrors.CartesianReflex })
	p := b.arm.Load().OTEE
	target := &msgs.PoseStamped{Pose: msgs.Pose{
		Position:    msgs.Point{X: p[12] + 0.1, Y: p[13], Z: p[14]},
		Orientation: msgs.Quaternion{X: 1},
	}}
	b.pose.Write(target)
	time.Sleep(300 * time.Millisecond)
	if d := math.Abs(b.arm.Load().OTEE[12] - p[12]); d > 5e-3 {
		t.Errorf("the stopped arm moved by %g m", d)
	}
	if s := recover(); s != msgs.GoalSucceeded {
		t.Errorf("recovery ended with %d", s)
	}
	within(t, "the mode MOVE", func() bool {
		m := b.arm.Load()
		return m.RobotMode == 2 && !m.CurrentErrors.CartesianReflex
	})
	again := *target
	within(t, "motion again", func() bool { m := again; b.pose.Write(&m); return b.arm.Load().OTEE[12] > p[12]+0.02 })
	mustPerturb(t, b, msgs.PerturbMode, "", 5)
	if s := recover(); s != msgs.GoalAborted {
		t.Errorf("recovery with the user stop pressed ended with %d", s)
	}
}

// TestBadInjections: what makes no sense is refused with what would, and changes nothing.
func TestBadInjections(t *testing.T) {
	b := serve(t, "", simnode.Config{Env: toyarm.New(math.MaxInt), LockStep: true, Resend: 20 * time.Millisecond})
	for _, tc := range []struct {
		q    msgs.PerturbReq
		says string
	}{
		{msgs.PerturbReq{Kind: "quake"}, "clear, clock, delay"},
		{msgs.PerturbReq{Kind: "noise", Target: "sofa", Value: []float64{1}}, "gripper"},
		{msgs.PerturbReq{Kind: "noise", Target: "arm"}, "1 to 2 values"},
		{msgs.PerturbReq{Kind: "noise", Target: "arm", Value: []float64{-1}}, "take 0"},
		{msgs.PerturbReq{Kind: "noise", Target: "arm", Value: []float64{math.NaN()}}, "finite"},
		{msgs.PerturbReq{Kind: "loss", Target: "arm", Value: []float64{1.5}}, "take 0 to 1"},
		{msgs.PerturbReq{Kind: "loss", Target: "arm", Value: []float64{1}}, "real time"},
		{msgs.PerturbReq{Kind: "delay", Target: "arm", Value: []float64{1}}, "real time"},
		{msgs.PerturbReq{Kind: "noise", Target: "arm", Value: []float64{1}, Duration: -1}, "duration"},
		{msgs.PerturbReq{Kind: "force", Target: "top", Value: []float64{1, 0, 0}}, "cannot be pushed"},
	} {
		tc.says = strings.Replace(tc.says, "cannot be pushed", "no parts that can be pushed", 1)
		if res := perturb(t, b, tc.q); res.Success || !strings.Contains(res.Message, tc.says) {
			t.Errorf("%+v: %+v, want %q in it", tc.q, res, tc.says)
		}
	}
	if a := b.arm.Load(); math.IsNaN(a.OTEE[12]) || a.RobotMode != msgs.RobotModeMove {
		t.Errorf("%+v", a)
	}
}
