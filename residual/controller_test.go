package residual

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"korr/basepolicy"
	"korr/residual/shield"
)

var errBase = errors.New("base broke")

// scripted is a base policy that plays fixed actions.
type scripted struct {
	basepolicy.Stepwise
	acts    [][]float32
	err     error
	next    int
	seeds   []uint64
	replans int
	phase   float32
	seen    []float32 // the observation it was last asked for
}

func (s *scripted) Reset(seed uint64) { s.seeds = append(s.seeds, seed); s.next = 0 }
func (s *scripted) Replan()           { s.replans++ }
func (s *scripted) Phase() float32    { return s.phase }

func (s *scripted) ActTo(act, obs []float32) error {
	if s.err != nil {
		return s.err
	}
	s.seen = append(s.seen[:0], obs...)
	copy(act, s.acts[s.next%len(s.acts)])
	s.next++
	return nil
}

// linear is z = [o, 1], z' = z with its first ten values moved by u.
type linear struct{ obsDim int }

func (p linear) LatentDim() int { return p.obsDim + 1 }

func (p linear) LiftTo(z, obs []float32) { copy(z, obs[:p.obsDim]); z[p.obsDim] = 1 }

func (p linear) PredictTo(zNext, z, u []float32) {
	copy(zNext, z)
	for i, v := range u {
		zNext[i] += v
	}
}

// pick is a head whose output is its input's first values times gain.
type pick struct {
	gain float32
	spy  []float32
}

func (h *pick) ForwardTo(dst, x []float32) {
	h.spy = append(h.spy[:0], x...)
	for i := range dst {
		dst[i] = h.gain * x[i]
	}
}

func filled(n int, v float32) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = v
	}
	return s
}

func newController(t *testing.T, cfg Config) *Controller {
	t.Helper()
	if cfg.Encoder == nil {
		cfg.Encoder = NewEncoder(identity(58), identity(10), nil)
	}
	c, err := NewController(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func near(t *testing.T, what string, got, want []float32, tol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s has %d values, want %d", what, len(got), len(want))
	}
	var diff, scale float64
	for i := range want {
		diff = max(diff, math.Abs(float64(got[i]-want[i])))
		scale = max(scale, math.Abs(float64(want[i])))
	}
	if !(diff <= tol*scale) { // NaN fails too
		t.Errorf("%s differs by %.3g of %.3g", what, diff, scale)
	}
}

// TestLatentStep walks one KORR tick by hand.
func TestLatentStep(t *testing.T) {
	head := &pick{gain: 2}
	base := &scripted{acts: [][]float32{filled(10, 0.25)}, phase: 0.5}
	c := newController(t, Config{Base: base, Predictor: linear{58}, Head: head, Reads: ReadsLatent, Alpha: 0.1})
	act := make([]float32, 10)
	info, err := c.StepTo(act, filled(58, 0.5))
	if err != nil {
		t.Fatal(err)
	}
	zb := append(append(filled(10, 0.75), filled(48, 0.5)...), 1)
	r := filled(10, float32(math.Tanh(1.5)))
	near(t, "z'", info.Predicted, zb, 1e-7)
	near(t, "the head's input", head.spy, zb, 1e-7)
	near(t, "r", info.Residual, r, 1e-6)
	near(t, "u_b", info.Base, filled(10, 0.25), 0)
	near(t, "action", act, filled(10, 0.25+0.1*r[0]), 1e-6)
	if info.Phase != 0.5 || info.FellBack || info.Innovated || info.Innovation != 0 {
		t.Errorf("info %+v", info)
	}
}

// TestEncodedStep walks one ResiP tick, in raw units, with features.
func TestEncodedStep(t *testing.T) {
	obs, act := identity(58), identity(10)
	for i := range act.Min {
		act.Min[i], act.Max[i] = 0.2, 0.8
	}
	head := &pick{gain: 1}
	base := &scripted{acts: [][]float32{filled(10, 0)}, phase: 0.125}
	c := newController(t, Config{
		Base: base, Encoder: NewEncoder(obs, act, sumFeatures{}), Head: head, Alpha: 0.5,
		Squash: Linear,
	})
	raw, got := filled(58, 0.49), make([]float32, 10)
	raw[20] = 99
	info, err := c.StepTo(got, raw)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]float32, c.Encoder().ActorInputDim())
	xo := make([]float32, 60)
	c.Encoder().EncodeTo(xo, raw)
	c.Encoder().ActorInputTo(want, xo, info.Base, raw, 0.125)
	near(t, "the head's input", head.spy, want, 0)
	near(t, "the base's input", base.seen, xo[:58], 0)
	near(t, "action", got, filled(10, 0.5+0.3*0.5*0.49), 1e-6) // denormalised u_b + 0.5 r
	if info.Latent != nil || info.Innovated {
		t.Errorf("a controller without a predictor reports %+v", info)
	}
}

