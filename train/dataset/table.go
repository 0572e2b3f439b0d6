package dataset

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"

	"github.com/parquet-go/parquet-go"
)

// column is one column of a Parquet file in memory: a flat slice of float32,
// float64, int64, uint64, bool or string. With width 0 every row holds one
// value, otherwise a list of width values.
type column struct {
	name   string
	width  int
	values any
}

func (c column) node() parquet.Node {
	var n parquet.Node
	switch c.values.(type) {
	case []float32:
		n = parquet.Leaf(parquet.FloatType)
	case []float64:
		n = parquet.Leaf(parquet.DoubleType)
	case []int64:
		n = parquet.Int(64)
	case []uint64:
		n = parquet.Uint(64)
	case []bool:
		n = parquet.Leaf(parquet.BooleanType)
	case []string:
		n = parquet.String()
	default:
		panic(fmt.Sprintf("dataset: column %s of %T", c.name, c.values))
	}
	n = parquet.Compressed(n, &parquet.Snappy)
	if c.width > 0 {
		return parquet.List(n)
	}
	return n
}

// levelled returns the values with their repetition and definition levels.
func (c column) levelled(index int) []parquet.Value {
	v := reflect.ValueOf(c.values)
	out := make([]parquet.Value, v.Len())
	for i := range out {
		rep, def := 0, 0
		if c.width > 0 {
			def = 1
			if i%c.width != 0 {
				rep = 1
			}
		}
		out[i] = parquet.ValueOf(v.Index(i).Interface()).Level(rep, def, index)
	}
	return out
}

// orderedGroup is a schema whose columns keep their order (a plain Group sorts them).
type orderedGroup struct {
	parquet.Group
	fields []parquet.Field
}

func (g orderedGroup) Fields() []parquet.Field { return g.fields }

type orderedField struct {
	parquet.Node
	name string
}

func (f orderedField) Name() string { return f.name }

func (f orderedField) Value(base reflect.Value) reflect.Value {
	return base.MapIndex(reflect.ValueOf(f.name))
}

func schemaOf(cols []column) *parquet.Schema {
	g := orderedGroup{Group: parquet.Group{}}
	for _, c := range cols {
		n := c.node()
		g.Group[c.name] = n
		g.fields = append(g.fields, orderedField{n, c.name})
	}
	return parquet.NewSchema("schema", g)
}

// tableWriter writes one Parquet file, one row group per append.
type tableWriter struct {
	path string
	file *os.File
	w    *parquet.GenericWriter[any]
	cols int
}

// createTable makes the file (and its folder) with the schema of cols and
// the key-value metadata.
func createTable(path string, cols []column, meta map[string]string) (*tableWriter, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	opts := []parquet.WriterOption{schemaOf(cols), parquet.CreatedBy("korr", "1", "dataset")}
	for k, v := range meta {
		opts = append(opts, parquet.KeyValueMetadata(k, v))
	}
	return &tableWriter{path: path, file: f, w: parquet.NewGenericWriter[any](f, opts...), cols: len(cols)}, nil
}

// append writes the rows of cols, in the order of the schema, as one row group.
func (t *tableWriter) append(cols []column) error {
	ws := t.w.ColumnWriters()
	if len(ws) != t.cols || len(cols) != t.cols {
		panic("dataset: a table's columns changed")
	}
	for i, c := range cols {
		if _, err := ws[i].WriteRowValues(c.levelled(i)); err != nil {
			return fmt.Errorf("%s: column %s: %w", t.path, c.name, err)
		}
	}
	return t.w.Flush()
}

// close completes the file and syncs it to disk.
func (t *tableWriter) close() error {
	err := t.w.Close()
	if err == nil {
		err = t.file.Sync()
	}
	return errors.Join(err, t.file.Close())
}

// writeTable writes a whole file of one row group.
func writeTable(path string, cols []column, meta map[string]string) error {
	t, err := createTable(path, cols, meta)
	if err != nil {
		return err
	}
	return errors.Join(t.append(cols), t.close())
}
