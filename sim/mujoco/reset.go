//go:build mujoco

package mujoco

/*
#include "shim.h"
*/
import "C"

import (
	"fmt"
	"math"

	"korr/internal/geom"
	"korr/internal/seed"
	"korr/sim"
)

// Reset starts the episode of the seed: nominal poses, displaced arm and obstacle, one random push of every part,
// and a pause until the parts rest, unless Config.Unsettled leaves the push to the first control step. obs has
// Spec().ObsDim values.
func (e *Env) Reset(obs []float32, episode uint64) error {
	if !e.open {
		return sim.ErrNotReset
	}
	if len(obs) != e.spec.ObsDim {
		return fmt.Errorf("observation buffer has %d values, want %d", len(obs), e.spec.ObsDim)
	}
	var err error
	if e.level, err = e.cfg.Randomness.Of(episode).Level(); err != nil {
		return err
	}
	rng := seed.Stream(episode, "sim/reset", 0)
	e.pcg.Seed(seed.Hash(episode, "sim/push", 0), seed.Hash(episode, "sim/push", 1))
	uniform := func(a float64) float64 { return a * (2*rng.Float64() - 1) }
	at := e.obstacle(uniform(e.level.Obstacle), uniform(e.level.Obstacle))
	if err := e.drawPhysics(episode, at); err != nil {
		e.live = false
		return err
	}
	for range resetTries {
		e.place(uniform, at)
		if float64(e.s.tool_pos[2]) >= minToolHeight {
			break
		}
	}
	for i := range e.task.Parts {
		e.push(i, sim.DrawPush(rng), 1)
	}
	pause := settleSteps
	if e.cfg.Unsettled {
		pause = 0
	}
	for range pause {
		if code := C.korr_step(e.s); code != 0 {
			e.live = false
			return fmt.Errorf("%w while the parts settled: %s", sim.ErrUnstable, e.reason(code))
		}
	}
	if err := e.implausible(); err != nil {
		e.live = false
		return err
	}
	e.judge.Reset()
	e.steps, e.live, e.closed = 0, true, false
	e.observe(obs)
	return nil
}

// place puts the arm at a displaced posture and the parts at their initial poses.
func (e *Env) place(uniform func(float64) float64, obstacle [3]C.double) {
	var q [7]C.double
	for k := range q {
		q[k] = C.double(ResetJoints[k] + uniform(e.level.Joint))
	}
	C.korr_reset(e.s, &q[0], &obstacle[0])
	for i := range e.task.Parts {
		pose := e.startPose(i)
		if p := &e.task.Parts[i]; p.Scatter > 0 || p.Twist > 0 {
			pose.P[0] += uniform(p.Scatter)
			pose.P[1] += uniform(p.Scatter)
			pose.Q = geom.AxisAngle(geom.Vec3{0, 0, 1}, uniform(p.Twist)).Mul(pose.Q)
		}
		e.setPart(i, pose)
	}
	C.korr_forward(e.s)
}

// setPart moves part i to a pose in the base frame; korr_forward has to follow.
func (e *Env) setPart(i int, pose geom.Pose) {
	p := [3]C.double{C.double(pose.P[0]), C.double(pose.P[1]), C.double(pose.P[2])}
	w := [4]C.double{C.double(pose.Q[3]), C.double(pose.Q[0]), C.double(pose.Q[1]), C.double(pose.Q[2])}
	C.korr_set_part(e.s, C.int(i), &p[0], &w[0])
}

// obstacle is the displaced obstacle's position, never closer to the first part, or to one that lies before its ends,
// than obstacleSlack.
func (e *Env) obstacle(dx, dy float64) [3]C.double {
	if e.task.Before {
		return e.beyond(dx, dy)
	}
	top := NominalPose(&e.task.Parts[0]).P
	s := e.task.Parts[0].Size
	reach := max(s[0], s[2])/2 + obstacleSlack
	x := max(obstacleNominal[0]+dx, top[0]+reach+0.01)
	for i := range e.task.Parts {
		p := &e.task.Parts[i]
		at := NominalPose(p).P
		r := max(p.Size[0], p.Size[1], p.Size[2])/2 + obstacleSlack
		if beside := math.Abs(math.Abs(at[1]-obstacleNominal[1]-dy) - 0.175); i > 0 && at[0] < 0.5 && beside < r+0.01 {
			x = max(x, at[0]+r+0.16) // the obstacle's side bars end 0.16 m before its front
		}
	}
	limit := 0.165 - reach
	y := min(max(obstacleNominal[1]+dy, top[1]-limit), top[1]+limit)
	return [3]C.double{C.double(x), C.double(y), C.double(obstacleNominal[2])}
}

// beyond is the displaced position of an obstacle whose arms end behind all parts, by obstacleSlack at least.
func (e *Env) beyond(dx, dy float64) [3]C.double {
	x := obstacleNominal[0] + dx
	for i := range e.task.Parts {
		p := &e.task.Parts[i]
		x = max(x, NominalPose(p).P[0]+p.Scatter+footprint(p)+obstacleSlack+armLength)
	}
	return [3]C.double{C.double(x), C.double(obstacleNominal[1] + dy), C.double(obstacleNominal[2])}
}

// footprint is half a part's larger extent across its own vertical, as it stands at first (m).
func footprint(p *sim.Part) float64 {
	up := NominalPose(p).Q.Inv().Rotate(geom.Vec3{0, 0, 1})
	var r float64
	for k, s := range p.Size {
		if math.Abs(up[k]) < 0.5 {
			r = max(r, s/2)
		}
	}
	return r
}

// push schedules a push of that strength on part i for the next control step.
func (e *Env) push(i int, u sim.Push, strength float64) {
	p := &e.task.Parts[i]
	f, t := strength*e.level.Force*p.ForceMul, strength*e.level.Torque*p.TorqueMul*e.scale[i]
	if p.PushForce > 0 {
		f *= p.PushForce
	}
	if p.PushTorque > 0 {
		t *= p.PushTorque
	}
	e.s.push[6*i], e.s.push[6*i+1], e.s.push[6*i+5] = C.double(f*u.Force[0]), C.double(f*u.Force[1]), C.double(t*u.Torque)
	e.s.has_push = 1
}

// SetPerturb changes the strength of the pushes, Config.Perturb, from the next control step on.
func (e *Env) SetPerturb(strength float64) { e.cfg.Perturb = strength }

// perturb hits each part with probability sim.PerturbProbability. Every part draws, so that pushes do not depend on
// which part was hit.
func (e *Env) perturb() {
	if e.s.has_push == 0 { // else the initial push is still to come
		for k := range e.s.push {
			e.s.push[k] = 0
		}
	}
	for i := range e.task.Parts {
		hit := e.rng.Float64() < sim.PerturbProbability
		if u := sim.DrawPush(e.rng); hit {
			e.push(i, u, e.cfg.Perturb)
		}
	}
}
