package tensorfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// raw assembles a file from a header and data, for inputs Encode never makes.
func raw(header string, data ...byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}

func sample() *File {
	f := &File{}
	f.SetMeta("task", "one_leg")
	f.SetMeta("quote\"d", "ü\n")
	f.Add("w", []float32{1, -2, 3.5, 4, 5, 6}, 2, 3)
	f.Add("empty", nil, 0, 7)
	f.Add("b", []float32{math.MaxFloat32, math.SmallestNonzeroFloat32})
	f.Tensors = append(f.Tensors, Tensor{Name: "scalar", Shape: []int{}, F32: []float32{9}})
	return f
}

func TestWriteThenRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := sample()
	if err := Write(path, want); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.Meta, want.Meta) {
		t.Errorf("metadata %v, want %v", got.Meta, want.Meta)
	}
	for _, w := range want.Tensors {
		g, err := got.Get(w.Name, w.Shape...)
		if err != nil {
			t.Fatal(err)
		}
		for i := range w.F32 {
			if g[i] != w.F32[i] {
				t.Errorf("%s[%d] = %v, want %v", w.Name, i, g[i], w.F32[i])
			}
		}
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("folder holds %v (%v), want the file alone", left, err)
	}
}

func TestWriteKeepsOldFileOnBadInput(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := Write(path, sample()); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(path)
	nan := float32(math.NaN())
	for name, f := range map[string]*File{
		"nan":   {Tensors: []Tensor{{Name: "a", Shape: []int{1}, F32: []float32{nan}}}},
		"shape": {Tensors: []Tensor{{Name: "a", Shape: []int{3}, F32: []float32{1}}}},
		"duplicate": {Tensors: []Tensor{{Name: "a", Shape: []int{1}, F32: []float32{1}}, {
			Name: "a", Shape: []int{1},
			F32: []float32{1},
		}}},
		"reserved": {Tensors: []Tensor{{Name: "__metadata__", Shape: []int{1}, F32: []float32{1}}}},
	} {
		if err := Write(path, f); err == nil {
			t.Errorf("%s: Write accepted it", name)
		}
	}
	after, _ := os.ReadFile(path)
	if !bytes.Equal(before, after) {
		t.Error("a failed write changed the file")
	}
}

