package simnode_test

import (
	"context"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"korr/internal/geom"
	"korr/ros/msgs"
	"korr/ros/names"
	"korr/ros/node"
	"korr/ros/panda"
	"korr/ros/simarm"
	"korr/ros/simnode"
	"korr/ros/toyarm"
)

// heard collects the stamps of a topic and when they came.
type heard struct {
	mu     sync.Mutex
	stamps []time.Time
	ages   []time.Duration
}

func (h *heard) add(stamp time.Time) {
	h.mu.Lock()
	h.stamps, h.ages = append(h.stamps, stamp), append(h.ages, time.Since(stamp))
	h.mu.Unlock()
}

// rate is messages per second by their stamps.
func (h *heard) rate() float64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.stamps) < 2 {
		return 0
	}
	return float64(len(h.stamps)-1) / h.stamps[len(h.stamps)-1].Sub(h.stamps[0]).Seconds()
}

// TestRates: in real time the arm speaks at 50 Hz and /clock at 100 Hz by their stamps, the stamps lie on a grid, never
// in the future, and what they say of the arm's motion is true: the joints moved by their velocity times the time
// between.
func TestRates(t *testing.T) {
	b := serve(t, "", simnode.Config{Env: toyarm.New(math.MaxInt)})
	var arm, clock heard
	var mu sync.Mutex
	var states []*msgs.FrankaState
	listener := listen(t, b.uri)
	if err := node.Subscribe(listener, msgs.StateTopic, func(m *msgs.FrankaState) {
		arm.add(m.Header.Stamp)
		mu.Lock()
		states = append(states, m)
		mu.Unlock()
	}); err != nil {
		t.Fatal(err)
	}
	if err := node.Subscribe(listener, msgs.ClockTopic, func(m *msgs.Clock) { clock.add(m.Clock) }); err != nil {
		t.Fatal(err)
	}
	p := b.arm.Load().OTEE
	b.pose.Write(&msgs.PoseStamped{Pose: msgs.Pose{
		Position:    msgs.Point{X: p[12] + 0.1, Y: p[13], Z: p[14]},
		Orientation: msgs.Quaternion{X: 1},
	}})
	time.Sleep(time.Second)
	if hz := arm.rate(); math.Abs(hz-50) > 2 {
		t.Errorf("the arm's state comes at %.1f Hz", hz)
	}
	if hz := clock.rate(); math.Abs(hz-100) > 4 {
		t.Errorf("/clock comes at %.1f Hz", hz)
	}
	if young := slices.Min(arm.ages); young < 0 {
		t.Errorf("a stamp lies %v in the future", -young)
	}
	mu.Lock()
	defer mu.Unlock()
	for i := 1; i < len(states); i++ {
		a, z := states[i-1], states[i]
		dt := z.Header.Stamp.Sub(a.Header.Stamp)
		if dt%(10*time.Millisecond) != 0 {
			t.Fatalf("stamps are %v apart: not on the grid", dt)
		}
		for k := range a.Q {
			if d := math.Abs(z.Q[k] - a.Q[k]); d > 1.01*1.0*dt.Seconds() { // at most 1 rad/s
				t.Fatalf("joint %d moved by %g rad in %v", k, d, dt)
			}
		}
	}
}

// TestTransforms: the chain of /tf ends at the pose of the end effector, and the parts are where parts_poses has them.
func TestTransforms(t *testing.T) {
	env := toyarm.New(10)
	obs := make([]float32, env.Spec().ObsDim)
	if err := env.Reset(obs, 4); err != nil {
		t.Fatal(err)
	}
	f := simarm.Frame{Stamp: time.Unix(1, 0), Arm: make([]float64, simarm.Dim(len(env.Spec().PartNames)))}
	env.ArmStateTo(f.Arm)
	m := f.Transforms(env.Spec().PartNames)
	tree := map[string]msgs.TransformStamped{}
	for _, x := range m.Transforms {
		if !x.Header.Stamp.Equal(f.Stamp) {
			t.Errorf("%s is stamped %v", x.ChildFrameId, x.Header.Stamp)
		}
		tree[x.ChildFrameId] = x
	}
	at := func(frame string) geom.Pose {
		p := geom.IdentityPose
		for frame != msgs.BaseFrame && frame != msgs.TagFrame {
			x, ok := tree[frame]
			if !ok {
				t.Fatalf("no frame %q", frame)
			}
			tr, r := x.Transform.Translation, x.Transform.Rotation
			p = geom.Pose{P: geom.Vec3{tr.X, tr.Y, tr.Z}, Q: geom.Quat{r.X, r.Y, r.Z, r.W}}.Mul(p)
			frame = x.Header.FrameId
		}
		return p
	}
	q := [panda.Joints]float64(f.Arm[simarm.Q:])
	want, rotation := panda.Forward(&q)
	got := at("panda_hand_tcp")
	if got.P.Sub(want).Norm() > 1e-12 || got.Q.Angle(rotation.Quat()) > 1e-7 {
		t.Errorf("panda_hand_tcp is at %v, want %v", got, want)
	}
	if left, right := at("panda_leftfinger").P,
		at("panda_rightfinger").P; math.Abs(left.Sub(right).Norm()-f.Arm[simarm.Fingers]-f.Arm[simarm.Fingers+1]) > 1e-12 {
		t.Errorf("the fingers are %g m apart", left.Sub(right).Norm())
	}
	for i, name := range env.Spec().PartNames {
		if p, want := at("furniture/"+name).P, geom.Vec3(f.Arm[simarm.Parts+7*i:]); p != want {
			t.Errorf("%s is at %v, want %v", name, p, want)
		}
	}
}

// TestBadRate: a rate that does not divide the slices is refused.
func TestBadRate(t *testing.T) {
	nm, _ := names.New(msgs.SimNode, "")
	for _, hz := range []float64{60, -1, 200, math.NaN()} {
		if _, err := simnode.New(context.Background(), simnode.Config{Names: nm, Env: toyarm.New(1), Hz: hz}); err == nil {
			t.Errorf("%g Hz was accepted", hz)
		}
	}
}

// listen opens one more node.
func listen(t *testing.T, uri string) *node.Node {
	t.Helper()
	nm, err := names.New("listener", uri)
	if err != nil {
		t.Fatal(err)
	}
	n, err := node.Open(context.Background(), node.Config{Names: nm})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return n
}
