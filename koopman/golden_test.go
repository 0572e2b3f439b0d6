package koopman

import (
	"math"
	"testing"

	"korr/internal/nn"
	"korr/internal/tensorfile"
)

// The published modules, in PyTorch: D 58, U 10, L 64, phi 58-48-48-64 without
// output bias, batch 32.
func loadGolden(t *testing.T) (*Model, func(string) []float32) {
	t.Helper()
	f, err := tensorfile.Read("testdata/korr.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(Config{ObsDim: 58, ActDim: 10, LatentDim: 64, Hidden: []int{48, 48}, SpectralBound: -1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	get := func(name string) []float32 {
		t.Helper()
		x, err := f.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	if err := nn.LoadParams(f, "param.actor.lift_transform.", m.Phi.Params()); err != nil {
		t.Fatal(err)
	}
	copy(m.A.Data, get("param.actor.backbone._g_affine"))
	copy(m.B.Data, get("param.actor.backbone._u_affine"))
	return m, get
}

// columns copies the columns [lo, hi) of x [n, width].
func columns(x []float32, width, lo, hi int) []float32 {
	var out []float32
	for ; len(x) > 0; x = x[width:] {
		out = append(out, x[lo:hi]...)
	}
	return out
}

// agree compares by the largest difference over the largest value.
func agree(t *testing.T, what string, got, want []float32, tol float64) {
	t.Helper()
	var diff, scale float64
	for i, w := range want {
		diff = math.Max(diff, math.Abs(float64(got[i]-w)))
		scale = math.Max(scale, math.Abs(float64(w)))
	}
	if !(diff <= tol*scale) {
		t.Errorf("%s: relative error %.2g, at most %.0g", what, diff/scale, tol)
	}
}

func TestGoldenForward(t *testing.T) {
	m, get := loadGolden(t)
	in := get("in.obs")
	obs, ub := columns(in, 68, 0, 58), columns(in, 68, 58, 68)
	tape := m.NewTape(32, 1)
	zNext := m.PredictBatch(tape, obs, ub, 32)
	agree(t, "z", tape.states[:32*64], get("out.z"), 1e-5)
	agree(t, "z'", zNext, get("out.z_next"), 1e-5)
	z, zn := make([]float32, 32*64), make([]float32, 32*64)
	for i := range 32 {
		m.LiftTo(z[i*64:(i+1)*64], obs[i*58:(i+1)*58])
		m.PredictTo(zn[i*64:(i+1)*64], z[i*64:(i+1)*64], ub[i*10:(i+1)*10])
	}
	agree(t, "z, batch 1", z, get("out.z"), 1e-5)
	agree(t, "z', batch 1", zn, get("out.z_next"), 1e-5)
}

func TestGoldenLossAndGradients(t *testing.T) {
	m, get := loadGolden(t)
	in := get("in.obs")
	obs, ub := columns(in, 68, 0, 58), columns(in, 68, 58, 68)
	next := columns(get("in.next_obs"), 68, 0, 58)
	tape := m.NewTape(32, 1)
	nn.ZeroGrad(m.Params())
	loss := m.LatentLoss(tape, obs, get("in.executed_action"), next, 32, 1)
	agree(t, "model loss", []float32{loss}, get("out.model_loss"), 1e-5)

	// The rest of the total loss's gradient reaches the model through z'.
	pi := nn.NewMLP(nn.MLPConfig{In: 64, Hidden: []int{48, 48}, Out: 10}, nil)
	loadActor(t, pi)
	at, dz := pi.NewTape(32), make([]float32, 32*64)
	mean := pi.Forward(at, m.PredictBatch(tape, obs, ub, 32), 32)
	agree(t, "residual mean", mean, get("out.residual_mean"), 1e-5)
	pi.Backward(at, policyGradient(mean, get), dz)
	m.BackwardPredict(tape, dz)
	for _, p := range pi.Params() {
		agree(t, "gradient of pi "+p.Name, p.Grad, get("grad.actor.inverse_dynamics."+p.Name), 1e-4)
	}
	for _, p := range m.Phi.Params() {
		agree(t, "gradient of phi "+p.Name, p.Grad, get("grad.actor.lift_transform."+p.Name), 1e-4)
	}
	agree(t, "gradient of A", m.A.Grad, get("grad.actor.backbone._g_affine"), 1e-4)
	agree(t, "gradient of B", m.B.Grad, get("grad.actor.backbone._u_affine"), 1e-4)
}

func loadActor(t *testing.T, pi *nn.MLP) {
	t.Helper()
	f, err := tensorfile.Read("testdata/korr.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	if err := nn.LoadParams(f, "param.actor.inverse_dynamics.", pi.Params()); err != nil {
		t.Fatal(err)
	}
}

// policyGradient is the derivative of PPO's clipped surrogate (0.2, normalised
// advantages) by the mean of the Gaussian policy.
func policyGradient(mean []float32, get func(string) []float32) []float32 {
	act, adv, old, logStd := get("in.residual_action"), get("in.advantage"), get("in.old_log_prob"),
		get("param.actor_logstd")
	n, u := len(adv), len(logStd)
	var am, as float64
	for _, a := range adv {
		am += float64(a) / float64(n)
	}
	for _, a := range adv {
		as += (float64(a) - am) * (float64(a) - am) / float64(n-1)
	}
	g := make([]float32, n*u)
	for i := range n {
		var logp float64
		for j, s := range logStd {
			d := float64(act[i*u+j]-mean[i*u+j]) / math.Exp(float64(s))
			logp -= 0.5*d*d + float64(s) + 0.5*math.Log(2*math.Pi)
		}
		ratio, a := math.Exp(logp-float64(old[i])), (float64(adv[i])-am)/(math.Sqrt(as)+1e-8)
		if a > 0 && ratio > 1.2 || a < 0 && ratio < 0.8 {
			continue
		}
		for j, s := range logStd {
			g[i*u+j] = float32(-a * ratio / float64(n) * float64(act[i*u+j]-mean[i*u+j]) / math.Exp(2*float64(s)))
		}
	}
	return g
}
