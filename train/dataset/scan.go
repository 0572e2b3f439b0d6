package dataset

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"korr/internal/regular"
)

// table is an open Parquet file whose columns are read one at a time, found by
// their top-level name: it takes any encoding, nullability or list layout a
// Python writer may have chosen, but no missing value.
type table struct {
	path   string // as named in errors
	pq     *parquet.File
	leaves map[string]int // top-level name to leaf column
	closer io.Closer
}

// openTable opens a file; path is how errors name it.
func openTable(file, path string) (*table, error) {
	f, size, err := regular.Open(file)
	if err != nil {
		return nil, &FormatError{path, err}
	}
	t, err := newTable(f, size, path)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	t.closer = f
	return t, nil
}

// newTable reads the footer. The Parquet library may panic on damaged input;
// that becomes an error here and in scan.
func newTable(r io.ReaderAt, size int64, path string) (t *table, err error) {
	defer recovered(path, &err)
	if err := checkFooter(r, size); err != nil {
		return nil, &FormatError{path, err}
	}
	pq, err := parquet.OpenFile(r, size)
	if err != nil {
		return nil, &FormatError{path, fmt.Errorf("truncated or not Parquet: %w", err)}
	}
	if err := checkCodecs(pq); err != nil {
		return nil, &FormatError{path, err}
	}
	t = &table{path: path, pq: pq, leaves: map[string]int{}}
	for _, c := range pq.Root().Columns() {
		name := c.Name()
		for !c.Leaf() && len(c.Columns()) == 1 {
			c = c.Columns()[0]
		}
		if c.Leaf() {
			t.leaves[name] = c.Index()
		}
	}
	return t, nil
}

// checkFooter compares the footer's length with the file's: the Parquet library
// would allocate whatever a damaged file asks for.
func checkFooter(r io.ReaderAt, size int64) error {
	const magic = "PAR1"
	var tail [8]byte // footer length, magic
	if size < int64(len(magic)+len(tail)) {
		return fmt.Errorf("truncated or not Parquet: %d bytes", size)
	}
	if _, err := r.ReadAt(tail[:], size-int64(len(tail))); err != nil {
		return fmt.Errorf("truncated: %w", err)
	}
	if string(tail[4:]) != magic {
		return errors.New("truncated or not Parquet: it does not end in " + magic)
	}
	if n := int64(binary.LittleEndian.Uint32(tail[:4])); n > size-int64(len(magic)+len(tail)) {
		return fmt.Errorf("truncated: a footer of %d bytes in a file of %d", n, size)
	}
	return nil
}

// checkCodecs admits the compressions Python writers use by default or by
// choice, except LZ4: the library's decoder grows without bound on damaged input.
func checkCodecs(pq *parquet.File) error {
	for _, g := range pq.Metadata().RowGroups {
		for _, c := range g.Columns {
			switch c.MetaData.Codec {
			case format.Uncompressed, format.Snappy, format.Gzip, format.Brotli, format.Zstd:
			default:
				return fmt.Errorf("column %s is compressed with %v: write it with snappy", strings.Join(c.MetaData.PathInSchema,
					"."), c.MetaData.Codec)
			}
		}
	}
	return nil
}

func recovered(path string, err *error) {
	if p := recover(); p != nil {
		*err = &FormatError{path, fmt.Errorf("damaged Parquet file: %v", p)}
	}
}

func (t *table) close() error {
	if t.closer == nil {
		return nil
	}
	return t.closer.Close()
}

// rows is the number of rows the footer promises.
func (t *table) rows() int { return int(t.pq.NumRows()) }

// has reports whether there is a column of that name.
func (t *table) has(name string) bool {
	_, ok := t.leaves[name]
	return ok
}

