package residual

import (
	"math/rand/v2"
	"testing"

	"korr/internal/nn"
	"korr/residual/shield"
)

// tick returns one control tick as the loop does it: step, shield, executed.
func tick(tb testing.TB, p *Policy) func() {
	c := must(p.NewController(testFeatures{}))
	c.Reset(1)
	limits := shield.Default()
	obs, act, cmd := make([]float32, 58), make([]float32, 10), make([]float32, 10)
	copy(obs, []float32{0.5, 0, 0.2, 1, 0, 0, 0, -1, 0})
	return func() {
		if _, err := c.StepTo(act, obs); err != nil {
			tb.Fatal(err)
		}
		if _, err := limits.ApplyTo(cmd, act, obs, nil); err != nil {
			tb.Fatal(err)
		}
		c.Executed(cmd)
	}
}

// TestTickAllocatesNothing covers 200 ticks, so the base policy's re-planning is in it.
func TestTickAllocatesNothing(t *testing.T) {
	for _, method := range []Method{MethodBase, MethodResiP, MethodKORR} {
		p := testPolicy(t, method, true, false)
		if err := p.Fold(); err != nil {
			t.Fatal(err)
		}
		f := tick(t, p)
		if n := testing.AllocsPerRun(200, f); n != 0 {
			t.Errorf("%s: %v allocations per tick", method, n)
		}
	}
}

// BenchmarkTick is the whole computation of a control tick: 58+13 observation, latent 128 (lift 2 x 256), actor 2 x
// 128, base 3 x 384 with 32 actions planned every 8 ticks. lookahead is a KORR whose actor looks ahead; critics is
// one whose critics alone did, with a model of a part of the observation, as KORR is trained here; members are two of
// those averaged.
func BenchmarkTick(b *testing.B) {
	ahead := testPolicy(b, MethodKORR, true, false)
	ahead.Foresight = Foresight{Condition: Lookahead, Steps: []int{1, 4, 8}, ObserverGain: 0.02}
	config := ahead.Actor.Config()
	config.In = ahead.Koopman.Config().ObsDim + 10 + leadDim + 1 + ahead.Foresight.dim(ahead.Koopman, 58)
	ahead.Actor = nn.NewMLP(config, rand.New(rand.NewPCG(4, 4)))
	critics := partPolicy(b, 128, 256)
	critics.Foresight.CriticOnly = true
	config.In = 16 + 13 + 10 + leadDim + 1 + 3
	critics.Actor = nn.NewMLP(config, rand.New(rand.NewPCG(4, 4)))
	mean, err := Average(critics, other(critics, 5))
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		policy *Policy
	}{
		{"base", testPolicy(b, MethodBase, true, false)},
		{"resip", testPolicy(b, MethodResiP, true, false)},
		{"korr", testPolicy(b, MethodKORR, true, false)},
		{"lookahead", ahead},
		{"critics", critics},
		{"members", mean},
	} {
		b.Run(c.name, func(b *testing.B) {
			f := tick(b, c.policy)
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
}

// BenchmarkResidual is the part of a KORR tick that the method adds: everything but the base's chunks.
func BenchmarkResidual(b *testing.B) {
	p := testPolicy(b, MethodKORR, true, false)
	c := must(p.controller(testFeatures{}, &scripted{acts: [][]float32{filled(10, 0.1)}}))
	obs, act := filled(58, 0.1), make([]float32, 10)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.StepTo(act, obs); err != nil {
			b.Fatal(err)
		}
	}
}