func TestBaseAlone(t *testing.T) {
	c := newController(t, Config{Base: &scripted{acts: [][]float32{filled(10, 0.3)}}})
	act := make([]float32, 10)
	info, err := c.StepTo(act, filled(58, 1))
	if err != nil || info.FellBack {
		t.Fatal(err, info)
	}
	near(t, "action", act, filled(10, 0.3), 1e-6)
	near(t, "r", info.Residual, make([]float32, 10), 0)
}

// TestInnovation: zero while the model is right about what was executed, the pushed distance when not.
func TestInnovation(t *testing.T) {
	push := float32(0.6)
	for _, c := range []struct {
		name     string
		executed float32 // normalised command told to Executed, in raw units; 0: not called
		moved    float32 // what the arm really did
		replan   bool
		want     float64
		innovate bool
	}{
		{"model right", 0, 0.25, false, 0, true},
		{"shielded and told", 0.1, 0.1, false, 0, true},
		{"shielded, not told", 0, 0.1, false, 0.15 * math.Sqrt(10.0/59), true},
		{"pushed", 0.25, 0.25 + push, false, float64(push) * math.Sqrt(10.0/59), true},
		{"re-planned in between", 0, 0.25 + push, true, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			twice := identity(10) // raw actions are twice the normalised ones
			for i := range twice.Min {
				twice.Min[i], twice.Max[i] = -2, 2
			}
			ctl := newController(t, Config{
				Base: &scripted{acts: [][]float32{filled(10, 0.25)}}, Predictor: linear{58},
				Encoder: NewEncoder(identity(58), twice, nil),
			})
			act, obs := make([]float32, 10), filled(58, 0)
			if _, err := ctl.StepTo(act, obs); err != nil {
				t.Fatal(err)
			}
			if c.executed != 0 {
				ctl.Executed(filled(10, 2*c.executed))
			}
			if c.replan {
				ctl.Replan()
			}
			for i := range 10 {
				obs[i] += c.moved
			}
			info, err := ctl.StepTo(act, obs)
			if err != nil || info.Innovated != c.innovate || math.Abs(float64(info.Innovation)-c.want) > 1e-6 {
				t.Errorf("innovation %g (%v), want %g (%v); %v", info.Innovation, info.Innovated, c.want, c.innovate, err)
			}
		})
	}
}

// broken is a head whose n-th output holds bad.
type broken struct {
	bad   float32
	at    int
	calls int
}

func (h *broken) ForwardTo(dst, _ []float32) {
	h.calls++
	clear(dst)
	dst[3] = 1
	if h.calls == h.at {
		dst[9] = h.bad
	}
}

// nanLift is a predictor whose lift is not finite.
type nanLift struct{ linear }

func (p nanLift) LiftTo(z, obs []float32) { p.linear.LiftTo(z, obs); z[50] = float32(math.NaN()) }

func TestFallback(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	base := func() basepolicy.Planner { return &scripted{acts: [][]float32{filled(10, 0.3)}} }
	for _, c := range []struct {
		name string
		cfg  Config
		fell []bool // tick by tick
	}{
		{"NaN once", Config{Base: base(), Head: &broken{bad: nan, at: 2}, Alpha: 0.1}, []bool{false, true, false}},
		{
			"infinity, which tanh would hide",
			Config{Base: base(), Head: &broken{bad: inf, at: 2}, Alpha: 0.1},
			[]bool{false, true, false},
		},
		{"the lift, which a ReLU would hide", Config{
			Base: base(), Predictor: nanLift{linear{58}}, Head: &broken{},
			Reads: ReadsLatent, Alpha: 0.1,
		}, []bool{true, true, true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctl := newController(t, c.cfg)
			act, count := make([]float32, 10), uint64(0)
			for i, fell := range c.fell {
				info, err := ctl.StepTo(act, filled(58, 0))
				if err != nil || info.FellBack != fell {
					t.Fatalf("tick %d fell back %v, want %v; %v", i, info.FellBack, fell, err)
				}
				if info.Innovation != 0 && info.Innovated != true || info.Innovation != info.Innovation {
					t.Errorf("tick %d: innovation %g", i, info.Innovation)
				}
				if fell {
					count++
					near(t, "action of a failed residual", act, filled(10, 0.3), 1e-6)
					near(t, "failed residual", info.Residual, make([]float32, 10), 0)
				} else if slices.Equal(act, filled(10, 0.3)) {
					t.Errorf("tick %d: the residual did nothing", i)
				}
			}
			if ctl.Fallbacks() != count {
				t.Errorf("%d fallbacks counted, want %d", ctl.Fallbacks(), count)
			}
		})
	}
}

