package loop

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"korr/basepolicy"
	"korr/internal/geom"
	"korr/internal/seed"
	"korr/residual"
	"korr/residual/shield"
)

var long = flag.Bool("long", false, "one million fuzzed ticks instead of 20,000")

// values that a broken driver or network may produce.
var oddities = []float32{
	float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), math.MaxFloat32, -math.MaxFloat32,
	math.SmallestNonzeroFloat32, 1e30, -1e30, 1e-30, 0, float32(math.Copysign(0, -1)), 9.99, -10.01,
}

// hostile is a robot, a policy and an operator who do whatever they like, and the judge of what is sent.
type hostile struct {
	onClock
	*rand.Rand
	t      *testing.T
	clock  *fakeClock
	loop   *Loop
	limits shield.Limits
	mood   float64 // how often something odd happens
	quit   context.CancelFunc

	pos      geom.Vec3
	turn     geom.Quat
	seq      uint64
	last     Sample // as the loop got it
	previous []float32
	readAt   time.Time
	sent     bool // in this tick
	left     *int // ticks to go
	commands int
	stopped  bool // an emergency stop was asked for
	forbids  bool // a hold, a block or Enable(false) came in this tick's step
	lies     lies
	slow     slow
}

func (h *hostile) odd() bool { return h.Float64() < h.mood }

func (h *hostile) garbage() float32 {
	switch h.IntN(3) {
	case 0:
		return oddities[h.IntN(len(oddities))]
	case 1:
		return math.Float32frombits(h.Uint32())
	}
	return float32(h.NormFloat64() * math.Pow(10, 4*h.Float64()))
}

// Read implements Robot: a pose that walks, also out of the box; late, early, reordered, repeated and broken samples.
func (h *hostile) Read(s *Sample) error {
	*h.left--
	if *h.left <= 0 {
		h.quit()
	}
	h.sent, h.forbids, h.readAt = false, false, h.clock.now
	if h.odd() && h.IntN(40) == 0 {
		return errBroken
	}
	if h.odd() && h.IntN(2) == 0 { // nothing new
		h.last = Sample{Obs: append([]float32(nil), s.Obs...), Stamp: s.Stamp, Seq: s.Seq}
		return nil
	}
	for k := range 3 {
		h.pos[k] += 0.03 * h.NormFloat64()
		h.pos[k] += 0.02 * ((h.limits.Min[k]+h.limits.Max[k])/2 - h.pos[k])
	}
	h.turn = geom.RotVec(geom.Vec3{
		0.1 * h.NormFloat64(), 0.1 * h.NormFloat64(),
		0.1 * h.NormFloat64(),
	}).Mul(h.turn).Normalize()
	told, err := h.lies.tell(h, h.pos)
	if err != nil { // refused at ingest, as ros/robot does: the loop hears of it and nothing else
		return err
	}
	h.seq++
	s.Seq, s.Stamp = h.seq, h.clock.now.Add(-time.Duration(h.Float64()*float64(period)))
	geom.VecTo(s.Obs, told)
	for range h.IntN(MaxSources + 1) {
		back := time.Duration(h.Float64() * float64(period))
		src := Source{"source", h.clock.now.Add(-back), h.clock.now.Add(-back / 2)}
		if h.odd() {
			src.Stamp = src.Stamp.Add(time.Duration(h.NormFloat64() * float64(4*period)))
		}
		if h.odd() {
			src.Came = src.Came.Add(-time.Duration(h.ExpFloat64() * float64(2*period)))
		}
		s.Sources = append(s.Sources, src)
	}
	geom.Rot6DTo(s.Obs[3:9], h.turn)
	for i := 9; i < len(s.Obs); i++ {
		s.Obs[i] = float32(h.NormFloat64())
	}
	if h.odd() {
		h.spoil(s)
	}
	h.last = Sample{Obs: append([]float32(nil), s.Obs...), Stamp: s.Stamp, Seq: s.Seq, Sources: append([]Source(nil),
		s.Sources...)}
	return nil
}

