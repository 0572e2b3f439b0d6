package diffusion

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"korr/basepolicy"
	"korr/internal/seed"
	"korr/internal/tensorfile"
)

func identity(dim int) *basepolicy.Normalizer {
	n := &basepolicy.Normalizer{Min: make([]float32, dim), Max: make([]float32, dim)}
	for i := range dim {
		n.Min[i], n.Max[i] = -1, 1
	}
	return n
}

func testPolicy(t *testing.T, arch, sampler string) *Policy {
	t.Helper()
	s, err := ParseSampler(sampler, DefaultSampler())
	if err != nil {
		t.Fatal(err)
	}
	cfg := small()[arch]
	return &Policy{
		Net: smallNetwork(cfg), Process: DefaultProcess(), Sampler: s, Obs: identity(cfg.ObsDim), Act: identity(cfg.ActDim),
		Origin: basepolicy.Origin{Task: "one_leg", Seed: 3},
	}
}

func chunkOf(t *testing.T, c basepolicy.ChunkPolicy, obs []float32) []float32 {
	t.Helper()
	chunk := make([]float32, c.Horizon()*c.ActDim())
	if err := c.ChunkTo(chunk, obs, basepolicy.Rest{}); err != nil {
		t.Fatal(err)
	}
	return chunk
}

func TestChunksFollowTheSeed(t *testing.T) {
	for arch := range small() {
		p, obs := testPolicy(t, arch, "ddim:steps=4,eta=0.5"), noise("obs", 5)
		a, b := p.NewChunker(), p.NewChunker()
		a.Reset(7)
		b.Reset(7)
		first := chunkOf(t, a, obs)
		agree(t, arch+": equal seeds", chunkOf(t, b, obs), first, 0)
		b.Reset(8)
		if bytes.Equal(raw(chunkOf(t, b, obs)), raw(first)) {
			t.Errorf("%s: another seed drew the same chunk", arch)
		}
		a.Reset(7)
		agree(t, arch+": after a reset", chunkOf(t, a, obs), first, 0)
	}
}

func raw(x []float32) []byte {
	var b []byte
	for _, v := range x {
		u := math.Float32bits(v)
		b = append(b, byte(u), byte(u>>8), byte(u>>16), byte(u>>24))
	}
	return b
}

// TestBatchDrawsWhatSinglesDraw: an environment's chunk does not depend on how
// many others are drawn with it.
func TestBatchDrawsWhatSinglesDraw(t *testing.T) {
	const n = 3
	for arch := range small() {
		for _, sampler := range []string{"ddim:steps=4", "ddpm:steps=5"} {
			p, obs, rests := testPolicy(t, arch, sampler), noise("obs", n*5), noise("rests", n*24)
			rngs := func() []*rand.Rand {
				var r []*rand.Rand
				for i := range uint64(n) {
					r = append(r, seed.Stream(9, "test", i))
				}
				return r
			}
			all := make([]float32, n*24)
			if err := p.NewBatch(n).ChunksTo(all, obs, rests, rngs()); err != nil {
				t.Fatal(err)
			}
			one, b := make([]float32, 24), p.NewBatch(1)
			for i, rng := range rngs() {
				if err := b.ChunksTo(one, obs[i*5:(i+1)*5], rests[i*24:(i+1)*24], []*rand.Rand{rng}); err != nil {
					t.Fatal(err)
				}
				agree(t, arch+" "+sampler, all[i*24:(i+1)*24], one, 1e-5)
			}
		}
	}
}

func TestChunksAllocateNothing(t *testing.T) {
	for arch := range small() {
		p, obs := testPolicy(t, arch, "ddim:steps=4"), noise("obs", 5)
		c := p.NewChunker().(*Chunker)
		chunk, rest := make([]float32, 24), noise("rest", 6)
		if a := testing.AllocsPerRun(5, func() {
			if err := c.ChunkTo(chunk, obs, basepolicy.Rest{Actions: rest}); err != nil {
				t.Fatal(err)
			}
			if err := c.ChunkTo(chunk, obs, basepolicy.Rest{Actions: rest, Committed: 1}); err != nil {
				t.Fatal(err)
			}
		}); a != 0 {
			t.Errorf("%s: a chunk allocates %v times", arch, a)
		}
	}
}

// TestCommittedActionsStay: in-painting returns them unchanged and lets the rest
// follow from them.
func TestCommittedActionsStay(t *testing.T) {
	p, obs := testPolicy(t, ArchUNet, "ddim:steps=4"), noise("obs", 5)
	c := p.NewChunker().(*Chunker)
	var ends [2][]float32
	for k, v := range []float32{0.5, -0.5} {
		c.Reset(1)
		committed, chunk := []float32{v, v, v, v, v, v}, make([]float32, 24)
		if err := c.ChunkTo(chunk, obs, basepolicy.Rest{Actions: committed, Committed: 2}); err != nil {
			t.Fatal(err)
		}
		agree(t, "committed actions", chunk[:6], committed, 1e-6)
		ends[k] = chunk[6:]
	}
	if bytes.Equal(raw(ends[0]), raw(ends[1])) {
		t.Error("the rest of the chunk ignores what is committed")
	}
}

