package residual

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"korr/internal/nn"
	"korr/koopman"
)

// partPolicy looks ahead with a bilinear model of the first 16 observed values and the 13 features; its actor reads
// the same of the observation.
func partPolicy(t testing.TB, latent, width int) *Policy {
	t.Helper()
	p := testPolicy(t, MethodKORR, true, width < 256)
	rng := rand.New(rand.NewPCG(5, 6))
	var err error
	p.Koopman, err = koopman.New(koopman.Config{
		ObsDim: 16 + 13, State: 16, ActDim: 10, LatentDim: latent,
		Hidden: []int{width, width}, StateInclusive: true, Bilinear: true,
	}, rng)
	if err != nil {
		t.Fatal(err)
	}
	p.Focus, p.Foresight = Focus{State: 16, Detail: 3},
		Foresight{Condition: Lookahead, Steps: []int{1, 8}, ObserverGain: 0.1}
	in := 16 + 13 + 10 + leadDim + 1 + 3 + 3*13
	p.Actor = nn.NewMLP(nn.MLPConfig{In: in, Hidden: []int{16}, Out: 10, OutputBias: true, LastStd: 0.5}, rng)
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestModelOfAPart: what a model of a part of the observation predicts does not depend on the rest, and predicts the
// features.
func TestModelOfAPart(t *testing.T) {
	p := partPolicy(t, 40, 16)
	ahead := func(obs []float32) []float32 {
		enc := must(p.Encoder(testFeatures{}))
		track, err := NewTracker(enc, p.Koopman, p.Foresight)
		if err != nil {
			t.Fatal(err)
		}
		xo, dst := make([]float32, enc.Dim()), make([]float32, track.Dim())
		enc.EncodeTo(xo, obs)
		track.Observe(xo)
		track.AheadTo(dst, obs)
		return dst
	}
	rng := rand.New(rand.NewPCG(2, 2))
	obs := make([]float32, 58)
	for i := range obs {
		obs[i] = 0.3 * float32(rng.NormFloat64())
	}
	want := ahead(obs)
	if len(want) != 3*13 || slices.Max(want) == slices.Min(want) {
		t.Fatalf("look-ahead %v", want)
	}
	for i := 40; i < 58; i++ { // no feature reads these
		obs[i]++
	}
	if got := ahead(obs); !slices.Equal(got, want) {
		t.Errorf("the rest of the observation changes the prediction from %v to %v", want, got)
	}
	obs[21]++ // a feature does
	if slices.Equal(ahead(obs), want) {
		t.Error("a feature does not change the prediction")
	}

	z, next, u := make([]float32, 40), make([]float32, 40), make([]float32, 10)
	enc := must(p.Encoder(testFeatures{}))
	xo, part := make([]float32, enc.Dim()), make([]float32, enc.PartDim(16))
	enc.EncodeTo(xo, obs)
	enc.PartTo(part, xo, 16)
	if !slices.Equal(part[:16], xo[:16]) || !slices.Equal(part[16:], xo[58:]) {
		t.Fatalf("part %v of %v", part, xo)
	}
	model := p.Koopman.Predictor()
	model.LiftTo(z, part)
	model.PredictTo(next, z, u)
	for i, v := range ahead(obs)[:13] {
		if d := v - max(-aheadLimit, min(aheadLimit, next[16+i])); d > 1e-5 || d < -1e-5 {
			t.Errorf("feature %d is predicted as %g, by the model as %g", i, v, next[16+i])
		}
	}
}

// TestPolicyWithModelOfAPart: it acts the same after a round trip; a published KORR, or one without features, refuses
// the model.
func TestPolicyWithModelOfAPart(t *testing.T) {
	p := partPolicy(t, 40, 16)
	q := reload(t, p)
	if got, want := play(t, must(q.NewController(testFeatures{}))),
		play(t, must(p.NewController(testFeatures{}))); !slices.Equal(got, want) {
		t.Error("the loaded policy acts otherwise")
	}
	for name, change := range map[string]func(*Policy){
		"published": func(p *Policy) { p.Foresight, p.Focus = Foresight{}, Focus{} },
		"features":  func(p *Policy) { p.Features, p.Focus = false, Focus{} },
	} {
		q := *p
		change(&q)
		if err := q.Validate(); err == nil || !strings.Contains(err.Error(),
			"Koopman model that reads 29 values, 16 of them") && !strings.Contains(err.Error(), "features") {
			t.Errorf("%s: %v", name, err)
		}
	}
	watched := testPolicy(t, MethodBase, true, true)
	watched.Koopman = p.Koopman
	if err := watched.Validate(); err != nil {
		t.Errorf("a base policy that watches with it: %v", err)
	}
}
