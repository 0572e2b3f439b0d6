package tensorfile

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"sort"

	"korr/internal/regular"
)

// entry is one tensor's description in the header.
type entry struct {
	Dtype   string   `json:"dtype"`
	Shape   []int64  `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
	name    string
}

// Read reads the file at path. The error wraps ErrMalformed for bad content.
func Read(path string) (*File, error) {
	b, err := regular.Read(path, MaxFileBytes)
	switch {
	case errors.Is(err, regular.ErrSize):
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	case err != nil:
		return nil, fmt.Errorf("tensorfile: read: %w", err)
	}
	f, err := Decode(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// Decode parses the bytes of a safetensors file. The result shares nothing
// with b. The error wraps ErrMalformed.
func Decode(b []byte) (*File, error) {
	if len(b) < 8 {
		return nil, fmt.Errorf("%w: %d bytes, shorter than the header length", ErrMalformed, len(b))
	}
	n := binary.LittleEndian.Uint64(b)
	if n > MaxHeaderBytes || n > uint64(len(b)-8) {
		return nil, fmt.Errorf("%w: header of %d bytes in a file of %d", ErrMalformed, n, len(b))
	}
	meta, entries, err := decodeHeader(b[8 : 8+n])
	if err != nil {
		return nil, err
	}
	digest, err := verify(b, meta)
	if err != nil {
		return nil, err
	}
	if len(meta) == 0 {
		meta = nil
	}
	data := b[8+n:]
	f := &File{Meta: meta, Digest: digest, Tensors: make([]Tensor, 0, len(entries))}
	end := int64(0)
	for _, e := range entries {
		if e.Offsets[0] != end {
			return nil, fmt.Errorf("%w: %q starts at byte %d, the one before it ends at %d", ErrMalformed, e.name,
				e.Offsets[0], end)
		}
		t, err := e.decode(data)
		if err != nil {
			return nil, err
		}
		end = e.Offsets[1]
		f.Tensors = append(f.Tensors, t)
	}
	if end != int64(len(data)) {
		return nil, fmt.Errorf("%w: tensors end at byte %d of %d (truncated or padded)", ErrMalformed, end, len(data))
	}
	return f, nil
}

// decodeHeader parses the JSON header; the entries come back in data order.
func decodeHeader(b []byte) (map[string]string, []entry, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return nil, nil, fmt.Errorf("%w: header is not a JSON object", ErrMalformed)
	}
	var meta map[string]string
	var entries []entry
	seen := map[string]bool{}
	for dec.More() {
		tok, err := dec.Token()
		name, ok := tok.(string)
		if err != nil || !ok {
			return nil, nil, fmt.Errorf("%w: header: %v", ErrMalformed, err)
		}
		if seen[name] {
			return nil, nil, fmt.Errorf("%w: %q appears twice", ErrMalformed, name)
		}
		seen[name] = true
		if name == "__metadata__" {
			if err := dec.Decode(&meta); err != nil {
				return nil, nil, fmt.Errorf("%w: metadata: %v", ErrMalformed, err)
			}
			continue
		}
		e := entry{name: name}
		if err := dec.Decode(&e); err != nil {
			return nil, nil, fmt.Errorf("%w: entry %q: %v", ErrMalformed, name, err)
		}
		entries = append(entries, e)
	}
	if _, err := dec.Token(); err != nil {
		return nil, nil, fmt.Errorf("%w: header: %v", ErrMalformed, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, nil, fmt.Errorf("%w: text after the header's object", ErrMalformed)
	}
	sort.SliceStable(entries, func(i, j int) bool {
		a, b := entries[i].Offsets, entries[j].Offsets
		return a[0] < b[0] || a[0] == b[0] && a[1] < b[1]
	})
	return meta, entries, nil
}

// decode checks the entry against the data section and converts its elements.
func (e *entry) decode(data []byte) (Tensor, error) {
	conv, ok := converters[e.Dtype]
	if !ok {
		return Tensor{}, fmt.Errorf("%w: %q has unsupported type %q", ErrMalformed, e.name, e.Dtype)
	}
	if len(e.Shape) > MaxDims {
		return Tensor{}, fmt.Errorf("%w: %q has %d dimensions, at most %d", ErrMalformed, e.name, len(e.Shape), MaxDims)
	}
	count := int64(1)
	shape := make([]int, len(e.Shape))
	for i, d := range e.Shape {
		if d < 0 || d > MaxFileBytes || d > 0 && count > MaxFileBytes/d {
			return Tensor{}, fmt.Errorf("%w: %q has shape %v", ErrMalformed, e.name, e.Shape)
		}
		count *= d
		shape[i] = int(d)
	}
	lo, hi := e.Offsets[0], e.Offsets[1]
	if lo < 0 || hi < lo || hi > int64(len(data)) || hi-lo != count*int64(conv.size) {
		return Tensor{}, fmt.Errorf("%w: %q (%s %v) has bytes %d to %d of %d", ErrMalformed, e.name, e.Dtype, e.Shape, lo, hi,
			len(data))
	}
	out := make([]float32, count)
	src := data[lo:hi]
	for i := range out {
		out[i] = conv.get(src[i*conv.size:])
	}
	t := Tensor{Name: e.name, Shape: shape, F32: out}
	if e.Dtype == "F64" {
		t.F64 = make([]float64, count)
		for i := range t.F64 {
			t.F64[i] = math.Float64frombits(le.Uint64(src[8*i:]))
		}
	}
	return t, nil
}

// converter turns the first size bytes of an element into float32.
type converter struct {
	size int
	get  func([]byte) float32
}

var le = binary.LittleEndian

var converters = map[string]converter{
	"F64":  {8, func(b []byte) float32 { return float32(math.Float64frombits(le.Uint64(b))) }},
	"F32":  {4, func(b []byte) float32 { return math.Float32frombits(le.Uint32(b)) }},
	"F16":  {2, func(b []byte) float32 { return halfToFloat(le.Uint16(b)) }},
	"BF16": {2, func(b []byte) float32 { return math.Float32frombits(uint32(le.Uint16(b)) << 16) }},
	"I64":  {8, func(b []byte) float32 { return float32(int64(le.Uint64(b))) }},
	"I32":  {4, func(b []byte) float32 { return float32(int32(le.Uint32(b))) }},
	"I16":  {2, func(b []byte) float32 { return float32(int16(le.Uint16(b))) }},
	"I8":   {1, func(b []byte) float32 { return float32(int8(b[0])) }},
	"U64":  {8, func(b []byte) float32 { return float32(le.Uint64(b)) }},
	"U32":  {4, func(b []byte) float32 { return float32(le.Uint32(b)) }},
	"U16":  {2, func(b []byte) float32 { return float32(le.Uint16(b)) }},
	"U8":   {1, func(b []byte) float32 { return float32(b[0]) }},
	"BOOL": {1, func(b []byte) float32 { return float32(b[0]) }},
}

// halfToFloat converts an IEEE 754 binary16 number.
func halfToFloat(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exp, frac := uint32(h>>10)&0x1f, uint32(h)&0x3ff
	switch exp {
	case 0: // zero or subnormal: frac * 2^-24
		x := float32(frac) / (1 << 24)
		if sign != 0 {
			return -x
		}
		return x
	case 0x1f:
		return math.Float32frombits(sign | 0x7f800000 | frac<<13)
	default:
		return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
	}
}
