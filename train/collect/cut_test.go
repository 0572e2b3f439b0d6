package collect

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"korr/internal/geom"
	"korr/internal/recording"
	"korr/sim"
)

const ms = int64(time.Millisecond)

// teleop is a recording of one_leg: the arm at 100 Hz, the gripper at 30, the parts at 15, commands at 50, with jitter;
// the arm's x position tells the time since its beginning, s, and the command's x the same. The leg arrives at done,
// ms.
func teleop(t *testing.T, length, done int64, edit func(*recording.Recording)) (*recording.Recording, CutOptions) {
	t.Helper()
	task, err := sim.TaskByName("one_leg")
	if err != nil {
		t.Fatal(err)
	}
	const begin = int64(1e18)
	r := &recording.Recording{Path: "t.bag", Parts: task.PartNames()}
	for name, x := range map[string]struct {
		track *recording.Track
		width int
	}{
		"/arm": {&r.State, recording.StateWidth}, "/hand": {&r.Width, 1}, "/parts": {
			&r.Poses,
			recording.PoseWidth * len(r.Parts),
		},
		"/cmd": {&r.Commands, recording.CommandWidth}, "/grip": {&r.Gripper, 1}, "/ok": {&r.Success, 1},
	} {
		x.track.Topic, x.track.Width = name, x.width
	}
	for at := int64(0); at <= length; at++ {
		s := float64(at) / 1e3
		ns := begin + at*ms
		if at%10 == 0 {
			r.State.Add(ns, s, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0)
		}
		if at%33 == 0 {
			r.Width.Add(ns, 0.06)
		}
		if at%66 == 0 {
			r.Poses.Add(ns, parts(task, at >= done)...)
		}
		if at%20 == 5 {
			r.Commands.Add(ns, s, 0, 0, 1, 0, 0, 0, 1, 0)
		}
	}
	r.Gripper.Add(begin+505*ms, 1)
	if edit != nil {
		edit(r)
	}
	return r, CutOptions{Task: task, FPS: 10}
}

func parts(task *sim.Task, assembled bool) []float64 {
	var v []float64
	for range task.PartNames() {
		v = append(v, 0.1, 0.2, 0, 0, 0, 0, -1) // a tracker may send either sign
	}
	if assembled {
		p := &task.Pairs[0]
		first := geom.Pose{P: geom.Vec3{0.1, 0.2, 0}, Q: geom.IdentityQuat}
		second := first.Mul(p.Target(0))
		copy(v[recording.PoseWidth*p.First:], []float64{0.1, 0.2, 0, 0, 0, 0, -1})
		copy(v[recording.PoseWidth*p.Second:], append(second.P[:], second.Q[:]...))
	}
	return v
}

func TestCutResamples(t *testing.T) {
	rec, opts := teleop(t, 3000, 1900, nil)
	got, err := Cut(rec, opts)
	if err != nil || len(got) != 1 {
		t.Fatalf("%d episodes, %v", len(got), err)
	}
	e := got[0]
	// First command at 5 ms; frame k at 5 + 100 k ms. The leg stands at 1.9 s (a sample at 1914 ms): seen 1905 ms, give or
	// take a quarter period, which is the end of frame 18.
	if e.Len() != 19 || !e.Success || e.Reward[18] != 1 || e.Reward[17] != 0 {
		t.Fatalf("%d frames, success %v, rewards %v", e.Len(), e.Success, e.Reward)
	}
	for k := range e.Len() {
		now := 0.005 + 0.1*float64(k)
		if x := float64(e.State[k*sim.StateDim]); x < now-0.010 || x > now+0.0251 {
			t.Errorf("frame %d at %.3f s holds the arm of %.3f s", k, now, x)
		}
		if x := float64(e.ActionAt(k)[0]); x < now || x >= now+0.075 {
			t.Errorf("frame %d at %.3f s holds the command of %.3f s", k, now, x)
		}
		if g, want := e.ActionAt(k)[9], map[bool]float32{true: 1}[k >= 5]; g != want {
			t.Errorf("frame %d: gripper %v, want %v", k, g, want)
		}
		if w := e.Env[k*len(e.Env)/e.Len()+6]; w < 0 {
			t.Errorf("frame %d: a quaternion with w = %v", k, w)
		}
	}
	if !slices.Equal(e.Action, e.Executed) {
		t.Error("what was commanded is not what was executed")
	}
	opts.Outcome = OutcomeAssume
	if got, err := Cut(rec, opts); err != nil || got[0].Len() != 31 || !got[0].Success || got[0].Reward[30] != 1 {
		t.Errorf("assumed: %v, %v", got, err)
	}
}