func TestDecodeConvertsTypes(t *testing.T) {
	le64 := func(x uint64) []byte { return binary.LittleEndian.AppendUint64(nil, x) }
	minusTwo := int64(-2)
	for _, c := range []struct {
		dtype string
		data  []byte
		want  float32
	}{
		{"F64", le64(math.Float64bits(-1.5)), -1.5},
		{"F32", le64(uint64(math.Float32bits(0.1)))[:4], 0.1},
		{"F16", []byte{0x00, 0xc0}, -2},
		{"F16", []byte{0x01, 0x00}, 5.9604645e-08},
		{"F16", []byte{0xff, 0x7b}, 65504},
		{"BF16", []byte{0x80, 0x3f}, 1},
		{"I64", le64(uint64(minusTwo)), -2},
		{"I32", le64(uint64(minusTwo))[:4], -2},
		{"I16", le64(uint64(minusTwo))[:2], -2},
		{"I8", []byte{0xfe}, -2},
		{"U8", []byte{0xfe}, 254},
		{"BOOL", []byte{1}, 1},
	} {
		f, err := Decode(raw(fmt.Sprintf(`{"x":{"dtype":%q,"shape":[],"data_offsets":[0,%d]}}`, c.dtype, len(c.data)),
			c.data...))
		if err != nil {
			t.Errorf("%s: %v", c.dtype, err)
			continue
		}
		if got, err := f.Get("x"); err != nil || got[0] != c.want {
			t.Errorf("%s: got %v (%v), want %v", c.dtype, got, err, c.want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	whole, err := sample().Encode()
	if err != nil {
		t.Fatal(err)
	}
	const one = `{"x":{"dtype":"U8","shape":[%s],"data_offsets":[%s]}}`
	cases := map[string][]byte{
		"empty":         {},
		"truncated":     whole[:len(whole)-1],
		"padded":        append(bytes.Clone(whole), 0),
		"header length": raw("{}")[:9],
		"huge header":   binary.LittleEndian.AppendUint64(nil, math.MaxUint64),
		"not an object": raw("[]"),
		"text after":    raw("{} x"),
		"type":          raw(`{"x":{"dtype":"C64","shape":[1],"data_offsets":[0,8]}}`, make([]byte, 8)...),
		"negative dim":  raw(fmt.Sprintf(one, "-1", "0,1"), 1),
		"overflow":      raw(fmt.Sprintf(one, "4294967296,4294967296,4294967296", "0,0")),
		"size":          raw(fmt.Sprintf(one, "2", "0,1"), 1),
		"gap":           raw(fmt.Sprintf(one, "1", "1,2"), 1, 2),
		"past the end":  raw(fmt.Sprintf(one, "4", "0,4"), 1),
		"backwards":     raw(fmt.Sprintf(one, "1", "1,0"), 1),
		"dims":          raw(fmt.Sprintf(one, strings.Repeat("1,", MaxDims)+"1", "0,1"), 1),
		"duplicate": raw(`{"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},` +
			`"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`),
		"overlap": raw(`{"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},`+
			`"y":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`, 1, 2, 3),
		"metadata": raw(`{"__metadata__":{"a":1}}`),
	}
	for name, b := range cases {
		if f, err := Decode(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v, %v; want ErrMalformed", name, f, err)
		}
	}
}

func TestGetRefuses(t *testing.T) {
	f := sample()
	f.Add("bad", []float32{1, float32(math.Inf(1))})
	for _, c := range []struct {
		name  string
		shape []int
		want  error
	}{
		{"w", nil, nil},
		{"w", []int{2, -1}, nil},
		{"w", []int{3, 2}, ErrShape},
		{"w", []int{6}, ErrShape},
		{"nope", nil, ErrMissing},
		{"bad", []int{2}, ErrNotFinite},
	} {
		if _, err := f.Get(c.name, c.shape...); !errors.Is(err, c.want) {
			t.Errorf("Get(%q, %v) = %v, want %v", c.name, c.shape, err, c.want)
		}
	}
}

// FuzzDecode looks for inputs that crash the decoder or that it accepts but
// cannot write back unchanged.
func FuzzDecode(f *testing.F) {
	whole, err := sample().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(raw(`{"x":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}`, 0, 0x7c, 1, 2))
	f.Add(raw(`{"x":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},"__metadata__":null}  `, 1, 2, 3, 4, 5, 6, 7, 8))
	f.Fuzz(func(t *testing.T, b []byte) {
		in, err := Decode(b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		for i := range in.Tensors {
			if _, err := in.Get(in.Tensors[i].Name); err != nil && !errors.Is(err, ErrNotFinite) {
				t.Fatal(err)
			}
		}
		out, err := in.Encode()
		if err != nil {
			if !errors.Is(err, ErrNotFinite) && !errors.Is(err, ErrShape) {
				t.Fatalf("accepted, then refused to write: %v", err)
			}
			return
		}
		again, err := Decode(out)
		if err != nil {
			t.Fatalf("own output refused: %v", err)
		}
		if len(again.Tensors) != len(in.Tensors) {
			t.Fatalf("%d tensors became %d", len(in.Tensors), len(again.Tensors))
		}
		for i := range in.Tensors {
			a, b := in.Tensors[i], again.Tensors[i]
			if a.Name != b.Name && !reflect.DeepEqual(a.F32, b.F32) || len(a.F32) != len(b.F32) {
				t.Fatalf("tensor %d changed: %v, %v", i, a, b)
			}
		}
	})
}

func TestGet64KeepsDoubles(t *testing.T) {
	third := math.Float64bits(1.0 / 3)
	f, err := Decode(raw(`{"d":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},"f":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}`,
		binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint64(nil, third), math.Float32bits(0.5))...))
	if err != nil {
		t.Fatal(err)
	}
	if v, err := f.Get64("d", 1); err != nil || v[0] != 1.0/3 {
		t.Errorf("F64: %v, %v", v, err)
	}
	if v, err := f.Get64("f", 1); err != nil || v[0] != 0.5 {
		t.Errorf("F32: %v, %v", v, err)
	}
	if _, err := f.Get64("d", 2); !errors.Is(err, ErrShape) {
		t.Errorf("mis-shaped: %v", err)
	}
}
