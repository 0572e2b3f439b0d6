package zarr

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// sample is one chunk that numcodecs compressed (testdata/make.py).
type sample struct {
	codec, name string
	n           int
	b           []byte
}

func samples(t testing.TB) []sample {
	t.Helper()
	text, err := os.ReadFile("testdata/codecs.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]any
	if err := json.Unmarshal(text, &rows); err != nil || len(rows) < 90 {
		t.Fatal(len(rows), err)
	}
	var out []sample
	for _, r := range rows {
		b, err := base64.StdEncoding.DecodeString(r[3].(string))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, sample{r[0].(string), r[1].(string), int(r[2].(float64)), b})
	}
	return out
}

// content is what every sample holds.
func content(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i/9%40 + i/700%200)
	}
	return b
}

func TestCodecs(t *testing.T) {
	for _, s := range samples(t) {
		c := &compressor{s.codec}
		got, err := c.decode(s.b, s.n)
		if err != nil || !slices.Equal(got, content(s.n)) {
			t.Errorf("%s of %d bytes: %v", s.name, s.n, err)
		}
		for _, wrong := range []int{s.n - 1, s.n + 1} {
			if _, err := c.decode(s.b, wrong); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s of %d bytes taken for %d: %v", s.name, s.n, wrong, err)
			}
		}
		for cut := 0; cut < len(s.b); cut += 1 + len(s.b)/7 {
			if _, err := c.decode(s.b[:cut], s.n); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s cut to %d of %d bytes: %v", s.name, cut, len(s.b), err)
			}
		}
	}
}

