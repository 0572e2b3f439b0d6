package residual

import (
	"math"
	"testing"

	"korr/internal/seed"
)

// TestLoadedPolicyIsFolded: a policy that was loaded acts as the one that was saved, up to rounding, and tells the same
// innovation.
func TestLoadedPolicyIsFolded(t *testing.T) {
	for _, small := range []bool{false, true} { // small: with layer norm and another lift
		saved := testPolicy(t, MethodKORR, true, small)
		loaded := reload(t, saved)
		a, b := must(saved.NewController(testFeatures{})), must(loaded.NewController(testFeatures{}))
		if a.fold != nil || b.fold == nil {
			t.Fatalf("folded: saved %t, loaded %t", a.fold != nil, b.fold != nil)
		}
		a.Reset(1)
		b.Reset(1)
		rng := seed.Stream(1, "fold", 0)
		obs, act, folded := make([]float32, 58), make([]float32, 10), make([]float32, 10)
		for k := range 50 {
			for i := range obs {
				obs[i] = float32(rng.NormFloat64())
			}
			x, err := a.StepTo(act, obs)
			if err != nil {
				t.Fatal(err)
			}
			y, err := b.StepTo(folded, obs)
			if err != nil {
				t.Fatal(err)
			}
			agree(t, k, "residual", y.Residual, x.Residual)
			agree(t, k, "action", folded, act)
			agree(t, k, "latent", y.Latent, x.Latent)
			if x.Innovated != y.Innovated || math.Abs(float64(x.Innovation-y.Innovation)) > 1e-5*float64(x.Innovation) {
				t.Fatalf("tick %d: innovation %g, unfolded %g", k, y.Innovation, x.Innovation)
			}
			a.Executed(act)
			b.Executed(act)
		}
	}
}

func agree(t *testing.T, tick int, what string, got, want []float32) {
	t.Helper()
	diff, scale := 0.0, 0.0
	for i, w := range want {
		diff, scale = math.Max(diff, math.Abs(float64(got[i]-w))), math.Max(scale, math.Abs(float64(w)))
	}
	if len(got) != len(want) || !(diff <= 1e-5*scale) {
		t.Fatalf("tick %d: %s is off by %.2g of %.2g", tick, what, diff, scale)
	}
}

// TestFoldedFallsBack: an infinite sum, which a ReLU would hide, is no residual.
func TestFoldedFallsBack(t *testing.T) {
	p := testPolicy(t, MethodKORR, true, false)
	last := p.Koopman.Phi.Params()[0].Data
	for i := range last {
		last[i] = 1e30
	}
	for i := range p.Koopman.A.Data {
		p.Koopman.A.Data[i] = -1e10
	}
	if err := p.Fold(); err != nil {
		t.Fatal(err)
	}
	c := must(p.NewController(testFeatures{}))
	c.Reset(1)
	info, err := c.StepTo(make([]float32, 10), filled(58, 0.5))
	if err != nil {
		t.Fatal(err)
	}
	if !info.FellBack || c.Fallbacks() != 1 || info.Residual[0] != 0 {
		t.Errorf("%+v", info)
	}
}

// TestFoldLeavesOthersAlone: what does not read the prediction alone is not folded.
func TestFoldLeavesOthersAlone(t *testing.T) {
	for _, m := range []Method{MethodBase, MethodResiP} {
		p := testPolicy(t, m, true, true)
		if err := p.Fold(); err != nil || p.fold != nil {
			t.Errorf("%s: %v, folded %t", m, err, p.fold != nil)
		}
	}
}
