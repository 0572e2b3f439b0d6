package koopman

import (
	"math"
	"math/rand/v2"
	"testing"

	"korr/internal/nn"
	"korr/internal/seed"
)

var (
	inclusive = Config{ObsDim: 5, ActDim: 2, LatentDim: 9, Hidden: []int{12, 11}, StateInclusive: true, FirstWeight: 3}
	pure      = Config{ObsDim: 5, ActDim: 2, LatentDim: 7, Hidden: []int{12}}
	bilinear  = Config{ObsDim: 5, ActDim: 2, LatentDim: 8, Hidden: []int{12}, StateInclusive: true, Bilinear: true}
	kinds     = []Config{inclusive, pure, bilinear}
)

func gaussian(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

// randomModel has generic weights everywhere, biases, A and B included.
func randomModel(t testing.TB, cfg Config, rng *rand.Rand) *Model {
	t.Helper()
	m, err := New(cfg, rng)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range m.Params() {
		if len(p.Shape) == 1 || p == m.B || p == m.N {
			copy(p.Data, gaussian(rng, len(p.Data)))
		}
	}
	for i, x := range gaussian(rng, len(m.A.Data)) {
		m.A.Data[i] = 0.8*m.A.Data[i] + 0.1*x
	}
	return m
}

// lift64 and predict64 are the model in float64, straight from its definition.
func lift64(m *Model, o []float32) []float64 {
	h := make([]float64, len(o))
	for i, x := range o {
		h[i] = float64(x)
	}
	z := append([]float64(nil), h[:m.cfg.raw()]...)
	ps := m.Phi.Params()
	for k := 0; k < len(ps); {
		w := ps[k]
		y := make([]float64, w.Shape[0])
		for i := range y {
			for j, v := range h {
				y[i] += v * float64(w.Data[i*len(h)+j])
			}
		}
		if k++; k < len(ps) && len(ps[k].Shape) == 1 {
			for i := range y {
				y[i] = math.Max(0, y[i]+float64(ps[k].Data[i]))
			}
			k++
		}
		h = y
	}
	return append(z, h...)
}

func predict64(m *Model, z []float64, u []float32) []float64 {
	next := make([]float64, len(z))
	for i := range next {
		for j, v := range z {
			next[i] += float64(m.A.Data[i*len(z)+j]) * v
		}
		for j, v := range u {
			next[i] += float64(m.B.Data[i*len(u)+j]) * float64(v)
		}
		if m.cfg.Bilinear {
			g := math.Max(-1, math.Min(1, float64(u[len(u)-1])))
			for j, v := range z {
				next[i] += g * float64(m.N.Data[i*len(z)+j]) * v
			}
		}
	}
	return next
}

// loss64 is the window loss of its doc comment.
func loss64(m *Model, obs, us []float32, n, steps int) (loss float64) {
	d, u, raw := m.cfg.ObsDim, m.cfg.ActDim, m.cfg.raw()
	for i := range n {
		z := lift64(m, obs[i*d:(i+1)*d])
		for h := range steps {
			row := h*n + i
			z = predict64(m, z, us[row*u:(row+1)*u])
			target := lift64(m, obs[(row+n)*d:(row+n+1)*d])
			for j, v := range z {
				w := 1 / float64(len(z)-raw)
				if j < raw {
					w = 1 / float64(raw)
				} else if raw > 0 {
					w *= m.cfg.LatentWeight
				}
				if h == 0 && steps > 1 {
					w *= m.cfg.FirstWeight
				}
				loss += w * (v - target[j]) * (v - target[j]) / float64(n*steps)
			}
		}
	}
	return loss
}

func checkGradients(t *testing.T, m *Model, loss func() float64, rng *rand.Rand) {
	t.Helper()
	for _, p := range m.Params() {
		var scale float64
		for _, g := range p.Grad {
			scale = math.Max(scale, math.Abs(float64(g)))
		}
		if scale == 0 {
			t.Errorf("%s: no gradient arrived", p.Name)
		}
		for range 20 {
			i := rng.IntN(len(p.Data))
			old := p.Data[i]
			p.Data[i] = old + 1e-5
			hi, up := p.Data[i], loss()
			p.Data[i] = old - 1e-5
			lo, down := p.Data[i], loss()
			p.Data[i] = old
			want := (up - down) / (float64(hi) - float64(lo))
			if d := math.Abs(float64(p.Grad[i]) - want); d > 2e-3*scale {
				t.Errorf("%s[%d]: gradient %g, differences give %g", p.Name, i, p.Grad[i], want)
			}
		}
	}
}

func TestWindowLossGradients(t *testing.T) {
	const n, steps = 4, 3
	for k, cfg := range kinds {
		rng := seed.Stream(1, "koopman", uint64(k))
		m := randomModel(t, cfg, rng)
		obs, us := gaussian(rng, (steps+1)*n*5), gaussian(rng, steps*n*2)
		nn.ZeroGrad(m.Params())
		got := m.WindowLoss(m.NewTape(n+1, steps+1), obs, us, n, steps, 1)
		f := func() float64 { return loss64(m, obs, us, n, steps) }
		if want := f(); math.Abs(float64(got)-want) > 1e-5*want {
			t.Errorf("loss %g, want %g", got, want)
		}
		checkGradients(t, m, f, rng)
	}
}

func TestLatentLossIsOneWeightedStep(t *testing.T) {
	const n = 6
	rng := seed.Stream(3, "koopman", 0)
	m := randomModel(t, inclusive, rng)
	obs, us := gaussian(rng, 2*n*5), gaussian(rng, n*2)
	tape := m.NewTape(n, 1)
	want := m.WindowLoss(tape, obs, us, n, 1, 1)
	grad := append([]float32(nil), m.A.Grad...)
	nn.ZeroGrad(m.Params())
	if got := m.LatentLoss(tape, obs[:n*5], us, obs[n*5:], n, 0.5); got != want {
		t.Errorf("loss %g, want %g", got, want)
	}
	for i, g := range m.A.Grad {
		if math.Abs(float64(g-0.5*grad[i])) > 1e-7 {
			t.Fatalf("A's gradient %d: %g, want half of %g", i, g, grad[i])
		}
	}
}

func TestRolloutGradients(t *testing.T) {
	const n, steps = 4, 3
	for k, cfg := range kinds {
		rng := seed.Stream(4, "koopman", uint64(k))
		m := randomModel(t, cfg, rng)
		l := cfg.LatentDim
		obs, us, c := gaussian(rng, n*5), gaussian(rng, steps*n*2), gaussian(rng, steps*n*l)
		tape := m.NewTape(n, steps)
		z := append([]float32(nil), m.RolloutBatch(tape, obs, us, n, steps)...)
		m.BackwardRollout(tape, c)
		f := func() (s float64) {
			for i := range n {
				z := lift64(m, obs[i*5:(i+1)*5])
				for h := range steps {
					row := h*n + i
					z = predict64(m, z, us[row*2:(row+1)*2])
					for j, v := range z {
						s += v * float64(c[row*l+j])
					}
				}
			}
			return s
		}
		checkGradients(t, m, f, rng)

		// One step of the batch agrees with PredictBatch, StepBatch, the predictor and the model with the gripper held.
		one := m.PredictBatch(tape, obs, us, n)
		p, z0, z1 := m.Predictor(), make([]float32, l), make([]float32, l)
		lifted, stepped := make([]float32, n*l), make([]float32, n*l)
		m.LiftBatch(tape, lifted, obs, n)
		m.StepBatch(tape, stepped, lifted, us, n)
		for i := range n {
			p.LiftTo(z0, obs[i*5:(i+1)*5])
			p.PredictTo(z1, z0, us[i*2:(i+1)*2])
			held := make([]float32, l) // where the gripper's command is what At was asked for
			m.At(gripper(us[i*2:(i+1)*2])).PredictTo(held, z0, us[i*2:(i+1)*2])
			for j := range l {
				if math.Abs(float64(held[j]-z1[j])) > 1e-5 || stepped[i*l+j] != z[i*l+j] {
					t.Fatalf("row %d, coordinate %d: predictor %g, held %g, stepped %g", i, j, z1[j], held[j], stepped[i*l+j])
				}
				if one[i*l+j] != z[i*l+j] || math.Abs(float64(z1[j]-z[i*l+j])) > 1e-5 {
					t.Fatalf("row %d, coordinate %d: rollout %g, batch %g, predictor %g", i, j, z[i*l+j], one[i*l+j], z1[j])
				}
			}
		}
	}
}

func TestDynamicsGradients(t *testing.T) {
	const n, steps, d, u = 3, 3, 4, 2
	rng := seed.Stream(5, "koopman", 0)
	net := nn.NewMLP(nn.MLPConfig{In: d + u, Hidden: []int{9}, Out: d, OutputBias: true, LastStd: 0.5}, rng)
	obs, us := gaussian(rng, (steps+1)*n*d), gaussian(rng, steps*n*u)
	r := newUnroll(net, d, u, n, steps)
	for range 2 { // twice: buffers must not carry anything over
		nn.ZeroGrad(net.Params())
		r.loss(obs, us)
	}
	grads := map[*nn.Param][]float32{}
	for _, p := range net.Params() {
		grads[p] = append([]float32(nil), p.Grad...)
	}
	for _, p := range net.Params() {
		var scale float64
		for _, g := range grads[p] {
			scale = math.Max(scale, math.Abs(float64(g)))
		}
		for i := range min(len(p.Data), 8) {
			const step = 1.0 / 256
			old := p.Data[i]
			p.Data[i] = old + step
			up := r.loss(obs, us)
			p.Data[i] = old - step
			down := r.loss(obs, us)
			p.Data[i] = old
			if want := (up - down) / (2 * step); math.Abs(float64(grads[p][i])-want) > 0.02*scale {
				t.Errorf("%s[%d]: gradient %g, differences give %g", p.Name, i, grads[p][i], want)
			}
		}
	}
}

func TestTrainingStepAllocatesNothing(t *testing.T) {
	const n, steps = 16, 4
	rng := seed.Stream(6, "koopman", 0)
	for _, cfg := range kinds {
		m := randomModel(t, cfg, rng)
		obs, us, dz := gaussian(rng, (steps+1)*n*5), gaussian(rng, steps*n*2), gaussian(rng, n*cfg.LatentDim)
		tape := m.NewTape(n, steps)
		if a := testing.AllocsPerRun(10, func() {
			m.WindowLoss(tape, obs, us, n, steps, 1)
			m.LatentLoss(tape, obs, us, obs, n, 1)
			m.PredictBatch(tape, obs, us, n)
			m.BackwardPredict(tape, dz)
		}); a != 0 {
			t.Errorf("a step allocates %g times", a)
		}
		p, z, next := m.Predictor(), make([]float32, cfg.LatentDim), make([]float32, cfg.LatentDim)
		if a := testing.AllocsPerRun(100, func() {
			p.LiftTo(z, obs)
			p.PredictTo(next, z, us)
			m.LiftTo(z, obs)
			m.PredictTo(next, z, us)
		}); a != 0 {
			t.Errorf("the predictor allocates %g times", a)
		}
	}
}
