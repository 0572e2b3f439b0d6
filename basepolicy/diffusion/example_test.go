package diffusion_test

import (
	"fmt"

	"korr/basepolicy"
	"korr/basepolicy/diffusion"
	"korr/internal/seed"
)

// A diffusion policy draws chunks from noise; its sampler is a line of text.
func ExampleParseSampler() {
	sampler, err := diffusion.ParseSampler("ddim:steps=4,warm=none", diffusion.DefaultSampler())
	if err != nil {
		fmt.Println(err)
		return
	}
	unit := &basepolicy.Normalizer{Min: []float32{-1, -1, -1}, Max: []float32{1, 1, 1}}
	cfg := diffusion.Config{Arch: diffusion.ArchMLP, ObsDim: 3, ActDim: 3, Horizon: 8, StepDim: 8, Width: 16, Blocks: 1}
	policy := &diffusion.Policy{
		Net: diffusion.NewNetwork(cfg, seed.Stream(1, "example", 0)), Process: diffusion.DefaultProcess(),
		Sampler: sampler, Obs: unit, Act: unit,
	}
	chunker := policy.NewChunker()
	chunk, again := make([]float32, 8*3), make([]float32, 8*3)
	for _, dst := range [][]float32{chunk, again} {
		chunker.Reset(7)
		if err := chunker.ChunkTo(dst, []float32{0, 0.5, 0}, basepolicy.Rest{}); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Printf("%d network calls, the same chunk from the same seed: %t\n", chunker.ChunkInfo().Steps,
		chunk[0] == again[0])
	// Output:
	// 4 network calls, the same chunk from the same seed: true
}
