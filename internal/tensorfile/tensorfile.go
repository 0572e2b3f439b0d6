package tensorfile

import (
	"errors"
	"fmt"
	"math"
)

// Bounds on what the decoder accepts.
const (
	// MaxFileBytes bounds the size of a file (4 GiB).
	MaxFileBytes = 4 << 30
	// MaxHeaderBytes bounds the JSON header (16 MiB).
	MaxHeaderBytes = 16 << 20
	// MaxDims bounds the number of dimensions of one tensor.
	MaxDims = 16
)

// Errors that callers may test for with errors.Is.
var (
	// ErrMalformed marks bytes that are not a valid safetensors file.
	ErrMalformed = errors.New("tensorfile: malformed file")
	// ErrDamaged marks a file whose digest is not that of its content; it is malformed too.
	ErrDamaged = fmt.Errorf("%w: damaged", ErrMalformed)
	// ErrMissing marks a tensor that the file does not hold.
	ErrMissing = errors.New("tensorfile: tensor missing")
	// ErrShape marks a tensor of another shape than asked for.
	ErrShape = errors.New("tensorfile: wrong shape")
	// ErrNotFinite marks a tensor that holds NaN or infinity.
	ErrNotFinite = errors.New("tensorfile: not finite")
)

// Tensor is one named array.
type Tensor struct {
	// Name is unique in a file.
	Name string
	// Shape lists the dimensions, slowest first; empty for a scalar.
	Shape []int
	// F32 holds the elements in row-major order, converted to float32.
	F32 []float32
	// F64 holds them as stored when a reader met F64; writers ignore it.
	F64 []float64
}

// File is the content of a safetensors file.
type File struct {
	// Meta is the file's string-to-string metadata; nil when absent. The digest is not in it.
	Meta map[string]string
	// Digest is the SHA-256 that was read and verified, in hexadecimal digits; "" when the file has none. Writers compute
	// their own.
	Digest string
	// Tensors are in the order of their data.
	Tensors []Tensor
}

// Lookup returns the tensor called name without looking at its values.
func (f *File) Lookup(name string) (*Tensor, bool) {
	for i := range f.Tensors {
		if f.Tensors[i].Name == name {
			return &f.Tensors[i], true
		}
	}
	return nil, false
}

// Get returns the elements of the tensor called name. With a shape given, the
// tensor's must equal it (-1 fits any length); without one, any shape will do.
// The error wraps ErrMissing, ErrShape or ErrNotFinite. The slice is shared
// with the file.
func (f *File) Get(name string, shape ...int) ([]float32, error) {
	t, ok := f.Lookup(name)
	if !ok {
		return nil, fmt.Errorf("%w: %q (the file holds %d others)", ErrMissing, name, len(f.Tensors))
	}
	if len(shape) > 0 && !sameShape(t.Shape, shape) {
		return nil, fmt.Errorf("%w: %q is %v, want %v", ErrShape, name, t.Shape, shape)
	}
	if i := firstNonFinite(t.F32); i >= 0 {
		return nil, fmt.Errorf("%w: %q holds %v at element %d", ErrNotFinite, name, t.F32[i], i)
	}
	return t.F32, nil
}

// Get64 is Get in double precision: the elements as stored for an F64 tensor,
// the float32 values otherwise. The slice may be shared with the file.
func (f *File) Get64(name string, shape ...int) ([]float64, error) {
	v, err := f.Get(name, shape...)
	if err != nil {
		return nil, err
	}
	if t, _ := f.Lookup(name); t.F64 != nil {
		return t.F64, nil
	}
	wide := make([]float64, len(v))
	for i, x := range v {
		wide[i] = float64(x)
	}
	return wide, nil
}

// Add appends a tensor that shares data; no shape means one dimension. It
// panics when the shape does not hold len(data) elements.
func (f *File) Add(name string, data []float32, shape ...int) {
	if len(shape) == 0 {
		shape = []int{len(data)}
	}
	n := 1
	for _, d := range shape {
		n *= d
	}
	if n != len(data) {
		panic(fmt.Sprintf("tensorfile: Add %q: shape %v holds %d elements, data %d", name, shape, n, len(data)))
	}
	f.Tensors = append(f.Tensors, Tensor{Name: name, Shape: append([]int(nil), shape...), F32: data})
}

// SetMeta sets one metadata entry.
func (f *File) SetMeta(key, value string) {
	if f.Meta == nil {
		f.Meta = map[string]string{}
	}
	f.Meta[key] = value
}

func sameShape(got, want []int) bool {
	if len(got) != len(want) {
		return false
	}
	for i, d := range want {
		if d != -1 && d != got[i] {
			return false
		}
	}
	return true
}

func firstNonFinite(s []float32) int {
	for i, x := range s {
		if math.Float32bits(x)&0x7f800000 == 0x7f800000 {
			return i
		}
	}
	return -1
}