func (h *hostile) spoil(s *Sample) {
	switch h.IntN(8) {
	case 0:
		s.Obs[h.IntN(len(s.Obs))] = h.garbage()
	case 1:
		for i := range s.Obs {
			s.Obs[i] = h.garbage()
		}
	case 2:
		s.Stamp = s.Stamp.Add(time.Duration(h.NormFloat64() * float64(5*period)))
	case 3:
		s.Stamp = time.Unix(h.Int64N(1<<40)-1<<39, 0)
	case 4:
		s.Stamp = time.Time{}
	case 5:
		s.Seq = h.Uint64() >> h.IntN(64) // may be 0, or an old one
	case 6:
		if h.IntN(20) == 0 {
			s.Obs = s.Obs[:h.IntN(len(s.Obs))]
		}
	case 7: // a leap
		s.Obs[h.IntN(3)] += float32(h.NormFloat64())
	}
}

// StepTo implements Stepper.
func (h *hostile) StepTo(act, obs []float32) (residual.Info, error) {
	if h.IntN(2) == 0 {
		h.goOut()
	}
	copy(act, obs[:9])
	for i := range act {
		act[i] += float32(0.05 * h.NormFloat64())
	}
	if !h.odd() {
		return residual.Info{}, nil
	}
	switch h.IntN(11) {
	case 9: // a pause of seconds
		h.clock.now = h.clock.now.Add(time.Duration(h.Float64() * float64(3*time.Second)))
	case 10: // somebody forbids to move, and perhaps takes it back
		h.forbid()
	case 0:
		act[h.IntN(len(act))] = h.garbage()
	case 1:
		for i := range act {
			act[i] = h.garbage()
		}
	case 2:
		clear(act[3:9])
	case 3:
		copy(act[6:9], act[3:6])
	case 4:
		for i := range act {
			act[i] *= 1e20
		}
	case 5:
		return residual.Info{}, basepolicy.ErrLate
	case 6:
		if h.IntN(10) == 0 {
			return residual.Info{}, errBroken
		}
	case 7:
		if h.IntN(10) == 0 {
			panic("policy")
		}
	case 8: // too slow
		h.clock.now = h.clock.now.Add(time.Duration(h.Float64() * float64(6*period)))
	}
	return residual.Info{FellBack: h.odd(), Innovation: h.garbage()}, nil
}

// forbid is the operator, or a watchdog, while the step is computed.
func (h *hostile) forbid() {
	h.forbids = true
	switch h.IntN(4) {
	case 0:
		h.loop.RequestHold("fuzz")
	case 1:
		h.loop.Block("fuzz")
		if h.IntN(2) == 0 {
			h.loop.Block("")
		}
	case 2:
		h.loop.Enable(false)
	case 3:
		h.stopped = true
		h.loop.EStop("fuzz")
	}
	if h.IntN(3) == 0 {
		h.loop.Enable(true)
	}
}

func (h *hostile) ReadTimes(residual.When) {}

func (h *hostile) Executed([]float32) {}
func (h *hostile) Replan()            { h.previous = nil }

// Prepare implements Stepper.
func (h *hostile) Prepare([]float32) (bool, error) {
	switch {
	case h.odd() && h.IntN(40) == 0:
		return false, errBroken
	case h.odd():
		return false, nil
	}
	return true, nil
}

// Write implements Robot and judges the command, without the shield's code.
func (h *hostile) Write(cmd []float32, permit Permit) error {
	h.commands++
	if err := permit.Err(); err != nil {
		h.t.Fatalf("command %d: %v", h.commands, err)
	}
	if err := h.judge(cmd); err != nil {
		h.t.Fatalf("command %d: %v\nmeasured %v\nprevious %v\ncommand  %v\nlimits   %+v", h.commands, err, h.last.Obs[:9],
			h.previous, cmd, h.limits)
	}
	h.sent = true
	h.hand(cmd, permit)
	if h.odd() && h.IntN(100) == 0 {
		return errBroken
	}
	return nil
}

// Hold implements Robot.
func (h *hostile) Hold(context.Context, *shield.Shield) error {
	if h.odd() && h.IntN(100) == 0 {
		return errBroken
	}
	return nil
}

