package loop

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"korr/basepolicy"
	"korr/internal/nn"
	"korr/koopman"
	"korr/residual"
	"korr/residual/shield"
)

// unit is a normaliser of raw values in [lo, hi].
func unit(dim int, lo, hi float32) *basepolicy.Normalizer {
	n := &basepolicy.Normalizer{Min: make([]float32, dim), Max: make([]float32, dim)}
	for i := range dim {
		n.Min[i], n.Max[i] = lo, hi
	}
	return n
}

// korrPolicy is a KORR policy of random networks in the product's shapes: 58 observations, latent 128.
func korrPolicy(tb testing.TB) *residual.Policy {
	tb.Helper()
	rng := rand.New(rand.NewPCG(11, 12))
	base := basepolicy.NewMLP(basepolicy.MLPConfig{ObsDim: 58, ActDim: 10, Horizon: 32, Hidden: []int{384, 384, 384}},
		unit(58, -1, 1), unit(10, -1, 1), rng)
	lift, err := koopman.New(koopman.Config{
		ObsDim: 58, ActDim: 10, LatentDim: 128, Hidden: []int{256, 256},
		StateInclusive: true,
	}, rng)
	if err != nil {
		tb.Fatal(err)
	}
	return &residual.Policy{
		Method: residual.MethodKORR, Task: "one_leg", Base: base, Koopman: lift, Alpha: 0.1, Execute: 8,
		Actor: nn.NewMLP(nn.MLPConfig{In: 128, Hidden: []int{128, 128}, Out: 10, OutputBias: true, LastStd: 0.3}, rng),
	}
}

// TestPolicyInTheLoop: a whole KORR policy through 300 lock-step ticks is reproducible, stays inside the
// limits, plans a chunk every 8 ticks and reports innovations.
func TestPolicyInTheLoop(t *testing.T) {
	p := korrPolicy(t)
	limits := shield.Default()
	run := func() ([][]float32, int) {
		robot := &simRobot{limit: 301}
		innovated := 0
		c := must(p.NewController(nil))
		c.Reset(1)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		robot.obs, robot.seq, robot.done = pose(), 1, cancel
		err := Run(ctx, robot, c, Config{LockStep: true, OnTick: func(r *Record) {
			if r.Innovation > 0 {
				innovated++
			}
			if moved := r.Clamps != 0; !moved && !slices.Equal(r.Action[:3], r.Command[:3]) {
				t.Fatalf("tick %d: command changed without a flag", r.Tick)
			}
		}})
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		return robot.writes, innovated
	}
	first, innovated := run()
	second, _ := run()
	if len(first) != 300 || innovated != 299 {
		t.Fatalf("%d commands, %d innovations", len(first), innovated)
	}
	for i, cmd := range first {
		if !slices.Equal(cmd, second[i]) {
			t.Fatalf("tick %d differs between two runs", i)
		}
		for a := range 3 {
			if v := float64(cmd[a]); v < limits.Min[a] || v > limits.Max[a] {
				t.Fatalf("tick %d: axis %d at %g m", i, a, v)
			}
		}
	}
}

