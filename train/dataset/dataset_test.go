package dataset

import (
	"errors"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"korr/sim"
)

var testInfo = Info{Task: "one_leg", Robot: "franka_panda", FPS: 10, PartNames: []string{"top", "leg1", "obstacle"}}

// testEpisode is an episode of n frames whose values come from the seed.
func testEpisode(info Info, n int, seed uint64) *Episode {
	rng := rand.New(rand.NewPCG(seed, 1))
	fill := func(width int) []float32 {
		v := make([]float32, n*width)
		for i := range v {
			v[i] = float32(rng.NormFloat64())
		}
		return v
	}
	e := &Episode{
		State: fill(info.StateDim()), Env: fill(info.EnvDim()), Action: fill(sim.ActDim), Executed: fill(sim.ActDim),
		Reward: make([]float32, n), Success: seed%2 == 0,
		Seed: seed | 1<<63, Randomness: "low", Perturb: 0.5, ExecNoise: 0.001, Simulator: "mujoco one_leg 1234",
		Domain: `{"gain":1.5}`,
	}
	if seed == 1 {
		e.Recovery = `{"policy":"base","cause":"lost","step":12}`
	}
	if e.Success {
		e.Reward[n-1] = 1
	}
	for _, rows := range []struct {
		v     []float32
		width int
	}{{e.State, info.StateDim()}, {e.Action, sim.ActDim}, {e.Executed, sim.ActDim}} { // poses that there can be
		for at := 0; at < len(rows.v); at += rows.width {
			copy(rows.v[at:], []float32{rng.Float32(), rng.Float32(), rng.Float32(), 0, 1, 0, -1, 0, 0})
		}
	}
	for at := 0; at < len(e.Env); at += sim.PoseDim {
		copy(e.Env[at:], []float32{rng.Float32(), rng.Float32(), rng.Float32(), 0, 0.6, 0, 0.8})
	}
	return e
}

func testDataset(lengths ...int) *Dataset {
	d := &Dataset{Info: testInfo}
	for i, n := range lengths {
		d.Episodes = append(d.Episodes, *testEpisode(testInfo, n, uint64(i)))
	}
	return d
}

func write(t *testing.T, d *Dataset) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "demos")
	if err := Write(dir, d); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestRoundTrip(t *testing.T) {
	want := testDataset(30, 1, 17)
	dir := write(t, want)
	got, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.Info, want.Info) {
		t.Errorf("info %+v, want %+v", got.Info, want.Info)
	}
	if !reflect.DeepEqual(got.Episodes, want.Episodes) {
		t.Error("the episodes changed on the way through the disk")
	}
	if got.Frames() != 48 || len(got.ObsRows()) != 48*want.Info.ObsDim() {
		t.Errorf("%d frames, %d observation values", got.Frames(), len(got.ObsRows()))
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(dir), ".*"))
	if err != nil || len(left) != 0 {
		t.Errorf("temporary files left behind: %v %v", left, err)
	}
}

func TestRoundTripOverSeveralDataFiles(t *testing.T) {
	want := testDataset(20, 20, 20, 20, 20)
	dir := filepath.Join(t.TempDir(), "demos")
	w, err := Create(dir, want.Info)
	if err != nil {
		t.Fatal(err)
	}
	w.maxBytes = 10_000 // two episodes
	w.pos = filePos{0, chunksSize - 1}
	start := w.pos
	for i := range want.Episodes {
		if err := w.Append(&want.Episodes[i]); err != nil {
			t.Fatal(err)
		}
	}
	if w.pos != (filePos{1, 1}) {
		t.Errorf("ended in %+v after %+v, want chunk 1, file 1", w.pos, start)
	}
	w.firstPos = start
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.Episodes, want.Episodes) {
		t.Error("the episodes changed on the way through the disk")
	}
	if got.Stats[featState].Count[0] != 100 {
		t.Errorf("statistics over %d frames, want 100", got.Stats[featState].Count[0])
	}
}

