package record

import (
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"korr/internal/geom"
	"korr/internal/recording"
	"korr/ros/bag"
	"korr/ros/msgs"
	"korr/ros/simarm"
	"korr/ros/toyarm"
	"korr/sim"
)

// episodes records episodes of the toy and returns its observations and actions, per episode.
func episodes(t *testing.T, path string, n, steps int) (obs, acts [][][]float32) {
	t.Helper()
	env := toyarm.New(steps)
	spec := env.Spec()
	s, err := NewSim(path, spec, recording.Note{
		Task: spec.Task, Policy: "test", Randomness: "med", Perturb: 0.5,
		Simulator: "abc",
	}, bag.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	arm := make([]float64, simarm.Dim(len(spec.PartNames)))
	for i := range n {
		var o, a [][]float32
		x := make([]float32, spec.ObsDim)
		if err := env.Reset(x, uint64(i+7)); err != nil {
			t.Fatal(err)
		}
		env.ArmStateTo(arm)
		if err := s.Reset(uint64(i+7), arm); err != nil {
			t.Fatal(err)
		}
		for k, res := 0, (sim.Result{}); !res.Terminated && !res.Truncated; k++ {
			act := make([]float32, sim.ActDim)
			geom.VecTo(act, geom.Vec3{0.5 + 0.01*float64(k), 0.1, 0.2})
			geom.Rot6DTo(act[3:], geom.AxisAngle(geom.Vec3{1, 0.1, 0}, 3))
			act[9] = float32(1 - 2*(k/3%2)) // closes, opens, closes
			o, a = append(o, slices.Clone(x)), append(a, act)
			if res, err = env.Step(x, act); err != nil {
				t.Fatal(err)
			}
			env.ArmStateTo(arm)
			if err := s.Step(act, arm, res); err != nil {
				t.Fatal(err)
			}
		}
		obs, acts = append(obs, append(o, slices.Clone(x))), append(acts, a)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return obs, acts
}

func config() Config { return Config{Topics: DefaultTopics(), Parts: toyarm.New(1).Spec().PartNames} }

// TestSimulatedEpisodes: what was recorded comes back, the observations as they were, bit for bit.
func TestSimulatedEpisodes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "toy.bag")
	obs, acts := episodes(t, path, 3, 12)
	rec, err := Read([]string{path}, config())
	if err != nil {
		t.Fatal(err)
	}
	if rec.Note == nil || rec.Note.Simulator != "abc" || rec.Note.Perturb != 0.5 || len(rec.Marks) != 3 ||
		rec.Damage != nil {
		t.Fatalf("note %+v, %d marks, damage %v", rec.Note, len(rec.Marks), rec.Damage)
	}
	at, cmd := 0, 0
	for i, m := range rec.Marks {
		if m.Seed != uint64(i+7) || !m.Judged || m.Begin != rec.State.Stamps[at] ||
			m.End != rec.State.Stamps[at+len(acts[i])] || m.Rewards.Len() != len(acts[i]) {
			t.Errorf("episode %d: mark %+v", i, m)
		}
		for k, o := range obs[i] {
			for j, v := range rec.State.At(at) {
				if float32(v) != o[j] {
					t.Fatalf("episode %d step %d: state %d is %v, want %v", i, k, j, v, o[j])
				}
			}
			if float32(rec.Width.At(at)[0]) != o[15] || !slices.EqualFunc(rec.Poses.At(at), o[16:],
				func(a float64, b float32) bool { return float32(a) == b }) {
				t.Fatalf("episode %d step %d: width or parts differ", i, k)
			}
			at++
		}
		for k, a := range acts[i] {
			if rec.Commands.Stamps[cmd] != rec.State.Stamps[at-len(obs[i])+k] {
				t.Fatalf("episode %d: command %d is stamped otherwise than its observation", i, k)
			}
			for j, v := range rec.Commands.At(cmd) {
				if math.Abs(v-float64(a[j])) > 1e-6 {
					t.Fatalf("episode %d: command %d value %d is %v, want %v", i, k, j, v, a[j])
				}
			}
			if g := rec.Gripper.At(rec.Gripper.Newest(rec.Commands.Stamps[cmd]))[0]; float32(g) != a[9] {
				t.Fatalf("episode %d: gripper %v at step %d, want %v", i, g, k, a[9])
			}
			cmd++
		}
	}
	if at != rec.State.Len() || cmd != rec.Commands.Len() {
		t.Errorf("%d observations of %d, %d commands of %d", at, rec.State.Len(), cmd, rec.Commands.Len())
	}
}

