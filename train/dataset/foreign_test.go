package dataset

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"korr/sim"
)

// columnsOf are consistent columns of two episodes at 10 fps.
func columnsOf(lengths ...int) *progress {
	p := &progress{}
	for e, n := range lengths {
		for k := range n {
			p.time = append(p.time, float64(float32(float64(k)/10)))
			p.frame, p.episode = append(p.frame, int64(k)), append(p.episode, int64(e))
			p.index, p.task = append(p.index, int64(len(p.index))), append(p.task, 0)
			p.done, p.success = append(p.done, k == n-1), append(p.success, k == n-1)
		}
	}
	return p
}

// TestContradictions: columns that tell different stories are refused with the row, what is only written differently is
// read.
func TestContradictions(t *testing.T) {
	for name, c := range map[string]struct {
		change func(p *progress)
		fps    float64
		want   string // "" = it is read
	}{
		"consistent":             {func(*progress) {}, 10, ""},
		"a part of a larger one": {func(p *progress) { shift(p.index, 1000); shift(p.frame, 3) }, 10, ""},
		"times that begin later": {func(p *progress) {
			for i := range p.time {
				p.time[i] += 7
			}
		}, 10, ""},
		"truncated, not done": {func(p *progress) { clear(p.done) }, 10, ""},
		"another rate":        {func(*progress) {}, 30, "row 1: timestamp"},
		"missing frames": {func(p *progress) {
			for i := 5; i < 20; i++ {
				p.time[i] += 0.3
			}
		}, 10, "row 5: timestamp"},
		"times stand still":  {func(p *progress) { p.time[4] = p.time[3] }, 10, "row 4: timestamp"},
		"no time":            {func(p *progress) { p.time[4] = math.NaN() }, 10, "row 4: timestamp"},
		"shuffled":           {func(p *progress) { slices.Reverse(p.frame[:20]) }, 10, "row 1: frame_index"},
		"a frame left out":   {func(p *progress) { shift(p.frame[9:20], 1) }, 10, "row 9: frame_index"},
		"index jumps":        {func(p *progress) { shift(p.index[9:], 1) }, 10, "row 9: index"},
		"done in the middle": {func(p *progress) { p.done[7] = true }, 10, "row 7: next.done"},
		"no such task":       {func(p *progress) { p.task[3] = 7 }, 10, "row 3: task_index is 7"},
		"another's frame":    {func(p *progress) { p.episode[3] = 1 }, 10, "row 3 belongs to episode 1"},
	} {
		p := columnsOf(20, 15)
		c.change(p)
		err := p.check(0, 20, 0, 0, c.fps)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func shift(v []int64, by int64) {
	for i := range v {
		v[i] += by
	}
}

// TestNamesAreRead: as a list, below the keys of dictionaries, numbered, or not at all.
func TestNamesAreRead(t *testing.T) {
	for text, want := range map[string]names{
		`["a","b"]`: {"a", "b"}, `null`: nil, `{"motors":["a","b"]}`: {"a", "b"}, `{"axes":{"x":["a"],"y":["b"]}}`: {
			"a",
			"b",
		},
		`{"a":1,"b":0}`: {"b", "a"}, `[]`: nil, `true`: nil,
	} {
		var n names
		if err := json.Unmarshal([]byte(text), &n); err != nil || len(n) != len(want) || len(n) > 0 &&
			!slices.Equal(n, want) {
			t.Errorf("%s: %q, %v; want %q", text, n, err, want)
		}
	}
}

// TestColumnsAreFoundByName: in whatever order the parts and their elements stand; names that fit only in part are
// refused.
func TestColumnsAreFoundByName(t *testing.T) {
	task, err := sim.TaskByName("one_leg")
	if err != nil {
		t.Fatal(err)
	}
	info := Info{PartNames: task.PartNames()}
	straight := info.envNames()
	rows := make([]float32, 2*len(straight))
	for i := range rows {
		rows[i] = float32(i)
	}
	for range 20 {
		shuffled, stored := slices.Clone(straight), slices.Clone(rows)
		order := permutation(len(straight))
		for i, from := range order {
			shuffled[i] = straight[from]
			stored[i], stored[len(order)+i] = rows[from], rows[len(order)+from]
		}
		parts, o, err := partsOf(feature{Shape: []int{len(straight)}, Names: shuffled}, "one_leg")
		if err != nil || !slices.Equal(parts, info.PartNames) {
			t.Fatalf("%v, %v", parts, err)
		}
		if o.apply(stored); !slices.Equal(stored, rows) {
			t.Errorf("put in order: %v", stored)
		}
	}
	bad := slices.Clone(straight)
	bad[3] = "speed"
	twice := slices.Clone(straight)
	twice[1] = twice[0]
	for _, n := range [][]string{bad, twice} {
		if _, _, err := partsOf(feature{Shape: []int{len(n)}, Names: n}, "one_leg"); err == nil {
			t.Errorf("accepted %q", n)
		}
	}
	if o, err := orderOf(featAction, []string{"y", "x", "z", "r11", "r12", "r13", "r21", "r22", "r23", "gripper"},
		actionNames); err != nil || o[0] != 1 || o[1] != 0 {
		t.Errorf("action: %v, %v", o, err)
	}
	if _, err := orderOf(featAction, []string{"x", "y", "z", "a", "b", "c", "d", "e", "f", "g"}, actionNames); err == nil {
		t.Error("an action of which three names are known was accepted")
	}
}

// permutation is a permutation that differs from call to call.
func permutation(n int) []int {
	permutations++
	p := make([]int, n)
	for i := range p {
		p[i] = (i*(2*permutations+1) + permutations) % n
	}
	seen := map[int]bool{}
	for _, v := range p {
		seen[v] = true
	}
	if len(seen) != n {
		return permutation(n)
	}
	return p
}

var permutations int

// TestPosesOfOtherSoftware: what is no pose is refused with frame and part, what is rounded is normalised.
func TestPosesOfOtherSoftware(t *testing.T) {
	q := sim.PoseDim // of the second part
	for name, c := range map[string]struct {
		change func(e *Episode)
		want   string
	}{
		"good":    {func(*Episode) {}, ""},
		"rounded": {func(e *Episode) { copy(e.Env[q+3:], []float32{0, 0, 0.707, 0.7}) }, ""},
		"zero quaternion": {
			func(e *Episode) { clear(e.Env[2*testInfo.EnvDim()+q:][3:7]) },
			"frame 2: observation.environment_state: part leg1: the quaternion",
		},
		"denormal quaternion": {
			func(e *Episode) { copy(e.Env[q+3:], []float32{0, 0, 0, 1e-40}) },
			"frame 0: observation.environment_state: part leg1",
		},
		"long quaternion": {func(e *Episode) { copy(e.Env[q+3:], []float32{0, 0, 0, 2}) }, "part leg1"},
		"far part":        {func(e *Episode) { e.Env[q] = 1e30 }, "part leg1: the position"},
		"far tool":        {func(e *Episode) { e.State[1] = -50 }, "frame 0: observation.state: the position"},
		"zero rotation":   {func(e *Episode) { clear(e.Action[sim.ActDim+3 : sim.ActDim+9]) }, "frame 1: action: "},
		"one row twice":   {func(e *Episode) { copy(e.Executed[6:9], e.Executed[3:6]) }, "frame 0: action.executed: "},
	} {
		e := testEpisode(testInfo, 4, 2)
		c.change(e)
		err := e.CheckPoses(testInfo)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if n := math.Sqrt(dot(e.Env[q+3:q+7], e.Env[q+3:q+7])); c.want == "" && math.Abs(n-1) > 1e-6 {
			t.Errorf("%s: the quaternion has length %v", name, n)
		}
	}
}

// TestFoldersOfOtherSoftware: a path is a path, files that begin with a dot are notes, and what is not used may have
// any form.
func TestFoldersOfOtherSoftware(t *testing.T) {
	want := testDataset(5, 4)
	dir := filepath.Join(t.TempDir(), "demos[1]*?")
	if err := Write(dir, want); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, checksumsPath)); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{episodesDir + "/chunk-000", "data/chunk-000"} {
		if err := os.WriteFile(filepath.Join(dir, folder, "._file-000.parquet"), []byte("Mac OS X"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	edit(t, filepath.Join(dir, infoPath), replace(`"features": {`,
		`"features": {"observation.images.top": {"dtype": "video", "shape": [480, 640, 3], "names": {"a": 1}, "info": NaN}, "odd": 7,`))
	edit(t, filepath.Join(dir, statsPath), replace(`"action": {`,
		`"observation.images.top": {"mean": [[[0.1]], [[NaN]]], "count": null}, "odd": [], "action": {`))
	got, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.Episodes, want.Episodes) {
		t.Error("the episodes are others")
	}
	b, err := os.ReadFile(filepath.Join(dir, statsPath))
	if err != nil {
		t.Fatal(err)
	}
	bad := strings.Replace(string(b), `"action": {`, `"action": {"odd": [NaN], `, 1)
	if err := os.WriteFile(filepath.Join(dir, statsPath), []byte(bad), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), `"action"`) {
		t.Errorf("statistics of a feature in use that are no numbers: %v", err)
	}
}

// TestEveryNthFrame: observations of the first, commands of the last, rewards of all; the end is not lost.
func TestEveryNthFrame(t *testing.T) {
	e := testEpisode(testInfo, 7, 2)
	e.Reward[1], e.Reward[2] = 1, 1
	got := e.Every(3, testInfo)
	if got.Len() != 3 || !slices.Equal(got.Reward, []float32{2, 0, 1}) || got.Success != e.Success || got.Seed != e.Seed {
		t.Fatalf("%d frames, rewards %v", got.Len(), got.Reward)
	}
	for k, c := range []struct{ first, last int }{{0, 2}, {3, 5}, {6, 6}} {
		obs, want := make([]float32, testInfo.ObsDim()), make([]float32, testInfo.ObsDim())
		got.ObsTo(obs, k)
		e.ObsTo(want, c.first)
		if !slices.Equal(obs, want) || !slices.Equal(got.ActionAt(k), e.ActionAt(c.last)) ||
			!slices.Equal(got.ExecutedAt(k), e.ExecutedAt(c.last)) {
			t.Errorf("frame %d is not of frames %d to %d", k, c.first, c.last)
		}
	}
	if one := e.Every(1, testInfo); !reflect.DeepEqual(one, e) {
		t.Error("every frame is not the episode")
	}
	for fps, want := range map[float64]int{10: 1, 20: 2, 30: 3, 25: 0, 5: 0, 15: 0} {
		info := testInfo
		info.FPS = fps
		if n, err := info.Ratio(10); n != want || (err == nil) != (want > 0) {
			t.Errorf("%g Hz: %d, %v", fps, n, err)
		}
	}
}
