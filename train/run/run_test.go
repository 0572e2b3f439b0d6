package run

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"korr/internal/regular"
)

func create(t *testing.T) *Folder {
	t.Helper()
	f, err := Create(filepath.Join(t.TempDir(), "a", "run"), []byte("seed: 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func record(t *testing.T, f *Folder, after int, steps ...int) {
	t.Helper()
	r, err := f.Recorder(after)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range steps {
		if err := r.Record(s, map[string]float64{"loss": float64(s) / 8, "lr": 1e-3}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

func steps(t *testing.T, f *Folder) []int {
	t.Helper()
	records, err := f.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	var s []int
	for _, r := range records {
		s = append(s, r.Step)
	}
	return s
}

func TestCreateAndOpen(t *testing.T) {
	f := create(t)
	if _, err := Create(f.Dir(), nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second run in one folder: %v", err)
	}
	again, err := Open(f.Dir())
	if err != nil {
		t.Fatal(err)
	}
	if b, err := again.Config(); err != nil || string(b) != "seed: 1\n" {
		t.Errorf("config %q, %v", b, err)
	}
	if _, err := Open(t.TempDir()); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(),
		"no run was started") {
		t.Errorf("opening an empty folder: %v", err)
	}
	empty := t.TempDir()
	if _, err := Create(empty, nil); err != nil {
		t.Errorf("a run in an existing empty folder: %v", err)
	}
}

func TestWriteFileReplacesAsAWhole(t *testing.T) {
	f := create(t)
	for _, text := range []string{"one", "three"} {
		if err := f.WriteFile("result.json", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(f.Path("result.json")); err != nil || string(b) != text {
			t.Errorf("read %q, %v", b, err)
		}
	}
	// A directory cannot be replaced by a file: the write fails and leaves no temporary file.
	if err := f.WriteFile(CheckpointsDir, []byte("x")); err == nil {
		t.Error("a folder was replaced by a file")
	}
	entries, err := os.ReadDir(f.Dir())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			t.Errorf("temporary file %s left behind", e.Name())
		}
	}
}

func TestCheckpoints(t *testing.T) {
	f := create(t)
	for _, name := range []string{"step-000200.safetensors", "best.safetensors", ".best.safetensors.tmp-1", "notes.txt"} {
		if err := os.WriteFile(f.Path(CheckpointsDir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := f.Checkpoints()
	if err != nil || !reflect.DeepEqual(got, []string{"best", "step-000200"}) {
		t.Errorf("checkpoints %v, %v", got, err)
	}
	if want := filepath.Join(f.Dir(), "checkpoints", "best.safetensors"); f.Checkpoint("best") != want {
		t.Errorf("path %s, want %s", f.Checkpoint("best"), want)
	}
}

func TestMetricsRoundTrip(t *testing.T) {
	f := create(t)
	if s := steps(t, f); s != nil {
		t.Errorf("metrics %v before any were recorded", s)
	}
	r, err := f.Recorder(0)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Record(10, map[string]float64{"loss": 0.25, "grad": math.NaN(), "q": math.Inf(1)}); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := f.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	v := got[0].Values
	if len(got) != 1 || got[0].Step != 10 || v["loss"] != 0.25 || !math.IsNaN(v["grad"]) || !math.IsNaN(v["q"]) ||
		len(v) != 3 {
		t.Errorf("records %+v", got)
	}
	b, err := os.ReadFile(f.Path(MetricsName))
	if err != nil {
		t.Fatal(err)
	}
	if text := string(b); !strings.HasPrefix(text, `{"grad":null,"loss":0.25,"q":null,"step":10,"wall_s":`) ||
		!strings.HasSuffix(text, "}\n") {
		t.Errorf("the line is %q", text)
	}
}

func TestRecorderRepairsATornLine(t *testing.T) {
	f := create(t)
	record(t, f, 0, 1, 2, 3)
	b, err := os.ReadFile(f.Path(MetricsName))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.Path(MetricsName), b[:len(b)-9], 0o644); err != nil {
		t.Fatal(err)
	}
	if got := steps(t, f); !reflect.DeepEqual(got, []int{1, 2}) {
		t.Errorf("steps read around a torn line: %v", got)
	}
	record(t, f, 3, 4)
	if got := steps(t, f); !reflect.DeepEqual(got, []int{1, 2, 4}) {
		t.Errorf("steps after the repair: %v", got)
	}
}

func TestRecorderGoesBackToTheCheckpoint(t *testing.T) {
	f := create(t)
	record(t, f, 0, 100, 200, 300)
	record(t, f, 200, 300, 400)
	if got := steps(t, f); !reflect.DeepEqual(got, []int{100, 200, 300, 400}) {
		t.Errorf("steps %v, want each once", got)
	}
}

func TestWallTimeGoesOn(t *testing.T) {
	f := create(t)
	if err := f.WriteFile(MetricsName, []byte(`{"step":5,"wall_s":1000}`+"\n")); err != nil {
		t.Fatal(err)
	}
	record(t, f, 5, 6)
	got, err := f.Metrics()
	if err != nil || got[1].WallS < 1000 || got[1].WallS > 1100 {
		t.Errorf("records %+v, %v: the clock started again", got, err)
	}
}

func TestForeignLinesAreNamed(t *testing.T) {
	f := create(t)
	for _, line := range []string{"hello", `{"loss":1}`, `{"step":null}`, `{"step":"x"}`} {
		if err := f.WriteFile(MetricsName, []byte(`{"step":5}`+"\n"+line+"\n")); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Recorder(0); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%s: error %v, want one naming line 2", line, err)
		}
	}
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"step":5,"wall_s":1.5,"loss":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r, again Record
		if r.UnmarshalJSON(b) != nil {
			return
		}
		out, err := r.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if err := again.UnmarshalJSON(out); err != nil {
			t.Errorf("%s became %s: %v", b, out, err)
		}
	})
}

// TestOneTrainerAtATime: a second Recorder of the folder is refused until the first is closed, also one of another
// process.
func TestOneTrainerAtATime(t *testing.T) {
	const key = "KORR_RUN_TEST_FOLDER"
	if dir := os.Getenv(key); dir != "" { // the other process
		f, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Recorder(0); !errors.Is(err, ErrBusy) {
			t.Fatalf("a second process: %v", err)
		}
		return
	}
	f := create(t)
	first, err := f.Recorder(0)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Record(1, nil); err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0], "-test.run=^TestOneTrainerAtATime$")
	child.Env = append(os.Environ(), key+"="+f.Dir())
	if out, err := child.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	again, err := Open(f.Dir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Recorder(0); !errors.Is(err, ErrBusy) {
		t.Errorf("a second Folder: %v", err)
	}
	if s := steps(t, again); !reflect.DeepEqual(s, []int{1}) {
		t.Errorf("reading is free, got steps %v", s)
	}
	if err := errors.Join(first.Close(), first.Close()); err != nil {
		t.Fatal(err)
	}
	record(t, again, 1, 2)
	record(t, f, 2, 3) // the first Folder too, later
}

// TestFoldersWithoutLocks: on a file system that keeps no locks a run goes on, and the log says that nothing keeps
// others out.
func TestFoldersWithoutLocks(t *testing.T) {
	f := create(t)
	var told bytes.Buffer
	f.Log = slog.New(slog.NewTextHandler(&told, nil))
	if err := f.lockBy(func(*os.File) error { return errors.ErrUnsupported }); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"level=WARN", "cannot be locked", f.Dir(), errors.ErrUnsupported.Error()} {
		if !strings.Contains(told.String(), want) {
			t.Errorf("no %q in the log: %s", want, &told)
		}
	}
	f.Unlock()
	told.Reset()
	if err := f.Lock(); err != nil || told.Len() > 0 {
		t.Errorf("a folder that can be locked: %v, %s", err, &told)
	}
	f.Unlock()
}

