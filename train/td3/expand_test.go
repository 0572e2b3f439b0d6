package td3

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"korr/basepolicy"
	"korr/internal/seed"
	"korr/koopman"
	"korr/residual"
	"korr/train/replay"
)

// linearToy is a system o' = A o + B u that its Koopman model knows exactly, and what is observed in it: x holds o,
// u_b, the lead, the phase and the look-ahead along a plan.
type linearToy struct {
	enc   *residual.Encoder
	model *koopman.Model
	look  *koopman.Lookahead
	shift *residual.Shift
	dims  dims
	pred  *koopman.Predictor
}

const toyObs, toyAct, toyLatent = 6, 3, 9

// newLinearToy returns the system, bilinear ones with a gripper that is commanded beyond its range throughout.
func newLinearToy(t *testing.T, bilinear bool) *linearToy {
	t.Helper()
	rng := seed.Stream(4, "toy", 0)
	s := &linearToy{enc: residual.NewEncoder(symmetric(toyObs, 0.05), symmetric(toyAct, 0.04), nil)}
	var err error
	s.model, err = koopman.New(koopman.Config{
		ObsDim: toyObs, ActDim: toyAct, LatentDim: toyLatent, Hidden: []int{5},
		StateInclusive: true, SpectralBound: -1, Bilinear: bilinear,
	}, rng)
	if err != nil {
		t.Fatal(err)
	}
	for i := range toyLatent {
		for j := range toyLatent {
			v := 0.15 * float32(rng.NormFloat64())
			if i == j {
				v += 0.8
			}
			if i < toyObs && j >= toyObs { // the state goes its own way, whatever phi is
				v = 0
			}
			if bilinear && i != j { // stable with either sign of N
				v *= 0.5
				s.model.N.Data[i*toyLatent+j] = 0.5 * v
			}
			s.model.A.Data[i*toyLatent+j] = v
		}
	}
	for i := range s.model.B.Data {
		s.model.B.Data[i] = 0.12 * float32(rng.NormFloat64())
		if bilinear && i%toyAct == toyAct-1 { // of a large command: what is observed stays within its bounds
			s.model.B.Data[i] *= 0.05
		}
	}
	f := residual.Foresight{Condition: residual.Lookahead, Steps: []int{1, 3}}
	if s.look, err = s.model.Lookahead(f.Steps, 0, toyObs); err != nil {
		t.Fatal(err)
	}
	if s.shift, err = residual.NewShift(s.enc, s.model, f); err != nil {
		t.Fatal(err)
	}
	in := s.enc.ActorInputDim()
	s.dims = dims{obs: toyObs, x: in + s.look.Dim(), in: in + s.look.Dim(), act: toyAct}
	s.pred = s.model.Predictor()
	return s
}

// step is the true system.
func (s *linearToy) step(o, u []float32) []float32 {
	z, next := make([]float32, toyLatent), make([]float32, toyLatent)
	copy(z, o)
	s.pred.PredictTo(next, z, u)
	return next[:toyObs:toyObs]
}

// input is what networks read at o, of a base that goes on with plan.
func (s *linearToy) input(o, plan []float32) []float32 {
	x, raw, z := make([]float32, s.dims.x), make([]float32, toyObs), make([]float32, toyLatent)
	for i, v := range o {
		raw[i] = 0.05 * v
	}
	s.enc.ActorInputTo(x, o, plan, raw, 0.5)
	s.pred.LiftTo(z, o)
	s.look.PredictTo(x[s.enc.ActorInputDim():], z, plan, nil)
	return x
}

// symmetric normalises n values between -w and w.
func symmetric(n int, w float32) *basepolicy.Normalizer {
	norm := &basepolicy.Normalizer{Min: make([]float32, n), Max: make([]float32, n)}
	for i := range n {
		norm.Min[i], norm.Max[i] = -w, w
	}
	return norm
}

func normals(rng *rand.Rand, n int, scale float64) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(scale * rng.NormFloat64())
	}
	return v
}

// TestExpansionEqualsSimulation: where the model is exact, the corrected state to bootstrap from is where the present
// policy comes to after the window's first action, in all that the networks read of it.
func TestExpansionEqualsSimulation(t *testing.T) {
	t.Run("linear", func(t *testing.T) { expansionEqualsSimulation(t, false, 0) })
	t.Run("bilinear, shut", func(t *testing.T) { expansionEqualsSimulation(t, true, 2) })
	t.Run("bilinear, open", func(t *testing.T) { expansionEqualsSimulation(t, true, -2) })
}