// meddle is the operator, after each sleep.
func (h *hostile) meddle() {
	if !h.odd() || h.IntN(10) > 0 {
		return
	}
	switch h.IntN(10) {
	case 8:
		h.loop.Block("fuzz")
	case 9:
		h.loop.Block("")
	case 0:
		h.stopped = true
		h.loop.EStop("fuzz")
	case 1, 2:
		h.loop.RequestHold("fuzz")
	case 3:
		h.loop.Enable(false)
	default:
		h.loop.Enable(true)
	}
}

// fuzzClock lets the operator act while the loop sleeps, and sometimes wakes it late.
type fuzzClock struct {
	*fakeClock
	h *hostile
}

func (c *fuzzClock) SleepUntil(ctx context.Context, t time.Time) error {
	if c.h.odd() && c.h.IntN(4) == 0 {
		t = t.Add(time.Duration(c.h.ExpFloat64() * float64(period)))
	}
	err := c.fakeClock.SleepUntil(ctx, t)
	if c.h.IntN(2) == 0 {
		c.h.goOut()
	}
	c.h.meddle()
	return err
}

// TestFuzzedTicks: whatever comes in, every command that goes out is finite, inside the limits and sent in RUN.
// One million ticks: go test ./residual/loop -run FuzzedTicks -long -v
func TestFuzzedTicks(t *testing.T) {
	left := 20_000
	if *long {
		left = 1_000_000
	}
	total, commands, faults, runs := left, 0, map[string]int{}, 0
	for ; left > 0; runs++ {
		h := &hostile{
			Rand: seed.Stream(1, "fuzzed ticks", uint64(runs)), t: t, clock: newFakeClock(), left: &left,
			limits: shield.Default(),
			turn:   geom.Rot6DAt(pose()[3:9]).Quat(), pos: geom.Vec3{0.5, 0, 0.2},
		}
		h.mood = math.Pow(10, -0.3-2.5*h.Float64())
		if runs%2 == 1 {
			h.limits.MaxStep, h.limits.MaxSpeed = 0.01+0.2*h.Float64(), 0.05+h.Float64()
			h.limits.MaxTurn, h.limits.MaxTurnRate = 0.05+3*h.Float64(), 0.2+30*h.Float64()
			h.limits.MaxAccel, h.limits.MaxTurnAccel = 0.1+20*h.Float64(), 1+100*h.Float64()
		}
		cfg := Config{Period: period, Resume: runs%3 == 0, Shield: &h.limits, Clock: &fuzzClock{h.clock, h}, Records: 16}
		if runs%5 == 0 {
			cfg.Tracking = Tracking{MaxError: 0.05, MinProgress: 0.001, Ticks: 5, MaxSpeed: 2}
		}
		l, err := New(h, h, cfg)
		if err != nil {
			t.Fatal(err)
		}
		h.loop = l
		h.live(min(left, 1000), faults)
		commands += h.commands
	}
	t.Logf("%d ticks in %d runs, %d commands, faults %v", total, runs, commands, faults)
	if commands < total/4 || len(faults) < 9 {
		t.Errorf("%d commands and faults of %d kinds in %d ticks: this does not try enough", commands, len(faults), total)
	}
}

// live runs the loop for some ticks, resetting every fault.
func (h *hostile) live(ticks int, faults map[string]int) {
	end := *h.left - ticks
	for *h.left > end {
		budget := *h.left - end
		rest := budget
		outer := h.left
		h.left = &rest
		ctx, cancel := context.WithCancel(h.t.Context())
		h.quit = cancel
		h.stopped = false
		h.loop.Block("")
		h.loop.Enable(true)
		err := h.loop.Run(ctx)
		cancel()
		h.left = outer
		*h.left -= max(budget-rest, 1)
		if !errors.Is(err, context.Canceled) {
			faults[fmt.Sprintf("%T", err)]++
			h.lies = lies{}
			h.pos, h.turn, h.previous = geom.Vec3{0.5, 0, 0.2}, geom.Rot6DAt(pose()[3:9]).Quat(), nil
			h.loop.sample.Obs = h.loop.sample.Obs[:h.loop.cfg.ObsDim] // as a robot that copies into it
			if err := h.loop.Reset(h.loop.Stops()); err != nil {
				h.t.Fatal(err)
			}
		}
	}
}
