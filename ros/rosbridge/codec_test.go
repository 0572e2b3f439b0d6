package rosbridge

import (
	"errors"
	"math"
	"reflect"
	"testing"
	"time"

	"korr/ros/msgs"
	"korr/ros/names"
)

// TestWire: messages as rosbridge_suite writes them.
func TestWire(t *testing.T) {
	joints := &msgs.JointState{
		Header: msgs.Header{Seq: 3, Stamp: time.Unix(1, 500), FrameId: "base"}, Name: []string{"j1"},
		Position: []float64{1, math.Inf(1)}, Velocity: []float64{}, Effort: []float64{1e-9},
	}
	for _, tc := range []struct {
		v    Version
		m    any
		want string
	}{
		{ROS2, joints, `{"header":{"stamp":{"sec":1,"nanosec":500},"frame_id":"base"},"name":["j1"],"position":[1.0,null],"velocity":[],"effort":[1e-09]}`},
		{ROS1, joints, `{"header":{"seq":3,"stamp":{"secs":1,"nsecs":500},"frame_id":"base"},"name":["j1"],"position":[1.0,null],"velocity":[],"effort":[1e-09]}`},
		{
			ROS2,
			msgs.JointTrajectoryPoint{Positions: []float64{0.5}, TimeFromStart: 1500 * time.Millisecond},
			`{"positions":[0.5],"velocities":[],"accelerations":[],"effort":[],"time_from_start":{"sec":1,"nanosec":500000000}}`,
		},
		{ROS2, msgs.SetBoolReq{Data: true}, `{"data":true}`},
		{ROS2, msgs.TriggerReq{}, `{}`},
	} {
		got, err := Marshal(tc.m, tc.v)
		if err != nil || string(got) != tc.want {
			t.Errorf("%T: %v\n%s\n%s", tc.m, err, got, tc.want)
		}
	}
}

// TestRoundTrip: every kind of field comes back as it went, null as NaN.
func TestRoundTrip(t *testing.T) {
	state := &msgs.FrankaState{Header: msgs.Header{Stamp: time.Unix(1<<31, 1)}, RobotMode: 2, Time: 0.1}
	for i := range state.OTEE {
		state.OTEE[i] = 1 / float64(i+3)
	}
	state.CurrentErrors.CartesianReflex = true
	action := &msgs.Action{
		Tick: math.MaxUint64, Base: []float32{0.1, -1, 3e-30}, Clamps: 1 << 31, Sent: true,
		Residual: []float32{}, Sum: []float32{}, Command: []float32{},
	}
	action.Header.Stamp = time.Unix(0, 0)
	for _, m := range []any{state, action} {
		for _, v := range []Version{ROS1, ROS2} {
			data, err := Marshal(m, v)
			if err != nil {
				t.Fatal(err)
			}
			back := reflect.New(reflect.TypeOf(m).Elem())
			if err := Unmarshal(data, back.Interface()); err != nil {
				t.Fatalf("%v in %s", err, data)
			}
			if !reflect.DeepEqual(back.Interface(), m) {
				t.Errorf("%+v\n%+v", back.Interface(), m)
			}
		}
	}
	var p msgs.Point
	if err := Unmarshal([]byte(`{"x":null,"y":1e999,"z":-3,"w":"ignored"}`), &p); err != nil || !math.IsNaN(p.X) ||
		!math.IsInf(p.Y, 1) || p.Z != -3 {
		t.Errorf("%+v %v", p, err)
	}
}

// TestMalformed: each is refused with ErrMalformed.
func TestMalformed(t *testing.T) {
	for _, text := range []string{
		``, `{`, `{} {}`, `[]`, `1`, `{"header":1}`, `{"header":{"stamp":{"sec":1},"frame_id":""}}`,
		`{"header":{"stamp":{"sec":1,"nanosec":2},"frame_id":3},"name":[]}`,
		`{"header":{"stamp":{"sec":1e3,"nanosec":2},"frame_id":""},"name":[],"position":[],"velocity":[],"effort":[]}`,
		`{"header":{"stamp":{"sec":9223372036854775807,"nanosec":2},"frame_id":""},"name":[],"position":[],"velocity":[],"effort":[]}`,
		`{"header":{"stamp":{"sec":1,"nanosec":2},"frame_id":""},"name":"x","position":[],"velocity":[],"effort":[]}`,
		`{"header":{"stamp":{"sec":1,"nanosec":2},"frame_id":""},"name":[],"position":["1"],"velocity":[],"effort":[]}`,
		`{"header":{"stamp":{"sec":1,"nanosec":2},"frame_id":""},"name":[],"position":[true],"velocity":[],"effort":[]}`,
		`{"header":{"stamp":{"sec":1,"nanosec":2},"frame_id":""},"name":[null],"position":[],"velocity":[],"effort":[]}`,
	} {
		if err := Unmarshal([]byte(text), new(msgs.JointState)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{`{"O_T_EE":[1]}`, `{"robot_mode":256}`, `{"robot_mode":-1}`, `{"robot_mode":1.5}`} {
		if err := Unmarshal([]byte(text), new(msgs.FrankaState)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// FuzzUnmarshal: whatever comes in is refused or read; what is read survives being written and read again.
func FuzzUnmarshal(f *testing.F) {
	for _, m := range []any{
		&msgs.JointState{Name: []string{"a"}, Position: []float64{1}},
		&msgs.PoseArray{Poses: make([]msgs.Pose, 2)}, &msgs.Status{Cause: "x"},
	} {
		data, err := Marshal(m, ROS2)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"header":{"stamp":{"sec":-5,"nanosec":-7},"frame_id":"\ud800"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, m := range []any{
			new(msgs.JointState), new(msgs.PoseArray), new(msgs.Status), new(msgs.JointTrajectory),
			new(msgs.Action), new(msgs.SetBoolReq),
		} {
			if err := Unmarshal(data, m); err != nil {
				continue
			}
			again, err := Marshal(m, ROS2)
			if err != nil {
				t.Fatal(err)
			}
			if err := Unmarshal(again, m); err != nil {
				t.Fatalf("%v in %s", err, again)
			}
		}
	})
}

// FuzzHandle: no message of a server brings the client down.
func FuzzHandle(f *testing.F) {
	for _, s := range []string{
		`{"op":"publish","topic":"/t","msg":{"data":true}}`,
		`{"op":"call_service","service":"/s","id":"1","args":{"data":true}}`,
		`{"op":"service_response","id":"1","values":{},"result":true}`, `{"op":"status","level":"error","msg":"x"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		cfg, err := Config{URL: "ws://127.0.0.1:1", Names: mustNames()}.withDefaults()
		if err != nil {
			panic(err)
		}
		c := newClient(cfg)
		if err := Subscribe(c, "/t", func(*msgs.Bool) {}); err != nil {
			panic(err)
		}
		if err := Serve[msgs.SetBool](c, "/s", func(*msgs.SetBoolReq) (*msgs.SetBoolRes, bool) {
			return &msgs.SetBoolRes{}, true
		}); err != nil {
			panic(err)
		}
		c.pending["1"] = make(chan answer, 1)
		_ = c.handle(data)
		c.calls.Wait()
	})
}

func mustNames() *names.Names {
	n, err := names.New("fuzz", "")
	if err != nil {
		panic(err)
	}
	return n
}
