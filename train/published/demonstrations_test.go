package published

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"korr/internal/geom"
	"korr/internal/zarr"
	"korr/sim"
)

// recorded is what demos.zarr holds (testdata/make_demos.py).
type recorded struct {
	Lengths                    []int
	State, Env, Action, Reward []float32
}

func decodeJSON(t *testing.T, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestDemonstrations reads a store that zarr itself wrote.
func TestDemonstrations(t *testing.T) {
	var want recorded
	decodeJSON(t, "testdata/demos.json", &want)
	d, err := OpenDemonstrations("testdata/demos.zarr", "")
	if err != nil {
		t.Fatal(err)
	}
	if d.Info.Task != "one_leg" || d.Info.FPS != 10 || len(d.Info.PartNames) != 6 || d.Len() != 3 || d.Frames() != 12 {
		t.Errorf("%+v, %d episodes, %d frames", d.Info, d.Len(), d.Frames())
	}
	var state, env, action, reward []float32
	for i := range d.Len() {
		e, err := d.Episode(i)
		if err != nil {
			t.Fatal(err)
		}
		if e.Len() != want.Lengths[i] || e.Success != (i != 1) || e.Randomness != "low" || e.Seed != uint64(i) ||
			e.Simulator != "imported from demos.zarr" {
			t.Errorf("episode %d: %d frames, %+v", i, e.Len(), e.Success)
		}
		state, env, action, reward = append(state, e.State...), append(env, e.Env...), append(action, e.Executed...),
			append(reward, e.Reward...)
	}
	if !slices.Equal(state, want.State) || !slices.Equal(env, want.Env) || !slices.Equal(action, want.Action) ||
		!slices.Equal(reward, want.Reward) {
		t.Error("the numbers are not those that were written")
	}
}

// store copies the store and rewrites some of its arrays as uncompressed ones.
func store(t *testing.T, change map[string]func(v []float32) []float32, dims map[string][]int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "demos.zarr")
	if err := os.CopyFS(dir, os.DirFS("testdata/demos.zarr")); err != nil {
		t.Fatal(err)
	}
	g, err := zarr.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range change {
		a, err := g.Array(name)
		if err != nil {
			t.Fatal(err)
		}
		v, err := a.Float32()
		if err != nil {
			t.Fatal(err)
		}
		shape := slices.Clone(a.Shape)
		if s, ok := dims[name]; ok {
			shape = s
		}
		putArray(t, a.Path, f(v), shape)
	}
	return dir
}

