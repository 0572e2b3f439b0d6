package dataset

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const dataPath = "data/chunk-000/file-000.parquet"

func edit(t *testing.T, path string, fn func(b []byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if b = fn(b); b == nil {
		err = os.Remove(path)
	} else {
		err = os.WriteFile(path, b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func half(b []byte) []byte { return b[:len(b)/2] }

func replace(old, new string) func(b []byte) []byte {
	return func(b []byte) []byte {
		if !bytes.Contains(b, []byte(old)) {
			panic("nothing to replace: " + old)
		}
		return bytes.ReplaceAll(b, []byte(old), []byte(new))
	}
}

// TestReadRefuses damages one file at a time; the error must name it.
func TestReadRefuses(t *testing.T) {
	remove := func(b []byte) []byte { return nil }
	tests := []struct {
		name, file string
		edit       func(b []byte) []byte // nil result: remove the file
		want       string
	}{
		{"no info", infoPath, remove, "not a LeRobot dataset"},
		{"no stats", statsPath, remove, "no such file"},
		{"no tasks", tasksPath, remove, "no such file"},
		{"no data", dataPath, remove, "no such file"},
		{"truncated info", infoPath, half, "truncated"},
		{"truncated stats", statsPath, half, "truncated"},
		{"truncated tasks", tasksPath, half, "truncated"},
		{"truncated episodes", episodesPath, half, "truncated"},
		{"truncated data", dataPath, half, "truncated"},
		{"empty data", dataPath, func([]byte) []byte { return []byte{} }, "truncated"},
		{"text for data", dataPath, func([]byte) []byte { return []byte("hello") }, "not Parquet"},
		{"older version", infoPath, replace(`"v3.0"`, `"v2.1"`), "convert it with lerobot"},
		{"foreign features", infoPath, replace("environment_state", "images.top"), "not demonstrations with part poses"},
		{
			"no executed action", infoPath, replace("action.executed", "action.elsewhere"),
			`feature "action.executed" is missing`,
		},
		{"other type", infoPath, replace(`"bool"`, `"int64"`), "want bool"},
		{"frames missing", infoPath, replace(`"total_frames": 9`, `"total_frames": 10`), "promises 10 frames"},
		{"episodes missing", infoPath, replace(`"total_episodes": 2`, `"total_episodes": 3`), "describes 2 episodes"},
		{"several tasks", infoPath, replace(`"total_tasks": 1`, `"total_tasks": 2`), "one task per dataset"},
		{"no rate", infoPath, replace(`"fps": 10`, `"fps": 0`), "fps is 0"},
		{"path outside", infoPath, replace(`"data/chunk-`, `"../chunk-`), "not understood"},
		{"unknown template", infoPath, replace(`{file_index:03d}`, `{file}`), "not understood"},
	}
	whole := os.DirFS(write(t, testDataset(5, 4)))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, whole); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, tt.file)
			edit(t, path, tt.edit)
			_, err := Read(dir)
			var format *FormatError
			if !errors.As(err, &format) || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want a FormatError with %q", err, tt.want)
			}
			// The file named: the damaged one, or for a wrong count the other side of the comparison.
			if format.Path != path && tt.name != "episodes missing" {
				t.Errorf("the error names %s, the damaged file is %s", format.Path, path)
			}
		})
	}
}

// TestReadRefusesInconsistentTables rewrites a table with one column changed.
func TestReadRefusesInconsistentTables(t *testing.T) {
	dir := write(t, testDataset(5, 4))
	w := &Writer{info: testInfo}
	columns := func(change func(cols []column) []column) []column {
		return change(w.columns(testEpisode(testInfo, 9, 1)))
	}
	state := func(cols []column) []float32 { return cols[0].values.([]float32) }
	tests := []struct {
		name   string
		change func(cols []column) []column
		want   string
	}{
		{"one episode for two", func(c []column) []column { return c }, "row 5 belongs to episode 0, want 1"},
		{"column missing", func(c []column) []column { return c[1:] }, `column "observation.state" is missing`},
		{"vector too narrow", func(c []column) []column {
			c[0] = column{featState, 8, state(c)[:72]}
			return c
		}, "has 8 values, want 16"},
		{"vector too wide", func(c []column) []column {
			c[0] = column{featState, 32, append(state(c), state(c)...)}
			return c
		}, "more than 16 values"},
		{"vector for a scalar", func(c []column) []column {
			c[4].width, c[4].values = 2, make([]float32, 18)
			return c
		}, "more than 1 values"},
		{"integers for reals", func(c []column) []column {
			c[4].values = make([]int64, 9)
			return c
		}, "want real numbers"},
	}
	path := filepath.Join(dir, dataPath)
	for _, tt := range tests {
		os.Remove(path)
		if err := writeTable(path, columns(tt.change), nil); err != nil {
			t.Fatal(err)
		}
		_, err := Read(dir)
		var format *FormatError
		if !errors.As(err, &format) || format.Path != path || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one naming %s with %q", tt.name, err, dataPath, tt.want)
		}
	}
}