// expansionEqualsSimulation adds gripper to the plan's last coordinate, which is clamped to [-1, 1] in a bilinear
// model.
func expansionEqualsSimulation(t *testing.T, bilinear bool, gripper float32) {
	const steps, nStep = 60, 4
	s, rng := newLinearToy(t, bilinear), seed.Stream(5, "toy", 0)
	cfg := plain()
	cfg.Method, cfg.Condition, cfg.Foresight, cfg.ActorHidden, cfg.Batch, cfg.NStep = residual.MethodKORR,
		residual.Lookahead, []int{1, 3}, []int{8}, steps, nStep
	a := newActor(&cfg, s.dims, nil, cfg.Batch)
	for _, p := range a.head.Params() {
		copy(p.Data, normals(rng, len(p.Data), 0.4))
	}
	act := func(x []float32) []float32 {
		u, r := make([]float32, toyAct), a.forward(x, 1)
		for j := range u {
			u[j] = x[toyObs+j] + float32(cfg.Alpha)*r[j]
		}
		return u
	}
	buffer := replay.New(200, s.dims.x, toyAct)
	ns := replay.NewNStep(buffer, nStep, 0.9)
	var os, plans [][]float32
	o, frames := normals(rng, toyObs, 0.2), []int{}
	for k := range steps {
		plan := normals(rng, 3*toyAct, 0.2)
		for j := toyAct - 1; j < len(plan); j += toyAct {
			plan[j] += gripper
		}
		os, plans = append(os, o), append(plans, plan)
		frames = append(frames, buffer.AddFrame(s.input(o, plan)))
		u := slices.Clone(plan[:toyAct])
		for j := range u {
			u[j] += 0.1 * float32(2*rng.Float64()-1)
		}
		buffer.SetAction(frames[k], u)
		if k > 0 {
			ns.Push(frames[k-1], 0, frames[k], []replay.End{replay.Running, replay.Truncated}[k/(steps-1)])
		}
		o = s.step(o, u)
	}
	e := newExpansion(&cfg, s.dims, s.model, s.shift)
	idx, boot := frames[:steps-1], make([]float32, (steps-1)*s.dims.x)
	for k, i := range idx {
		copy(boot[k*s.dims.x:], buffer.X(buffer.Boot(i)))
	}
	if err := e.apply(a, buffer, idx, boot); err != nil {
		t.Fatal(err)
	}
	moved := 0.0
	for k := range idx {
		last := min(k+nStep, steps-1) // the episode was cut: the last windows are shorter
		o := os[k+1]
		for j := k + 1; j < last; j++ {
			o = s.step(o, act(s.input(o, plans[j])))
		}
		want, stored := s.input(o, plans[last]), buffer.X(frames[last])
		for i, v := range boot[k*s.dims.x : (k+1)*s.dims.x] {
			if math.Abs(float64(v-want[i])) > 1e-4 {
				t.Fatalf("window %d, value %d: %v, want %v (stored %v)", k, i, v, want[i], stored[i])
			}
			if i < toyObs {
				moved = max(moved, math.Abs(float64(v-stored[i])))
			}
		}
	}
	if moved < 0.01 || moved > expandLimit {
		t.Errorf("the windows' ends moved by up to %v: too little to test anything, or clipped", moved)
	}
}

// expandingTrainer has collected and learned a little with value expansion.
func expandingTrainer(t *testing.T) *trainer {
	t.Helper()
	cfg := shortConfig(residual.MethodKORR)
	variants["expand"](&cfg)
	in := shortInputs(t, residual.MethodKORR)
	tr := newTestTrainer(t, &cfg, &in)
	if err := tr.begin(); err != nil {
		t.Fatal(err)
	}
	for tr.step < 1500 {
		if err := tr.iterate(); err != nil {
			t.Fatal(err)
		}
	}
	return tr
}

// TestExpansionLeavesAlone demonstrations and terminal windows; the rest moves, and no farther
// than the limit. What the model sends to infinity stops the run.
func TestExpansionLeavesAlone(t *testing.T) {
	tr := expandingTrainer(t)
	l := tr.learner
	row := func(i int) []float32 { return l.boot[i*l.dims.x : (i+1)*l.dims.x] }
	l.sample()
	if err := l.expand.apply(l.actor, l.online, l.idx[l.fromDemos:], l.boot[l.fromDemos*l.dims.x:]); err != nil {
		t.Fatal(err)
	}
	moved := 0
	for i, k := range l.idx {
		from := l.online
		if i < l.fromDemos {
			from = l.demos
		}
		stored := from.X(from.Boot(k))
		if slices.Equal(row(i), stored) {
			continue
		}
		if moved++; i < l.fromDemos || l.disc[i] == 0 {
			t.Errorf("row %d moved: of %d demonstrations, discount %v", i, l.fromDemos, l.disc[i])
		}
		for j, v := range row(i)[:l.dims.obs] {
			if math.Abs(float64(v-stored[j])) > expandLimit+1e-6 {
				t.Errorf("row %d, value %d moved from %v to %v", i, j, stored[j], v)
			}
		}
	}
	if moved < 3 {
		t.Fatalf("%d rows moved", moved)
	}
	l.expand.model.B.Data[0] = float32(math.Inf(1))
	l.sample()
	if err := l.update(false); !errors.Is(err, ErrDiverged) {
		t.Errorf("a prediction that is not finite: %v", err)
	}
}

// TestExpansionDoesNotAllocate in the learner's update.
func TestExpansionDoesNotAllocate(t *testing.T) {
	l := expandingTrainer(t).learner
	if n := testing.AllocsPerRun(50, func() {
		if err := l.update(true); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per update", n)
	}
}

// TestExpansionRefusals: settings and models that it makes no sense with are named.
func TestExpansionRefusals(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"frozen":    func(c *Config) { c.Condition = residual.Published },
		"lookahead": func(c *Config) { c.Method, c.Condition = residual.MethodResiP, residual.Published },
		"n_step":    func(c *Config) { c.NStep = 1 },
	} {
		c := shortConfig(residual.MethodKORR)
		variants["expand"](&c)
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "value_expansion") ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
