package zarr

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"korr/internal/pyjson"
	"korr/internal/regular"
)

// Bounds on what a store may ask for.
const (
	// MaxElements bounds an array (268 million).
	MaxElements = 1 << 28
	// MaxChunkBytes bounds a chunk (1 GiB).
	MaxChunkBytes = 1 << 30
	maxMetaBytes  = 1 << 20
	maxDims       = 8
	maxTextBytes  = 1 << 16 // of a fixed-width text
)

// ErrMissing marks an array that the store does not have.
var ErrMissing = errors.New("zarr: no such array")

// Group is an opened store.
type Group struct {
	Dir   string
	Attrs map[string]any // .zattrs; nil when absent
}

// Open opens the store in a folder.
func Open(dir string) (*Group, error) {
	var head struct {
		Format int `json:"zarr_format"`
	}
	if err := readJSON(filepath.Join(dir, ".zgroup"), &head); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, malformed("%s has no .zgroup: it is no zarr v2 directory store", dir)
		}
		return nil, err
	}
	if head.Format != 2 {
		return nil, unsupported("%s is of zarr format %d, want 2", dir, head.Format)
	}
	g := &Group{Dir: dir}
	if err := readJSON(filepath.Join(dir, ".zattrs"), &g.Attrs); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return g, nil
}

// readJSON reads a small file as Python writes it.
func readJSON(path string, v any) error {
	b, err := readFile(path, maxMetaBytes)
	if err != nil {
		return err
	}
	if err := pyjson.Unmarshal(b, v); err != nil {
		return malformed("%s: truncated or not JSON: %v", path, err)
	}
	return nil
}

// readFile reads a file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	b, err := regular.Read(path, limit)
	switch {
	case errors.Is(err, regular.ErrSize), errors.Is(err, regular.ErrKind):
		return nil, malformed("%v", err)
	case err != nil:
		return nil, fmt.Errorf("zarr: %w", err)
	}
	return b, nil
}

// Array describes an array of the store.
type Array struct {
	Path    string
	Shape   []int
	Missing []string // chunks that were read and are not there, by name: their elements have the fill value

	chunks     []int
	dtype      string
	kind       byte // of dtype: f, i, u, b, U, S or O
	size       int  // bytes of an element
	order      binary.ByteOrder
	compressor *compressor
	fill       float64
	separator  string
}

// description is .zarray.
type description struct {
	Chunks     []int           `json:"chunks"`
	Compressor *compressor     `json:"compressor"`
	DType      json.RawMessage `json:"dtype"`
	Fill       any             `json:"fill_value"`
	Filters    []compressor    `json:"filters"`
	Order      string          `json:"order"`
	Shape      []int           `json:"shape"`
	Format     int             `json:"zarr_format"`
	Separator  string          `json:"dimension_separator"`
}

// Has says whether the store has an array, such as "reward" or "action/pos".
func (g *Group) Has(name string) bool {
	_, err := os.Stat(filepath.Join(g.Dir, filepath.FromSlash(name), ".zarray"))
	return err == nil
}

// Array reads an array's description.
func (g *Group) Array(name string) (*Array, error) {
	path := filepath.Join(g.Dir, filepath.FromSlash(name))
	if !filepath.IsLocal(filepath.FromSlash(name)) || !g.Has(name) {
		return nil, fmt.Errorf("%w: %s", ErrMissing, path)
	}
	var d description
	file := filepath.Join(path, ".zarray")
	if err := readJSON(file, &d); err != nil {
		return nil, err
	}
	a := &Array{Path: path, Shape: d.Shape, chunks: d.Chunks, compressor: d.Compressor, separator: "."}
	if d.Separator != "" {
		a.separator = d.Separator
	}
	if err := a.check(&d); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return a, nil
}

// check refuses a description that cannot be read.
func (a *Array) check(d *description) error {
	var text string
	if err := json.Unmarshal(d.DType, &text); err != nil {
		return unsupported("a structured type %.100s", d.DType)
	}
	if err := a.setType(text); err != nil {
		return err
	}
	textFilter := a.kind == 'O' && len(d.Filters) == 1 && d.Filters[0].ID == "vlen-utf8"
	switch {
	case d.Format != 2:
		return unsupported("zarr format %d, want 2", d.Format)
	case d.Order != "C" && len(d.Shape) > 1:
		return unsupported("order %q, want C", d.Order)
	case len(d.Filters) > 0 && !textFilter || a.kind == 'O' && !textFilter:
		return unsupported("filters %v on type %q", d.Filters, text)
	case len(d.Shape) != len(d.Chunks) || len(d.Shape) == 0 || len(d.Shape) > maxDims:
		return malformed("shape %v in chunks of %v, want 1 to %d dimensions", d.Shape, d.Chunks, maxDims)
	case a.separator != "." && a.separator != "/":
		return malformed("dimension_separator %q", a.separator)
	}
	elements, chunk := 1, 1
	for i, n := range d.Shape {
		c := d.Chunks[i]
		if n < 0 || c < 1 || n > 0 && elements > MaxElements/n || chunk > MaxChunkBytes/a.size/c {
			return malformed("shape %v in chunks of %v is beyond the bounds (%d elements, chunks of %d bytes)", d.Shape,
				d.Chunks, MaxElements, MaxChunkBytes)
		}
		elements *= max(n, 1)
		chunk *= c
	}
	switch v := d.Fill.(type) {
	case float64:
		a.fill = v
	case bool:
		if v {
			a.fill = 1
		}
	case string:
		if f, err := strconv.ParseFloat(v, 64); err == nil { // "NaN"
			a.fill = f
		}
	}
	return nil
}

