package nn

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas/blas32"

	"korr/internal/tensorfile"
)

// Param is a trainable array and the gradient accumulated for it.
type Param struct {
	// Name identifies the array within its network ("0.weight").
	Name string
	// Shape lists the dimensions, slowest first.
	Shape []int
	// Taps is a convolution's kernel size: Data and Grad then lie as [d0, Taps, d1],
	// although Shape, and every file, has PyTorch's [d0, d1, Taps]. Zero elsewhere.
	Taps int
	// Data and Grad hold the elements row-major; equal lengths.
	Data, Grad []float32
}

// Published returns a copy of values that lie as p.Data does, in the order of
// p.Shape.
func (p *Param) Published(values []float32) []float32 {
	out := append([]float32(nil), values...)
	if p.Taps > 1 {
		swapLast(out, values, p.Shape[0], p.Taps, p.Shape[1])
	}
	return out
}

// set fills Data from values in the order of Shape.
func (p *Param) set(values []float32) {
	copy(p.Data, values)
	if p.Taps > 1 {
		swapLast(p.Data, values, p.Shape[0], p.Shape[1], p.Taps)
	}
}

// swapLast writes src [a, b, c] to dst as [a, c, b].
func swapLast(dst, src []float32, a, b, c int) {
	for i := range a {
		from, to := src[i*b*c:(i+1)*b*c], dst[i*b*c:(i+1)*b*c]
		for j := range b {
			for k := range c {
				to[k*b+j] = from[j*c+k]
			}
		}
	}
}

// NewParams allocates zeroed parameters that lie one after the other in one
// slab, in the order given. Only Name, Shape and Taps of specs are read.
func NewParams(specs ...Param) []*Param {
	total := 0
	for _, s := range specs {
		total += size(s.Shape)
	}
	data, grad := make([]float32, total), make([]float32, total)
	ps := make([]*Param, len(specs))
	at := 0
	for i, s := range specs {
		end := at + size(s.Shape)
		// The capacity reaches past the end on purpose: spans finds neighbours by it.
		ps[i] = &Param{
			Name: s.Name, Shape: append([]int(nil), s.Shape...), Taps: s.Taps, Data: data[at:end],
			Grad: grad[at:end],
		}
		at = end
	}
	return ps
}

func size(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// span is a contiguous range of parameters.
type span struct{ data, grad []float32 }

// spans merges parameters that are neighbours in memory, so that element loops
// run over a few long ranges.
func spans(ps []*Param) []span {
	var out []span
	for _, p := range ps {
		if k := len(out) - 1; k >= 0 && follows(out[k].data, p.Data) && follows(out[k].grad, p.Grad) {
			out[k].data = out[k].data[:len(out[k].data)+len(p.Data)]
			out[k].grad = out[k].grad[:len(out[k].grad)+len(p.Grad)]
			continue
		}
		out = append(out, span{p.Data, p.Grad})
	}
	return out
}

// follows reports whether b starts where a ends, within a's capacity.
func follows(a, b []float32) bool {
	return len(b) > 0 && cap(a) >= len(a)+len(b) && &a[: len(a)+1 : cap(a)][len(a)] == &b[0]
}

// ZeroGrad sets the gradients to zero.
func ZeroGrad(ps []*Param) {
	for _, p := range ps {
		clear(p.Grad)
	}
}

// ClipGradNorm scales the gradients so that their joint Euclidean norm is at
// most maxNorm, and returns the norm before scaling. As in PyTorch the factor
// is maxNorm / (norm + 1e-6).
func ClipGradNorm(ps []*Param, maxNorm float32) float32 {
	norm := GradNorm(ps)
	if f := maxNorm / (norm + 1e-6); f < 1 {
		for _, p := range ps {
			blas32.Scal(f, vector(p.Grad))
		}
	}
	return norm
}

// GradNorm returns the joint Euclidean norm of the gradients.
func GradNorm(ps []*Param) float32 {
	var sum float64
	for _, p := range ps {
		sum += float64(blas32.Dot(vector(p.Grad), vector(p.Grad)))
	}
	return float32(math.Sqrt(sum))
}

// Polyak moves dst towards src: dst = (1 - tau) dst + tau src. The lists must
// have equal shapes.
func Polyak(dst, src []*Param, tau float32) {
	mustMatch("Polyak", dst, src)
	for i, d := range dst {
		kernels.Lerp(d.Data, src[i].Data, tau)
	}
}

// CopyParams copies the values of src into dst. The lists must have equal shapes.
func CopyParams(dst, src []*Param) {
	mustMatch("CopyParams", dst, src)
	for i, d := range dst {
		copy(d.Data, src[i].Data)
	}
}

// ShareParams makes dst use the values of src; its gradients stay its own. The
// lists must have equal shapes.
func ShareParams(dst, src []*Param) {
	mustMatch("ShareParams", dst, src)
	for i, d := range dst {
		d.Data = src[i].Data
	}
}

// AddGrad adds the gradients of src to those of dst. The lists must have equal
// shapes.
func AddGrad(dst, src []*Param) {
	mustMatch("AddGrad", dst, src)
	for i, d := range dst {
		blas32.Axpy(1, vector(src[i].Grad), vector(d.Grad))
	}
}

func mustMatch(op string, dst, src []*Param) {
	if len(dst) != len(src) {
		panic(fmt.Sprintf("nn: %s: %d and %d parameters", op, len(dst), len(src)))
	}
	for i := range dst {
		if len(dst[i].Data) != len(src[i].Data) {
			panic(fmt.Sprintf("nn: %s: %s %v and %s %v", op, dst[i].Name, dst[i].Shape, src[i].Name, src[i].Shape))
		}
	}
}

// SaveParams adds copies of the parameters to f as prefix+Name.
func SaveParams(f *tensorfile.File, prefix string, ps []*Param) {
	for _, p := range ps {
		f.Add(prefix+p.Name, p.Published(p.Data), p.Shape...)
	}
}

// LoadParams fills the parameters from the tensors prefix+Name of f. It checks
// them all before it changes any; the error is one of tensorfile's.
func LoadParams(f *tensorfile.File, prefix string, ps []*Param) error {
	values := make([][]float32, len(ps))
	for i, p := range ps {
		v, err := f.Get(prefix+p.Name, p.Shape...)
		if err != nil {
			return fmt.Errorf("nn: load parameters: %w", err)
		}
		values[i] = v
	}
	for i, p := range ps {
		p.set(values[i])
	}
	return nil
}

func vector(x []float32) blas32.Vector { return blas32.Vector{N: len(x), Inc: 1, Data: x} }
