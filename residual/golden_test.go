package residual

import (
	"testing"

	"korr/internal/nn"
	"korr/internal/tensorfile"
	"korr/koopman"
)

// goldenNet loads a published network (Linear, ReLU, ..., last layer without bias) by its tensors.
func goldenNet(t *testing.T, f *tensorfile.File, prefix string, in, hidden, out int) *nn.MLP {
	t.Helper()
	m := nn.NewMLP(nn.MLPConfig{In: in, Hidden: []int{hidden, hidden}, Out: out}, nil)
	if err := nn.LoadParams(f, prefix, m.Params()); err != nil {
		t.Fatal(err)
	}
	return m
}

func readGolden(t *testing.T, path string) *tensorfile.File {
	t.Helper()
	f, err := tensorfile.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func golden(t *testing.T, f *tensorfile.File, name string, shape ...int) []float32 {
	t.Helper()
	v, err := f.Get(name, shape...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// goldenRun feeds the 32 golden observations [o, u_b] through a controller and checks residual and action.
func goldenRun(t *testing.T, f *tensorfile.File, cfg Config, each func(i int, info Info)) {
	t.Helper()
	const n, d, u = 32, 58, 10
	in := golden(t, f, "in.obs", n, d+u)
	mean := golden(t, f, "out.residual_mean", n, u)
	scaled := golden(t, f, "out.scaled_residual", n, u)
	base := &scripted{}
	for i := range n {
		base.acts = append(base.acts, in[i*(d+u)+d:(i+1)*(d+u)])
	}
	cfg.Base, cfg.Alpha, cfg.Squash = base, 0.1, Linear
	c := newController(t, cfg)
	gotMean, gotAct, wantAct := []float32{}, []float32{}, []float32{}
	for i := range n {
		act := make([]float32, u)
		info, err := c.StepTo(act, in[i*(d+u):i*(d+u)+d])
		if err != nil {
			t.Fatal(err)
		}
		each(i, info)
		gotMean = append(gotMean, info.Residual...)
		gotAct = append(gotAct, act...)
		for j, ub := range base.acts[i] {
			wantAct = append(wantAct, ub+scaled[i*u+j])
		}
	}
	near(t, "residual mean", gotMean, mean, 1e-5)
	near(t, "action", gotAct, wantAct, 1e-5)
}

// TestGoldenKORR: lift, prediction, residual and action of the published KORR modules.
func TestGoldenKORR(t *testing.T) {
	f := readGolden(t, "../koopman/testdata/korr.safetensors")
	const d, u, l, h = 58, 10, 64, 48
	model, err := koopman.New(koopman.Config{
		ObsDim: d, ActDim: u, LatentDim: l, Hidden: []int{h, h},
		SpectralBound: -1,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	nn.CopyParams(model.Phi.Params(), goldenNet(t, f, "param.actor.lift_transform.", d, h, l).Params())
	copy(model.A.Data, golden(t, f, "param.actor.backbone._g_affine", l, l))
	copy(model.B.Data, golden(t, f, "param.actor.backbone._u_affine", l, u))
	head := goldenNet(t, f, "param.actor.inverse_dynamics.", l, h, u).Evaluator()
	var z, next []float32
	goldenRun(t, f, Config{Predictor: model.Predictor(), Head: head, Reads: ReadsLatent}, func(_ int, info Info) {
		z = append(z, info.Latent...)
		next = append(next, info.Predicted...)
	})
	near(t, "z", z, golden(t, f, "out.z", 32, l), 1e-5)
	near(t, "z'", next, golden(t, f, "out.z_next", 32, l), 1e-5)
}

// TestGoldenResiP: the published residual MLP reads [o, u_b], how ActorInputTo's vector begins.
func TestGoldenResiP(t *testing.T) {
	f := readGolden(t, "../internal/nn/testdata/resip.safetensors")
	head := goldenNet(t, f, "param.actor_mean.", 68, 48, 10).Evaluator()
	goldenRun(t, f, Config{Head: head}, func(int, Info) {})
}
