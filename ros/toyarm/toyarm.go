package toyarm

import (
	"math"

	"korr/internal/geom"
	"korr/internal/layout"
	"korr/internal/seed"
	"korr/ros/panda"
	"korr/sim"
)

const (
	period   = 0.1 // s
	substeps = 20  // per period

	gain  = 1.5 // of the transposed Jacobian, 1/s
	maxDQ = 1.0 // rad/s
	chaos = 3.9 // of the logistic map
)

// Env is the toy. FailAt makes the step of that number return sim.ErrUnstable; 0 = never. Still keeps the parts where
// they are.
type Env struct {
	FailAt int
	Still  bool

	max    int
	names  []string
	q, dq  [panda.Joints]float64
	chaos  []float64 // per part, in (0, 1)
	width  float64
	closed bool
	steps  int
	closes int
	live   bool
	arm    []float64
}

// New returns an environment whose episodes take at most maxSteps.
func New(maxSteps int) *Env {
	e := &Env{max: maxSteps, names: []string{"top", "leg1", "leg2", "leg3", "leg4", "obstacle"}}
	e.chaos = make([]float64, len(e.names))
	e.arm = make([]float64, 34+sim.PoseDim*len(e.names))
	return e
}

// Spec implements sim.Env.
func (e *Env) Spec() sim.Spec {
	return sim.Spec{
		Task: "toy", ObsDim: sim.StateDim + sim.PoseDim*len(e.names), ActDim: sim.ActDim, MaxSteps: e.max,
		ControlHz: 1 / period, PartNames: e.names,
	}
}

// Close implements sim.Env.
func (e *Env) Close() error { return nil }

// Reset implements sim.Env.
func (e *Env) Reset(obs []float32, s uint64) error {
	rng := seed.Stream(s, "toyarm", 0)
	e.q, e.dq = panda.Home, [panda.Joints]float64{}
	for i := range e.q {
		e.q[i] += 0.02 * rng.NormFloat64()
	}
	for i := range e.chaos {
		e.chaos[i] = 0.1 + 0.8*rng.Float64()
	}
	e.width, e.closed, e.steps, e.closes, e.live = 0.065, false, 0, 0, true
	e.observe(obs)
	return nil
}

// Step implements sim.Env.
func (e *Env) Step(obs, act []float32) (sim.Result, error) {
	if err := sim.CheckAction(act); err != nil {
		e.live = false
		return sim.Result{}, err
	}
	return e.StepPose(obs, geom.VecAt(act), geom.Rot6DAt(layout.Rotation.Of(act)).Quat(), float64(act[9]))
}

// StepPose is Step with a float64 target; see simnode.PoseStepper.
func (e *Env) StepPose(obs []float32, position [3]float64, rotation [4]float64, gripper float64) (sim.Result, error) {
	return e.StepSlice(obs, position, rotation, gripper, 0, 1)
}

// Slices implements simnode.Slicer.
func (e *Env) Slices() int { return substeps }

// StepSlice implements simnode.Slicer: the joints move in every slice, all else in the last one.
func (e *Env) StepSlice(
	obs []float32, position [3]float64, rotation [4]float64, gripper float64, i, n int,
) (sim.Result, error) {
	if !e.live {
		return sim.Result{}, sim.ErrNotReset
	}
	e.follow(position, rotation, substeps/n)
	if i < n-1 {
		return sim.Result{}, nil
	}
	if e.steps++; e.steps == e.FailAt {
		e.live = false
		return sim.Result{}, sim.ErrUnstable
	}
	e.stir(gripper)
	e.observe(obs)
	success := e.closes >= 3
	r := sim.Result{Success: success, Terminated: success, Truncated: !success && e.steps >= e.max}
	if success {
		r.Reward = 1
	}
	e.live = !r.Terminated && !r.Truncated
	return r, nil
}

// stir moves the fingers, and with them and the tool the parts.
func (e *Env) stir(gripper float64) {
	switch {
	case gripper > sim.GripperDeadBand:
		if !e.closed {
			e.closes++
		}
		e.closed = true
	case gripper < -sim.GripperDeadBand:
		e.closed = false
	}
	goal := 0.065
	if e.closed {
		goal = 0.02
	}
	e.width += 0.5 * (goal - e.width)
	if e.Still {
		return
	}
	p, _ := panda.Forward(&e.q)
	for i := range e.chaos { // the tool's position stirs the parts
		x := e.chaos[i] + 1e-3*math.Sin(7*(p[0]+p[1]+p[2])+float64(i)) + 1e-3*e.width
		x = math.Abs(math.Mod(x, 1))
		e.chaos[i] = chaos * x * (1 - x)
	}
}

// follow moves the joints toward the target for n of a period's substeps.
func (e *Env) follow(position [3]float64, rotation [4]float64, n int) {
	for range n {
		p, r := panda.Forward(&e.q)
		dp := geom.Vec3(position).Sub(p)
		dr := geom.Quat(rotation).Normalize().Mul(r.Quat().Inv()).RotVec()
		j := panda.Jacobian(&e.q)
		for i := range e.dq {
			v := 0.0
			for k := range 3 {
				v += j[k][i]*dp[k]*10 + j[3+k][i]*dr[k]
			}
			e.dq[i] = min(max(gain*v, -maxDQ), maxDQ)
			e.q[i] += e.dq[i] * period / substeps
		}
	}
}

// observe writes the observation as the rounding of the arm state.
func (e *Env) observe(obs []float32) {
	e.ArmStateTo(e.arm)
	for k := range 9 {
		obs[k] = float32(e.arm[14+k])
	}
	for k := range 6 {
		obs[9+k] = float32(e.arm[26+k])
	}
	obs[15] = float32(e.arm[32] + e.arm[33])
	for k := range obs[sim.StateDim:] {
		obs[sim.StateDim+k] = float32(e.arm[34+k])
	}
}

// ArmStateTo writes the state of the newest observation; see simarm.State.
func (e *Env) ArmStateTo(dst []float64) {
	copy(dst, e.q[:])
	copy(dst[7:], e.dq[:])
	p, r := panda.Forward(&e.q)
	copy(dst[14:], p[:])
	copy(dst[17:], r[:])
	twist := panda.Twist(&e.q, &e.dq)
	copy(dst[26:], twist[:])
	dst[32], dst[33] = e.width/2, e.width/2
	for i, x := range e.chaos {
		q := geom.AxisAngle(geom.Vec3{1, x, 0.5}, 3*x).Canonical()
		at := dst[34+sim.PoseDim*i:]
		at[0], at[1], at[2] = 0.3*x, 0.2*(1-x), -0.015
		copy(at[3:], q[:])
	}
}
