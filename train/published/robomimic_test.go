package published

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// writeRobomimic writes cases of {"file", "env_args", "actions"}, a list from standard input, as robomimic files of one
// demonstration each, in which the tool moves 0.01 m a frame along x.
const writeRobomimic = `
import json, sys
import h5py, numpy as np
for case in json.load(sys.stdin):
    with h5py.File(case["file"], "w") as f:
        data = f.create_group("data")
        if "env_args" in case:
            data.attrs["env_args"] = json.dumps(case["env_args"])
        demo = data.create_group("demo_0")
        actions = np.array(case["actions"], float)
        n = len(actions)
        demo["actions"] = actions
        demo["rewards"] = (np.arange(n) == n - 1).astype(float)
        obs = demo.create_group("obs")
        obs["robot0_eef_pos"] = np.stack([0.5 + 0.01 * np.arange(n), np.zeros(n), np.zeros(n)], 1)
        obs["robot0_eef_quat"] = np.tile([1.0, 0, 0, 0], (n, 1))
        obs["robot0_gripper_qpos"] = np.tile([0.03, -0.03], (n, 1))
        obs["object"] = np.tile([0.1, 0.2, 0.3, 0, 0, 0, 1.0], (n, 1))
`

// TestRobomimicControllers: what the file says of its controller is obeyed, whatever its ranges, centres and rate are,
// old layout or new; what says something else, or nothing, is refused by its key, with one line and nothing left
// behind.
func TestRobomimicControllers(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Python")
	}
	type object map[string]any
	type file struct {
		File    string      `json:"file"`
		Env     any         `json:"env_args,omitempty"`
		Actions [][]float64 `json:"actions"`
		want    []float64   // the change along x of every frame
		fps     float64
		refused string
	}
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(3, 1))
	between := func(low, high float64) float64 { return low + (high-low)*rng.Float64() }
	var files []file
	for i := range 6 {
		n, rate := 3+rng.IntN(4), 5*(1+rng.IntN(8))
		lowIn, lowOut := between(-3, -0.2), between(-0.2, -0.01)
		highIn, highOut := between(0.2, 3), between(0.01, 0.2)
		f := file{File: filepath.Join(dir, fmt.Sprintf("range%d.hdf5", i)), fps: float64(rate)}
		for range n {
			a := between(-4, 4)
			f.Actions = append(f.Actions, []float64{a, 0, 0, 0, 0, 0, -1})
			share := (min(max(a, lowIn), highIn) - lowIn) / (highIn - lowIn)
			f.want = append(f.want, lowOut+share*(highOut-lowOut))
		}
		c := object{
			"type": "OSC_POSE", "input_min": lowIn, "input_max": highIn,
			"output_min": []float64{lowOut, -1, -1, -1, -1, -1}, "output_max": []float64{highOut, 1, 1, 1, 1, 1},
		}
		if i%2 == 1 { // robosuite 1.5
			c["input_type"], c["input_ref_frame"] = "delta", "base"
			c = object{"type": "BASIC", "body_parts": object{"right": c}}
		}
		f.Env = object{"env_name": "Lift", "env_kwargs": object{"controller_configs": c, "control_freq": rate}}
		files = append(files, f)
	}
	one := [][]float64{{0.5, 0, 0, 0, 0, 0, 1}, {0, 0, 0, 0, 0, 0, 1}}
	osc := func(key string, value any) object {
		return object{"env_name": "Lift", "env_kwargs": object{"controller_configs": object{"type": "OSC_POSE", key: value}}}
	}
	for name, c := range map[string]struct {
		env  any
		want string
	}{
		"position": {osc("type", "OSC_POSITION"), `type "OSC_POSITION"`},
		"joints":   {osc("type", "JOINT_VELOCITY"), `type "JOINT_VELOCITY"`},
		"nameless": {osc("type", nil), "type null"},
		"tool":     {osc("input_ref_frame", "gripper"), `the frame "gripper"`},
		"inverted": {osc("input_min", 2), "input_min is"},
		"rate": {
			object{"env_kwargs": object{"control_freq": "20", "controller_configs": object{"type": "OSC_POSE"}}},
			`control_freq is "20"`,
		},
		"two arms": {object{"env_kwargs": object{"controller_configs": []object{
			{"type": "OSC_POSE"},
			{"type": "OSC_POSE"},
		}}}, "one arm's controller"},
		"no kwargs": {object{"env_name": "Lift"}, "env_kwargs is null"},
		"a list":    {[]int{1}, "env_kwargs is null"},
		"silent":    {nil, "no attribute env_args"},
	} {
		files = append(files, file{File: filepath.Join(dir, name+".hdf5"), Env: c.env, Actions: one, refused: c.want})
	}
	text, err := json.Marshal(files)
	if err != nil {
		t.Fatal(err)
	}
	writer := exec.Command("/usr/bin/python3", "-c", writeRobomimic)
	writer.Stdin = strings.NewReader(string(text))
	if out, err := writer.CombinedOutput(); err != nil {
		if strings.Contains(string(out), "No module named") || len(out) == 0 {
			t.Skip("no python3 with h5py")
		}
		t.Fatal(err, string(out))
	}
	for _, f := range files {
		to := strings.TrimSuffix(f.File, ".hdf5") + ".zarr"
		b, err := exec.Command("/usr/bin/python3", "../../examples/python/robomimic_to_zarr.py", f.File, to).CombinedOutput()
		if out := string(b); f.refused != "" {
			_, gone := os.Stat(to)
			if err == nil || !strings.Contains(out, f.refused) || !strings.HasPrefix(out, f.File+": ") ||
				strings.Count(out, "\n") != 1 || gone == nil {
				t.Errorf("%s: %v: %q, want a line with %q", f.File, err, out, f.refused)
			}
			continue
		}
		if err != nil {
			t.Fatal(f.File, err, string(b))
		}
		d, err := OpenDemonstrations(to, "")
		if err != nil {
			t.Fatal(err)
		}
		e, err := d.Episode(0)
		if err != nil || e.Len() != len(f.want) || d.Info.FPS != f.fps {
			t.Fatalf("%s: %v, %d frames at %v Hz, want %d at %v", f.File, err, e.Len(), d.Info.FPS, len(f.want), f.fps)
		}
		near(t, e.State[:16], []float32{0.5, 0, 0, 1, 0, 0, 0, -1, 0, 0, 0, 0, 0, 0, 0, 0.06})
		for k, want := range f.want {
			if got := float64(e.ActionAt(k)[0] - e.State[k*16]); math.Abs(got-want) > 1e-5 {
				t.Errorf("%s: frame %d: the action goes %v m, want %v", f.File, k, got, want)
			}
			if v := float64(e.State[k*16+9]); k > 0 && math.Abs(v-0.01*f.fps) > 1e-4 {
				t.Errorf("%s: frame %d: %v m/s, want %v", f.File, k, v, 0.01*f.fps)
			}
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".robomimic-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