func TestStepErrors(t *testing.T) {
	nan := float32(math.NaN())
	bad := filled(10, 0)
	bad[4] = nan
	badObs := filled(58, 0)
	badObs[57] = float32(math.Inf(-1))
	for _, c := range []struct {
		name string
		base *scripted
		obs  []float32
		what string
	}{
		{"observation", &scripted{acts: [][]float32{filled(10, 0)}}, badObs, "observation"},
		{"base action", &scripted{acts: [][]float32{bad}}, filled(58, 0), "base action"},
		{"overflow", &scripted{acts: [][]float32{filled(10, math.MaxFloat32)}}, filled(58, 0), "action"},
		{"base error", &scripted{err: errBase}, filled(58, 0), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			act := identity(10)
			act.Max[0] = 1e3
			ctl := newController(t, Config{
				Base: c.base, Encoder: NewEncoder(identity(58), act, nil),
				Predictor: linear{58}, Head: &pick{}, Reads: ReadsLatent,
			})
			good := &scripted{acts: [][]float32{filled(10, 0)}}
			ctl.base = good
			if _, err := ctl.StepTo(make([]float32, 10), filled(58, 0)); err != nil {
				t.Fatal(err)
			}
			ctl.base = c.base
			_, err := ctl.StepTo(make([]float32, 10), c.obs)
			var nf *shield.NotFiniteError
			switch {
			case c.what == "" && !errors.Is(err, errBase):
				t.Errorf("err = %v", err)
			case c.what != "" && (!errors.As(err, &nf) || nf.What != c.what):
				t.Errorf("err = %v, want %s", err, c.what)
			}
			// Nothing of the failed tick is left: the next one predicts nothing.
			ctl.base = good
			info, err := ctl.StepTo(make([]float32, 10), filled(58, 0))
			if err != nil || info.Innovated {
				t.Errorf("after the error: %v, %+v", err, info)
			}
		})
	}
}

func TestResetAndReplan(t *testing.T) {
	base := &scripted{acts: [][]float32{filled(10, 0)}}
	c := newController(t, Config{Base: base})
	c.Reset(7)
	c.Replan()
	if !slices.Equal(base.seeds, []uint64{7}) || base.replans != 1 {
		t.Errorf("seeds %v, %d replans", base.seeds, base.replans)
	}
}

func TestControllerRefusals(t *testing.T) {
	enc, base := NewEncoder(identity(58), identity(10), nil), &scripted{}
	for name, cfg := range map[string]Config{
		"no base":              {Encoder: enc},
		"no encoder":           {Base: base},
		"latent, no predictor": {Base: base, Encoder: enc, Head: &pick{}, Reads: ReadsLatent},
		"negative alpha":       {Base: base, Encoder: enc, Alpha: -1},
		"NaN alpha":            {Base: base, Encoder: enc, Alpha: float32(math.NaN())},
		"unknown squash":       {Base: base, Encoder: enc, Squash: 9},
	} {
		if _, err := NewController(cfg); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// TestHostileObservations: whatever the observation, a step either fails or gives finite numbers.
func TestHostileObservations(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	c := newController(t, Config{
		Base: &scripted{acts: [][]float32{filled(10, 0.1)}}, Predictor: linear{58},
		Head: &pick{gain: 1e30}, Reads: ReadsLatent, Alpha: 0.1,
	})
	act, obs, failed := make([]float32, 10), make([]float32, 58), 0
	for range 20_000 {
		for i := range obs {
			obs[i] = float32(rng.NormFloat64())
		}
		obs[rng.IntN(58)] = math.Float32frombits(rng.Uint32())
		info, err := c.StepTo(act, obs)
		if err != nil {
			failed++
			continue
		}
		if shield.NotFinite(act) >= 0 || shield.NotFinite(info.Residual) >= 0 ||
			shield.NotFinite([]float32{info.Innovation}) >= 0 {
			t.Fatalf("obs %v gave %v, %+v", obs, act, info)
		}
		for _, r := range info.Residual {
			if r < -1 || r > 1 {
				t.Fatalf("residual %g", r)
			}
		}
	}
	if failed == 0 || failed > 1000 {
		t.Errorf("%d of 20000 refused, want about 1 in 256", failed)
	}
}
