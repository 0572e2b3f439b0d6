//go:build mujoco

package simnode_test

import (
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"korr/ros/msgs"
	"korr/ros/node"
	"korr/ros/simnode"
	"korr/sim/mujoco"
)

// TestPushAndDisplace: the physics engine's parts are pushed for as long as the injection says, and displaced at once;
// the obstacle is fixed.
func TestPushAndDisplace(t *testing.T) {
	env, err := mujoco.New(mujoco.Config{Task: "one_leg"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = env.Close() })
	b := serve(t, "", simnode.Config{Env: env, Seed: 2})
	var parts atomic.Pointer[msgs.PoseArray]
	if err := node.Subscribe(b.node, msgs.PartsTopic, parts.Store); err != nil {
		t.Fatal(err)
	}
	within(t, "parts", func() bool { return parts.Load() != nil })
	before := parts.Load().Poses
	if res := perturb(t, b, msgs.PerturbReq{
		Kind: "force", Target: "top", Value: []float64{0, 2, 0},
		Duration: 0.1,
	}); !res.Success {
		t.Fatal(res.Message)
	}
	moved := func(i int) float64 { // along the base frame's y, the tag frame's x
		return parts.Load().Poses[i].Position.X - before[i].Position.X
	}
	within(t, "the top is pushed", func() bool { return moved(0) > 0.003 })
	within(t, "the push ends, and friction stops the top", func() bool {
		at := moved(0)
		time.Sleep(100 * time.Millisecond)
		return math.Abs(moved(0)-at) < 1e-4
	})
	t.Logf("2 N for 0.1 s moved the top by %.3f m", moved(0))
	if moved(0) > 0.2 {
		t.Errorf("the push did not end: %g m", moved(0))
	}
	mustPerturb(t, b, msgs.PerturbPose, "leg1", 0, 0.01, 0)
	within(t, "the leg is displaced", func() bool { return math.Abs(moved(1)-0.01) < 1e-3 })
	if res := perturb(t, b, msgs.PerturbReq{Kind: "force", Target: "obstacle", Value: []float64{0, 2, 0}}); res.Success ||
		!strings.Contains(res.Message, "leg4") {
		t.Errorf("pushing the obstacle: %+v", res)
	}
}
