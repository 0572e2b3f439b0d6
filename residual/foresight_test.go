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

// TestSurprise: a calibrated model scores the innovation, which a checkpoint keeps; nothing is done about it.
func TestSurprise(t *testing.T) {
	p := testPolicy(t, MethodResiP, false, true)
	p.Koopman = testPolicy(t, MethodKORR, false, true).Koopman
	plain := *p
	plain.Koopman = p.Koopman.Clone()
	p.Koopman.Innovation = &koopman.Monitor{Scale: slices.Repeat([]float32{1}, p.Koopman.LatentDim()), Limit: 0.02}
	c, ref := must(reload(t, p).NewController(nil)), must(plain.NewController(nil))
	obs, act, want := filled(58, 0.1), make([]float32, 10), make([]float32, 10)
	c.Reset(1)
	ref.Reset(1)
	for step := range 3 {
		info, err := c.StepTo(act, obs)
		if err != nil {
			t.Fatal(err)
		}
		other, err := ref.StepTo(want, obs)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(act, want) || other.Surprise != 0 {
			t.Errorf("step %d: a surprise of %v changes the action, or an uncalibrated one is %v", step,
				info.Surprise, other.Surprise)
		}
		if score := info.Innovation / 0.02; info.Surprise < 0.999*score || info.Surprise > 1.001*score ||
			(score > 0) != (step > 0) {
			t.Errorf("step %d: a surprise of %v, want %v", step, info.Surprise, score)
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
	p.Actor = nn.NewMLP(nn.MLPConfig{In: in, Hidden: []int{16}, Out: 10, OutputBias: true, LastStd: 0.5},
		rand.New(rand.NewPCG(4, 4)))
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
			c := must(q.NewController(nil))
			acts := play(t, c)
			if !slices.Equal(acts, play(t, must(p.NewController(nil)))) {
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
		{Condition: "", CriticOnly: true},
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
	enc := must(p.Encoder(feats))
	track, err := NewTracker(enc, p.Koopman, p.Foresight)
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