// TestBloscRefuses damages the header of a container.
func TestBloscRefuses(t *testing.T) {
	good := samples(t)[3] // lz4, no shuffle, three blocks
	for name, c := range map[string]struct {
		at   int
		with []byte
		want error
	}{
		"version":           {0, []byte{9}, ErrUnsupported},
		"blosclz":           {2, []byte{0x00}, ErrUnsupported},
		"snappy":            {2, []byte{0x40}, ErrUnsupported},
		"format 7":          {2, []byte{0xe0}, ErrUnsupported},
		"no element":        {3, []byte{0}, ErrMalformed},
		"4 GB":              {4, []byte{255, 255, 255, 255}, ErrMalformed},
		"blocks of 0":       {8, []byte{0, 0, 0, 0}, ErrMalformed},
		"blocks of 1":       {8, []byte{1, 0, 0, 0}, ErrMalformed},
		"blocks of 4 GB":    {8, []byte{255, 255, 255, 255}, ErrMalformed},
		"size":              {12, []byte{1}, ErrMalformed},
		"first block far":   {16, []byte{255, 255, 255, 127}, ErrMalformed},
		"said uncompressed": {2, []byte{0x22}, ErrMalformed},
	} {
		b := slices.Clone(good.b)
		copy(b[c.at:], c.with)
		if _, err := unblosc(b, good.n); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func open(t *testing.T) *Group {
	t.Helper()
	g, err := Open("testdata/store.zarr")
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestArrays(t *testing.T) {
	g := open(t)
	if g.Attrs["task"] != "one_leg" || g.Attrs["n_episodes"] != 3.0 {
		t.Errorf("attributes %v", g.Attrs)
	}
	read := func(name string) (*Array, []float64) {
		a, err := g.Array(name)
		if err != nil {
			t.Fatal(name, err)
		}
		v, err := a.Float64()
		if err != nil {
			t.Fatal(name, err)
		}
		return a, v
	}
	grid := make([]float64, 35*7)
	for i := range grid {
		grid[i] = float64(i) / 8
	}
	for _, name := range []string{"grid/whole", "grid/chunked", "grid/raw", "grid/zlib", "grid/nested"} {
		if a, v := read(name); !slices.Equal(v, grid) || !slices.Equal(a.Shape, []int{35, 7}) {
			t.Errorf("%s: %v %v", name, a.Shape, v[:9])
		}
	}
	_, cube := read("cube")
	for i, v := range cube {
		if v != float64(i-30) {
			t.Fatalf("cube %v", cube)
		}
	}
	for _, kind := range []string{"u1", "u2", "u4", "u8", "i1", "i4", "i8", "b1"} {
		want := []float64{0, 1, 1, 100}
		if kind == "b1" {
			want[3] = 1
		}
		if _, v := read("kinds/" + kind); !slices.Equal(v, want) {
			t.Errorf("%s: %v", kind, v)
		}
	}
	if _, v := read("filled"); !slices.Equal(v, []float64{2.5, 2.5, 7, 8, 2.5}) {
		t.Errorf("filled: %v", v)
	}
	if _, v := read("nan"); len(v) != 2 || !math.IsNaN(v[0]) {
		t.Errorf("nan: %v", v)
	}
	if a, v := read("empty"); len(v) != 0 || !slices.Equal(a.Shape, []int{0, 7}) {
		t.Errorf("empty: %v", v)
	}
	for name, want := range map[string][]string{
		"text/object": {"one_leg", "größe", ""},
		"text/fixed":  {"lamp", "größe", ""}, "text/bytes": {"lamp", "x", ""},
	} {
		a, err := g.Array(name)
		if err != nil {
			t.Fatal(name, err)
		}
		if v, err := a.Strings(); err != nil || !reflect.DeepEqual(v, want) {
			t.Errorf("%s: %q, %v", name, v, err)
		}
		if _, err := a.Float32(); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s as numbers: %v", name, err)
		}
	}
	if _, err := g.Array("fortran"); !errors.Is(err, ErrUnsupported) {
		t.Errorf("order F: %v", err)
	}
	for _, name := range []string{"absent", "../store.zarr/cube", "/etc"} {
		if _, err := g.Array(name); !errors.Is(err, ErrMissing) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDescriptions refuses what is inconsistent, or too large, before it is read.
func TestDescriptions(t *testing.T) {
	const good = `{"chunks":[2],"compressor":null,"dtype":"<f4","fill_value":0,"filters":null,"order":"C","shape":[3],"zarr_format":2}`
	for _, c := range []struct{ old, new, want string }{
		{`"shape":[3]`, `"shape":[1000000000]`, "beyond the bounds"},
		{`"shape":[3]`, `"shape":[4611686018427387904]`, "beyond the bounds"},
		{`"shape":[3]`, `"shape":[-1]`, "beyond the bounds"},
		{`"shape":[3]`, `"shape":[3,3]`, "dimensions"},
		{`"shape":[3]`, `"shape":[]`, "dimensions"},
		{`"chunks":[2]`, `"chunks":[0]`, "beyond the bounds"},
		{`"chunks":[2]`, `"chunks":[4611686018427387904]`, "beyond the bounds"},
		{`"<f4"`, `"<f16"`, `type "<f16"`},
		{`"<f4"`, `"<U9999999"`, "type"},
		{`"<f4"`, `[["x","<f4"]]`, "structured"},
		{`"<f4"`, `"|O"`, "filters"},
		{`"filters":null`, `"filters":[{"id":"delta"}]`, "delta"},
		{`"order":"C"`, `"order":"C","dimension_separator":"/../"`, "dimension_separator"},
		{`"zarr_format":2`, `"zarr_format":3`, "format 3"},
		{`"chunks":[2],`, ``, "dimensions"},
		{`}`, ``, "truncated"},
	} {
		dir := t.TempDir()
		put(t, filepath.Join(dir, ".zgroup"), []byte(`{"zarr_format":2}`))
		put(t, filepath.Join(dir, "x", ".zarray"), []byte(strings.Replace(good, c.old, c.new, 1)))
		g, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.Array("x"); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(),
			dir) {
			t.Errorf("%s: %v", c.new, err)
		}
	}
	dir := t.TempDir()
	if _, err := Open(dir); !errors.Is(err, ErrMalformed) {
		t.Errorf("no store: %v", err)
	}
	put(t, filepath.Join(dir, ".zgroup"), []byte(`{"zarr_format":3}`))
	if _, err := Open(dir); !errors.Is(err, ErrUnsupported) {
		t.Errorf("version 3: %v", err)
	}
}

func put(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestChunkErrorsNameTheFile cuts, grows and replaces a chunk.
func TestChunkErrorsNameTheFile(t *testing.T) {
	for name, b := range map[string][]byte{
		"cut": {1, 2, 3}, "grown": make([]byte, 100),
		"much grown": make([]byte, 100000),
	} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS("testdata/store.zarr")); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "grid", "raw", "2.0")
		put(t, path, b)
		g, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		a, err := g.Array("grid/raw")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Float32(); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzBlosc: no container makes the decoder panic or write outside.
func FuzzBlosc(f *testing.F) {
	for i, s := range samples(f) {
		if s.codec == "blosc" && i%5 == 0 && s.n < 10000 {
			f.Add(s.b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		if len(b) >= bloscHeader {
			n = int(binary.LittleEndian.Uint32(b[4:]) % (1 << 20))
		}
		if got, err := unblosc(b, n); err == nil && len(got) != n {
			t.Errorf("%d bytes, want %d", len(got), n)
		}
	})
}

// FuzzArray: no description makes the reader panic or allocate beyond its bounds; chunks are not there, so that only
// the fill value is read.
func FuzzArray(f *testing.F) {
	f.Add([]byte(`{"chunks":[2],"compressor":{"id":"blosc"},"dtype":"<f4","fill_value":"NaN","filters":null,"order":"C","shape":[3],"zarr_format":2}`))
	f.Add([]byte(`{"chunks":[2,3],"compressor":null,"dtype":"<U4","fill_value":"","filters":null,"order":"C","shape":[3,4],"zarr_format":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		put(t, filepath.Join(dir, ".zgroup"), []byte(`{"zarr_format":2}`))
		put(t, filepath.Join(dir, "x", ".zarray"), b)
		g, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		a, err := g.Array("x")
		if err != nil || a.Len() > 10000 {
			return
		}
		_, _ = a.Float32()
		_, _ = a.Strings()
	})
}

// TestMissingChunks: a chunk that is not there is named; beside what an interrupted copy leaves it is an error.
func TestMissingChunks(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(".zgroup", `{"zarr_format": 2}`)
	write(".zattrs", `{"mean_return": NaN, "best": Infinity}`)
	write("reward/.zarray",
		`{"zarr_format": 2, "shape": [6], "chunks": [2], "dtype": "<f4", "compressor": null, "fill_value": 0, "filters": null, "order": "C"}`)
	write("reward/0", "\x00\x00\x80\x3f\x00\x00\x80\x3f")
	g, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	read := func() (*Array, []float64, error) {
		a, err := g.Array("reward")
		if err != nil {
			t.Fatal(err)
		}
		v, err := a.Float64()
		return a, v, err
	}
	a, v, err := read()
	if err != nil || !slices.Equal(v, []float64{1, 1, 0, 0, 0, 0}) || !slices.Equal(a.Missing, []string{"1", "2"}) {
		t.Errorf("%v, missing %q, %v", v, a.Missing, err)
	}
	for _, left := range []string{"1.9f8e.partial", ".1.tmp", "2~"} {
		write("reward/"+left, "half")
		if _, _, err := read(); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), left) {
			t.Errorf("beside %s: %v", left, err)
		}
		_ = os.Remove(filepath.Join(dir, "reward", left))
	}
}
