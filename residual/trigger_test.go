package residual

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"korr/internal/nn"
	"korr/koopman"
)

// watchedPolicy is a ResiP policy with an uncalibrated model beside it.
func watchedPolicy(t *testing.T) *Policy {
	t.Helper()
	p := testPolicy(t, MethodResiP, false, true)
	p.Koopman = testPolicy(t, MethodKORR, false, true).Koopman
	return p
}

// calibrate makes every change of the latent by more than a little a surprise.
func calibrate(m *koopman.Model) {
	scale := slices.Repeat([]float32{1}, m.LatentDim())
	m.Innovation, m.Change = &koopman.Monitor{Scale: scale, Limit: 0.02}, &koopman.Monitor{Scale: scale, Limit: 0.02}
}

// TestReactions plays calm steps, then a jump, and looks at what is done about it.
func TestReactions(t *testing.T) {
	for _, reaction := range []Reaction{Report, Shrink, HoldLast, ReplanNow} {
		t.Run(string(reaction), func(t *testing.T) {
			p := watchedPolicy(t)
			calibrate(p.Koopman)
			p.Trigger = Trigger{Reaction: reaction, Source: FromChange}
			plain := watchedPolicy(t)
			c, ref := p.NewController(nil), plain.NewController(nil)
			obs, act, want := filled(58, 0.1), make([]float32, 10), make([]float32, 10)
			c.Reset(1)
			ref.Reset(1)
			step := func() (Info, Info) {
				t.Helper()
				info, err := c.StepTo(act, obs)
				if err != nil {
					t.Fatal(err)
				}
				other, err := ref.StepTo(want, obs)
				if err != nil {
					t.Fatal(err)
				}
				return info, other
			}
			for range 3 {
				if info, _ := step(); info.Triggered || info.Surprise > 1 || !slices.Equal(act, want) {
					t.Fatalf("calm: %+v", info)
				}
			}
			before := slices.Clone(act)
			for i := range obs {
				obs[i] += 0.5
			}
			info, other := step()
			if !info.Triggered || info.Surprise < 2 || other.Triggered {
				t.Fatalf("surprise %v, triggered %t; without calibration %t", info.Surprise, info.Triggered, other.Triggered)
			}
			moved := 0.0
			for i := range act {
				moved = max(moved, float64(act[i]-want[i]), float64(want[i]-act[i]))
			}
			switch reaction {
			case Report:
				if moved != 0 {
					t.Error("a report changes the action")
				}
			case HoldLast:
				if !slices.Equal(act, before) {
					t.Error("the last action is not repeated")
				}
			case Shrink:
				scaled := make([]float32, 10)
				for i := range scaled {
					scaled[i] = info.Base[i] + p.Alpha/info.Surprise*info.Residual[i]
				}
				near(t, "the shrunk action", act, scaled, 1e-4)
			case ReplanNow:
				if info.Phase != 1./8 || other.Phase != 4./8 {
					t.Errorf("phase %v, and %v without a trigger", info.Phase, other.Phase)
				}
			}
			for i := range obs {
				obs[i] -= 0.5
			}
			if info, _ := step(); info.Triggered || info.Surprise < 2 {
				t.Error("it triggers again at once")
			}
		})
	}
}