// TestBrokenPolicyInTheLoop: a NaN weight in the residual degrades to the base and is counted; one in the
// base stops the robot.
func TestBrokenPolicyInTheLoop(t *testing.T) {
	broken := korrPolicy(t)
	broken.Actor.Params()[0].Data[0] = nan()
	g := newRig(t, nil)
	g.stepper = nil
	g.Loop.stepper = must(broken.NewController(nil))
	g.stopAfter(10, nil)
	if err := g.Run(g.ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	alone := korrPolicy(t)
	alone.Actor, alone.Method = nil, residual.MethodBase
	h := newRig(t, nil)
	h.Loop.stepper = must(alone.NewController(nil))
	h.stopAfter(10, nil)
	_ = h.Run(h.ctx)
	if s := g.Status(); s.Fallbacks != 10 || s.Sent != 10 {
		t.Errorf("status %+v", s)
	}
	for i := range g.robot.writes {
		if !slices.Equal(g.robot.writes[i], h.robot.writes[i]) {
			t.Fatalf("tick %d: the fallback is not the base action", i)
		}
	}

	broken = korrPolicy(t)
	params := broken.Base.(*basepolicy.MLP).Net.Params()
	params[len(params)-1].Data[0] = nan()
	g = newRig(t, nil)
	g.Loop.stepper = must(broken.NewController(nil))
	if err := g.Run(g.ctx); !as[*PolicyError](err) || !errors.Is(err, basepolicy.ErrNotFinite) ||
		len(g.robot.writes) != 0 {
		t.Errorf("err = %v after %d commands", err, len(g.robot.writes))
	}
}

// TestExecutedIsTheMotion: the policy is told its own action when the shield let it pass, else the command.
func TestExecutedIsTheMotion(t *testing.T) {
	for _, z := range []float32{0.21, -3} {
		g := newRig(t, nil)
		g.stopAfter(1, nil)
		g.stepper.step = func(_ int, act []float32) error { act[2] = z; act[3] = 1.01; return nil }
		_ = g.Run(g.ctx)
		want := g.action
		if z < 0 {
			want = g.robot.writes[0]
		}
		if !slices.Equal(g.stepper.told, want) || slices.Equal(g.action, g.robot.writes[0]) {
			t.Errorf("told %v, want %v", g.stepper.told, want)
		}
	}
}

// BenchmarkPolicyTick is the loop's whole tick with a KORR policy, robot excluded; p50, p99 and max are of
// wake-up to Write, chunk planning included.
func BenchmarkPolicyTick(b *testing.B) {
	r := &quietRobot{clock: NewWallClock(), obs: pose()}
	l, err := New(r, must(korrPolicy(b).NewController(nil)), Config{Period: time.Hour, LockStep: false})
	if err != nil {
		b.Fatal(err)
	}
	l.Enable(true)
	l.begin()
	b.ReportAllocs()
	for b.Loop() {
		if fault := l.tick(b.Context()); fault != nil {
			b.Fatal(fault)
		}
	}
	s := l.Status().Latency
	b.ReportMetric(float64(s.P50.Nanoseconds())/1e3, "p50-us")
	b.ReportMetric(float64(s.P99.Nanoseconds())/1e3, "p99-us")
	b.ReportMetric(float64(s.Max.Nanoseconds())/1e3, "max-us")
}

// BenchmarkJitter runs a KORR policy on the machine's clock at 100 Hz: go test -bench Jitter -benchtime 500x
func BenchmarkJitter(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	r := &quietRobot{clock: NewWallClock(), obs: pose()}
	l, err := New(r, must(korrPolicy(b).NewController(nil)), Config{
		Period: 10 * time.Millisecond, MaxMisses: 1 << 30,
		OnTick: func(*Record) {
			if r.writes >= b.N {
				cancel()
			}
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	l.Enable(true)
	l.cfg.OnState = func(c Change) {
		if c.To == StateHold { // else the run would never end
			b.Log(c.Cause)
			cancel()
		}
	}
	if err := l.Run(ctx); !errors.Is(err, context.Canceled) {
		b.Fatal(err)
	}
	s := l.Status()
	b.ReportMetric(float64(s.Jitter.P50.Nanoseconds())/1e3, "p50-us")
	b.ReportMetric(float64(s.Jitter.P99.Nanoseconds())/1e3, "p99-us")
	b.ReportMetric(float64(s.Jitter.Max.Nanoseconds())/1e3, "max-us")
	b.ReportMetric(float64(s.Misses), "misses")
}

// TestPolicyTickAllocatesNothing: loop, shield, recorder and a whole KORR controller.
func TestPolicyTickAllocatesNothing(t *testing.T) {
	g := newRig(t, nil)
	g.Loop.robot, g.Loop.stepper = &quietRobot{clock: g.clock, obs: pose()}, must(korrPolicy(t).NewController(nil))
	g.begin()
	tick := func() {
		if fault := g.tick(g.ctx); fault != nil {
			t.Fatal(fault)
		}
		g.schedule()
		g.clock.now = g.next
	}
	tick()
	if n := testing.AllocsPerRun(300, tick); n != 0 || g.State() != StateRun {
		t.Errorf("%v allocations per tick in %v", n, g.State())
	}
}

// must is the value of a call that does not fail.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
