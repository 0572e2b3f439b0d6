package td3

import (
	"math"
	"slices"
	"testing"

	"korr/internal/nn"
	"korr/residual"
)

// actorLoss is the actor's loss of the present batch by its definition.
func actorLoss(l *learner) float64 {
	d, b := small, l.cfg.Batch
	r := append([]float32(nil), l.actor.forward(l.x, b)...)
	judges := l.critics[:1]
	if len(l.critics) > 2 {
		judges = l.critics
	}
	loss, in := 0.0, make([]float32, d.x+d.act)
	for i := range b {
		copy(in, l.x[i*d.x:(i+1)*d.x])
		copy(in[d.x:], r[i*d.act:(i+1)*d.act])
		for _, c := range judges {
			var q [1]float32
			c.online.Evaluator().ForwardTo(q[:], in)
			loss -= float64(q[0]) / float64(b*len(judges))
		}
	}
	for _, v := range r {
		loss += l.cfg.Penalty * float64(v) * float64(v) / float64(len(r))
	}
	if m := l.actor.model; m != nil && l.cfg.KoopmanWeight > 0 {
		p := &l.pair
		loss += l.cfg.KoopmanWeight * float64(m.LatentLoss(m.NewTape(b, 1), p.obs, p.u, p.next, p.n, 0))
	}
	return loss
}

// TestActorGradient compares the gradients of head, lift, A and B with finite
// differences of the whole loss.
func TestActorGradient(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"resip":          func(*Config) {},
		"resip ensemble": func(c *Config) { c.Critics = 4 },
		"critics alone":  func(c *Config) { c.CriticOnly = true },
		"korr":           func(c *Config) { c.Method = residual.MethodKORR },
		"korr, no prediction loss": func(c *Config) {
			c.Method, c.KoopmanWeight = residual.MethodKORR, 0
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newSmallLearner(t, func(c *Config) {
				c.GradClip, c.ActorLR, c.KoopmanLR, c.Penalty = 0, 1e-30, 1e-30, 0.7 // steps too small to change a weight
				change(c)
			})
			if reads := l.actor.head.In(); l.cfg.CriticOnly && reads != small.x-3 {
				t.Fatalf("the actor reads %d values of the critics' %d", reads, small.x)
			}
			l.sample()
			if err := l.updateActor(); err != nil {
				t.Fatal(err)
			}
			checkGradients(t, l.actor.params, func() float64 { return actorLoss(l) }, 3e-4)
		})
	}
}

// checkGradients compares the parameters' gradients with finite differences of the loss, to 2 % of the largest and an
// absolute error.
func checkGradients(t *testing.T, ps []*nn.Param, loss func() float64, absolute float64) {
	t.Helper()
	var grads [][]float32
	for _, p := range ps {
		grads = append(grads, slices.Clone(p.Grad))
	}
	for k, p := range ps {
		worst, scale := 0.0, 0.0
		for i, w := range p.Data {
			const h = 2e-3
			p.Data[i] = w + h
			up := loss()
			p.Data[i] = w - h
			down := loss()
			p.Data[i] = w
			worst = max(worst, math.Abs((up-down)/(2*h)-float64(grads[k][i])))
			scale = max(scale, math.Abs(float64(grads[k][i])))
		}
		if scale == 0 || worst > 0.02*scale+absolute {
			t.Errorf("%s %v: gradients up to %.3g are off by up to %.3g", p.Name, p.Shape, scale, worst)
		}
	}
}

// TestGradientSwitch: without KoopmanGradient only the prediction loss moves
// the model, and without that either nothing does.
func TestGradientSwitch(t *testing.T) {
	tests := []struct {
		name            string
		gradient        bool
		weight, penalty float64
		moves           bool
	}{
		{"both", true, 1, 0, true},
		{"gradient alone", true, 0, 0, true},
		{"prediction loss alone", false, 1, 0, true},
		{"frozen", false, 0, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newSmallLearner(t, func(c *Config) {
				c.Method, c.KoopmanGradient, c.KoopmanWeight, c.ConstrainEvery = residual.MethodKORR, tt.gradient, tt.weight, 0
			})
			before := l.actor.model.Clone()
			head := l.actor.head.Clone()
			if err := l.update(true); err != nil {
				t.Fatal(err)
			}
			if same(head.Params(), l.actor.head.Params()) {
				t.Error("the head did not move")
			}
			if moved := !same(before.Params(), l.actor.model.Params()); moved != tt.moves {
				t.Errorf("the model moved: %v, want %v", moved, tt.moves)
			}
			if tt.gradient || !tt.moves {
				return
			}
			// The prediction loss alone must not depend on the critics.
			m := newSmallLearner(t, func(c *Config) {
				c.Method, c.KoopmanGradient, c.KoopmanWeight, c.ConstrainEvery = residual.MethodKORR, false, 1, 0
			})
			for _, p := range m.critics[0].online.Params() {
				for i := range p.Data {
					p.Data[i] *= -3
				}
			}
			if err := m.update(true); err != nil {
				t.Fatal(err)
			}
			if !same(m.actor.model.Params(), l.actor.model.Params()) {
				t.Error("the critics reached the model")
			}
		})
	}
}

func TestSpectralBoundIsImposed(t *testing.T) {
	l := newSmallLearner(t, func(c *Config) { c.Method, c.ConstrainEvery = residual.MethodKORR, 3 })
	for i := range l.actor.model.A.Data {
		l.actor.model.A.Data[i] *= 1.5
	}
	for range 3 {
		if err := l.update(true); err != nil {
			t.Fatal(err)
		}
	}
	if r := l.actor.model.SpectralRadius(); r > 1 {
		t.Errorf("spectral radius %v after the constraint", r)
	}
	if l.stats.radius < 1.4 {
		t.Errorf("reported radius %v, want that before the constraint", l.stats.radius)
	}
}
