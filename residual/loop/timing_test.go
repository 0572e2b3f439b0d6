package loop

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"korr/residual/shield"
)

// TestTickAllocatesNothing measures the loop's own tick, flight recorder and histograms included.
func TestTickAllocatesNothing(t *testing.T) {
	g := newRig(t, func(cfg *Config) { cfg.Records = 16 })
	g.robot.writes = make([][]float32, 0, 1)
	quiet := &quietRobot{clock: g.clock, obs: pose()}
	g.Loop.robot = quiet
	g.begin()
	tick := func() {
		if fault := g.tick(g.ctx); fault != nil {
			t.Fatal(fault)
		}
		g.schedule()
		g.clock.now = g.next
	}
	tick()
	if n := testing.AllocsPerRun(200, tick); n != 0 {
		t.Errorf("%v allocations per tick in RUN", n)
	}
	if g.State() != StateRun || quiet.writes < 200 {
		t.Fatalf("state %v after %d commands: the test measured nothing", g.State(), quiet.writes)
	}
	g.RequestHold("test")
	tick()
	if n := testing.AllocsPerRun(50, tick); n != 0 || g.State() != StateHold {
		t.Errorf("%v allocations per tick in %v", n, g.State())
	}
	g.Enable(false)
	tick()
	if n := testing.AllocsPerRun(50, tick); n != 0 || g.State() != StateReady {
		t.Errorf("%v allocations per tick in %v", n, g.State())
	}
}

// quietRobot is a robot that allocates nothing.
type quietRobot struct {
	onClock
	clock  Clock
	obs    []float32
	writes int
}

func (r *quietRobot) Read(s *Sample) error {
	s.Seq++
	s.Stamp = r.clock.Now()
	copy(s.Obs, r.obs)
	return nil
}

func (r *quietRobot) Write(_ []float32, p Permit) error { r.writes++; return p.Take() }

func (r *quietRobot) Hold(context.Context, *shield.Shield) error { return nil }

// TestWallClock: 60 ticks of 5 ms take at least their time and do not drift by more than the machine's
// own stalls; the numbers themselves are the benchmark's business.
func TestWallClock(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const ticks, every = 60, 5 * time.Millisecond
	r := &quietRobot{clock: NewWallClock(), obs: pose()}
	var first, last time.Time
	l, err := New(r, &fakeStepper{}, Config{Period: every, MaxMisses: 1000, OnTick: func(rec *Record) {
		if first.IsZero() {
			first = rec.Start
		}
		if last = rec.Start; r.writes == ticks {
			cancel()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	l.Enable(true)
	if err := l.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	s := l.Status()
	want := time.Duration(ticks-1+int(s.Misses)) * every
	if took := last.Sub(first); took < (ticks-1)*every-every || took > want+20*every {
		t.Errorf("%d ticks took %v, want about %v (misses %d)", ticks, took, want, s.Misses)
	}
	if s.Jitter.Count != ticks-1 || s.Jitter.P50 > s.Jitter.P99 || s.Jitter.P99 > s.Jitter.Max {
		t.Errorf("jitter %+v", s.Jitter)
	}
}

func TestWallClockIsInterruptible(t *testing.T) {
	c := NewWallClock()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if err := c.SleepUntil(ctx, time.Now().Add(time.Hour)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("err = %v", err)
	}
	if err := c.SleepUntil(ctx, time.Now().Add(-time.Hour)); err == nil {
		t.Error("an ended context was not noticed without sleeping")
	}
	before := time.Now()
	if err := c.SleepUntil(t.Context(), before.Add(10*time.Millisecond)); err != nil ||
		time.Since(before) < 10*time.Millisecond {
		t.Errorf("after an interrupt: %v after %v", err, time.Since(before))
	}
}

// TestInputsFromOtherGoroutines is for the race detector.
func TestInputsFromOtherGoroutines(t *testing.T) {
	r := &quietRobot{clock: NewWallClock(), obs: pose()}
	l, err := New(r, &fakeStepper{}, Config{
		Period: 200 * time.Microsecond, MaxAge: time.Second,
		FutureTolerance: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for _, f := range []func(){
		func() { l.Enable(true) }, func() { l.RequestHold("test") }, func() { _ = l.Status() }, func() { _ = l.Cause() },
	} {
		wg.Go(func() {
			for range 100 {
				f()
				time.Sleep(200 * time.Microsecond)
			}
		})
	}
	go func() {
		wg.Wait()
		l.EStop("end")
	}()
	if err := l.Run(ctx); !as[*EStopError](err) {
		t.Errorf("err = %v", err)
	}
}

func TestHistogram(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var h Histogram
	if h.Quantile(0.5) != 0 || h.Max() != 0 {
		t.Error("an empty histogram is not zero")
	}
	var all []time.Duration
	for range 20_000 {
		d := time.Duration(1) << rng.IntN(36)
		d += time.Duration(rng.Int64N(int64(d)))
		all = append(all, d)
		if rng.IntN(2) == 0 {
			d = -d
		}
		h.Add(d)
	}
	slices.Sort(all)
	for _, q := range []float64{0, 0.01, 0.5, 0.9, 0.99, 0.999, 1} {
		rank := max(int(q*float64(len(all))+0.999999)-1, 0)
		got, want := h.Quantile(q), all[rank]
		if got < want || float64(got) > float64(want)*(1+1.0/16)+1 {
			t.Errorf("quantile %g = %v, exactly %v", q, got, want)
		}
	}
	if h.Max() != all[len(all)-1] || h.Count() != 20_000 {
		t.Errorf("max %v count %d", h.Max(), h.Count())
	}
	h.Add(1 << 62)
	h.Add(-1 << 63)
	if h.Max() != 1<<63-1 || h.Quantile(1) != h.Max() {
		t.Errorf("extremes: max %v, quantile %v", h.Max(), h.Quantile(1))
	}
}

func TestStateNames(t *testing.T) {
	for want, s := range map[string]State{
		"INIT": StateInit, "READY": StateReady, "RUN": StateRun, "HOLD": StateHold,
		"FAULT": StateFault, "State(9)": 9,
	} {
		if got, _ := s.MarshalText(); string(got) != want {
			t.Errorf("%d is %s, want %s", s, got, want)
		}
	}
}

func BenchmarkTick(b *testing.B) {
	clock := newFakeClock()
	r := &quietRobot{clock: clock, obs: pose()}
	l, err := New(r, &fakeStepper{}, Config{Period: period, Clock: clock})
	if err != nil {
		b.Fatal(err)
	}
	l.Enable(true)
	l.begin()
	for b.Loop() {
		if fault := l.tick(b.Context()); fault != nil {
			b.Fatal(fault)
		}
		l.schedule()
		clock.now = l.next
	}
}
