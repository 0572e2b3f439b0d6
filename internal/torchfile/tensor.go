package torchfile

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// MaxDims bounds the number of dimensions of a tensor.
const MaxDims = 16

// element is a type of number.
type element struct {
	size int
	get  func(b []byte) float64
}

var le = binary.LittleEndian

// dtypes are the types of elements, by PyTorch's names.
var dtypes = map[string]element{
	"float64":  {8, func(b []byte) float64 { return math.Float64frombits(le.Uint64(b)) }},
	"float32":  {4, func(b []byte) float64 { return float64(math.Float32frombits(le.Uint32(b))) }},
	"float16":  {2, func(b []byte) float64 { return half(le.Uint16(b)) }},
	"bfloat16": {2, func(b []byte) float64 { return float64(math.Float32frombits(uint32(le.Uint16(b)) << 16)) }},
	"int64":    {8, func(b []byte) float64 { return float64(int64(le.Uint64(b))) }},
	"int32":    {4, func(b []byte) float64 { return float64(int32(le.Uint32(b))) }},
	"int16":    {2, func(b []byte) float64 { return float64(int16(le.Uint16(b))) }},
	"int8":     {1, func(b []byte) float64 { return float64(int8(b[0])) }},
	"uint64":   {8, func(b []byte) float64 { return float64(le.Uint64(b)) }},
	"uint32":   {4, func(b []byte) float64 { return float64(le.Uint32(b)) }},
	"uint16":   {2, func(b []byte) float64 { return float64(le.Uint16(b)) }},
	"uint8":    {1, func(b []byte) float64 { return float64(b[0]) }},
	"bool":     {1, func(b []byte) float64 { return float64(b[0]) }},
}

// storageTypes are the types of storages.
var storageTypes = map[string]string{
	"DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
	"LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8", "ByteStorage": "uint8",
	"BoolStorage": "bool",
}

// half converts an IEEE 754 binary16 number.
func half(h uint16) float64 {
	sign := 1.0
	if h&0x8000 != 0 {
		sign = -1
	}
	exp, frac := int(h>>10)&0x1f, float64(h&0x3ff)
	switch exp {
	case 0:
		return sign * math.Ldexp(frac, -24)
	case 0x1f:
		if frac != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	}
	return sign * math.Ldexp(1024+frac, exp-25)
}

// storage is a run of elements that tensors view.
type storage struct {
	dtype string
	data  []byte // little-endian
}

// Tensor is a view of a storage.
type Tensor struct {
	DType string // "float32", ...
	Shape []int  // empty for a scalar

	data    []byte
	offset  int   // elements
	strides []int // elements
}

// Len is the number of elements.
func (t *Tensor) Len() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Float32 returns the elements in row-major order.
func (t *Tensor) Float32() []float32 {
	out := make([]float32, t.Len())
	t.each(func(i int, v float64) { out[i] = float32(v) })
	return out
}

// Float64 is Float32 in double precision.
func (t *Tensor) Float64() []float64 {
	out := make([]float64, t.Len())
	t.each(func(i int, v float64) { out[i] = v })
	return out
}

func (t *Tensor) each(f func(i int, v float64)) {
	e, at, index := dtypes[t.DType], t.offset, make([]int, len(t.Shape))
	for i := range t.Len() {
		f(i, e.get(t.data[at*e.size:]))
		for d := len(index) - 1; d >= 0; d-- {
			index[d]++
			at += t.strides[d]
			if index[d] < t.Shape[d] {
				break
			}
			at -= index[d] * t.strides[d]
			index[d] = 0
		}
	}
}

// view checks a shape, an offset and strides against the elements there are.
func (m *machine) view(s *storage, offset int64, shape, strides []int64) (*Tensor, error) {
	have := int64(len(s.data) / dtypes[s.dtype].size)
	if len(shape) > MaxDims || len(shape) != len(strides) || offset < 0 || offset > have {
		return nil, malformed("a tensor of shape %v with strides %v from element %d of %d", brief(shape), brief(strides),
			offset, have)
	}
	count, last := int64(1), offset
	if slices.Contains(shape, 0) {
		count = 0
	}
	for i, d := range shape {
		// The bounds on sizes and strides keep the products below from overflowing.
		if d < 0 || d > math.MaxInt32 || strides[i] < 0 || strides[i] > math.MaxInt32 || count > 0 &&
			(count > viewed*max(have, 1)/d || d > 1 && strides[i] > have) {
			return nil, malformed("a tensor of shape %v with strides %v in a storage of %d elements", shape, strides, have)
		}
		count *= d
		last += (d - 1) * strides[i]
	}
	if count > 0 && last >= have {
		return nil, malformed("a tensor of shape %v with strides %v from element %d reaches element %d of %d", shape, strides,
			offset, last, have)
	}
	if m.elements -= count; m.elements < 0 {
		return nil, malformed("the tensors together have more elements than the file could hold")
	}
	t := &Tensor{
		DType: s.dtype, Shape: make([]int, len(shape)), data: s.data, offset: int(offset),
		strides: make([]int, len(shape)),
	}
	for i := range shape {
		t.Shape[i], t.strides[i] = int(shape[i]), int(strides[i])
	}
	return t, nil
}

func brief(x []int64) []int64 { return x[:min(len(x), MaxDims)] }