func putArray(t *testing.T, path string, v []float32, shape []int) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{
		"zarr_format": 2, "shape": shape, "chunks": shape, "dtype": "<f4",
		"compressor": nil, "fill_value": 0, "filters": nil, "order": "C",
	})
	if err != nil {
		t.Fatal(err)
	}
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	name := strings.TrimSuffix(strings.Repeat("0.", len(shape)), ".")
	for file, data := range map[string][]byte{".zarray": text, name: b} {
		if err := os.WriteFile(filepath.Join(path, file), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// all reads every episode.
func all(dir, task string) error {
	d, err := OpenDemonstrations(dir, task)
	for i := 0; err == nil && i < d.Len(); i++ {
		_, err = d.Episode(i)
	}
	return err
}

// TestBadDemonstrations: each kind of damage is refused, with the episode and the frame where there is one.
func TestBadDemonstrations(t *testing.T) {
	type edits = map[string]func(v []float32) []float32
	set := func(at int, x float32) func(v []float32) []float32 {
		return func(v []float32) []float32 { v[at] = x; return v }
	}
	nan := float32(math.NaN())
	for name, c := range map[string]struct {
		change edits
		dims   map[string][]int
		want   []string
	}{
		"NaN": {edits{arrayState: set(5*16+2, nan)}, nil, []string{
			"episode 1 (sim/one_leg/1.pkl)",
			"frame 1, element 2",
		}},
		"rotation":          {edits{arrayState: set(2*16+3, 9)}, nil, []string{"episode 0 (", "frame 2", arrayState}},
		"action's rotation": {edits{arrayAction: set(11*10+5, 3)}, nil, []string{"episode 2 (", "frame 4", arrayAction}},
		"quaternion": {edits{arrayParts: set(4*42+2*7+3, 5)}, nil, []string{
			"episode 1 (", "frame 0", "part 2 (",
			"length",
		}},
		"zero poses": {
			edits{arrayParts: func(v []float32) []float32 { clear(v[7*42:]); return v }},
			nil,
			[]string{"episode 2 (", "frame 0", "part 0"},
		},
		"ends shrink":       {edits{arrayEnds: set(1, 4)}, nil, []string{"episode_ends", "episode 1 ends at frame 4"}},
		"ends too far":      {edits{arrayEnds: set(2, 13)}, nil, []string{"episode 2 ends at frame 13"}},
		"ends too early":    {edits{arrayEnds: set(2, 11)}, nil, []string{"the last episode ends at frame 11 of 12"}},
		"ends are no count": {edits{arrayEnds: set(0, 1.5)}, nil, []string{"frame 1.5"}},
		"ends are NaN":      {edits{arrayEnds: set(0, nan)}, nil, []string{"frame NaN"}},
		"fewer actions": {
			edits{arrayAction: func(v []float32) []float32 { return v[:110] }},
			map[string][]int{arrayAction: {11, 10}},
			[]string{"action/pos has 11 frames, robot_state 12"},
		},
		"quaternion actions": {
			edits{arrayAction: func(v []float32) []float32 { return v[:96] }},
			map[string][]int{arrayAction: {12, 8}},
			[]string{"action/pos is [12 8]"},
		},
		"images as state": {
			edits{arrayState: func(v []float32) []float32 { return v[:96] }},
			map[string][]int{arrayState: {12, 2, 4}},
			[]string{"robot_state is [12 2 4]"},
		},
		"five poses": {
			edits{arrayParts: func(v []float32) []float32 { return v[:12*35] }},
			map[string][]int{arrayParts: {12, 35}},
			[]string{"5 poses, task one_leg has 6"},
		},
		"success of two": {
			edits{arraySuccess: func(v []float32) []float32 { return v[:2] }},
			map[string][]int{arraySuccess: {2}},
			[]string{"success has 2 episodes"},
		},
	} {
		dir := store(t, c.change, c.dims)
		err := all(dir, "")
		for _, want := range append(c.want, dir) {
			if err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, ErrDemonstrations) {
				t.Errorf("%s: no %q in: %v", name, want, err)
			}
		}
	}
	for _, name := range []string{arrayState, arrayParts, arrayAction, arrayReward, arrayEnds} {
		dir := store(t, nil, nil)
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if err := all(dir, ""); !errors.Is(err, zarr.ErrMissing) || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	if err := all("testdata/demos.zarr", "lamp"); err == nil || !strings.Contains(err.Error(), "task lamp has 4") {
		t.Errorf("another task: %v", err)
	}
	if err := all("testdata/demos.zarr", "desk"); err != nil {
		t.Errorf("a task that the simulator does not know: %v", err)
	}
}

// TestStateWithQuaternion: a 14-wide state is widened; without success, rewards tell.
func TestStateWithQuaternion(t *testing.T) {
	q := geom.RotVec(geom.Vec3{0.3, -1, 0.5})
	dir := store(t, map[string]func(v []float32) []float32{arrayState: func(v []float32) []float32 {
		narrow := make([]float32, 12*14)
		for i := range 12 {
			copy(narrow[i*14:], v[i*16:i*16+3])
			geom.QuatTo(narrow[i*14+3:], q)
			copy(narrow[i*14+7:], v[i*16+9:i*16+16])
		}
		return narrow
	}}, map[string][]int{arrayState: {12, 14}})
	if err := os.RemoveAll(filepath.Join(dir, arraySuccess)); err != nil {
		t.Fatal(err)
	}
	d, err := OpenDemonstrations(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	e, err := d.Episode(2)
	if err != nil || !e.Success {
		t.Fatal(err, e.Success)
	}
	if got := geom.Rot6DAt(e.State[3:]).Quat().Angle(q); got > 1e-6 {
		t.Errorf("the rotation is off by %v", got)
	}
	if e, err := d.Episode(1); err != nil || e.Success {
		t.Errorf("an episode without reward: %v, %v", e.Success, err)
	}
}

// TestRobomimic converts a file that h5py wrote and compares the result with numbers computed here.
func TestRobomimic(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Python")
	}
	convert := func(from string, args ...string) (dir, out string, err error) {
		dir = filepath.Join(t.TempDir(), "can.zarr")
		b, err := exec.Command("/usr/bin/python3", append([]string{"../../examples/python/robomimic_to_zarr.py", from, dir},
			args...)...).CombinedOutput()
		return dir, string(b), err
	}
	dir, out, err := convert("testdata/robomimic.hdf5", "--part-names", "can")
	if errors.Is(err, os.ErrNotExist) || strings.Contains(out, "No module named 'h5py'") {
		t.Skip("no python3 with h5py")
	}
	if err != nil || !strings.Contains(out, "2 demonstrations, 7 frames, 1 successful; actions were changes") {
		t.Fatal(err, out)
	}
	d, err := OpenDemonstrations(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	if d.Info.Task != "PickPlaceCan" || d.Info.FPS != 20 || !slices.Equal(d.Info.PartNames, []string{"can"}) {
		t.Errorf("%+v", d.Info)
	}
	var raw []map[string][]float32
	decodeJSON(t, "testdata/robomimic.json", &raw)
	for i, r := range raw {
		e, err := d.Episode(i)
		if err != nil || e.Success != (i == 0) {
			t.Fatal(err, e.Success)
		}
		for k := range e.Len() {
			pos, q, act := r["obs/robot0_eef_pos"][k*3:], geom.QuatAt(r["obs/robot0_eef_quat"][k*4:]), r["actions"][k*7:(k+1)*7]
			want := make([]float32, sim.ActDim)
			for j := range 3 {
				want[j] = pos[j] + 0.05*act[j]
			}
			turn := geom.Vec3{0.5 * float64(act[3]), 0.5 * float64(act[4]), 0.5 * float64(act[5])}
			geom.Rot6DTo(want[3:], geom.RotVec(turn).Mul(q))
			want[9] = act[6]
			near(t, e.ActionAt(k), want)
			state := append(slices.Clone(pos[:3]), make([]float32, 6)...)
			geom.Rot6DTo(state[3:], q)
			state = append(append(state, r["obs/robot0_eef_vel_lin"][k*3:k*3+3]...), r["obs/robot0_eef_vel_ang"][k*3:k*3+3]...)
			fingers := r["obs/robot0_gripper_qpos"][k*2:]
			near(t, e.State[k*16:(k+1)*16], append(state, max(fingers[0], -fingers[0])+max(fingers[1], -fingers[1])))
			near(t, e.Env[k*7:k*7+3], r["obs/object"][k*14:k*14+3])
		}
	}
	if dir, out, err := convert("testdata/robomimic.hdf5", "--mask", "train"); err != nil ||
		!strings.Contains(out, "1 demonstrations, 4 frames") {
		t.Error(err, out, dir)
	}
	for _, args := range [][]string{{"--mask", "test"}, {"--parts", "object:10"}} {
		dir, out, err := convert("testdata/robomimic.hdf5", args...)
		if err == nil || !strings.Contains(out, "testdata/robomimic.hdf5: ") {
			t.Errorf("%v: %v %s", args, err, out)
		}
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), "*")); len(left) > 0 {
			t.Errorf("%v left %v", args, left)
		}
	}
}