// TestLeftoversGo: what a killed process left half written is gone once somebody trains in the folder again.
func TestLeftoversGo(t *testing.T) {
	f := create(t)
	for _, name := range []string{
		f.Path(".config.yaml.tmp-1"), f.Path(CheckpointsDir, ".state.safetensors.tmp-77"),
		f.Path(CheckpointsDir, ".step-5.safetensors.tmp-2"),
	} {
		if err := os.WriteFile(name, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	record(t, f, 0, 1)
	for _, dir := range []string{f.Dir(), f.Path(CheckpointsDir)} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), ".") {
				t.Errorf("%s stayed in %s", e.Name(), dir)
			}
		}
	}
}

// TestZerosAtTheEnd: a file system may lengthen a file before the data is there; zeros in the middle are damage.
func TestZerosAtTheEnd(t *testing.T) {
	zeros := strings.Repeat("\x00", 100)
	for _, end := range []string{
		zeros, zeros + "\n", `{"step":2,"wa` + zeros, `{"step":2,"wa` + zeros + "\n" + zeros,
		zeros + "\n" + `{"step":3`,
	} {
		f := create(t)
		record(t, f, 0, 1)
		b, err := os.ReadFile(f.Path(MetricsName))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.Path(MetricsName), append(b, end...), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := steps(t, f); !reflect.DeepEqual(got, []int{1}) {
			t.Errorf("%q: steps %v", end, got)
		}
		record(t, f, 1, 2)
		if got := steps(t, f); !reflect.DeepEqual(got, []int{1, 2}) {
			t.Errorf("%q: steps %v after going on", end, got)
		}
	}
	f := create(t)
	if err := f.WriteFile(MetricsName, []byte(`{"step":1}`+"\n"+zeros+"\n"+`{"step":2}`+"\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Metrics(); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("zeros between records: %v", err)
	}
}

// TestSpecialFilesAreRefused: a pipe or a device in the folder neither hangs nor fills the memory.
func TestSpecialFilesAreRefused(t *testing.T) {
	f := create(t)
	if err := syscall.Mkfifo(f.Path(MetricsName), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Metrics(); !errors.Is(err, regular.ErrKind) {
		t.Errorf("a pipe: %v", err)
	}
	if err := os.Remove(f.Path(ConfigName)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/zero", f.Path(ConfigName)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Config(); !errors.Is(err, regular.ErrKind) {
		t.Errorf("a device: %v", err)
	}
}
