package diffusion

import (
	"testing"

	"korr/internal/tensorfile"
)

// FuzzLoad: whatever the metadata says, loading ends with an error or a policy
// that draws chunks.
func FuzzLoad(f *testing.F) {
	p := &Policy{
		Net: smallNetwork(small()[ArchMLP]), Process: DefaultProcess(),
		Sampler: SamplerConfig{Method: DDIM, Steps: 2, Warm: WarmNone},
		Obs:     identity(5), Act: identity(3),
	}
	var whole tensorfile.File
	if err := p.SaveTo(&whole, ""); err != nil {
		f.Fatal(err)
	}
	f.Add(whole.Meta["config"], whole.Meta["origin"])
	f.Add(`{"network":{"arch":"unet","obs_dim":16384,"act_dim":1,"horizon":16384,"step_embed_dim":16384,"down_dims":[16384,16384],"kernel":63,"groups":1}}`, "{}")
	f.Fuzz(func(t *testing.T, config, origin string) {
		file := tensorfile.File{
			Tensors: whole.Tensors,
			Meta:    map[string]string{"format": policyFormat, "config": config, "origin": origin},
		}
		got, err := LoadFrom(&file, "")
		if err != nil {
			return
		}
		chunkOf(t, got.NewChunker(), make([]float32, got.Net.Config().ObsDim))
	})
}
