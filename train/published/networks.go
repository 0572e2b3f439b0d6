package published

import (
	"fmt"
	"strconv"

	"korr/basepolicy/diffusion"
	"korr/internal/nn"
	"korr/internal/tensorfile"
)

// maxLayer bounds a layer's width.
const maxLayer = 1 << 14

// shape returns a tensor's shape of so many dimensions, none of them zero.
func shape(f *tensorfile.File, name string, dims int) ([]int, error) {
	t, ok := f.Lookup(name)
	if !ok {
		return nil, fmt.Errorf("%w: %q", tensorfile.ErrMissing, name)
	}
	if len(t.Shape) != dims || len(t.F32) == 0 {
		return nil, fmt.Errorf("%w: %q is %v, want %d dimensions", tensorfile.ErrShape, name, t.Shape, dims)
	}
	return t.Shape, nil
}

// MLP reads the weights of a torch Sequential(Linear, ReLU, ..., Linear) under prefix, whose sizes are those of its
// tensors. The error is one of tensorfile's.
func MLP(f *tensorfile.File, prefix string) (*nn.MLP, error) {
	cfg, last := nn.MLPConfig{}, ""
	for k := 0; ; k += 2 {
		layer := prefix + strconv.Itoa(k)
		if _, ok := f.Lookup(layer + ".weight"); !ok && k > 0 {
			break
		}
		w, err := shape(f, layer+".weight", 2)
		if err != nil {
			return nil, err
		}
		if k == 0 {
			cfg.In = w[1]
		} else {
			cfg.Hidden = append(cfg.Hidden, cfg.Out)
		}
		cfg.Out, last = w[0], layer
		if w[0] > maxLayer || w[1] > maxLayer || k > 0 && w[1] != cfg.Hidden[len(cfg.Hidden)-1] {
			return nil, fmt.Errorf("%w: %q is %v: it does not follow the layer before it or is wider than %d",
				tensorfile.ErrShape, layer+".weight", w, maxLayer)
		}
	}
	_, cfg.OutputBias = f.Lookup(last + ".bias")
	m := nn.NewMLP(cfg, nil)
	return m, nn.LoadParams(f, prefix, m.Params())
}

// UNet reads the denoiser under prefix. Its sizes are those of its tensors but for the chunk's horizon and the number
// of groups in its norms, which no tensor shows.
func UNet(f *tensorfile.File, prefix string, horizon, groups int) (*diffusion.Network, error) {
	cfg := diffusion.Config{Arch: diffusion.ArchUNet, Horizon: horizon, Groups: groups}
	step, err := shape(f, prefix+"diffusion_step_encoder.1.weight", 2)
	if err != nil {
		return nil, err
	}
	cfg.StepDim = step[1]
	for i := 0; ; i++ {
		name := fmt.Sprintf("%sdown_modules.%d.0.blocks.0.block.0.weight", prefix, i)
		if _, ok := f.Lookup(name); !ok && i > 0 {
			break
		}
		w, err := shape(f, name, 3)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			cfg.ActDim = w[1]
		}
		cfg.DownDims, cfg.Kernel = append(cfg.DownDims, w[0]), w[2]
	}
	cond, err := shape(f, prefix+"down_modules.0.0.cond_encoder.1.weight", 2)
	if err != nil {
		return nil, err
	}
	cfg.ObsDim = cond[1] - cfg.StepDim
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	have := 0
	for i := range f.Tensors {
		have += len(f.Tensors[i].F32)
	}
	if want := cfg.Weights(); have < want { // before anything is allocated
		return nil, fmt.Errorf("%w: a unet of %+v needs %d weights, the file holds %d", tensorfile.ErrShape, cfg, want, have)
	}
	net := diffusion.NewNetwork(cfg, nil)
	return net, nn.LoadParams(f, prefix, net.Params())
}

// withoutBetween returns the network outer(inner(x)) for an outer network that follows an inner one's last layer
// directly: the two layers that meet become one, computed in double precision.
func withoutBetween(inner, outer *nn.MLP) *nn.MLP {
	ic, oc := inner.Config(), outer.Config()
	hidden := append(append([]int(nil), ic.Hidden...), oc.Hidden...)
	m := nn.NewMLP(nn.MLPConfig{In: ic.In, Hidden: hidden, Out: oc.Out, OutputBias: oc.OutputBias}, nil)
	byName := func(n *nn.MLP) map[string][]float32 {
		out := map[string][]float32{}
		for _, p := range n.Params() {
			out[p.Name] = p.Data
		}
		return out
	}
	in, out, to := byName(inner), byName(outer), byName(m)
	meet := 2 * len(ic.Hidden) // where the two layers meet
	for k := 0; k < meet; k += 2 {
		for _, part := range []string{".weight", ".bias"} {
			copy(to[strconv.Itoa(k)+part], in[strconv.Itoa(k)+part])
		}
	}
	for k := 2; k <= 2*len(oc.Hidden); k += 2 {
		for _, part := range []string{".weight", ".bias"} {
			copy(to[strconv.Itoa(meet+k)+part], out[strconv.Itoa(k)+part])
		}
	}
	at := strconv.Itoa(meet)
	w, v, wo := in[at+".weight"], out["0.weight"], to[at+".weight"]
	mid, cols := ic.Out, len(w)/ic.Out
	for i := range len(v) / mid {
		for j := range cols {
			sum := 0.0
			for k := range mid {
				sum += float64(v[i*mid+k]) * float64(w[k*cols+j])
			}
			wo[i*cols+j] = float32(sum)
		}
		sum := 0.0
		if b := out["0.bias"]; b != nil {
			sum = float64(b[i])
		}
		if b := in[at+".bias"]; b != nil {
			for k := range mid {
				sum += float64(v[i*mid+k]) * float64(b[k])
			}
		}
		if b := to[at+".bias"]; b != nil {
			b[i] = float32(sum)
		}
	}
	return m
}

// withColumns returns m for inputs of width in, whose values beyond m's own it ignores.
func withColumns(m *nn.MLP, in int) *nn.MLP {
	cfg := m.Config()
	from, own := m.Params(), cfg.In
	cfg.In = in
	wide := nn.NewMLP(cfg, nil)
	for i, p := range wide.Params() {
		if i > 0 {
			copy(p.Data, from[i].Data)
			continue
		}
		for r := range p.Shape[0] {
			copy(p.Data[r*in:r*in+min(own, in)], from[0].Data[r*own:(r+1)*own])
		}
	}
	return wide
}

// withConstant returns m with its last inputs fixed to tail. Its first layer must have a bias.
func withConstant(m *nn.MLP, tail []float32) *nn.MLP {
	own := m.Config().In
	narrow := withColumns(m, own-len(tail))
	w, b := m.Params()[0].Data, narrow.Params()[1].Data
	for r := range b {
		sum := float64(b[r])
		for k, v := range tail {
			sum += float64(w[r*own+own-len(tail)+k]) * float64(v)
		}
		b[r] = float32(sum)
	}
	return narrow
}
