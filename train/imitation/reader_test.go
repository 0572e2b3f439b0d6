package imitation

import (
	"errors"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"korr/basepolicy"
	"korr/internal/geom"
	"korr/internal/seed"
	"korr/residual"
	"korr/sim"
)

// TestTrainedAsActed: what a base policy reads while it is trained is, bit for bit, what the encoder of a controller
// gives it, and a saved policy still knows that it reads features and averages its chunks.
func TestTrainedAsActed(t *testing.T) {
	task, err := sim.TaskByName("lamp")
	if err != nil {
		t.Fatal(err)
	}
	parts := (task.ObsDim() - sim.StateDim) / sim.PoseDim
	rng := seed.Stream(3, "reader", 0)
	var rows []float32
	for range 40 {
		raw := make([]float32, task.ObsDim())
		for i := range sim.StateDim {
			raw[i] = float32(rng.NormFloat64())
		}
		geom.Rot6DTo(raw[3:], geom.RotVec(geom.Vec3{rng.NormFloat64(), rng.NormFloat64(), rng.NormFloat64()}))
		for at := sim.StateDim; at < len(raw); at += sim.PoseDim {
			geom.PoseTo(raw[at:], geom.Pose{
				P: geom.Vec3{0.1 * rng.NormFloat64(), 0.1 * rng.NormFloat64(), 0.01 * rng.NormFloat64()},
				Q: geom.RotVec(geom.Vec3{rng.NormFloat64(), rng.NormFloat64(), rng.NormFloat64()}).Canonical(),
			})
		}
		rows = append(rows, raw...)
	}
	obs, err := basepolicy.FitObsNormalizer(rows, task.ObsDim(), parts, 0.1)
	if err != nil {
		t.Fatal(err)
	}
	act := &basepolicy.Normalizer{Min: slices.Repeat([]float32{-1}, 10), Max: slices.Repeat([]float32{1}, 10)}
	read := newReader(obs, act, task.NewFeatures())
	net := basepolicy.MLPConfig{
		ObsDim: read.BaseDim(), ActDim: 10, Horizon: 8, Hidden: []int{8},
		Features: task.NewFeatures().Dim(),
	}
	var base basepolicy.Policy = basepolicy.Ensembled{
		Policy: basepolicy.NewMLP(net, obs, act, seed.Stream(1, "net", 0)),
		Rate:   0.25,
	}
	path := filepath.Join(t.TempDir(), "base.safetensors")
	if err := basepolicy.Save(path, base); err != nil {
		t.Fatal(err)
	}
	if base, err = basepolicy.Load(path); err != nil {
		t.Fatal(err)
	}
	if e, ok := base.(basepolicy.Ensembled); !ok || math.Abs(e.Rate-0.25) > 0 ||
		base.About().Features != task.NewFeatures().Dim() {
		t.Fatalf("loaded %T with %d features, want one that averages at 0.25 with %d", base, base.About().Features,
			task.NewFeatures().Dim())
	}
	p := &residual.Policy{Method: residual.MethodBase, Task: "lamp", Base: base, Execute: 8}
	enc := must(p.Encoder(task.NewFeatures()))
	xo, x := make([]float32, enc.Dim()), make([]float32, read.BaseDim())
	for i := 0; i < len(rows); i += task.ObsDim() {
		enc.EncodeTo(xo, rows[i:i+task.ObsDim()])
		read.EncodeTo(x, rows[i:i+task.ObsDim()])
		if !slices.Equal(x, xo[:enc.BaseDim()]) {
			t.Fatalf("row %d: trained on\n%v, acts on\n%v", i/task.ObsDim(), x, xo[:enc.BaseDim()])
		}
	}
	other, err := sim.TaskByName("one_leg")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Encoder(other.NewFeatures()); !errors.Is(err, residual.ErrFeatures) {
		t.Errorf("features of another task: %v", err)
	}
}

// must is the value of a call that does not fail.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
