package basepolicy

import (
	"math"
	"slices"
	"testing"

	"korr/internal/seed"
)

// relativeMLP is a relative policy whose ranges of observation and action differ.
func relativeMLP(t testing.TB) *MLP {
	t.Helper()
	m := testMLP(t)
	cfg := m.Config
	cfg.Relative = true
	for i := range 3 {
		m.Act.Min[i], m.Act.Max[i] = -0.2*float32(i+1), 0.5
		m.Obs.Min[i], m.Obs.Max[i] = -0.3, 0.4*float32(i+1)
	}
	r := NewMLP(cfg, m.Obs, m.Act, seed.Stream(1, "init", 0))
	for i := range r.Relative.Scale {
		r.Relative.Scale[i] = 0.01 * float32(i+1)
	}
	return r
}

// TestRelativeIsAboutTheTool: a network that says zero commands where the tool is, whatever the ranges are, and To
// undoes From.
func TestRelativeIsAboutTheTool(t *testing.T) {
	m := relativeMLP(t)
	u := m.Config.ActDim
	raw := []float32{0.11, -0.07, 0.25}
	obs := testObs(1)
	for i, v := range raw {
		obs[i] = 2*(v-m.Obs.Min[i])/(m.Obs.Max[i]-m.Obs.Min[i]) - 1
	}
	chunk := make([]float32, m.Config.Horizon*u)
	m.Relative.From(chunk, obs)
	for h := range m.Config.Horizon {
		for i, want := range raw {
			got := m.Act.Min[i] + (chunk[h*u+i]+1)/2*(m.Act.Max[i]-m.Act.Min[i])
			if math.Abs(float64(got-want)) > 1e-6 {
				t.Fatalf("step %d, coordinate %d: %g, the tool is at %g", h, i, got, want)
			}
		}
	}
	rng := seed.Stream(3, "chunk", 0)
	for i := range chunk {
		chunk[i] = float32(rng.NormFloat64())
	}
	said := slices.Clone(chunk)
	m.Relative.To(said, obs)
	if d := said[5*u] - chunk[5*u]; d == 0 {
		t.Error("To changed nothing")
	}
	if said[5*u+3] != chunk[5*u+3] || said[5*u+9] != chunk[5*u+9] {
		t.Error("To changed a rotation or the gripper")
	}
	m.Relative.From(said, obs)
	for i := range said {
		if math.Abs(float64(said[i]-chunk[i])) > 1e-5 {
			t.Fatalf("value %d is %g after To and From, was %g", i, said[i], chunk[i])
		}
	}
}

// TestRelativeTravels: a saved relative policy plans the same chunks, and not those of an absolute one.
func TestRelativeTravels(t *testing.T) {
	m := relativeMLP(t)
	path := t.TempDir() + "/base.safetensors"
	if err := Save(path, m); err != nil {
		t.Fatal(err)
	}
	q, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	obs := testObs(2)
	want := chunkOf(t, m.NewChunker(), obs)
	if got := chunkOf(t, q.NewChunker(), obs); !slices.Equal(got, want) {
		t.Error("the loaded policy plans otherwise")
	}
	if slices.Equal(want, chunkOf(t, testMLP(t).NewChunker(), obs)) {
		t.Error("a relative policy plans what an absolute one does: the test compares nothing")
	}
	m.Relative.Scale[4] = float32(math.NaN())
	if err := Save(path, m); err == nil {
		if _, err = Load(path); err == nil {
			t.Error("a scale that is no number was loaded")
		}
	}
}