func TestCutSplits(t *testing.T) {
	silence := func(from, to int64) func(*recording.Recording) {
		return func(r *recording.Recording) {
			c := recording.Track{Topic: r.Commands.Topic, Width: r.Commands.Width}
			for i, s := range r.Commands.Stamps {
				if at := (s - 1e18) / ms; at < from || at >= to {
					c.Add(s, r.Commands.At(i)...)
				}
			}
			r.Commands = c
		}
	}
	rec, opts := teleop(t, 3000, 99999, silence(1000, 2000))
	if got, err := Cut(rec, opts); err != nil || len(got) != 1 || got[0].Len() != 31 || got[0].Success ||
		got[0].ActionAt(15)[0] != got[0].ActionAt(10)[0] {
		t.Errorf("without a gap allowed: %v; an operator may pause", err)
	}
	opts.EpisodeGap = 500 * time.Millisecond
	if got, err := Cut(rec, opts); err != nil || len(got) != 2 || got[0].Len() != 11 || got[1].Len() != 11 {
		t.Errorf("split at the silence: %d, %v", len(got), err)
	}
	rec, opts = teleop(t, 3000, 99999, func(r *recording.Recording) {
		r.Success.Add(1e18+1200*ms, 1) // the operator's verdict, after the first episode's end
		r.Marks = []recording.Mark{{Begin: 1e18 + 100*ms, End: 1e18 + 1000*ms}, {Begin: 1e18 + 1500*ms, End: math.MaxInt64}}
	})
	got, err := Cut(rec, opts)
	if err != nil || len(got) != 2 || got[0].Len() != 10 || got[1].Len() != 16 || !got[0].Success || got[1].Success {
		t.Errorf("by marks: %d, %v", len(got), err)
	}
}

func TestCutRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		edit func(*recording.Recording)
		want string
	}{
		{"the tracker falls silent", func(r *recording.Recording) {
			r.Poses.Stamps, r.Poses.Values = r.Poses.Stamps[:10], r.Poses.Values[:10*r.Poses.Width]
		}, "/parts was silent for 0.31 s"},
		{
			"a value is not finite", func(r *recording.Recording) { r.State.Values[3] = math.NaN() },
			"/arm at 1000000000.000: value 3 is NaN",
		},
		{
			"a command is infinite", func(r *recording.Recording) { r.Commands.Values[9*20+1] = math.Inf(1) },
			"/cmd at 1000000000.405: value 1 is +Inf",
		},
		{"a fault", func(r *recording.Recording) {
			r.Marks = []recording.Mark{{Begin: 1e18, End: 2e18, Judged: true, Fault: "it blew up"}}
		}, "it blew up"},
		{
			"no commands in a mark", func(r *recording.Recording) { r.Marks = []recording.Mark{{Begin: 1, End: 2}} },
			"no command",
		},
		{
			"one command", func(r *recording.Recording) { r.Marks = []recording.Mark{{Begin: 1e18, End: 1e18 + 20*ms}} },
			"less than two frames",
		},
	} {
		rec, opts := teleop(t, 2000, 99999, tc.edit)
		got, err := Cut(rec, opts)
		var ee *EpisodeError
		if !errors.As(err, &ee) || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(),
			"t.bag: episode 0") || len(got) != 0 {
			t.Errorf("%s: %d episodes, %v; want %q", tc.name, len(got), err, tc.want)
		}
	}
	// One bad episode of two: the other is kept.
	rec, opts := teleop(t, 2000, 99999, func(r *recording.Recording) {
		r.Marks = []recording.Mark{{Begin: 1, End: 2}, {Begin: 1e18, End: 2e18}}
	})
	if got, err := Cut(rec, opts); len(got) != 1 || err == nil {
		t.Errorf("%d episodes, %v", len(got), err)
	}
	rec, opts = teleop(t, 2000, 0, func(r *recording.Recording) { r.Note = &recording.Note{Task: "lamp"} })
	if _, err := Cut(rec, opts); err == nil || !strings.Contains(err.Error(), "--task lamp") {
		t.Errorf("another task: %v", err)
	}
	rec, opts = teleop(t, 2000, 0, func(r *recording.Recording) { r.Parts = r.Parts[1:] })
	if _, err := Cut(rec, opts); err == nil {
		t.Error("too few parts were taken")
	}
}

