package nn

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestMeanMLP(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, bias := range []bool{true, false} {
		cfg := MLPConfig{In: 5, Hidden: []int{7, 6}, Out: 3, OutputBias: bias, LastStd: 1}
		ms := []*MLP{NewMLP(cfg, rng), NewMLP(cfg, rng), NewMLP(cfg, rng)}
		for _, m := range ms {
			for _, p := range m.Params() {
				for i := range p.Data {
					p.Data[i] += 0.1 * float32(rng.NormFloat64())
				}
			}
		}
		mean, err := MeanMLP(ms...)
		if err != nil {
			t.Fatal(err)
		}
		x, want, got := make([]float32, 5), make([]float64, 3), make([]float32, 3)
		for range 20 {
			for i := range x {
				x[i] = float32(rng.NormFloat64())
			}
			clear(want)
			for _, m := range ms {
				m.Evaluator().ForwardTo(got, x)
				for i, v := range got {
					want[i] += float64(v) / 3
				}
			}
			mean.Evaluator().ForwardTo(got, x)
			for i, v := range got {
				if math.Abs(float64(v)-want[i]) > 1e-5 {
					t.Fatalf("output %d is %g, the mean is %g", i, v, want[i])
				}
			}
		}
	}
	one := NewMLP(MLPConfig{In: 5, Hidden: []int{7}, Out: 3}, rng)
	for name, ms := range map[string][]*MLP{
		"none":       nil,
		"widths":     {one, NewMLP(MLPConfig{In: 5, Hidden: []int{8}, Out: 3}, rng)},
		"bias":       {one, NewMLP(MLPConfig{In: 5, Hidden: []int{7}, Out: 3, OutputBias: true}, rng)},
		"layer norm": {NewMLP(MLPConfig{In: 5, Hidden: []int{7}, Out: 3, LayerNorm: true}, rng)},
	} {
		if _, err := MeanMLP(ms...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
