package basepolicy

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"korr/internal/seed"
	"korr/internal/tensorfile"
)

func testMLP(t testing.TB) *MLP {
	t.Helper()
	cfg := MLPConfig{ObsDim: 58, ActDim: 10, Horizon: 32, Hidden: []int{64, 64}}
	norm := func(dim int) *Normalizer {
		n := &Normalizer{Min: make([]float32, dim), Max: make([]float32, dim)}
		for i := range n.Max {
			n.Min[i], n.Max[i] = float32(-i), float32(i+1)
		}
		return n
	}
	m := NewMLP(cfg, norm(58), norm(10), seed.Stream(1, "init", 0))
	m.Origin = Origin{Task: "one_leg", Dataset: "demos", Simulator: "abc", Seed: 1, Training: `{"steps":1}`}
	return m
}

func testObs(i int) []float32 {
	rng := seed.Stream(2, "obs", uint64(i))
	o := make([]float32, 58)
	for j := range o {
		o[j] = float32(rng.Float64()*2 - 1)
	}
	return o
}

func chunkOf(t testing.TB, p ChunkPolicy, obs []float32) []float32 {
	t.Helper()
	c := make([]float32, p.Horizon()*p.ActDim())
	if err := p.ChunkTo(c, obs, Rest{}); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMLPSaveLoad(t *testing.T) {
	m := testMLP(t)
	path := filepath.Join(t.TempDir(), "base.safetensors")
	if err := Save(path, m); err != nil {
		t.Fatal(err)
	}
	loaded, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	got := loaded.(*MLP)
	if !reflect.DeepEqual(got.Config, m.Config) || got.Origin != m.Origin ||
		!reflect.DeepEqual(got.Obs, m.Obs) || !reflect.DeepEqual(got.Act, m.Act) {
		t.Errorf("loaded %+v %+v", got.Config, got.Origin)
	}
	want, have := chunkOf(t, m.NewChunker(), testObs(0)), chunkOf(t, got.NewChunker(), testObs(0))
	if !reflect.DeepEqual(want, have) {
		t.Error("the loaded policy plans another chunk")
	}
	if want[0] == 0 || want[0] == want[10] {
		t.Errorf("an untrained chunk starts %v: the network is not initialised", want[:2])
	}
}

func TestMLPInsideLargerCheckpoint(t *testing.T) {
	m := testMLP(t)
	var f tensorfile.File
	f.Add("actor.0.weight", []float32{1})
	if err := m.SaveTo(&f, "base."); err != nil {
		t.Fatal(err)
	}
	got, err := LoadMLPFrom(&f, "base.")
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(chunkOf(t, got.NewChunker(), testObs(3)), chunkOf(t, m.NewChunker(), testObs(3))) {
		t.Error("the embedded policy plans another chunk")
	}
	if _, err := LoadMLPFrom(&f, ""); err == nil {
		t.Error("the wrong prefix was accepted")
	}
}

func TestLoadMLPRefuses(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	if err := Save(good, testMLP(t)); err != nil {
		t.Fatal(err)
	}
	read := func() *tensorfile.File {
		f, err := tensorfile.Read(good)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	tensor := func(f *tensorfile.File, name string) *tensorfile.Tensor {
		x, ok := f.Lookup(name)
		if !ok {
			t.Fatalf("no tensor %s", name)
		}
		return x
	}
	tests := []struct {
		name string
		edit func(f *tensorfile.File)
		want string
	}{
		{"other kind", func(f *tensorfile.File) { f.Meta["format"] = "pt" }, "not a base policy"},
		{"no metadata", func(f *tensorfile.File) { f.Meta = nil }, "not a base policy"},
		{"broken config", func(f *tensorfile.File) { f.Meta["config"] = "{" }, "config"},
		{"broken origin", func(f *tensorfile.File) { f.Meta["origin"] = "" }, "origin"},
		{"other size", func(f *tensorfile.File) {
			f.Meta["config"] = strings.Replace(f.Meta["config"], `"hidden":[64`, `"hidden":[60000`, 1)
		}, "needs"},
		{"negative size", func(f *tensorfile.File) {
			f.Meta["config"] = strings.Replace(f.Meta["config"], `"horizon":32`, `"horizon":-32`, 1)
		}, "outside"},
		{"same count, other shape", func(f *tensorfile.File) { tensor(f, "net.0.weight").Shape = []int{58, 64} }, "shape"},
		{"NaN normalizer", func(f *tensorfile.File) { tensor(f, "obs.min").F32[3] = float32(math.NaN()) }, "obs.min"},
		{"empty range", func(f *tensorfile.File) { tensor(f, "act.max").F32[2] = -2 }, "dimension 2"},
		{"infinite weight", func(f *tensorfile.File) { tensor(f, "net.2.bias").F32[0] = float32(math.Inf(1)) }, "finite"},
	}
	for _, tt := range tests {
		f := read()
		tt.edit(f)
		if _, err := LoadMLPFrom(f, ""); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
	}
	b, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(dir, "bad")
	if err := os.WriteFile(bad, bytes.Clone(b[:len(b)-5]), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(bad); err == nil || !strings.Contains(err.Error(), "bad") {
		t.Errorf("a truncated file: %v", err)
	}
}

func TestChunkToErrors(t *testing.T) {
	c := testMLP(t).NewChunker()
	chunk := make([]float32, 320)
	obs := testObs(0)
	if err := c.ChunkTo(chunk, obs[:57], Rest{}); err == nil {
		t.Error("a short observation was accepted")
	}
	if err := c.ChunkTo(chunk[:10], obs, Rest{}); err == nil {
		t.Error("a short chunk was accepted")
	}
	obs[7] = float32(math.NaN())
	if err := c.ChunkTo(chunk, obs, Rest{}); !errors.Is(err, ErrNotFinite) {
		t.Errorf("NaN observation: %v", err)
	}
}

// TestChunkersShareTheNetwork runs two chunkers at once; the race detector
// watches, and each result equals the serial one.
func TestChunkersShareTheNetwork(t *testing.T) {
	m := testMLP(t)
	var wg sync.WaitGroup
	for g := range 2 {
		wg.Go(func() {
			c, serial := m.NewChunker(), m.NewChunker()
			for i := range 20 {
				a := chunkOf(t, c, testObs(100*g+i))
				if !reflect.DeepEqual(a, chunkOf(t, serial, testObs(100*g+i))) {
					t.Error("a shared network gave another chunk")
				}
			}
		})
	}
	wg.Wait()
}

func TestQueueDoesNotAllocate(t *testing.T) {
	q := NewQueue(testMLP(t).NewChunker(), 2)
	q.Reset(0)
	obs, act := testObs(0), make([]float32, 10)
	run := func(name string, f func() error) {
		if a := testing.AllocsPerRun(50, func() {
			if err := f(); err != nil {
				t.Fatal(err)
			}
		}); a != 0 {
			t.Errorf("%s: %v allocations", name, a)
		}
	}
	run("ActTo, planning every second time", func() error { return q.ActTo(act, obs) })
	run("ActTo, planning every time", func() error { q.Replan(); return q.ActTo(act, obs) })
	run("PeekTo, planning every time", func() error { q.Replan(); return q.PeekTo(act, obs) })
	run("Reset and ActTo", func() error { q.Reset(1); return q.ActTo(act, obs) })
}

func FuzzLoadMLP(f *testing.F) {
	m := testMLP(f)
	var whole tensorfile.File
	if err := m.SaveTo(&whole, ""); err != nil {
		f.Fatal(err)
	}
	f.Add(whole.Meta["config"], whole.Meta["origin"])
	f.Add(`{"obs_dim":65536,"act_dim":65536,"horizon":1,"hidden":[65536,65536]}`, "{}")
	f.Fuzz(func(t *testing.T, config, origin string) {
		file := tensorfile.File{
			Tensors: whole.Tensors,
			Meta:    map[string]string{"format": mlpFormat, "config": config, "origin": origin},
		}
		got, err := LoadMLPFrom(&file, "")
		if err != nil {
			return
		}
		chunkOf(t, got.NewChunker(), make([]float32, got.Config.ObsDim))
	})
}

func BenchmarkPlan(b *testing.B) {
	cfg := MLPConfig{ObsDim: 58, ActDim: 10, Horizon: 32, Hidden: []int{384, 384, 384}}
	m := testMLP(b)
	c := NewMLP(cfg, m.Obs, m.Act, seed.Stream(1, "init", 0)).NewChunker()
	chunk, obs := make([]float32, 320), testObs(0)
	for b.Loop() {
		if err := c.ChunkTo(chunk, obs, Rest{}); err != nil {
			b.Fatal(err)
		}
	}
}