func TestAppendRefusesBadEpisodes(t *testing.T) {
	w, err := Create(filepath.Join(t.TempDir(), "demos"), testInfo)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		edit func(e *Episode)
		want string
	}{
		{"no frames", func(e *Episode) { *e = Episode{} }, "no frames"},
		{"short state", func(e *Episode) { e.State = e.State[1:] }, "observation.state has"},
		{"long poses", func(e *Episode) { e.Env = append(e.Env, 0) }, "observation.environment_state has"},
		{"no executed actions", func(e *Episode) { e.Executed = nil }, "action.executed has 0"},
		{"NaN", func(e *Episode) { e.Action[25] = float32(math.NaN()) }, "frame 2, element 5"},
		{"infinite", func(e *Episode) { e.Reward[3] = float32(math.Inf(1)) }, "next.reward is +Inf at frame 3"},
	}
	for _, tt := range tests {
		e := testEpisode(testInfo, 5, 1)
		tt.edit(e)
		if err := w.Append(e); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
	}
	if err := w.Append(testEpisode(testInfo, 5, 1)); err != nil {
		t.Errorf("a good episode after bad ones: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Errorf("close after refused episodes: %v", err)
	}
}

func TestCreateKeepsWhatExists(t *testing.T) {
	dir := write(t, testDataset(3))
	if _, err := Create(dir, testInfo); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error %v, want fs.ErrExist", err)
	}
	if _, err := Create(filepath.Join(t.TempDir(), "x"), Info{}); err == nil {
		t.Error("a dataset without a task was started")
	}
	w, err := Create(filepath.Join(t.TempDir(), "late"), testInfo)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Append(testEpisode(testInfo, 5, 1)); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(w.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); !errors.Is(err, fs.ErrExist) {
		t.Errorf("closing over a folder that appeared meanwhile: %v", err)
	}
}

func TestNothingUnderTheFinalNameBeforeClose(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demos")
	w, err := Create(dir, testInfo)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Append(testEpisode(testInfo, 5, 1)); err != nil {
		t.Fatal(err)
	}
	if exists(dir) {
		t.Fatal("the destination exists before Close")
	}
	var format *FormatError
	if _, err := Read(w.tmp); !errors.As(err, &format) || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("reading an unfinished dataset: %v", err)
	}
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	if exists(w.tmp) || exists(dir) {
		t.Error("Abort left files behind")
	}
	if err := w.Append(testEpisode(testInfo, 5, 1)); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("append after Abort: %v", err)
	}
	if err := w.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("close after Abort: %v", err)
	}
}

func TestCloseRefusesAnEmptyDataset(t *testing.T) {
	w, err := Create(filepath.Join(t.TempDir(), "demos"), testInfo)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err == nil {
		t.Error("a dataset without episodes was closed")
	}
}

func TestEpisodeObs(t *testing.T) {
	e := testEpisode(testInfo, 4, 3)
	obs := make([]float32, testInfo.ObsDim())
	e.ObsTo(obs, 2)
	if obs[0] != e.State[32] || obs[16] != e.Env[2*21] || obs[36] != e.Env[2*21+20] {
		t.Error("frame 2's observation is not its state followed by its poses")
	}
}

// TestKilledWriterLeavesNothing: what a killed collection left beside the dataset goes with the next one; what is being
// written stays.
func TestKilledWriterLeavesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demos")
	left := filepath.Join(filepath.Dir(dir), ".demos.partial-123")
	if err := os.MkdirAll(filepath.Join(left, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	first, err := Create(dir, testInfo)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("the leftover stayed")
	}
	second, err := Create(dir, testInfo)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []*Writer{first, second} { // the second took nothing from the first
		if err := w.Append(testEpisode(testInfo, 3, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := second.Close(); err == nil {
		t.Error("two datasets in one place")
	}
	if err := second.Abort(); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v, %v", entries, err)
	}
}