// scan calls fn for every value of a column and checks that each row holds
// width values (0: one plain value) and that there are as many rows as promised.
func (t *table) scan(name string, width int, fn func(parquet.Value) error) (err error) {
	defer recovered(t.path, &err)
	leaf, ok := t.leaves[name]
	if !ok {
		return &FormatError{t.path, fmt.Errorf("column %q is missing", name)}
	}
	want := max(1, width)
	rows, inRow := 0, want
	visit := func(v parquet.Value) error {
		if v.RepetitionLevel() == 0 {
			if inRow != want {
				return fmt.Errorf("row %d has %d values, want %d", rows-1, inRow, want)
			}
			rows, inRow = rows+1, 0
		}
		if inRow++; inRow > want {
			return fmt.Errorf("row %d has more than %d values", rows-1, want)
		}
		if v.IsNull() {
			return fmt.Errorf("row %d has a missing value", rows-1)
		}
		return fn(v)
	}
	for i, g := range t.pq.RowGroups() { // one an episode in files of ours
		if err := scanChunk(g.ColumnChunks()[leaf], visit); err != nil {
			return &FormatError{t.path, fmt.Errorf("column %q: row group %d: %w", name, i, err)}
		}
	}
	if rows != t.rows() || inRow != want {
		return &FormatError{t.path, fmt.Errorf("column %q: ends after %d of %d rows", name, rows, t.rows())}
	}
	return nil
}

func scanChunk(c parquet.ColumnChunk, fn func(parquet.Value) error) error {
	pages := c.Pages()
	defer pages.Close()
	buf := make([]parquet.Value, 1024)
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("damaged or truncated: %w", err)
		}
		err = scanPage(page, buf, fn)
		parquet.Release(page)
		if err != nil {
			return err
		}
	}
}

func scanPage(page parquet.Page, buf []parquet.Value, fn func(parquet.Value) error) error {
	values := page.Values()
	for {
		n, err := values.ReadValues(buf)
		for _, v := range buf[:n] {
			if err := fn(v); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("truncated: %w", err)
		}
		if n == 0 {
			return errors.New("truncated: a page ends early")
		}
	}
}

// floats reads a column of real numbers as float32.
func (t *table) floats(name string, width int) ([]float32, error) {
	var out []float32
	err := t.scan(name, width, func(v parquet.Value) error {
		switch v.Kind() {
		case parquet.Float:
			out = append(out, v.Float())
		case parquet.Double:
			out = append(out, float32(v.Double()))
		default:
			return fmt.Errorf("holds %v, want real numbers", v.Kind())
		}
		return nil
	})
	return out, err
}

// float64s reads a plain column of real numbers.
func (t *table) float64s(name string) ([]float64, error) {
	var out []float64
	err := t.scan(name, 0, func(v parquet.Value) error {
		switch v.Kind() {
		case parquet.Float:
			out = append(out, float64(v.Float()))
		case parquet.Double:
			out = append(out, v.Double())
		default:
			return fmt.Errorf("holds %v, want real numbers", v.Kind())
		}
		return nil
	})
	return out, err
}

// ints reads a plain column of integers; unsigned 64-bit values keep their bits. Whole numbers may be floating point,
// as pandas writes them where a value was missing once.
func (t *table) ints(name string) ([]int64, error) {
	var out []int64
	err := t.scan(name, 0, func(v parquet.Value) error {
		switch v.Kind() {
		case parquet.Int32:
			out = append(out, int64(v.Int32()))
		case parquet.Int64:
			out = append(out, v.Int64())
		case parquet.Double:
			x := v.Double()
			if x != math.Trunc(x) || math.Abs(x) > 1<<53 {
				return fmt.Errorf("holds %v, want integers", x)
			}
			out = append(out, int64(x))
		default:
			return fmt.Errorf("holds %v, want integers", v.Kind())
		}
		return nil
	})
	return out, err
}

// bools reads a plain column of booleans.
func (t *table) bools(name string) ([]bool, error) {
	var out []bool
	err := t.scan(name, 0, func(v parquet.Value) error {
		if v.Kind() != parquet.Boolean {
			return fmt.Errorf("holds %v, want booleans", v.Kind())
		}
		out = append(out, v.Boolean())
		return nil
	})
	return out, err
}

// strings reads a column of texts, width as in scan.
func (t *table) strings(name string, width int) ([]string, error) {
	var out []string
	err := t.scan(name, width, func(v parquet.Value) error {
		if v.Kind() != parquet.ByteArray {
			return fmt.Errorf("holds %v, want texts", v.Kind())
		}
		out = append(out, string(v.ByteArray()))
		return nil
	})
	return out, err
}
