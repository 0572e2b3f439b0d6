//go:build mujoco

package mujoco

import (
	"math"
	"math/rand/v2"
	"testing"

	"korr/internal/geom"
	"korr/sim"
)

// Published limits of the Panda's joints: position (rad), velocity (rad/s) and torque (N m).
var (
	pandaLow    = [7]float64{-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973}
	pandaHigh   = [7]float64{2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973}
	pandaSpeed  = [7]float64{2.1750, 2.1750, 2.1750, 2.1750, 2.6100, 2.6100, 2.6100}
	pandaTorque = [7]float64{87, 87, 87, 87, 12, 12, 12}
)

// Bounds of TestArmLimits: rounding of a torque, as a share, and how far a soft stop yields (rad).
const (
	rounding  = 1e-9
	stopYield = 0.005
)

// TestArmLimits sends the tool to random far targets and looks at every physics step: torques and velocities stay
// within the Panda's limits, positions too but for what a soft stop yields.
func TestArmLimits(t *testing.T) {
	e := open(t, Config{MaxSteps: 1 << 30})
	obs := make([]float32, e.spec.ObsDim)
	if err := e.Reset(obs, 1); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	e.s.substeps = 1
	var fastest, hardest, beyond float64
	act := make([]float32, sim.ActDim)
	for i := range 20 * 300 {
		if i%60 == 0 {
			at := geom.Vec3{0.2 + 0.7*rng.Float64(), 1.2*rng.Float64() - 0.6, 0.3 + 0.6*rng.Float64()}
			q := geom.Quat{rng.NormFloat64(), rng.NormFloat64(), rng.NormFloat64(), rng.NormFloat64()}.Normalize()
			geom.VecTo(act, at)
			geom.Rot6DTo(act[3:9], q)
			act[9] = float32(2*rng.IntN(2) - 1)
		}
		if _, err := e.Step(obs, act); err != nil {
			t.Fatal(err)
		}
		for k := range 7 {
			q := float64(e.s.q[k])
			fastest = max(fastest, math.Abs(float64(e.s.dq[k]))/pandaSpeed[k])
			hardest = max(hardest, math.Abs(float64(e.s.tau[k]))/pandaTorque[k])
			beyond = max(beyond, pandaLow[k]-q, q-pandaHigh[k])
		}
	}
	t.Logf("up to %.3f of the velocity limits, %.3f of the torque limits, %.4f rad beyond a stop", fastest,
		hardest, beyond)
	if fastest > 1 || hardest > 1+rounding || beyond > stopYield {
		t.Errorf("up to %.3f of the velocity limits, %.3f of the torque limits, %.4f rad beyond a stop", fastest,
			hardest, beyond)
	}
	if fastest < 0.9 || hardest < 0.5 {
		t.Error("the motion comes nowhere near the limits: the test no longer tests them")
	}
}
