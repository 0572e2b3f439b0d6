package nn

import (
	"fmt"
	"math"

	"korr/internal/tensorfile"
)

// AdamWConfig sets the optimiser. Zero betas and epsilon mean the defaults
// 0.9, 0.999 and 1e-8.
type AdamWConfig struct {
	// LR is the learning rate; it may be changed between steps.
	LR float32
	// Beta1 and Beta2 are the decay rates of the first and second moment.
	Beta1, Beta2 float32
	// Eps is added to the root of the second moment.
	Eps float32
	// WeightDecay is decoupled: every step scales the weights by 1 - LR WeightDecay.
	WeightDecay float32
}

// AdamW is Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv
// 1711.05101), in the arithmetic of torch.optim.AdamW.
type AdamW struct {
	AdamWConfig
	params []*Param
	spans  []span
	m, v   []float32
	step   int
}

// NewAdamW returns an optimiser of params with zero moments.
func NewAdamW(params []*Param, cfg AdamWConfig) *AdamW {
	if cfg.Beta1 == 0 {
		cfg.Beta1 = 0.9
	}
	if cfg.Beta2 == 0 {
		cfg.Beta2 = 0.999
	}
	if cfg.Eps == 0 {
		cfg.Eps = 1e-8
	}
	n := 0
	for _, p := range params {
		n += len(p.Data)
	}
	return &AdamW{AdamWConfig: cfg, params: params, spans: spans(params), m: make([]float32, n), v: make([]float32, n)}
}

// Step updates the parameters from their gradients, which it leaves alone.
func (o *AdamW) Step() {
	o.step++
	c1 := 1 - math.Pow(float64(o.Beta1), float64(o.step))
	c2 := 1 - math.Pow(float64(o.Beta2), float64(o.step))
	s := AdamWStep{
		Beta1: o.Beta1, Beta2: o.Beta2,
		Rate: float32(float64(o.LR) / c1), InvRoot: float32(1 / math.Sqrt(c2)),
		Eps: o.Eps, Decay: 1 - o.LR*o.WeightDecay,
	}
	at := 0
	for _, sp := range o.spans {
		end := at + len(sp.data)
		kernels.AdamW(sp.data, sp.grad, o.m[at:end], o.v[at:end], s)
		at = end
	}
}

// Steps returns the number of steps taken.
func (o *AdamW) Steps() int { return o.step }

// SaveState adds the moments and the step count to f, as prefix+"m", "v" and
// "step". The count is exact below 2^24; beyond, its corrections are one.
func (o *AdamW) SaveState(f *tensorfile.File, prefix string) {
	f.Add(prefix+"m", append([]float32(nil), o.m...))
	f.Add(prefix+"v", append([]float32(nil), o.v...))
	f.Add(prefix+"step", []float32{float32(o.step)})
}

// LoadState restores what SaveState stored for parameters of the same total
// size. Nothing changes on an error.
func (o *AdamW) LoadState(f *tensorfile.File, prefix string) error {
	m, err := f.Get(prefix+"m", len(o.m))
	if err != nil {
		return fmt.Errorf("nn: load optimiser: %w", err)
	}
	v, err := f.Get(prefix+"v", len(o.v))
	if err != nil {
		return fmt.Errorf("nn: load optimiser: %w", err)
	}
	step, err := f.Get(prefix+"step", 1)
	if err != nil {
		return fmt.Errorf("nn: load optimiser: %w", err)
	}
	copy(o.m, m)
	copy(o.v, v)
	o.step = int(step[0])
	return nil
}
