package nn

import (
	"math"
	"strings"
	"testing"

	"korr/internal/tensorfile"
)

// resip holds the published baseline's two networks and one PPO batch through
// them, computed by PyTorch.
type resip struct {
	*testing.T
	f             *tensorfile.File
	actor, critic *MLP
}

func loadResip(t *testing.T) *resip {
	t.Helper()
	f, err := tensorfile.Read("testdata/resip.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	g := &resip{T: t, f: f}
	g.actor = NewMLP(MLPConfig{In: 68, Hidden: []int{48, 48}, Out: 10}, nil)
	g.critic = NewMLP(MLPConfig{In: 68, Hidden: []int{48, 48}, Out: 1, OutputBias: true}, nil)
	g.load("param.")
	return g
}

func (g *resip) load(prefix string) {
	g.Helper()
	if err := LoadParams(g.f, prefix+"actor_mean.", g.actor.Params()); err != nil {
		g.Fatal(err)
	}
	if err := LoadParams(g.f, prefix+"critic.", g.critic.Params()); err != nil {
		g.Fatal(err)
	}
}

func (g *resip) get(name string) []float32 {
	g.Helper()
	x, err := g.f.Get(name)
	if err != nil {
		g.Fatal(err)
	}
	return x
}

// agree compares by the largest difference over the largest value.
func (g *resip) agree(what string, got, want []float32, tol float64) {
	g.Helper()
	var diff, scale float64
	for i, w := range want {
		diff = math.Max(diff, math.Abs(float64(got[i]-w)))
		scale = math.Max(scale, math.Abs(float64(w)))
	}
	if !(diff <= tol*scale) {
		g.Errorf("%s: relative error %.2g, at most %.0g", what, diff/scale, tol)
	}
}

// lossGrads returns the derivatives of the published loss by the mean action
// and by the value: PPO's clipped surrogate (0.2) with normalised advantages and
// a Gaussian of fixed log-std, and half the squared error of the value.
func (g *resip) lossGrads(mean, value []float32) (dMean, dValue []float32) {
	act, adv := g.get("in.residual_action"), g.get("in.advantage")
	old, ret, logStd := g.get("in.old_log_prob"), g.get("in.return"), g.get("param.actor_logstd")
	n, u := len(adv), len(act)/len(adv)
	var am, as float64
	for _, a := range adv {
		am += float64(a) / float64(n)
	}
	for _, a := range adv {
		as += (float64(a) - am) * (float64(a) - am) / float64(n-1)
	}
	as = math.Sqrt(as)
	dMean, dValue = make([]float32, n*u), make([]float32, n)
	for i := range n {
		dValue[i] = (value[i] - ret[i]) / float32(n)
		var logp float64
		for j, s := range logStd {
			d := float64(act[i*u+j]-mean[i*u+j]) / math.Exp(float64(s))
			logp -= 0.5*d*d + float64(s) + 0.5*math.Log(2*math.Pi)
		}
		ratio := math.Exp(logp - float64(old[i]))
		a := (float64(adv[i]) - am) / (as + 1e-8)
		if a > 0 && ratio > 1.2 || a < 0 && ratio < 0.8 {
			continue
		}
		for j, s := range logStd {
			dMean[i*u+j] = float32(-a * ratio / float64(n) * float64(act[i*u+j]-mean[i*u+j]) / math.Exp(2*float64(s)))
		}
	}
	return dMean, dValue
}

func TestGoldenResip(t *testing.T) {
	g := loadResip(t)
	obs := g.get("in.obs")
	at, ct := g.actor.NewTape(32), g.critic.NewTape(32)
	all := append(append([]*Param{}, g.actor.Params()...), g.critic.Params()...)
	cfg := AdamWConfig{LR: 3e-4, Eps: 1e-5, WeightDecay: 1e-6}
	oa := NewAdamW(g.actor.Params(), cfg)
	cfg.LR = 5e-3
	oc := NewAdamW(g.critic.Params(), cfg)
	for step := range 3 {
		mean, value := g.actor.Forward(at, obs, 32), g.critic.Forward(ct, obs, 32)
		dMean, dValue := g.lossGrads(mean, value)
		ZeroGrad(all)
		g.actor.Backward(at, dMean, nil)
		g.critic.Backward(ct, dValue, nil)
		if step == 0 {
			g.agree("residual mean", mean, g.get("out.residual_mean"), 1e-5)
			g.agree("value", value, g.get("out.value"), 1e-5)
			for _, p := range g.actor.Params() {
				g.agree("gradient of actor "+p.Name, p.Grad, g.get("grad.actor_mean."+p.Name), 1e-4)
			}
			for _, p := range g.critic.Params() {
				g.agree("gradient of critic "+p.Name, p.Grad, g.get("grad.critic."+p.Name), 1e-4)
			}
		}
		norm := ClipGradNorm(all, 1)
		if step == 0 {
			g.agree("gradient norm", []float32{norm}, g.get("out.grad_norm"), 1e-4)
		}
		oa.Step()
		oc.Step()
	}
	for _, tensor := range g.f.Tensors {
		name, ok := strings.CutPrefix(tensor.Name, "param_after3.")
		if !ok || name == "actor_logstd" {
			continue
		}
		net, p, _ := strings.Cut(name, ".")
		params := g.critic.Params()
		if net == "actor_mean" {
			params = g.actor.Params()
		}
		before := g.get("param." + name)
		for _, q := range params {
			if q.Name == p {
				g.agree("change of "+name, minus(q.Data, before), minus(tensor.F32, before), 1e-3)
			}
		}
	}
}

func minus(a, b []float32) []float32 {
	d := make([]float32, len(a))
	for i := range a {
		d[i] = a[i] - b[i]
	}
	return d
}