// setType parses a type such as "<f4".
func (a *Array) setType(text string) error {
	if len(text) < 2 {
		return malformed("type %q", text)
	}
	a.dtype, a.kind, a.order = text, text[1], binary.LittleEndian
	if text[0] == '>' {
		a.order = binary.BigEndian
	}
	if a.kind == 'O' {
		a.size = 8
		return nil
	}
	n, err := strconv.Atoi(text[2:])
	if err != nil || n < 1 || n > maxTextBytes {
		return malformed("type %q", text)
	}
	a.size = n
	switch {
	case a.kind == 'U':
		a.size = 4 * n
	case a.kind == 'S', a.kind == 'b' && n == 1, a.kind == 'f' && (n == 4 || n == 8), (a.kind == 'i' || a.kind == 'u') &&
		(n == 1 || n == 2 || n == 4 || n == 8):
	default:
		return unsupported("type %q", text)
	}
	return nil
}

// Len is the number of elements.
func (a *Array) Len() int {
	n := 1
	for _, d := range a.Shape {
		n *= d
	}
	return n
}

// Float64 reads all elements of an array of numbers, row-major.
func (a *Array) Float64() ([]float64, error) {
	out := make([]float64, a.Len())
	return out, a.numbers(func(i int, v float64) { out[i] = v })
}

// Float32 is Float64 in single precision.
func (a *Array) Float32() ([]float32, error) {
	out := make([]float32, a.Len())
	return out, a.numbers(func(i int, v float64) { out[i] = float32(v) })
}

func (a *Array) numbers(set func(i int, v float64)) error {
	if strings.IndexByte("fiub", a.kind) < 0 {
		return malformed("%s holds %q, want numbers", a.Path, a.dtype)
	}
	return a.each(func(chunk []byte, at, i int) {
		if chunk == nil {
			set(i, a.fill)
			return
		}
		set(i, a.number(chunk[at*a.size:]))
	})
}

// number reads one element.
func (a *Array) number(b []byte) float64 {
	var u uint64
	switch a.size {
	case 1:
		u = uint64(b[0])
	case 2:
		u = uint64(a.order.Uint16(b))
	case 4:
		u = uint64(a.order.Uint32(b))
	default:
		u = a.order.Uint64(b)
	}
	switch a.kind {
	case 'f':
		if a.size == 4 {
			return float64(math.Float32frombits(uint32(u)))
		}
		return math.Float64frombits(u)
	case 'i':
		shift := 64 - 8*a.size
		return float64(int64(u<<shift) >> shift)
	}
	return float64(u)
}

// Strings reads all elements of an array of texts.
func (a *Array) Strings() ([]string, error) {
	out := make([]string, a.Len())
	if a.kind == 'O' {
		return out, a.variable(out)
	}
	if a.kind != 'U' && a.kind != 'S' {
		return nil, malformed("%s holds %q, want texts", a.Path, a.dtype)
	}
	return out, a.each(func(chunk []byte, at, i int) {
		if chunk == nil {
			return
		}
		b := chunk[at*a.size : (at+1)*a.size]
		if a.kind == 'S' {
			out[i] = strings.TrimRight(string(b), "\x00")
			return
		}
		var s strings.Builder
		for k := 0; k < len(b); k += 4 {
			if r := rune(a.order.Uint32(b[k:])); r != 0 {
				s.WriteRune(r)
			}
		}
		out[i] = s.String()
	})
}

// variable reads texts of numcodecs' VLenUTF8: their number, then length and bytes of each.
func (a *Array) variable(out []string) error {
	if len(a.Shape) != 1 {
		return unsupported("%s: texts in %d dimensions", a.Path, len(a.Shape))
	}
	for k := 0; k*a.chunks[0] < len(out); k++ {
		file := filepath.Join(a.Path, strconv.Itoa(k))
		b, err := readFile(file, MaxChunkBytes)
		if errors.Is(err, fs.ErrNotExist) {
			if err := a.missing(strconv.Itoa(k)); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		if b, err = a.unpackTexts(b); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		to := out[k*a.chunks[0] : min((k+1)*a.chunks[0], len(out))]
		if len(b) < 4 || int64(binary.LittleEndian.Uint32(b)) < int64(len(to)) {
			return malformed("%s: fewer than %d texts", file, len(to))
		}
		b = b[4:]
		for i := range to {
			if len(b) < 4 || int64(binary.LittleEndian.Uint32(b)) > int64(len(b)-4) {
				return malformed("%s: text %d is cut off", file, i)
			}
			n := int(binary.LittleEndian.Uint32(b))
			if to[i] = string(b[4 : 4+n]); !utf8.ValidString(to[i]) {
				return malformed("%s: text %d is not UTF-8", file, i)
			}
			b = b[4+n:]
		}
	}
	return nil
}

// unpackTexts decompresses a chunk whose size its codec knows alone.
func (a *Array) unpackTexts(b []byte) ([]byte, error) {
	switch {
	case a.compressor == nil:
		return b, nil
	case a.compressor.ID == "blosc" && len(b) >= bloscHeader, a.compressor.ID == "lz4" && len(b) >= 4:
		at := 0
		if a.compressor.ID == "blosc" {
			at = 4
		}
		n := binary.LittleEndian.Uint32(b[at:])
		if int64(n) > 256*int64(len(b)) {
			return nil, malformed("%d bytes in %d", n, len(b))
		}
		return a.compressor.decode(b, int(n))
	}
	return nil, unsupported("texts in compressor %.50q", a.compressor.ID)
}

// each visits every element: chunk holds it at the given place, or is nil where the fill value stands; i is its
