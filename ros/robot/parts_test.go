package robot_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"korr/residual/loop"
	"korr/ros/msgs"
	"korr/ros/node"
	"korr/ros/robot"
	"korr/ros/simnode"
)

// TestOtherParts: a tracker that follows other parts is refused, and one that changes its order.
func TestOtherParts(t *testing.T) {
	t.Run("other", func(t *testing.T) {
		var pe *robot.PartsError
		if err := renamed(t, "base,bulb,hood,obstacle"); !errors.As(err, &pe) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("order", func(t *testing.T) {
		var oe *robot.OrderError
		if err := renamed(t, "obstacle,leg4,leg3,leg2,leg1,top"); !errors.As(err, &oe) {
			t.Errorf("got %v", err)
		}
	})
}

// renamed is what Read says after the tracker has changed its list of names.
func renamed(t *testing.T, names string) error {
	t.Helper()
	r := realTimeRig(t, robot.Config{})
	s := newSpy(t, r)
	list, err := node.Advertise[msgs.String](s.node, msgs.PartNamesTopic, true)
	if err != nil {
		t.Fatal(err)
	}
	sample := loop.Sample{Obs: make([]float32, 58)}
	soon(t, "a sample", func() bool { return r.robot.Read(&sample) == nil && sample.Seq != 0 })
	time.Sleep(period) // the tracker's own list has come
	list.Write(&msgs.String{Data: names})
	soon(t, "an error", func() bool { return r.robot.Read(&sample) != nil })
	return r.robot.Read(&sample)
}

// TestSwappedParts: parts that change places at once stop the arm, and go on stopping it until they are back.
func TestSwappedParts(t *testing.T) {
	t.Parallel()
	r := newRig(t, calm(math.MaxInt), simnode.Config{}, robot.Config{Poll: 50 * time.Millisecond})
	sample := loop.Sample{Obs: make([]float32, 58)}
	soon(t, "a sample", func() bool { return r.robot.Read(&sample) == nil && sample.Seq != 0 })
	s := newSpy(t, r)
	inject, err := node.NewClient[msgs.Perturb, msgs.PerturbReq, msgs.PerturbRes](s.node, "/korr_sim/perturb")
	if err != nil {
		t.Fatal(err)
	}
	if res, err := inject.Call(context.Background(), &msgs.PerturbReq{Kind: msgs.PerturbReorder}); err != nil ||
		!res.Success {
		t.Fatalf("%+v %v", res, err)
	}
	var swap *robot.SwapError
	soon(t, "an error", func() bool { return errors.As(r.robot.Read(&sample), &swap) })
}