func TestTriggerIsStored(t *testing.T) {
	p := watchedPolicy(t)
	p.Trigger = Trigger{Reaction: ReplanNow, Source: FromModel, Threshold: 1.5}
	if err := p.Validate(); !errors.Is(err, ErrPolicy) {
		t.Errorf("without calibration: %v", err)
	}
	calibrate(p.Koopman)
	q := reload(t, p)
	if q.Trigger != p.Trigger {
		t.Errorf("trigger %+v, stored %+v", p.Trigger, q.Trigger)
	}
	for _, bad := range []Trigger{{Reaction: "panic"}, {Source: "fate"}, {Threshold: -1}} {
		p.Trigger = bad
		if err := p.Validate(); !errors.Is(err, ErrPolicy) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// sumFeatures13 are 13 numbers of no meaning.
type sumFeatures13 struct{}

func (sumFeatures13) Dim() int { return 13 }

func (sumFeatures13) DetailDim() int { return 0 }

func (sumFeatures13) DetailTo(_, _ []float32) {}

func (sumFeatures13) FeaturesTo(dst, obs []float32) {
	for i := range dst {
		dst[i] = obs[i] - obs[i+1]
	}
}

// withForesight gives p the foresight and an actor of the width it needs.
func withForesight(t testing.TB, p *Policy, f Foresight) *Policy {
	t.Helper()
	p.Foresight = f
	raw := p.Base.About().ObsDim()
	d := raw
	if p.Koopman != nil {
		d = p.Koopman.Config().ObsDim
	}
	acting := f.acting()
	in := d + p.Base.About().ActDim() + leadDim + 1 + acting.dim(p.Koopman, raw)
	p.Actor = nn.NewMLP(nn.MLPConfig{In: in, Hidden: []int{16}, Out: 10, OutputBias: true, LastStd: 0.5}, rand.New(rand.NewPCG(4, 4)))
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestForesightIsStored: a policy that looks ahead acts the same after a round trip, reads what the model predicts, and
// allocates nothing.
func TestForesightIsStored(t *testing.T) {
	for name, f := range map[string]Foresight{
		"lookahead": {Condition: Lookahead, Steps: []int{1, 4, 8}},
		"observer":  {Condition: Lookahead, Steps: []int{2}, ObserverGain: 0.5},
		"prior":     {Condition: Lookahead, Steps: []int{2}, Prior: 1},
		"plan":      {Condition: Plan, Steps: []int{1, 8}},
		"critics":   {Condition: Lookahead, Steps: []int{1, 8}, ObserverGain: 0.5, CriticOnly: true},
		"critics'":  {Condition: Plan, Steps: []int{1, 8}, CriticOnly: true},
	} {
		t.Run(name, func(t *testing.T) {
			method := MethodKORR
			if f.Condition == Plan {
				method = MethodResiP
			}
			p := withForesight(t, testPolicy(t, method, false, true), f)
			q := reload(t, p)
			if !reflect.DeepEqual(q.Foresight, f) {
				t.Errorf("foresight %+v, stored %+v", f, q.Foresight)
			}
			c := q.NewController(nil)
			acts := play(t, c)
			if !slices.Equal(acts, play(t, p.NewController(nil))) {
				t.Error("the stored policy acts differently")
			}
			act, obs := make([]float32, 10), filled(58, 0.2)
			if n := testing.AllocsPerRun(50, func() {
				if _, err := c.StepTo(act, obs); err != nil {
					t.Fatal(err)
				}
			}); n != 0 {
				t.Errorf("%v allocations in a tick", n)
			}
			p.Foresight.Steps, p.Foresight.CriticOnly = []int{1, 2, 3, 4, 5}, false
			if err := p.Validate(); !errors.Is(err, ErrPolicy) {
				t.Errorf("an actor of another width: %v", err)
			}
		})
	}
	p := testPolicy(t, MethodKORR, false, true)
	for _, bad := range []Foresight{
		{Condition: "clairvoyance", Steps: []int{1}},
		{Condition: Plan, Steps: []int{1}},
		{Condition: Lookahead},
		{Condition: Lookahead, Steps: []int{0}},
		{Condition: Lookahead, Steps: []int{1000}},
		{Condition: Lookahead, Steps: []int{1}, ObserverGain: 2},
		{Condition: Lookahead, Steps: []int{1}, Prior: -1},
		{Condition: "", Prior: 1},
		{Condition: "", CriticOnly: true},
		{Condition: Lookahead, Steps: []int{1}, Prior: 1, CriticOnly: true},
	} {
		p.Foresight = bad
		if err := p.Validate(); !errors.Is(err, ErrPolicy) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// TestLookaheadReadsThePrediction: the head's input ends with the model's prediction along the base's chunk.
func TestLookaheadReadsThePrediction(t *testing.T) {
	p := withForesight(t, testPolicy(t, MethodKORR, true, true), Foresight{Condition: Lookahead, Steps: []int{3}})
	feats := sumFeatures13{}
	enc := p.Encoder(feats)
	track, err := NewTracker(enc, p.Koopman, p.Foresight, Trigger{})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(5, 5))
	obs, xo := make([]float32, 58), make([]float32, enc.Dim())
	for i := range obs {
		obs[i] = 0.3 * float32(rng.NormFloat64())
	}
	enc.EncodeTo(xo, obs)
	track.Observe(xo)
	for i := range track.Plan() {
		track.Plan()[i] = 0.1 * float32(i%10)
	}
	got := make([]float32, track.Dim())
	track.AheadTo(got, obs)
	z, next := make([]float32, p.Koopman.LatentDim()), make([]float32, p.Koopman.LatentDim())
	p.Koopman.LiftTo(z, xo)
	for k := range 3 {
		p.Koopman.PredictTo(next, z, track.Plan()[10*k:])
		z, next = next, z
	}
	want := slices.Clone(z[58:71])
	for i, v := range want {
		want[i] = max(-aheadLimit, min(aheadLimit, v))
	}
	near(t, "the predicted features", got, want, 1e-4)
}
