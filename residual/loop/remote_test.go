package loop

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"korr/basepolicy"
	"korr/basepolicy/remote"
	"korr/basepolicy/remote/fake"
	"korr/residual/shield"
)

// incident is what happens to a policy server.
type incident func(s *fake.Server, rng *rand.Rand)

var incidents = map[string]incident{
	"killed": func(s *fake.Server, _ *rand.Rand) { s.Kill() },
	"frozen": func(s *fake.Server, _ *rand.Rand) { s.Freeze() },
	"garbage": func(s *fake.Server, rng *rand.Rand) {
		frame := make([]byte, rng.IntN(200))
		for i := range frame {
			frame[i] = byte(rng.Uint32())
		}
		s.Spoil(frame)
	},
	"not finite": func(s *fake.Server, rng *rand.Rand) { s.Spoil(oneValue(float32(math.NaN()), rng)) },
	"far away":   func(s *fake.Server, rng *rand.Rand) { s.Spoil(oneValue(1e20, rng)) },
}

// oneValue is an answer with one bad number.
func oneValue(v float32, rng *rand.Rand) []byte {
	actions := make([]float32, 32*10)
	actions[rng.IntN(len(actions))] = v
	return fake.Answer(actions, 32, 10)
}

// serveStill serves chunks that stay where the arm is.
func serveStill() *fake.Server {
	s := &fake.Server{Rows: 32, Width: 10}
	s.Infer = func(_ int, state, _, _ []float64) []float32 {
		var out []float32
		for r := range 32 {
			for j := range 9 {
				out = append(out, float32(state[j]))
			}
			out[r*10+1] += 0.002 * float32(r)
			out = append(out, 1)
		}
		return out
	}
	s.Start()
	return s
}

// TestServerFailsAtRandom: a policy server dies, freezes or talks nonsense at random moments of a run. No command is
// outside the limits, and the arm holds within three periods of the end of what was planned before.
func TestServerFailsAtRandom(t *testing.T) {
	times := 20 // of each of five: a hundred
	if testing.Short() {
		times = 2
	}
	for name, happen := range incidents {
		for i := range times {
			rng := rand.New(rand.NewPCG(uint64(i), 7))
			failServer(t, name, happen, 12+rng.IntN(30), rng)
		}
	}
}

func failServer(t *testing.T, name string, happen incident, after int, rng *rand.Rand) {
	t.Helper()
	s := serveStill()
	defer s.Kill()
	p := korrPolicy(t)
	about := p.Base.About()
	base, _, err := remote.Open(s.Address(), remote.Options{Task: "one_leg", Obs: about.Obs, Act: about.Act})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = base.Close() }()
	p.Base = base
	c, ahead, err := p.NewAheadController(nil, basepolicy.AheadConfig{Lead: 2, Bridge: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer ahead.Close()
	defer s.Thaw() // so that the plan under way ends
	g := newRig(t, nil)
	g.stepper, g.Loop.stepper = nil, c
	failed, lastOwn := 0, 0 // commands when it happened; commands that no bridge gave
	g.robot.read = func(_ int, sample *Sample) error {
		time.Sleep(breath)
		g.robot.fresh(sample)
		n := len(g.robot.writes)
		if n >= after && failed == 0 {
			happen(s, rng)
			failed = n
		}
		if ahead.Stats().Bridged == 0 {
			lastOwn = n
		}
		if g.robot.holdsRun > 0 {
			g.cancel()
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(g.ctx, time.Minute)
	defer cancel()
	err = g.Run(ctx)
	switch {
	case g.robot.holdsRun == 0 || failed == 0 && len(g.robot.writes) >= after:
		t.Fatalf("%s after %d commands: the arm never held (%v)", name, after, err)
	case failed == 0:
		return // a busy machine: a chunk was late before anything happened, and the arm held
	}
	// What was planned before is at most the rest of a chunk, the next one and two bridged actions.
	if n := len(g.robot.writes); n > failed+8+8+maxBridged {
		t.Errorf("%s after %d commands: %d more followed", name, failed, n-failed)
	}
	end := g.robot.writeAt[max(0, min(lastOwn, len(g.robot.writes))-1)]
	if d := g.robot.holdAt[0] - end; d > 3*period {
		t.Errorf("%s after %d commands: the arm held %v after the last planned command", name, failed, d)
	}
	for i, w := range g.robot.writes {
		inside(t, name, w, g.robot.writes[:i])
	}
	late := errors.Is(err, context.Canceled) // it held, and the test ended it
	if !late && !errors.Is(err, remote.ErrAnswer) {
		t.Errorf("%s: %v", name, err)
	}
}

// maxBridged is how much of an old chunk may act while a server is late.
const maxBridged = 2

// inside checks a command against the limits and the one before.
func inside(t *testing.T, name string, w []float32, before [][]float32) {
	t.Helper()
	if err := shield.CheckFinite("command", w); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	limits := shield.Default()
	var moved float64
	for j := range 3 {
		if v := float64(w[j]); v < limits.Min[j]-1e-6 || v > limits.Max[j]+1e-6 {
			t.Errorf("%s: a command leaves the workspace: %v", name, w[:3])
		}
		if len(before) > 0 {
			d := float64(w[j] - before[len(before)-1][j])
			moved += d * d
		}
	}
	if math.Sqrt(moved) > limits.MaxSpeed*period.Seconds()+1e-6 {
		t.Errorf("%s: the command moves %g m in a period", name, math.Sqrt(moved))
	}
}
