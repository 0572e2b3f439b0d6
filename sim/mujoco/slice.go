//go:build mujoco

package mujoco

/*
#include "shim.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"

	"korr/internal/geom"
	"korr/sim"
)

// ErrDisturb means that a disturbance cannot be done now or ever; its text says why.
var ErrDisturb = errors.New("disturb")

// Slices is into how many equal parts a control step can be divided at most: one for each physics step.
func (e *Env) Slices() int { return substeps }

// StepSlice executes slice i of the n equal ones (n divides Slices) of a control step toward a target, which each slice
// may change; see StepPose. ArmStateTo tells the state after every slice. obs and the result are written by the last
// slice. n slices toward one target are the step that StepPose takes.
func (e *Env) StepSlice(
	obs []float32, position [3]float64, rotation [4]float64, gripper float64, i, n int,
) (sim.Result, error) {
	if !e.live {
		return sim.Result{}, sim.ErrNotReset
	}
	if n < 1 || substeps%n != 0 || i < 0 || i >= n {
		return sim.Result{}, fmt.Errorf("slice %d of %d: a control step has %d physics steps", i, n, substeps)
	}
	if len(obs) != e.spec.ObsDim {
		return sim.Result{}, fmt.Errorf("observation buffer has %d values, want %d", len(obs), e.spec.ObsDim)
	}
	if err := e.command(position, rotation, gripper); err != nil {
		e.live = false
		return sim.Result{}, err
	}
	if i == 0 && e.cfg.Perturb > 0 {
		e.perturb()
	}
	if code := e.slice(i, n); code != 0 {
		e.live = false
		return sim.Result{}, fmt.Errorf("%w: %s", sim.ErrUnstable, e.reason(code))
	}
	if i < n-1 {
		return sim.Result{}, nil
	}
	e.steps++
	e.observe(obs)
	reward, success := e.judge.Score(e.poses)
	r := sim.Result{
		Reward: reward, Success: success, Terminated: success,
		Truncated: !success && e.steps >= e.spec.MaxSteps,
	}
	e.live = !r.Terminated && !r.Truncated
	return r, nil
}

// slice runs the physics of one slice; a push goes on over the slices that it spans.
func (e *Env) slice(i, n int) C.int {
	all, pushed, pushing := e.s.substeps, e.s.push_substeps, e.s.has_push
	defer func() { e.s.substeps, e.s.push_substeps = all, pushed }()
	e.s.substeps = all / C.int(n)
	e.s.push_substeps = pushed - C.int(i)*e.s.substeps
	code := C.korr_step(e.s)
	if e.s.push_substeps > e.s.substeps {
		e.s.has_push = pushing
	}
	return code
}

// PushPart lets a force (N) and a torque (N m, both in the base frame) act on part i during the next slices, until it
// is called again, or the episode ends, or one of its random pushes takes their place: call it before every slice.
func (e *Env) PushPart(i int, wrench [6]float64) error {
	if i < 0 || i >= len(e.task.Parts) {
		return fmt.Errorf("%w: part %d of %d", ErrDisturb, i, len(e.task.Parts))
	}
	force := unsafe.Slice(e.s.d.xfrc_applied, 6*e.s.m.nbody)[6*e.s.body[i]:]
	for k, v := range wrench {
		force[k] = C.mjtNum(v)
	}
	return nil
}

// MovePart displaces part i by shift (m) and turns it by a rotation vector (rad), both in the base frame. A part whose
// thread has taken hold, or that holds one, cannot be moved.
func (e *Env) MovePart(i int, shift, turn [3]float64) error {
	if i < 0 || i >= len(e.task.Parts) {
		return fmt.Errorf("%w: part %d of %d", ErrDisturb, i, len(e.task.Parts))
	}
	if !e.live {
		return sim.ErrNotReset
	}
	for k := range int(e.s.npeg) {
		if p := &e.s.peg[k]; p.engaged != 0 && (int(p.part) == i || int(p.receiver) == i) {
			return fmt.Errorf("%w: %s is screwed to another part", ErrDisturb, e.task.Parts[i].Name)
		}
	}
	at := e.s.pose[7*i:]
	q := geom.Quat{float64(at[4]), float64(at[5]), float64(at[6]), float64(at[3])}
	p := geom.Vec3{float64(at[0]), float64(at[1]), float64(at[2])}.Add(shift)
	e.putPart(i, geom.Pose{P: p, Q: geom.RotVec(turn).Mul(q).Normalize()})
	return nil
}