// build writes a bag by hand.
func build(t *testing.T, fill func(w *bag.Writer)) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hand.bag")
	w, err := bag.Create(path, bag.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	fill(w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func put[M any](t *testing.T, w *bag.Writer, topic string, at time.Time, m *M) {
	t.Helper()
	x, err := NewTopic[M](w, topic, false)
	if err == nil {
		err = x.Write(at, m)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func at(ms int) time.Time { return time.Unix(100, 0).Add(time.Duration(ms) * time.Millisecond) }

// teleoperated writes a small recording under other topics.
func teleoperated(t *testing.T, w *bag.Writer, names string, poses int) {
	put(t, w, "/arm", at(0), &msgs.FrankaState{
		Header: msgs.Header{Stamp: at(0)}, Q: [7]float64{0, 0.4, 0, -2, 0, 2.4, 0},
		Dq: [7]float64{1}, ODPEED: [6]float64{9},
	})
	put(t, w, "/hand", at(0), &msgs.JointState{Position: []float64{0.01, 0.02}}) // no stamp: the time of recording counts
	m := &msgs.PoseArray{Header: msgs.Header{Stamp: at(1)}}
	for i := range poses {
		m.Poses = append(m.Poses, msgs.Pose{Position: msgs.Point{X: float64(i)}, Orientation: msgs.Quaternion{W: 1}})
	}
	put(t, w, "/tracker", at(1), m)
	put(t, w, "/cmd", at(2), &msgs.PoseStamped{
		Header: msgs.Header{Stamp: at(2)},
		Pose:   msgs.Pose{Orientation: msgs.Quaternion{W: 2}},
	})
	if names != "" {
		put(t, w, "/names", at(3), &msgs.String{Data: names})
	}
}

func remapped(t *testing.T, more ...string) Config {
	t.Helper()
	c := Config{Topics: DefaultTopics(), Parts: []string{"top", "leg", "obstacle"}}
	for _, s := range append([]string{
		"state=/arm", "fingers=/hand", "parts=/tracker", "command=/cmd", "part_names=/names",
		"gripper=/gripper",
	}, more...) {
		if err := c.Topics.Set(s); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func TestTeleoperated(t *testing.T) {
	path := build(t, func(w *bag.Writer) {
		teleoperated(t, w, "obstacle,top,leg", 3)
		put(t, w, "/gripper/move/goal", at(4), &msgs.MoveActionGoal{Goal: msgs.MoveGoal{Width: 0.02}})
		put(t, w, "/gripper/homing/goal", at(5), &msgs.HomingActionGoal{})
		for i, on := range []bool{true, false, true, true} {
			put(t, w, "/episode", at(10*i), &msgs.Bool{Data: on})
		}
		put(t, w, "/ok", at(6), &msgs.Bool{Data: true})
	})
	rec, err := Read([]string{path}, remapped(t, "marker=/episode", "success=/ok"))
	if err != nil {
		t.Fatal(err)
	}
	if p := rec.Poses.At(0); p[0] != 1 || p[7] != 2 || p[14] != 0 {
		t.Errorf("parts in the wrong order: %v", p)
	}
	if s := rec.State.At(0); s[9] == 9 || s[9] == 0 && s[10] == 0 {
		t.Errorf("the twist %v does not come from the joints", s[9:])
	}
	if rec.Width.Stamps[0] != at(0).UnixNano() || math.Abs(rec.Width.At(0)[0]-0.03) > 1e-12 {
		t.Errorf("width %v at %d", rec.Width.At(0), rec.Width.Stamps[0])
	}
	if g := rec.Gripper.Values; !slices.Equal(g, []float64{1, -1}) {
		t.Errorf("gripper %v", g)
	}
	if c := rec.Commands.At(0); !slices.Equal(c[3:], []float64{1, 0, 0, 0, 1, 0}) {
		t.Errorf("command %v", c)
	}
	if m := rec.Marks; len(m) != 3 || m[0].End != at(10).UnixNano()-1 || m[1].End != at(30).UnixNano()-1 ||
		m[2].End < at(1000).UnixNano() {
		t.Errorf("marks %+v", m)
	}
	if rec.Success.Len() != 1 || rec.Success.At(0)[0] != 1 {
		t.Errorf("success %+v", rec.Success)
	}
	c := remapped(t)
	c.Twist = TwistReported
	if rec, err := Read([]string{path}, c); err != nil || rec.State.At(0)[9] != 9 {
		t.Errorf("reported twist: %v, %v", rec, err)
	}
}

func TestReadRefuses(t *testing.T) {
	whole := build(t, func(w *bag.Writer) { teleoperated(t, w, "", 3) })
	if _, err := Read([]string{whole}, remapped(t)); err != nil {
		t.Errorf("without names, in the task's order: %v", err)
	}
	for _, tc := range []struct {
		name, path string
		cfg        Config
		want       []string
	}{
		{
			"default topics", whole,
			Config{Topics: DefaultTopics(), Parts: []string{"a", "b", "c"}},
			[]string{msgs.StateTopic, "--topic parts=", "/tracker (geometry_msgs/PoseArray)"},
		},
		{"another type", whole, remapped(t, "command=/arm", "state=/x"), []string{
			"franka_msgs/FrankaState",
			"geometry_msgs/PoseStamped", "--topic",
		}},
		{"no marker", whole, remapped(t, "marker=/begin"), []string{"/begin", "--topic marker"}},
		{"no verdict", whole, remapped(t, "success=/ok"), []string{"/ok", "--topic success"}},
		{
			"too few parts", build(t, func(w *bag.Writer) { teleoperated(t, w, "", 2) }), remapped(t),
			[]string{"2 poses", "part_names"},
		},
		{
			"other parts", build(t, func(w *bag.Writer) { teleoperated(t, w, "x,y,z", 3) }), remapped(t),
			[]string{"[x y z]", "--task"},
		},
		{
			"parts vary", build(t, func(w *bag.Writer) { teleoperated(t, w, "", 3); teleoperated(t, w, "", 4) }), remapped(t),
			[]string{"4 poses", "/tracker"},
		},
		{"the clock jumps", build(t, func(w *bag.Writer) {
			teleoperated(t, w, "", 3)
			put(t, w, "/cmd", at(9), &msgs.PoseStamped{
				Header: msgs.Header{Stamp: at(-5000)},
				Pose:   msgs.Pose{Orientation: msgs.Quaternion{W: 1}},
			})
		}), remapped(t), []string{"clock jumped", "/cmd", "5.002 s"}},
		{
			"no direction", build(t, func(w *bag.Writer) { put(t, w, "/cmd", at(0), &msgs.PoseStamped{}) }), remapped(t),
			[]string{"/cmd", "orientation"},
		},
		{
			"one finger", build(t, func(w *bag.Writer) { put(t, w, "/hand", at(0), &msgs.JointState{Position: []float64{1}}) }),
			remapped(t),
			[]string{"/hand", "two"},
		},
		{"nothing", build(t, func(*bag.Writer) {}), remapped(t), []string{"no topics"}},
	} {
		_, err := Read([]string{tc.path}, tc.cfg)
		for _, w := range tc.want {
			if err == nil || !strings.Contains(err.Error(), w) || !strings.Contains(err.Error(), tc.path) {
				t.Errorf("%s: %v, want %q and the file's name", tc.name, err, w)
			}
		}
	}
	top := DefaultTopics()
	for _, bad := range []string{"state", "nothing=/x", "state=x", ""} {
		if err := top.Set(bad); err == nil {
			t.Errorf("remapping %q was taken", bad)
		}
	}
	if _, err := Read([]string{filepath.Join(t.TempDir(), "absent.bag")}, config()); err == nil {
		t.Error("an absent bag was read")
	}
}

func TestFaultIsRecorded(t *testing.T) {
	env := toyarm.New(5)
	spec := env.Spec()
	path := filepath.Join(t.TempDir(), "f.bag")
	s, err := NewSim(path, spec, recording.Note{}, bag.WriterOptions{Compression: bag.None})
	if err != nil {
		t.Fatal(err)
	}
	obs, arm := make([]float32, spec.ObsDim), make([]float64, simarm.Dim(len(spec.PartNames)))
	if err := env.Reset(obs, 1); err != nil {
		t.Fatal(err)
	}
	env.ArmStateTo(arm)
	act := make([]float32, sim.ActDim)
	act[3], act[7] = 1, 1
	if err := errors.Join(s.Reset(1, arm), s.Step(act, arm, sim.Result{}), s.Fail(sim.ErrUnstable),
		s.Close()); err != nil {
		t.Fatal(err)
	}
	rec, err := Read([]string{path}, config())
	if err != nil || len(rec.Marks) != 1 || rec.Marks[0].Fault != sim.ErrUnstable.Error() || rec.Gripper.Len() != 0 {
		t.Errorf("%+v, %v", rec, err)
	}
}

// TestRepeatedState: a simulator that tells its state more often than it steps is not paid twice.
func TestRepeatedState(t *testing.T) {
	path := build(t, func(w *bag.Writer) {
		teleoperated(t, w, "", 3)
		s, err := NewTopic[msgs.SimState](w, SimStateTopic, true)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10 { // two messages a step
			m := &msgs.SimState{
				Header: msgs.Header{Stamp: at(50 * i)}, Episode: 4, Seed: 9, Step: uint32(i / 2),
				Reward: float32(i / 2 / 4), Terminated: i >= 8, Success: i >= 8,
			}
			if err := s.Write(at(50*i), m); err != nil {
				t.Fatal(err)
			}
		}
	})
	rec, err := Read([]string{path}, remapped(t))
	if err != nil || len(rec.Marks) != 1 {
		t.Fatalf("%+v, %v", rec, err)
	}
	if m := rec.Marks[0]; !slices.Equal(m.Rewards.Values, []float64{0, 0, 0, 1}) ||
		m.Rewards.Stamps[3] != at(400).UnixNano() || !m.Success || m.End != at(450).UnixNano() {
		t.Errorf("%+v", m)
	}
}
