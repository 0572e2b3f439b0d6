package nn

import (
	"math"
	"math/rand/v2"
)

// Builder collects the parameters of a network made of layers, in the order the
// layers are made, so that Build can lay them out in one slab.
type Builder struct {
	params []*Param
	starts []Start
}

// Start fills a parameter with its first values.
type Start func(data []float32, rng *rand.Rand)

// Uniform starts every element in [-bound, bound].
func Uniform(bound float64) Start {
	return func(data []float32, rng *rand.Rand) {
		for i := range data {
			data[i] = float32(bound * (2*rng.Float64() - 1))
		}
	}
}

// Normal starts every element with that standard deviation.
func Normal(std float64) Start {
	return func(data []float32, rng *rand.Rand) {
		for i := range data {
			data[i] = float32(std * rng.NormFloat64())
		}
	}
}

// Constant starts every element with one value.
func Constant(value float32) Start {
	return func(data []float32, _ *rand.Rand) {
		for i := range data {
			data[i] = value
		}
	}
}

// torchStart is PyTorch's own start of a linear map or convolution whose
// outputs sum so many inputs.
func torchStart(fanIn int) Start { return Uniform(1 / math.Sqrt(float64(fanIn))) }

// Add returns a new parameter, which has no memory before Build. A nil start
// leaves zeros.
func (b *Builder) Add(name string, start Start, shape ...int) *Param {
	p := &Param{Name: name, Shape: append([]int(nil), shape...)}
	b.params, b.starts = append(b.params, p), append(b.starts, start)
	return p
}

// Size counts the elements of all parameters.
func (b *Builder) Size() int {
	total := 0
	for _, p := range b.params {
		total += size(p.Shape)
	}
	return total
}

// Build gives all parameters memory, neighbours in one slab, and their first
// values; a nil rng leaves zeros, for networks about to be loaded.
func (b *Builder) Build(rng *rand.Rand) []*Param {
	total := b.Size()
	data, grad := make([]float32, total), make([]float32, total)
	at := 0
	for i, p := range b.params {
		end := at + size(p.Shape)
		p.Data, p.Grad = data[at:end], grad[at:end]
		at = end
		if rng != nil && b.starts[i] != nil {
			b.starts[i](p.Data, rng)
		}
	}
	return b.params
}

// Workspace is scratch memory that the layers of one pass share. What one call
// of a layer leaves there does not survive the next call.
type Workspace struct{ cols []float32 }

// grow returns n elements of the buffer, which it makes larger when needed.
func grow(buf *[]float32, n int) []float32 {
	if cap(*buf) < n {
		*buf = make([]float32, n)
	}
	return (*buf)[:n]
}

// fill copies row to every row of dst.
func fill(dst, row []float32) {
	for at := 0; at < len(dst); at += len(row) {
		copy(dst[at:at+len(row)], row)
	}
}
