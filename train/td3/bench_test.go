package td3

import (
	"testing"

	"korr/internal/seed"
	"korr/koopman"
	"korr/train/replay"
)

// oneLeg are the widths of one_leg with part rotations as 6D and task features.
var oneLeg = dims{obs: 83, x: 97, in: 97, act: 10}

// newBenchLearner has the recipe's sizes and buffers of random transitions.
func newBenchLearner(tb testing.TB, method string, threads int, sac bool) *learner {
	tb.Helper()
	cfg := Default()
	cfg.Method, cfg.LearnerThreads, cfg.SAC = method, threads, sac
	d := oneLeg
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
	if method == KORR {
		var err error
		model, err = koopman.New(koopman.Config{ObsDim: d.obs, ActDim: d.act, LatentDim: 128, Hidden: []int{256, 256}, StateInclusive: true}, rng)
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
		name, method string
		threads      int
		actor, sac   bool
	}{
		{"critics/1", ResiP, 1, false, false},
		{"critics/2", ResiP, 2, false, false},
		{"critics/sac/1", ResiP, 1, false, true},
		{"resip/1", ResiP, 1, true, false},
		{"sac/1", ResiP, 1, true, true},
		{"korr/critics/1", KORR, 1, false, false},
		{"korr/1", KORR, 1, true, false},
		{"korr/2", KORR, 2, true, false},
	} {
		b.Run(bb.name, func(b *testing.B) {
			l := newBenchLearner(b, bb.method, bb.threads, bb.sac)
			b.ReportAllocs()
			for b.Loop() {
				if err := l.update(bb.actor); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkConstrain(b *testing.B) {
	l := newBenchLearner(b, KORR, 1, false)
	for b.Loop() {
		l.actor.model.Constrain()
	}
}
