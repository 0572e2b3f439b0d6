package carp

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"korr/basepolicy"
	"korr/internal/nn"
)

func small() Config {
	c := Published()
	c.ObsDim, c.ActDim, c.Codebook, c.Embed, c.Depth, c.Heads = 5, 2, 16, 8, 2, 2
	return c
}

func testPolicy(seed uint64) *Policy {
	c, rng := small(), rand.New(rand.NewPCG(seed, 1))
	unit := func(n int) *basepolicy.Normalizer {
		m := &basepolicy.Normalizer{Min: make([]float32, n), Max: make([]float32, n)}
		for i := range n {
			m.Min[i], m.Max[i] = -1, 1
		}
		return m
	}
	return &Policy{Tokenizer: NewTokenizer(c, rng), AR: NewAR(c, rng), Obs: unit(5), Act: unit(2)}
}

// TestBicubic: rows of the interpolation sum to one, and keep a line in the middle.
func TestBicubic(t *testing.T) {
	for parts := 1; parts <= 4; parts++ {
		m := bicubic(parts, 4)
		for i := range 4 {
			var sum float64
			for _, v := range m[i*parts : (i+1)*parts] {
				sum += float64(v)
			}
			if math.Abs(sum-1) > 1e-6 {
				t.Errorf("%d parts, row %d sums to %g", parts, i, sum)
			}
		}
	}
	a := averages(3, 4) // parts overlap where the length is no multiple
	for i, want := range []float32{0.5, 0.5, 0, 0, 0, 0.5, 0.5, 0, 0, 0, 0.5, 0.5} {
		if a[i] != want {
			t.Errorf("averages %v", a)
			break
		}
	}
}

// TestLearnsTwoChunks: a tokeniser and a transformer trained on two chunks, told apart by the observation, draw them.
func TestLearnsTwoChunks(t *testing.T) {
	p := testPolicy(3)
	c := p.AR.cfg
	chunks, obs := make([]float32, 2*c.Horizon*c.ActDim), make([]float32, 2*c.ObsDim)
	for i := range chunks {
		step := float64(i / c.ActDim % c.Horizon)
		if i < len(chunks)/2 {
			chunks[i] = float32(0.05 * step)
		} else {
			chunks[i] = float32(0.4 * math.Cos(step/4))
		}
	}
	obs[0], obs[c.ObsDim] = 1, -1
	pass, decoded, losses := p.Tokenizer.NewPass(), make([]float32, len(chunks)), make([]Losses, c.ActDim)
	opt := nn.NewAdamW(p.Tokenizer.Params(), nn.AdamWConfig{LR: 5e-3})
	for range 400 {
		pass.Encode(chunks, 2)
		pass.DecodeTo(decoded)
		pass.Loss(losses)
		nn.ZeroGrad(p.Tokenizer.Params())
		pass.Backward()
		opt.Step()
	}
	pass.Encode(chunks, 2)
	pass.DecodeTo(decoded)
	if pass.Loss(losses); !(losses[0].L2 < 2e-3 && losses[1].L2 < 2e-3) {
		t.Fatalf("the tokeniser rebuilds with %+v", losses)
	}
	ar := p.AR.NewPass(2)
	opt = nn.NewAdamW(p.AR.Params(), nn.AdamWConfig{LR: 5e-3})
	for range 200 {
		ar.Observe(obs, 2)
		logits := ar.Forward(pass.Inputs())
		ar.Loss(logits, pass.Words())
		nn.ZeroGrad(p.AR.Params())
		ar.Backward(logits)
		opt.Step()
	}
	drawn, chunker := make([]float32, c.Horizon*c.ActDim), p.NewChunker()
	for i := range 2 {
		if err := chunker.ChunkTo(drawn, obs[i*c.ObsDim:(i+1)*c.ObsDim], basepolicy.Rest{}); err != nil {
			t.Fatal(err)
		}
		for j, v := range drawn {
			if d := math.Abs(float64(v - decoded[i*len(drawn)+j])); d > 1e-4 {
				t.Fatalf("chunk %d, value %d: %g, the tokeniser's is %g", i, j, v, decoded[i*len(drawn)+j])
			}
		}
	}
	if info := chunker.ChunkInfo(); info.Calls != 4 {
		t.Errorf("%+v, want four passes", info)
	}
}

// TestCheckpoint: a policy comes back as it was, draws without allocating, and refuses what is not finite.
func TestCheckpoint(t *testing.T) {
	p := testPolicy(5)
	path := filepath.Join(t.TempDir(), "p.safetensors")
	if err := basepolicy.Save(path, p); err != nil {
		t.Fatal(err)
	}
	q, err := basepolicy.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	obs := []float32{0.1, -0.2, 0.3, 0.4, 0.9}
	want, got := make([]float32, 32), make([]float32, 32)
	own, other := p.NewChunker(), q.NewChunker()
	if err := own.ChunkTo(want, obs, basepolicy.Rest{}); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(5, func() {
		if err := other.ChunkTo(got, obs, basepolicy.Rest{}); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("a chunk allocates %v times", n)
	}
	for i, v := range want {
		if got[i] != v {
			t.Fatalf("value %d: %g, want %g", i, got[i], v)
		}
	}
	obs[2] = float32(math.NaN())
	if err := own.ChunkTo(want, obs, basepolicy.Rest{}); err != basepolicy.ErrNotFinite {
		t.Errorf("an observation that is not a number: %v", err)
	}
}

func TestConfigsRefused(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"horizon": func(c *Config) { c.Horizon = 32 }, "scales": func(c *Config) { c.Scales = []int{1, 3, 2, 4} },
		"heads": func(c *Config) { c.Heads = 3 }, "features": func(c *Config) { c.Features = 5 },
		"residual": func(c *Config) { c.Residual = math.NaN() }, "huge": func(c *Config) { c.Codebook = 1 << 20 },
	} {
		c := small()
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		if change(&c); c.Validate() == nil {
			t.Errorf("%s: %+v was accepted", name, c)
		}
	}
}