func TestTrackSort(t *testing.T) {
	tr := recording.Track{Width: 1}
	for i, s := range []int64{5, 3, 3, 9} {
		tr.Add(s, float64(i))
	}
	tr.Sort()
	if !slices.Equal(tr.Stamps, []int64{3, 3, 5, 9}) || !slices.Equal(tr.Values, []float64{1, 2, 0, 3}) {
		t.Errorf("%+v", tr)
	}
	if tr.Newest(2) != -1 || tr.Newest(3) != 1 || tr.Newest(100) != 3 {
		t.Error("Newest finds another sample")
	}
}

// TestWhatIsNoDemonstration: an arm that does not follow, and poses that are none; after the task is solved anything
// may happen.
func TestWhatIsNoDemonstration(t *testing.T) {
	const begin = int64(1e18)
	stop := func(at int64) func(*recording.Recording) {
		return func(r *recording.Recording) { r.Stops = []recording.Stop{{At: begin + at*ms, Why: "in a reflex"}} }
	}
	poses := func(r *recording.Recording) *recording.Track { return &r.Poses }
	state := func(r *recording.Recording) *recording.Track { return &r.State }
	commands := func(r *recording.Recording) *recording.Track { return &r.Commands }
	samples := func(of func(*recording.Recording) *recording.Track, edit func(v []float64)) func(*recording.Recording) {
		return func(r *recording.Recording) { // during a fifth of a second
			for t, i := of(r), 0; i < t.Len(); i++ {
				if d := t.Stamps[i] - begin; d > 1000*ms && d < 1200*ms {
					edit(t.At(i))
				}
			}
		}
	}
	for name, c := range map[string]struct {
		edit func(*recording.Recording)
		want string
	}{
		"a reflex on the way":   {stop(1000), "in a reflex"},
		"a stop after success":  {stop(2800), ""},
		"a stop before":         {stop(-100), ""},
		"a part that was lost":  {samples(poses, func(v []float64) { clear(v[3:7]) }), "part top"},
		"a part far away":       {samples(poses, func(v []float64) { v[0] = 1e30 }), "part top"},
		"a tool far away":       {samples(state, func(v []float64) { v[1] = 1e6 }), "observation.state"},
		"a command of no angle": {samples(commands, func(v []float64) { clear(v[3:9]) }), "action"},
	} {
		rec, opts := teleop(t, 3000, 1900, c.edit)
		got, err := Cut(rec, opts)
		if c.want == "" && (err != nil || len(got) != 1) || c.want != "" && (err == nil || !strings.Contains(err.Error(),
			c.want) || len(got) != 0) {
			t.Errorf("%s: %d episodes, %v", name, len(got), err)
		}
	}
}
