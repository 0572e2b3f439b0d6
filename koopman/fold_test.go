package koopman

import (
	"errors"
	"math"
	"testing"

	"korr/internal/nn"
	"korr/internal/seed"
)

// TestFold compares with lift, prediction and head one after the other, for heads with and without hidden layers and
// norm.
func TestFold(t *testing.T) {
	rng := seed.Stream(1, "fold", 0)
	for _, inclusive := range []bool{false, true} {
		for _, hidden := range [][]int{nil, {9}, {7, 6}, {64, 64, 64}} {
			for _, norm := range []bool{false, true} {
				m := randomModel(t, Config{
					ObsDim: 11, ActDim: 3, LatentDim: 21, Hidden: []int{16, 13},
					StateInclusive: inclusive, SpectralBound: -1,
				}, rng)
				head := nn.NewMLP(nn.MLPConfig{
					In: 21, Hidden: hidden, Out: 4, OutputBias: true, LayerNorm: norm,
					LastStd: 1, LastBias: 0.3,
				}, rng)
				f, err := m.Fold(head)
				if err != nil {
					t.Fatal(err)
				}
				p, q, pi := m.Predictor(), f.Predictor(), head.Evaluator()
				z, next, want := make([]float32, 21), make([]float32, 21), make([]float32, 4)
				zf, got := make([]float32, 21), make([]float32, 4)
				for range 5 {
					o, u := gaussian(rng, 11), gaussian(rng, 3)
					p.LiftTo(z, o)
					p.PredictTo(next, z, u)
					pi.ForwardTo(want, next)
					q.LiftTo(zf, o)
					if !q.HeadTo(got, u) {
						t.Fatal("not finite")
					}
					for i, w := range want {
						if math.Abs(float64(got[i]-w)) > 1e-5*(1+math.Abs(float64(w))) {
							t.Fatalf("inclusive %t, hidden %v, norm %t: %v, want %v", inclusive, hidden, norm, got, want)
						}
					}
					for i, w := range z {
						if zf[i] != w {
							t.Fatal("another lift")
						}
					}
				}
			}
		}
	}
	m := randomModel(t, Config{ObsDim: 4, ActDim: 2, LatentDim: 5, Hidden: []int{3}}, rng)
	if _, err := m.Fold(nn.NewMLP(nn.MLPConfig{In: 6, Out: 2}, rng)); !errors.Is(err, ErrConfig) {
		t.Errorf("a head of another width: %v", err)
	}
}
