package td3

import (
	"fmt"
	"testing"

	"korr/internal/seed"
	"korr/koopman"
	"korr/residual"
	"korr/train/replay"
)

// oneLeg are the widths of one_leg with part rotations as 6D and task features.
var oneLeg = dims{obs: 83, x: 97, in: 97, act: 10}

// newBenchLearner has the recipe's sizes and buffers of random transitions.
func newBenchLearner(tb testing.TB, method residual.Method, threads int) *learner {
	tb.Helper()
	cfg := plain()
	cfg.Method, cfg.LearnerThreads = method, threads
	return benchLearner(tb, cfg, oneLeg)
}

func benchLearner(tb testing.TB, cfg Config, d dims) *learner {
	tb.Helper()
	rng := seed.Stream(1, "bench", 0)
	fill := func() *replay.Buffer {
		b := replay.New(2000, d.x, d.act)
		s := replay.NewNStep(b, cfg.NStep, cfg.Gamma)
		x, u := make([]float32, d.x), make([]float32, d.act)
		f := -1
		for i := range 1500 {
			for j := range x {
				x[j] = float32(rng.NormFloat64())
			}
			for j := range u {
				u[j] = x[d.obs+j] + 0.05*float32(rng.NormFloat64())
			}
			g := b.AddFrame(x)
			b.SetAction(g, u)
			if f >= 0 {
				end := replay.Running
				reward := 0.0
				if i%100 == 0 {
					end, reward = replay.Terminated, 1
				}
				s.Push(f, reward, g, end)
			}
			f = g
		}
		return b
	}
	var model *koopman.Model
	if cfg.latent() {
		var err error
		model, err = koopman.New(koopman.Config{
			ObsDim: d.obs, ActDim: d.act, LatentDim: 128, Hidden: []int{256, 256},
			StateInclusive: true,
		}, rng)
		if err != nil {
			tb.Fatal(err)
		}
	}
	l := newLearner(&cfg, d, newActor(&cfg, d, model, cfg.Batch), fill(), fill())
	tb.Cleanup(l.close)
	return l
}

func BenchmarkUpdate(b *testing.B) {
	for _, bb := range []struct {
		name    string
		method  residual.Method
		threads int
		actor   bool
	}{
		{"critics/1", residual.MethodResiP, 1, false},
		{"critics/2", residual.MethodResiP, 2, false},
		{"resip/1", residual.MethodResiP, 1, true},
		{"korr/critics/1", residual.MethodKORR, 1, false},
		{"korr/1", residual.MethodKORR, 1, true},
		{"korr/2", residual.MethodKORR, 2, true},
	} {
		b.Run(bb.name, func(b *testing.B) {
			l := newBenchLearner(b, bb.method, bb.threads)
			b.ReportAllocs()
			for b.Loop() {
				if err := l.update(bb.actor); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// benchFeatures are as many as one_leg's.
type benchFeatures struct{}

func (benchFeatures) Dim() int                  { return 13 }
func (benchFeatures) FeaturesTo(_, _ []float32) {}
func (benchFeatures) DetailDim() int            { return 3 }
func (benchFeatures) DetailTo(_, _ []float32)   {}

// BenchmarkExpansion compares updates of the critics with and without value expansion, of what the preset one_leg reads
// and no demonstrations.
func BenchmarkExpansion(b *testing.B) {
	for _, expand := range []bool{false, true} {
		b.Run(fmt.Sprint(expand), func(b *testing.B) {
			cfg := plain()
			cfg.Method, cfg.Condition, cfg.CriticOnly, cfg.Critics, cfg.DemoFraction = residual.MethodKORR, residual.Lookahead,
				true, 5, 0
			model, err := koopman.New(koopman.Config{
				ObsDim: 29, State: 16, ActDim: 10, LatentDim: 128, Hidden: []int{256, 256},
				StateInclusive: true,
			}, seed.Stream(1, "bench", 1))
			if err != nil {
				b.Fatal(err)
			}
			for i := range model.B.Data {
				model.B.Data[i] = 0.01
			}
			enc := residual.NewEncoder(symmetric(70, 1), symmetric(10, 1), benchFeatures{}).Focused(16)
			shift, err := residual.NewShift(enc, model, cfg.foresight())
			if err != nil {
				b.Fatal(err)
			}
			l := benchLearner(b, cfg, newDims(enc.Layout(3*13), true))
			if expand {
				l.expand = newExpansion(l.cfg, l.dims, model, shift)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := l.update(false); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkConstrain(b *testing.B) {
	l := newBenchLearner(b, residual.MethodKORR, 1)
	for b.Loop() {
		l.actor.model.Constrain()
	}
}
