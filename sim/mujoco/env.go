//go:build mujoco

package mujoco

/*
#cgo CFLAGS: -O2
#cgo LDFLAGS: -lmujoco -lm
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"unsafe"

	"korr/internal/geom"
	"korr/internal/layout"
	"korr/sim"
)

const reachLimit = 2 // m

var handlers sync.Once

// Env is one simulated furniture cell. Not safe for concurrent use; environments share nothing.
type Env struct {
	cfg    Config
	task   *sim.Task
	level  sim.Level
	spec   sim.Spec
	s      *C.korr_sim
	judge  *sim.Judge
	poses  []geom.Pose // parts and the obstacle, base frame
	arm    []float64   // newest arm state
	rng    *rand.Rand  // pushes of the running episode
	pcg    *rand.PCG
	scale  []float64 // torque scale per part
	open   bool
	steps  int
	live   bool
	closed bool // gripper command in force
	physics
	watch *watch // sees a control step in parts, nil otherwise
}

// New builds the model of the task and loads it into MuJoCo.
func New(cfg Config) (*Env, error) {
	handlers.Do(func() { C.korr_install_handlers() })
	task, level, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	xml := cfg.ModelXML
	if xml == "" {
		if xml, err = ModelXML(task); err != nil {
			return nil, err
		}
	} else if err := checkModel(xml); err != nil {
		return nil, fmt.Errorf("load the model of %s: %w", task.Name, err)
	}
	s, err := load(task, xml)
	if err != nil {
		return nil, fmt.Errorf("load the model of %s: %w", task.Name, err)
	}
	bodies := len(task.Parts) + 1
	e := &Env{
		cfg: cfg, task: task, level: level, s: s, judge: sim.NewJudge(task), pcg: rand.NewPCG(0, 0),
		poses: make([]geom.Pose, bodies), arm: make([]float64, armParts+sim.PoseDim*bodies),
	}
	e.rng = rand.New(e.pcg)
	for i := range task.Parts {
		e.scale = append(e.scale, torqueScale(&task.Parts[i]))
	}
	e.spec = sim.Spec{
		Task: task.Name, ObsDim: task.ObsDim(), ActDim: sim.ActDim, MaxSteps: cfg.MaxSteps,
		ControlHz: controlHz, PartNames: task.PartNames(), Yaw: cfg.Yaw,
	}
	e.openPhysics()
	e.open = true
	return e, nil
}

func load(task *sim.Task, xml string) (*C.korr_sim, error) {
	msg := (*C.char)(C.calloc(1, 1024))
	defer C.free(unsafe.Pointer(msg))
	cxml := C.CString(xml)
	defer C.free(unsafe.Pointer(cxml))
	s := C.korr_new(cxml, C.int(len(xml)), msg, 1024)
	if s == nil {
		return nil, fmt.Errorf("%s", C.GoString(msg))
	}
	s.substeps, s.push_substeps = substeps, pushSubsteps
	s.open_width = C.double(task.GripperWidth)
	for k, q := range ResetJoints {
		s.rest[k] = C.double(q)
		s.speed[k], s.accel[k], s.torque[k] = C.double(jointSpeed[k]), C.double(jointAccel[k]), C.double(jointTorque[k])
	}
	s.grip_speed, s.grip_force = fingerSpeed, fingerForce
	if err := bind(s, task); err != nil {
		C.korr_free(s)
		return nil, err
	}
	return s, nil
}

// bind looks up the bodies, joints and constraints of the task in the model.
func bind(s *C.korr_sim, task *sim.Task) error {
	for i := range task.Parts {
		name := C.CString(task.Parts[i].Name)
		ok := C.korr_add_part(s, name) >= 0
		C.free(unsafe.Pointer(name))
		if !ok {
			return fmt.Errorf("body %q is missing or has no free joint", task.Parts[i].Name)
		}
	}
	for i := range task.Pairs {
		pair := &task.Pairs[i]
		if pair.Thread == nil {
			continue
		}
		p := &s.peg[s.npeg]
		setGeometry(p, pair)
		name := C.CString(task.Parts[pair.Second].Name)
		ok := C.korr_set_peg_ids(s, p, name) == 0
		C.free(unsafe.Pointer(name))
		if !ok {
			return fmt.Errorf("part %q has no nut, thread or peg geometry in the model", task.Parts[pair.Second].Name)
		}
		s.npeg++
	}
	return nil
}

// setGeometry describes the joint of a pair to the shim. Where the axes of both parts' frames are the joint's, it needs
// no rotations.
func setGeometry(p *C.korr_peg, pair *sim.Pair) {
	p.part, p.receiver = C.int(pair.Male()), C.int(pair.Receiver())
	p.pitch, p.seat = C.double(pair.Thread.Pitch), C.double(pair.Thread.Seat)
	p.nhole = C.int(len(pair.Targets))
	peg, hole := pair.Peg(), pair.Hole(0)
	for k := range 3 {
		p.tip[k] = C.double(pair.Tip[k])
	}
	for h := range pair.Targets {
		mouth := pair.Hole(h).P
		turned := hole.Q.Inv().Rotate(mouth)
		for k := range 3 {
			p.mouth[h][k], p.hole[h][k] = C.double(mouth[k]), C.double(turned[k])
		}
	}
	if peg.Q != geom.IdentityQuat || hole.Q != geom.IdentityQuat {
		p.turned = 1
	}
	pm, hm := peg.Q.Mat(), hole.Q.Mat()
	for k := range 9 {
		p.peg_mat[k], p.hole_mat[k] = C.double(pm[k]), C.double(hm[k])
	}
	back := peg.Q.Inv()
	p.peg_inv = [4]C.double{C.double(back[3]), C.double(back[0]), C.double(back[1]), C.double(back[2])}
}

// Spec describes the environment.
func (e *Env) Spec() sim.Spec { return e.spec }

// Close frees the model; calling it again is harmless.
func (e *Env) Close() error {
	if e.open {
		e.physics.close()
		C.korr_free(e.s)
		e.open, e.live = false, false
	}
	return nil
}

// Step executes one action for 0.1 s. An action that is not finite or of the wrong length ends the episode with an
// error that wraps sim.ErrAction, an unstable simulation one with sim.ErrUnstable: one that the engine gave up, or in
// which a part is where or as fast as none can be (plausible.go).
func (e *Env) Step(obs, act []float32) (sim.Result, error) {
	if err := sim.CheckAction(act); err != nil {
		e.live = false
		return sim.Result{}, err
	}
	tool := layout.ToolAt(act)
	return e.StepPose(obs, tool.P, tool.Q, float64(act[layout.Gripper]))
}

// StepPose is Step for a target given as a float64 pose: position (m) and rotation (quaternion x y z w), base frame;
// gripper as in an action.
func (e *Env) StepPose(obs []float32, position [3]float64, rotation [4]float64, gripper float64) (sim.Result, error) {
	if !e.live {
		return sim.Result{}, sim.ErrNotReset
	}
	if len(obs) != e.spec.ObsDim {
		return sim.Result{}, fmt.Errorf("observation buffer has %d values, want %d", len(obs), e.spec.ObsDim)
	}
	if err := e.command(position, rotation, gripper); err != nil {
		e.live = false
		return sim.Result{}, err
	}
	if e.cfg.Perturb > 0 {
		e.perturb()
	}
	if code := e.advance(); code != 0 {
		e.live = false
		return sim.Result{}, fmt.Errorf("%w: %s", sim.ErrUnstable, e.reason(code))
	}
	if err := e.implausible(); err != nil {
		e.live = false
		return sim.Result{}, err
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

// command hands the target to the controller. Targets beyond reachLimit are clipped: differential IK limits the motion
// of every update anyway.
func (e *Env) command(position [3]float64, rotation [4]float64, gripper float64) error {
	sum := gripper
	for k := range 3 {
		sum += position[k]
		e.s.target_pos[k] = C.double(min(max(position[k], -reachLimit), reachLimit))
	}
	q := geom.Quat(rotation).Normalize()
	for k := range 4 {
		sum += q[k]
	}
	if math.IsNaN(sum) || math.IsInf(sum, 0) {
		return fmt.Errorf("%w: target is not finite", sim.ErrAction)
	}
	e.s.target_quat = [4]C.double{C.double(q[3]), C.double(q[0]), C.double(q[1]), C.double(q[2])}
	switch {
	case gripper > sim.GripperDeadBand:
		e.closed = true
	case gripper < -sim.GripperDeadBand:
		e.closed = false
	}
	e.s.finger = e.s.open_width / 2
	if e.closed {
		e.s.finger = 0
	}
	return nil
}

func (e *Env) reason(code C.int) string {
	if msg := C.GoString(&e.s.error[0]); msg != "" {
		return msg
	}
	return fmt.Sprintf("engine warning %d", int(code)-1)
}
