package tensorfile

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"

	"korr/internal/atomicfile"
)

// Encode returns the bytes of f as a safetensors file of F32 tensors with a digest. Equal
// content gives equal bytes. It fails on duplicate or reserved names, on
// shapes that do not fit their data, and on values that are not finite.
func (f *File) Encode() ([]byte, error) {
	var head bytes.Buffer
	head.WriteByte('{')
	m, err := json.Marshal(withDigest(f.Meta)) // sorts the keys
	if err != nil {
		return nil, fmt.Errorf("tensorfile: encode metadata: %w", err)
	}
	fmt.Fprintf(&head, "%q:%s", "__metadata__", m)
	offset := 0
	seen := map[string]bool{"__metadata__": true}
	for i := range f.Tensors {
		t := &f.Tensors[i]
		if err := t.check(seen); err != nil {
			return nil, err
		}
		name, err := json.Marshal(t.Name)
		if err != nil {
			return nil, fmt.Errorf("tensorfile: encode %q: %w", t.Name, err)
		}
		shape, err := json.Marshal(append([]int{}, t.Shape...))
		if err != nil {
			return nil, fmt.Errorf("tensorfile: encode %q: %w", t.Name, err)
		}
		if head.Len() > 1 {
			head.WriteByte(',')
		}
		end := offset + 4*len(t.F32)
		fmt.Fprintf(&head, `%s:{"dtype":"F32","shape":%s,"data_offsets":[%d,%d]}`, name, shape, offset, end)
		offset = end
	}
	head.WriteByte('}')
	for head.Len()%8 != 0 { // the format aligns the data by padding with spaces
		head.WriteByte(' ')
	}
	if head.Len() > MaxHeaderBytes || int64(head.Len()+8)+int64(offset) > MaxFileBytes {
		return nil, fmt.Errorf("tensorfile: encode: header of %d and data of %d bytes exceed the bounds", head.Len(), offset)
	}
	out := make([]byte, 0, 8+head.Len()+offset)
	out = binary.LittleEndian.AppendUint64(out, uint64(head.Len()))
	out = append(out, head.Bytes()...)
	for i := range f.Tensors {
		for _, x := range f.Tensors[i].F32 {
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(x))
		}
	}
	return out, stamp(out)
}

// check validates one tensor for writing and records its name.
func (t *Tensor) check(seen map[string]bool) error {
	if seen[t.Name] {
		return fmt.Errorf("tensorfile: encode: name %q is reserved or used twice", t.Name)
	}
	seen[t.Name] = true
	n := 1
	for _, d := range t.Shape {
		if d < 0 {
			return fmt.Errorf("%w: encode %q: shape %v", ErrShape, t.Name, t.Shape)
		}
		n *= d
	}
	if n != len(t.F32) || len(t.Shape) > MaxDims {
		return fmt.Errorf("%w: encode %q: shape %v for %d elements", ErrShape, t.Name, t.Shape, len(t.F32))
	}
	if i := firstNonFinite(t.F32); i >= 0 {
		return fmt.Errorf("%w: encode %q: %v at element %d", ErrNotFinite, t.Name, t.F32[i], i)
	}
	return nil
}

// Write stores f at path: into a temporary file of the same folder, synced,
// then renamed, so that path holds either the old or the complete new content.
func Write(path string, f *File) error {
	b, err := f.Encode()
	if err != nil {
		return fmt.Errorf("tensorfile: write %s: %w", path, err)
	}
	if err := atomicfile.Write(path, b); err != nil {
		return fmt.Errorf("tensorfile: write %s: %w", path, err)
	}
	return nil
}