// TestQueueWarmStarts: what a chunk left is where the next one begins.
func TestQueueWarmStarts(t *testing.T) {
	p, obs := testPolicy(t, ArchMLP, "ddim:steps=10,warm_step=10"), noise("obs", 5)
	p.Process.Clip = false
	calls := 0
	p.Wrap = func(d Denoiser) Denoiser { return &counter{d, &calls} }
	q, act := basepolicy.NewQueue(p.NewChunker(), 3), make([]float32, 3)
	q.Reset(1)
	for step, want := range []int{10, 10, 10, 12, 12, 12, 14} { // cold, then from the step 10 of 90, 80, .. 0
		if err := q.ActTo(act, obs); err != nil {
			t.Fatal(err)
		}
		if calls != want {
			t.Fatalf("step %d: %d network calls so far, want %d", step, calls, want)
		}
	}
	q.Replan() // what is left is stale
	if err := q.ActTo(act, obs); err != nil || calls != 24 {
		t.Errorf("%d network calls after a re-plan (%v), want a cold start: 24", calls, err)
	}
}

type counter struct {
	Denoiser
	calls *int
}

func (c *counter) PredictTo(dst, x, cond []float32, i int) {
	*c.calls++
	c.Denoiser.PredictTo(dst, x, cond, i)
}

func TestRefusesWhatIsNotFinite(t *testing.T) {
	p := testPolicy(t, ArchMLP, "ddim:steps=2")
	c, chunk, obs := p.NewChunker(), make([]float32, 24), noise("obs", 5)
	obs[2] = float32(math.NaN())
	if err := c.ChunkTo(chunk, obs, basepolicy.Rest{}); !errors.Is(err, basepolicy.ErrNotFinite) {
		t.Errorf("a NaN observed: %v", err)
	}
	if err := c.ChunkTo(chunk, obs[:3], basepolicy.Rest{}); err == nil {
		t.Error("a short observation was accepted")
	}
}

func TestCheckpoint(t *testing.T) {
	for arch := range small() {
		p := testPolicy(t, arch, "dpm++:steps=5,warm=none")
		path := filepath.Join(t.TempDir(), "p.safetensors")
		if err := basepolicy.Save(path, p); err != nil {
			t.Fatal(err)
		}
		q, err := basepolicy.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		obs := noise("obs", 5)
		agree(t, arch, chunkOf(t, q.NewChunker(), obs), chunkOf(t, p.NewChunker(), obs), 0)
		if d := q.(*Policy); d.Sampler != p.Sampler || d.Process != p.Process || d.Origin != p.Origin {
			t.Errorf("%s: %+v came back as %+v", arch, p, d)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, spoil := range map[string]func(f *tensorfile.File){
		"format": func(f *tensorfile.File) { f.Meta["format"] = "x" },
		"config": func(f *tensorfile.File) { f.Meta["config"] = "{" },
		"huge": func(f *tensorfile.File) {
			f.Meta["config"] = `{"network":{"arch":"mlp","obs_dim":5,"act_dim":3,"horizon":8,"step_embed_dim":6,"width":16384,"blocks":64}}`
		},
		"no sampler": func(f *tensorfile.File) {
			f.Meta["config"] = `{"network":{"arch":"mlp","obs_dim":5,"act_dim":3,"horizon":8,"step_embed_dim":6,"width":8,"blocks":2}}`
		},
		"NaN":     func(f *tensorfile.File) { f.Tensors[4].F32[0] = float32(math.NaN()) },
		"missing": func(f *tensorfile.File) { f.Tensors = f.Tensors[:len(f.Tensors)-1] },
		"shape":   func(f *tensorfile.File) { t := &f.Tensors[len(f.Tensors)-1]; t.Shape = append(t.Shape, 1) },
	} {
		var f tensorfile.File
		if err := testPolicy(t, ArchMLP, "ddim:steps=4").SaveTo(&f, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadFrom(&f, ""); err != nil {
			t.Fatal(err)
		}
		spoil(&f)
		if p, err := basepolicy.LoadFrom(&f, ""); err == nil || p != nil && name == "format" {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestConfigRefuses(t *testing.T) {
	for name, change := range map[string]func(c *Config){
		"arch":    func(c *Config) { c.Arch = "gan" },
		"horizon": func(c *Config) { c.Horizon = 7 },
		"kernel":  func(c *Config) { c.Kernel = 4 },
		"groups":  func(c *Config) { c.Groups = 3 },
		"width":   func(c *Config) { c.DownDims[0] = 1 << 20 },
		"step":    func(c *Config) { c.StepDim = 5 },
		"zero":    func(c *Config) { c.ActDim = 0 },
		"heads":   func(c *Config) { c.Arch, c.Width, c.Blocks, c.Heads = ArchTransformer, 8, 1, 3 },
	} {
		c := small()[ArchUNet]
		change(&c)
		if c.Validate() == nil {
			t.Errorf("%s: %+v was accepted", name, c)
		}
	}
}