// integers reads a tuple of whole numbers.
func integers(v any) ([]int64, error) {
	t, ok := v.(Tuple)
	if !ok || len(t) > MaxDims {
		return nil, malformed("a shape is a %T of more than %d dimensions or no tuple", v, MaxDims)
	}
	out := make([]int64, len(t))
	for i, x := range t {
		if out[i], ok = x.(int64); !ok {
			return nil, malformed("a size is a %T", x)
		}
	}
	return out, nil
}

// buildTensor is torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks[, metadata]).
func buildTensor(m *machine, args Tuple) (any, error) {
	if len(args) < 6 || len(args) > 7 {
		return nil, malformed("%d arguments", len(args))
	}
	s, ok := args[0].(*storage)
	if !ok {
		return nil, malformed("a storage is a %T", args[0])
	}
	offset, ok := args[1].(int64)
	if !ok {
		return nil, malformed("an offset is a %T", args[1])
	}
	shape, err := integers(args[2])
	if err != nil {
		return nil, err
	}
	strides, err := integers(args[3])
	if err != nil {
		return nil, err
	}
	return m.view(s, offset, shape, strides)
}

// dtype is numpy.dtype before and after its state is known.
type dtype struct {
	code  string
	order byte // '<', '>', '|' or '='
}

func buildDType(_ *machine, args Tuple) (any, error) {
	if len(args) == 0 {
		return nil, malformed("no arguments")
	}
	code, ok := args[0].(string)
	if !ok {
		return nil, malformed("a type is a %T", args[0])
	}
	return &dtype{code: code, order: '<'}, nil
}

// setState takes the byte order of (version, order, subtype, names, fields, ...).
func (d *dtype) setState(state any) error {
	if t, ok := state.(Tuple); ok && len(t) > 1 {
		if order, ok := t[1].(string); ok && len(order) == 1 {
			d.order = order[0]
			return nil
		}
	}
	return malformed("the state of a numpy type is a %T", state)
}

// numpyTypes are the codes of numpy.dtype.
var numpyTypes = map[string]string{
	"f8": "float64", "f4": "float32", "f2": "float16", "i8": "int64", "i4": "int32", "i2": "int16", "i1": "int8",
	"u8": "uint64", "u4": "uint32", "u2": "uint16", "u1": "uint8", "b1": "bool",
}

func (d *dtype) name() (string, error) {
	name, ok := numpyTypes[d.code]
	if !ok || d.order == '>' {
		return "", malformed("numpy type %.20q with byte order %q", d.code, d.order)
	}
	return name, nil
}

// buildScalar is numpy.core.multiarray.scalar(dtype, bytes).
func buildScalar(_ *machine, args Tuple) (any, error) {
	if len(args) != 2 {
		return nil, malformed("%d arguments", len(args))
	}
	d, ok := args[0].(*dtype)
	b, isBytes := args[1].([]byte)
	if !ok || !isBytes {
		return nil, malformed("a scalar of %T and %T", args[0], args[1])
	}
	name, err := d.name()
	if err != nil {
		return nil, err
	}
	e := dtypes[name]
	if len(b) != e.size {
		return nil, malformed("a %s of %d bytes", name, len(b))
	}
	switch {
	case name == "bool":
		return b[0] != 0, nil
	case name[0] == 'f':
		return e.get(b), nil
	}
	var word [8]byte
	copy(word[:], b)
	if name[0] == 'i' && b[len(b)-1]&0x80 != 0 {
		for i := len(b); i < 8; i++ {
			word[i] = 0xff
		}
	}
	return int64(le.Uint64(word[:])), nil
}

// buildArray is numpy.core.multiarray._reconstruct(numpy.ndarray, (0,), b"b"): an array yet without content.
func buildArray(_ *machine, args Tuple) (any, error) {
	if len(args) != 3 || args[0] != any(Class("numpy.ndarray")) {
		return nil, malformed("%d arguments", len(args))
	}
	return &Tensor{DType: "uint8", Shape: []int{0}, strides: []int{1}}, nil
}

// setArray gives an array its state (version, shape, dtype, is_fortran, bytes).
func (m *machine) setArray(t *Tensor, state any) error {
	s, ok := state.(Tuple)
	if !ok || len(s) != 5 || t.data != nil {
		return malformed("the state of an array is a %T", state)
	}
	shape, err := integers(s[1])
	if err != nil {
		return err
	}
	d, okType := s[2].(*dtype)
	fortran, okOrder := s[3].(bool)
	data, okData := s[4].([]byte)
	if !okType || !okOrder || !okData {
		return malformed("the state of an array holds %T, %T and %T", s[2], s[3], s[4])
	}
	name, err := d.name()
	if err != nil {
		return err
	}
	if len(shape) > MaxDims {
		return malformed("%d dimensions", len(shape))
	}
	strides, count := make([]int64, len(shape)), int64(1)
	order := make([]int, len(shape))
	for i := range order {
		order[i] = i
	}
	if !fortran {
		slices.Reverse(order)
	}
	for _, i := range order {
		if strides[i] = count; shape[i] < 0 || shape[i] > 0 && count > int64(len(data))/shape[i] {
			return malformed("an array of shape %v in %d bytes", shape, len(data))
		}
		count *= shape[i]
	}
	if count*int64(dtypes[name].size) != int64(len(data)) {
		return malformed("an array of %s %v in %d bytes", name, shape, len(data))
	}
	v, err := m.view(&storage{name, data}, 0, shape, strides)
	if err != nil {
		return fmt.Errorf("an array: %w", err)
	}
	*t = *v
	return nil
}