func near(t *testing.T, got, want []float32) {
	t.Helper()
	for i, w := range want {
		if math.Abs(float64(got[i]-w)) > 1e-5 {
			t.Fatalf("%v\nwant %v", got, want)
		}
	}
}

// TestStoresOfOtherWriters: what a store says of itself is read, or refused for what it is; chunks that are not there
// are told.
func TestStoresOfOtherWriters(t *testing.T) {
	for name, c := range map[string]struct {
		attrs string
		want  string
	}{
		"a number in text":  {`{"task": "one_leg", "fps": "10"}`, `fps is "10"`},
		"no number":         {`{"task": "one_leg", "fps": null}`, "fps is null"},
		"NaN in the unread": {`{"task": "one_leg", "mean_return": NaN, "fps": 10}`, ""},
		"NaN for the rate":  {`{"task": "one_leg", "fps": NaN}`, "fps is null"},
	} {
		dir := store(t, nil, nil)
		if err := os.WriteFile(filepath.Join(dir, ".zattrs"), []byte(c.attrs), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenDemonstrations(dir, ""); c.want == "" && err != nil || c.want != "" &&
			(err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	dir := store(t, nil, nil)
	chunks, err := filepath.Glob(filepath.Join(dir, arrayReward, "[0-9]*"))
	if err != nil || len(chunks) == 0 {
		t.Fatalf("%q, %v", chunks, err)
	}
	for _, c := range chunks {
		if err := os.Remove(c); err != nil {
			t.Fatal(err)
		}
	}
	d, err := OpenDemonstrations(dir, "")
	if err != nil || len(d.Warnings) != 1 || !strings.Contains(d.Warnings[0], arrayReward) {
		t.Fatalf("%+v, %v", d, err)
	}
	refused := false
	for i := range d.Len() {
		_, err := d.Episode(i)
		refused = refused || err != nil && strings.Contains(err.Error(), "interrupted")
	}
	if !refused {
		t.Error("episodes that succeeded without a reward were taken from a store that lacks rewards")
	}
}

// TestWrappersLeaveNames: prefixes of data parallel and compiled modules, wherever they stand in a name, name the same
// parameter.
func TestWrappersLeaveNames(t *testing.T) {
	for in, want := range map[string]string{
		"model.a.weight": "model.a.weight", "module.model.a.weight": "model.a.weight", "_orig_mod.module.model.a": "model.a",
		"model._orig_mod.a": "model.a", "modules.a": "modules.a", "module_list.0": "module_list.0",
	} {
		if got := unwrapped(in); got != want {
			t.Errorf("%s is %s, want %s", in, got, want)
		}
	}
}
