package record

import (
	"errors"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"korr/ros/bag"
	"korr/ros/msgs"
	"korr/ros/node"
)

// TestFingersAreFoundByName: whatever else a message of joints holds, in whatever order.
func TestFingersAreFoundByName(t *testing.T) {
	for name, c := range map[string]struct {
		m    msgs.JointState
		want [2]int
		ok   bool
	}{
		"a gripper's own": {msgs.JointState{
			Name:     []string{"panda_finger_joint1", "panda_finger_joint2"},
			Position: []float64{1, 2},
		}, [2]int{0, 1}, true},
		"without names": {msgs.JointState{Position: []float64{1, 2}}, [2]int{0, 1}, true},
		"behind an arm": {msgs.JointState{
			Name:     []string{"j1", "j2", "fr3_finger_joint1", "fr3_finger_joint2"},
			Position: []float64{9, 9, 1, 2},
		}, [2]int{2, 3}, true},
		"between": {msgs.JointState{
			Name:     []string{"left_finger", "j1", "right_finger"},
			Position: []float64{1, 9, 2},
		}, [2]int{0, 2}, true},
		"an arm alone":      {msgs.JointState{Name: []string{"j1", "j2"}, Position: []float64{9, 9}}, [2]int{}, false},
		"an arm, no names":  {msgs.JointState{Position: []float64{9, 9, 9, 9, 9, 9, 9}}, [2]int{}, false},
		"one finger":        {msgs.JointState{Name: []string{"finger"}, Position: []float64{1}}, [2]int{}, false},
		"names, no numbers": {msgs.JointState{Name: []string{"finger1", "finger2"}}, [2]int{}, false},
	} {
		if got, err := fingersOf(&c.m); (err == nil) != c.ok || got != c.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// putFrom writes a message of another node's.
func putFrom[M any](t *testing.T, w *bag.Writer, caller, topic string, at time.Time, m *M) {
	t.Helper()
	kind, md5, err := node.Signature(*m)
	if err != nil {
		t.Fatal(err)
	}
	data, err := node.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	c, err := w.Connect(bag.Connection{Topic: topic, Type: kind, MD5: md5, Definition: "x", Caller: caller})
	if err == nil {
		err = w.Write(c, at, data)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestTwoCommanders: two that publish on a topic of the demonstration at the same time are refused by name; one after
// the other is one that was started again under another name.
func TestTwoCommanders(t *testing.T) {
	pose := &msgs.PoseStamped{Pose: msgs.Pose{Orientation: msgs.Quaternion{W: 1}}}
	path := build(t, func(w *bag.Writer) {
		teleoperated(t, w, "obstacle,top,leg", 3)
		for i := range 5 {
			putFrom(t, w, "/teleop", "/cmd", at(10+10*i), pose)
			putFrom(t, w, "/forgotten", "/cmd", at(15+10*i), pose)
		}
	})
	if _, err := Read([]string{path}, remapped(t)); err == nil || !strings.Contains(err.Error(),
		"/forgotten and /teleop publish on /cmd") {
		t.Errorf("%v", err)
	}
	path = build(t, func(w *bag.Writer) {
		teleoperated(t, w, "obstacle,top,leg", 3)
		for i := range 5 {
			putFrom(t, w, "/teleop", "/cmd", at(10+10*i), pose)
			putFrom(t, w, "/teleop2", "/cmd", at(100+10*i), pose)
		}
	})
	if _, err := Read([]string{path}, remapped(t)); err != nil {
		t.Error(err)
	}
}

// TestStopsAreRead: the moments at which the arm says that it does not follow.
func TestStopsAreRead(t *testing.T) {
	path := build(t, func(w *bag.Writer) {
		teleoperated(t, w, "obstacle,top,leg", 3)
		for i, mode := range []uint8{
			msgs.RobotModeMove, msgs.RobotModeReflex, msgs.RobotModeUserStopped, msgs.RobotModeIdle,
			msgs.RobotModeGuiding,
		} {
			put(t, w, "/arm", at(10+i), &msgs.FrankaState{RobotMode: mode})
		}
	})
	rec, err := Read([]string{path}, remapped(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(rec.Stops) != 2 || rec.Stops[0].At != at(11).UnixNano() || !strings.Contains(rec.Stops[0].Why, "reflex") {
		t.Errorf("%+v", rec.Stops)
	}
}

// TestBagsThatContinueEachOther: an episode that is cut in two by a change of files is one, in whatever order the files
// are named; a bag of later stands alone.
func TestBagsThatContinueEachOther(t *testing.T) {
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole.bag")
	episodes(t, whole, 2, 12)
	b, err := bag.Open(whole, bag.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	begin, end := b.Span()
	middle := begin.Add(end.Sub(begin) / 4) // within the first episode
	var halves [2]*bag.Writer
	paths := []string{filepath.Join(dir, "s_1.bag"), filepath.Join(dir, "s_0.bag")}
	for i := range halves {
		if halves[i], err = bag.Create(paths[1-i], bag.WriterOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for m, err := range b.Messages() {
		if err != nil {
			t.Fatal(err)
		}
		w := halves[0]
		if m.Time.After(middle) {
			w = halves[1]
		}
		c, err := w.Connect(*m.Conn)
		if err == nil {
			err = w.Write(c, m.Time, m.Data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(halves[0].Close(), halves[1].Close()); err != nil {
		t.Fatal(err)
	}
	later := build(t, func(w *bag.Writer) { put(t, w, "/x", end.Add(time.Hour), &msgs.Bool{}) })
	groups, err := Group(append(slices.Clone(paths), later), false)
	if want := [][]string{{paths[1], paths[0]}, {later}}; err != nil || !reflect.DeepEqual(groups, want) {
		t.Fatalf("groups %q, want %q, %v", groups, want, err)
	}
	got, err := Read(groups[0], config())
	if err != nil {
		t.Fatal(err)
	}
	want, err := Read([]string{whole}, config())
	if err != nil {
		t.Fatal(err)
	}
	got.Path = want.Path
	if !reflect.DeepEqual(got, want) {
		for i := range reflect.TypeOf(*got).NumField() {
			if a, b := reflect.ValueOf(*got).Field(i), reflect.ValueOf(*want).Field(i); !reflect.DeepEqual(a.Interface(),
				b.Interface()) {
				t.Errorf("the halves give %s %+v, the whole %+v", reflect.TypeOf(*got).Field(i).Name, a, b)
			}
		}
	}
}
