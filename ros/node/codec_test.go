package node_test

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"korr/ros/msgs"
	"korr/ros/node"
)

func TestCodec(t *testing.T) {
	want := msgs.JointState{
		Header: msgs.Header{Seq: 3, Stamp: time.Unix(5, 6).UTC(), FrameId: "x"}, Name: []string{"a", ""},
		Position: []float64{1.0 / 3, math.Inf(1)}, Velocity: []float64{math.Copysign(0, -1)},
		Effort: []float64{math.MaxFloat64},
	}
	b, err := node.Encode(&want)
	if err != nil {
		t.Fatal(err)
	}
	var got msgs.JointState
	if err := node.Decode(b, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v, %v; want %+v", got, err, want)
	}
	for n := range b {
		if node.Decode(b[:n], &msgs.JointState{}) == nil {
			t.Errorf("accepted %d of %d bytes", n, len(b))
		}
	}
	if node.Decode(append(b, 0), &msgs.JointState{}) == nil {
		t.Error("accepted a byte too many")
	}
	def, err := node.Definition(msgs.PoseStamped{})
	if err != nil || !strings.HasPrefix(def, "std_msgs/Header header\ngeometry_msgs/Pose pose\n") ||
		!strings.Contains(def, "MSG: geometry_msgs/Quaternion\n") {
		t.Errorf("definition %q, %v", def, err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, m := range []any{
		&msgs.JointState{Name: []string{"a"}, Position: []float64{1}},
		&msgs.PoseArray{Poses: make([]msgs.Pose, 2)}, &msgs.SimState{Error: "e"},
	} {
		b, err := node.Encode(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, m := range []any{
			&msgs.JointState{}, &msgs.PoseArray{}, &msgs.SimState{}, &msgs.GoalStatusArray{},
			&msgs.String{},
		} {
			if node.Decode(b, m) != nil {
				continue
			}
			again, err := node.Encode(m)
			if err != nil || len(again) != len(b) {
				t.Fatalf("%T: %d bytes became %d, %v", m, len(b), len(again), err)
			}
		}
	})
}