func TestReadRefusesDamagedBytes(t *testing.T) {
	dir := write(t, testDataset(50, 40))
	want, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, dataPath)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// A flipped byte may hit a value and pass; it must never crash or change the shape.
	for i := 0; i < len(good); i += len(good)/200 + 1 {
		bad := bytes.Clone(good)
		bad[i] ^= 0x55
		if err := os.WriteFile(path, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		d, err := Read(dir)
		if err == nil && d.Frames() != want.Frames() {
			t.Errorf("byte %d: %d frames were read from a damaged file", i, d.Frames())
		}
		var format *FormatError
		if err != nil && !errors.As(err, &format) {
			t.Errorf("byte %d: %v is no FormatError", i, err)
		}
	}
}

func FuzzTable(f *testing.F) {
	dir := f.TempDir()
	if err := writeTable(filepath.Join(dir, "x.parquet"), []column{
		{"a", 3, []float32{1, 2, 3, 4, 5, 6}}, {"b", 0, []int64{1, 2}}, {"c", 0, []string{"x", "y"}},
	}, nil); err != nil {
		f.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "x.parquet"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(half(b))
	f.Fuzz(func(t *testing.T, b []byte) {
		tab, err := newTable(bytes.NewReader(b), int64(len(b)), "fuzz")
		if err != nil {
			return
		}
		if tab.rows() > len(b)*64 {
			return // decoding is bounded by what the caller expects, see readDataFile
		}
		v, err := tab.floats("a", 3)
		if err == nil && len(v) != 3*tab.rows() {
			t.Errorf("%d values of %d rows", len(v), tab.rows())
		}
		if _, err := tab.ints("b"); err != nil {
			return
		}
		if s, err := tab.strings("c", 0); err == nil && len(s) != tab.rows() {
			t.Errorf("%d texts of %d rows", len(s), tab.rows())
		}
	})
}

func FuzzInfo(f *testing.F) {
	good, err := json.Marshal(newInfoJSON(testInfo, 2, 9))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(bytes.Replace(good, []byte("[21]"), []byte("[7000000000]"), 1))
	f.Add(bytes.Replace(good, []byte("[21]"), []byte("[]"), 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		var j infoJSON
		if json.Unmarshal(b, &j) != nil {
			return
		}
		info, err := j.check("one_leg")
		if err != nil {
			return
		}
		if n := info.EnvDim(); n < 7 || n > 7*maxParts {
			t.Errorf("accepted %d pose values", n)
		}
		if p, err := dataFile(j.DataPath, 0, 0); err == nil && !filepath.IsLocal(p) {
			t.Errorf("data file %q lies outside", p)
		}
	})
}

// FuzzChecksums: what is read is what was written, to the byte, and names no file outside the dataset.
func FuzzChecksums(f *testing.F) {
	c := checksums{Version: checksumsVersion, Block: checksumBlock, Files: map[string]fileSums{"meta/info.json": {
		Size:   3,
		CRC32C: []string{"00000001"},
	}}}
	b, err := c.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("{}"))
	f.Add(bytes.Replace(b, []byte("meta/info.json"), []byte("../../etc/passwd"), 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseChecksums(b)
		if err != nil {
			return
		}
		for name := range c.Files {
			if !filepath.IsLocal(name) {
				t.Errorf("names %q", name)
			}
		}
		if again, err := c.encode(); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%q was read as %q, %v", b, again, err)
		}
	})
}
