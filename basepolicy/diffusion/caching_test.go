package diffusion

import (
	"math"
	"path/filepath"
	"testing"

	"korr/basepolicy"
	"korr/basepolicy/cache"
)

func setCache(t *testing.T, p *Policy, text string) cache.Config {
	t.Helper()
	c, err := cache.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if c.Calibrated() {
		if _, err := p.Calibrate(c, noise("calibrate", 6*5), 1); err != nil {
			t.Fatal(err)
		}
	}
	p.Cache = c
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	return c
}

// cachesOf are settings of every method that the network can take.
func cachesOf(arch string) []string {
	out := []string{
		"reuse:n=2", "adaptive:threshold=0.6", "adaptive:by=step,threshold=1", "taylor:n=2,order=2", "newton:n=2",
		"hicache:n=2", "foca:n=2", "freqca:n=2,feature=output",
		"hyca:n=2", "hyca:n=2,feature=output", "speca:tau=10,order=1", "speca:tau=10,order=1,reject=now",
	}
	if arch == ArchTransformer {
		out = append(out, "freqca:n=2", "reuse:n=2,feature=stream", "bac:updates=3")
	}
	return out
}

// TestEveryCacheOnEveryNetwork: fewer calls, a chunk not far from the full one, no
// allocation, and the same after a round trip through a checkpoint.
func TestEveryCacheOnEveryNetwork(t *testing.T) {
	obs := noise("obs", 5)
	for arch := range small() {
		full := chunkOf(t, testPolicy(t, arch, "ddim:steps=10").NewChunker(), obs)
		for _, text := range cachesOf(arch) {
			p := testPolicy(t, arch, "ddim:steps=10")
			setCache(t, p, text)
			c := p.NewChunker().(*Chunker)
			got := chunkOf(t, c, obs)
			info := c.ChunkInfo()
			if info.Steps != 10 || info.Calls >= 10 || info.Calls < 3 {
				t.Errorf("%s, %s: %+v", arch, text, info)
			}
			if off := distance(got, full); !(off < 0.5) {
				t.Errorf("%s, %s: the chunk is off by %.2f", arch, text, off)
			}
			if a := testing.AllocsPerRun(3, func() {
				if err := c.ChunkTo(got, obs, basepolicy.Rest{}); err != nil {
					t.Fatal(err)
				}
			}); a != 0 {
				t.Errorf("%s, %s: a chunk allocates %v times", arch, text, a)
			}
			path := filepath.Join(t.TempDir(), "p.safetensors")
			if err := basepolicy.Save(path, p); err != nil {
				t.Fatal(err)
			}
			q, err := basepolicy.Load(path)
			if err != nil {
				t.Fatal(err)
			}
			agree(t, arch+", "+text+" loaded", chunkOf(t, q.NewChunker(), obs), chunkOf(t, p.NewChunker(), obs), 0)
		}
	}
}

func distance(a, b []float32) float64 {
	var d, s float64
	for i, v := range b {
		d += float64(a[i]-v) * float64(a[i]-v)
		s += float64(v) * float64(v)
	}
	return math.Sqrt(d / s)
}

// TestCacheEverything: a cache that never skips changes nothing.
func TestCacheEverything(t *testing.T) {
	obs := noise("obs", 5)
	for arch := range small() {
		want := chunkOf(t, testPolicy(t, arch, "ddim:steps=6").NewChunker(), obs)
		for _, text := range []string{"reuse:n=1", "taylor:n=1", "hyca:n=1", "adaptive:threshold=0"} {
			p := testPolicy(t, arch, "ddim:steps=6")
			setCache(t, p, text)
			agree(t, arch+", "+text, chunkOf(t, p.NewChunker(), obs), want, 0)
		}
	}
	p := testPolicy(t, ArchTransformer, "ddim:steps=6")
	setCache(t, p, "bac:updates=6")
	want := chunkOf(t, testPolicy(t, ArchTransformer, "ddim:steps=6").NewChunker(), obs)
	agree(t, "bac", chunkOf(t, p.NewChunker(), obs), want, 1e-6)
}

// TestParts: the last block on what it read, and the head on the sum of residuals,
// give the output again; shares of the work are shares.
func TestParts(t *testing.T) {
	const n = 2
	for arch, cfg := range small() {
		d := NewDenoiser(smallNetwork(cfg), n)
		k := cfg.Horizon * cfg.ActDim
		x, cond, y := noise("x", n*k), noise("cond", n*cfg.ObsDim), make([]float32, n*k)
		d.Begin([]int{70, 30}, n)
		d.PredictTo(y, x, cond, 1)
		got, p := make([]float32, n*k), d.Parts()
		input := make([]float32, n*p.Tail.TailDim())
		p.Tail.TailInputTo(input)
		d.PredictTo(got, noise("other", n*k), cond, 0)
		p.Tail.TailTo(got, input, cond, 1)
		agree(t, arch+": the last block alone", got, y, 1e-6)
		if s := p.Tail.TailShare(); !(s > 0 && s < 1) {
			t.Errorf("%s: the last block is %g of the work", arch, s)
		}
		if p.Stream == nil {
			continue
		}
		sum := make([]float32, n*p.Stream.StreamDim())
		d.PredictTo(y, x, cond, 1)
		p.Stream.StreamTo(sum)
		d.PredictTo(got, noise("other", n*k), cond, 0)
		p.Stream.HeadTo(got, sum, x, cond, 1)
		agree(t, arch+": the head alone", got, y, 1e-5)
		attention, forward, rest := p.Blocks.UnitShare()
		if s := float64(cfg.Blocks)*(attention+forward) + rest; math.Abs(s-1) > 1e-12 {
			t.Errorf("the shares of a call's work sum to %g", s)
		}
	}
}

// TestStaleUnitsStay: a unit that is not computed adds what it added.
func TestStaleUnitsStay(t *testing.T) {
	cfg := small()[ArchTransformer]
	d := NewDenoiser(smallNetwork(cfg), 1)
	k := cfg.Horizon * cfg.ActDim
	x, other, cond := noise("x", k), noise("other", k), noise("cond", cfg.ObsDim)
	b := d.Parts().Blocks
	fresh, kept := make([]bool, b.Units()), make([][]float32, b.Units())
	for u := range kept {
		fresh[u], kept[u] = true, make([]float32, b.UnitDim())
	}
	d.Begin([]int{70, 30}, 1)
	want, y := make([]float32, k), make([]float32, k)
	d.PredictTo(want, x, cond, 0)
	b.BlocksTo(y, x, cond, 0, fresh, kept)
	agree(t, "all fresh", y, want, 1e-6)
	clear(fresh)
	b.BlocksTo(y, x, cond, 0, fresh, kept)
	agree(t, "none fresh, same input", y, want, 1e-5)
	b.BlocksTo(y, other, cond, 1, fresh, kept)
	sum := make([]float32, b.UnitDim())
	for _, f := range kept {
		add(sum, f)
	}
	d.Parts().Stream.HeadTo(want, sum, other, cond, 1)
	agree(t, "none fresh, other input", y, want, 1e-5)
}

// TestStoredCalibrations: they are for their sampler, and a damaged one is refused.
func TestStoredCalibrations(t *testing.T) {
	p := testPolicy(t, ArchTransformer, "ddim:steps=8")
	setCache(t, p, "bac:updates=3")
	setCache(t, p, "hyca:n=2")
	setCache(t, p, "hyca:n=2") // replaced, not added
	if len(p.Calibrations) != 2 {
		t.Errorf("%d calibrations", len(p.Calibrations))
	}
	p.Sampler.Warm, p.Sampler.WarmStep = WarmConsistent, 20
	if err := p.Validate(); err != nil {
		t.Errorf("another warm start: %v", err)
	}
	p.Sampler.Steps = 6
	if p.Validate() == nil {
		t.Error("a calibration for 8 steps was taken for 6")
	}
	p.Sampler.Steps = 8
	p.Calibrations[1].Solvers[0] = 1000
	if p.Validate() == nil {
		t.Error("a rule that does not exist was accepted")
	}
	q := testPolicy(t, ArchMLP, "ddim:steps=8")
	for _, text := range []string{"bac", "freqca:feature=stream"} {
		q.Cache, _ = cache.Parse(text)
		if q.Validate() == nil {
			t.Errorf("%s was accepted for an mlp", text)
		}
	}
}
