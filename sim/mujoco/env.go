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
	"math/rand/v2"
	"sync"
	"unsafe"

	"korr/internal/geom"
	"korr/internal/seed"
	"korr/sim"
)

var handlers sync.Once

// Env is one simulated furniture cell. Not safe for concurrent use; environments share nothing.
type Env struct {
	cfg   Config
	task  *sim.Task
	level sim.Level
	spec  sim.Spec
	s     *C.korr_sim
	judge *sim.Judge
	poses []geom.Pose // parts and the obstacle, base frame
	rng   *rand.Rand  // pushes of the running episode
	pcg   *rand.PCG
	scale []float64 // torque scale per part
	open  bool
	steps int
	live  bool
	last  float32 // gripper command in force: -1 open, +1 closed
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
	}
	s, err := load(task, xml)
	if err != nil {
		return nil, fmt.Errorf("load the model of %s: %w", task.Name, err)
	}
	e := &Env{cfg: cfg, task: task, level: level, s: s, judge: sim.NewJudge(task), poses: make([]geom.Pose, len(task.Parts)+1), pcg: rand.NewPCG(0, 0)}
	e.rng = rand.New(e.pcg)
	for i := range task.Parts {
		e.scale = append(e.scale, torqueScale(&task.Parts[i]))
	}
	e.spec = sim.Spec{Task: task.Name, ObsDim: task.ObsDim(), ActDim: sim.ActDim, MaxSteps: cfg.MaxSteps, ControlHz: controlHz, PartNames: task.PartNames()}
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
	}
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
		p.part, p.receiver = C.int(pair.Second), C.int(pair.First)
		p.pitch, p.seat = C.double(pair.Thread.Pitch), C.double(pair.Thread.Seat)
		p.nhole = C.int(len(pair.Targets))
		for k := range 3 {
			p.tip[k] = C.double(pair.Tip[k])
			for h := range pair.Targets {
				p.hole[h][k] = C.double(pair.Mouth(h)[k])
			}
		}
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

// Spec describes the environment.
func (e *Env) Spec() sim.Spec { return e.spec }

// Close frees the model; calling it again is harmless.
func (e *Env) Close() error {
	if e.open {
		C.korr_free(e.s)
		e.open, e.live = false, false
	}
	return nil
}

// Reset starts the episode of the seed: nominal poses, displaced arm and obstacle, one random push of every part,
// and a pause until the parts rest. obs has Spec().ObsDim values.
func (e *Env) Reset(obs []float32, episode uint64) error {
	if !e.open {
		return sim.ErrNotReset
	}
	if len(obs) != e.spec.ObsDim {
		return fmt.Errorf("observation buffer has %d values, want %d", len(obs), e.spec.ObsDim)
	}
	rng := seed.Stream(episode, "sim/reset", 0)
	e.pcg.Seed(seed.Hash(episode, "sim/push", 0), seed.Hash(episode, "sim/push", 1))
	uniform := func(a float64) float64 { return a * (2*rng.Float64() - 1) }
	at := e.obstacle(uniform(e.level.Obstacle), uniform(e.level.Obstacle))
	for range resetTries {
		e.place(uniform, at)
		if float64(e.s.tool_pos[2]) >= minToolHeight {
			break
		}
	}
	for i := range e.task.Parts {
		e.push(i, uniform(1), uniform(1), uniform(1), 1)
	}
	for range settleSteps {
		if code := C.korr_step(e.s); code != 0 {
			e.live = false
			return fmt.Errorf("%w while the parts settled: %s", sim.ErrUnstable, e.reason(code))
		}
	}
	e.judge.Reset()
	e.steps, e.live, e.last = 0, true, -1
	e.observe(obs)
	return nil
}

// place puts the arm at a displaced posture and the parts at their nominal poses.
func (e *Env) place(uniform func(float64) float64, obstacle [3]C.double) {
	var q [7]C.double
	for k := range q {
		q[k] = C.double(ResetJoints[k] + uniform(e.level.Joint))
	}
	C.korr_reset(e.s, &q[0], &obstacle[0])
	for i := range e.task.Parts {
		pose := NominalPose(&e.task.Parts[i])
		p := [3]C.double{C.double(pose.P[0]), C.double(pose.P[1]), C.double(pose.P[2])}
		w := [4]C.double{C.double(pose.Q[3]), C.double(pose.Q[0]), C.double(pose.Q[1]), C.double(pose.Q[2])}
		C.korr_set_part(e.s, C.int(i), &p[0], &w[0])
	}
	C.korr_forward(e.s)
}

// obstacle is the displaced obstacle's position, never closer to the first part than obstacleSlack.
func (e *Env) obstacle(dx, dy float64) [3]C.double {
	top := NominalPose(&e.task.Parts[0]).P
	s := e.task.Parts[0].Size
	reach := max(s[0], s[2])/2 + obstacleSlack
	x := max(obstacleNominal[0]+dx, top[0]+reach+0.01)
	limit := 0.165 - reach
	y := min(max(obstacleNominal[1]+dy, top[1]-limit), top[1]+limit)
	return [3]C.double{C.double(x), C.double(y), C.double(obstacleNominal[2])}
}

// push schedules a force (fx, fy in units of the level's) and a torque on part i for the next control step.
func (e *Env) push(i int, fx, fy, tz, strength float64) {
	p := &e.task.Parts[i]
	f, t := strength*e.level.Force*p.ForceMul, strength*e.level.Torque*p.TorqueMul*e.scale[i]
	e.s.push[6*i], e.s.push[6*i+1], e.s.push[6*i+5] = C.double(f*fx), C.double(f*fy), C.double(t*tz)
	e.s.has_push = 1
}

// Step executes one action for 0.1 s. An action that is not finite or of the wrong length ends the episode with an
// error that wraps sim.ErrAction, an unstable simulation one with sim.ErrUnstable.
func (e *Env) Step(obs, act []float32) (sim.Result, error) {
	if !e.live {
		return sim.Result{}, sim.ErrNotReset
	}
	if len(obs) != e.spec.ObsDim {
		return sim.Result{}, fmt.Errorf("observation buffer has %d values, want %d", len(obs), e.spec.ObsDim)
	}
	if err := sim.CheckAction(act); err != nil {
		e.live = false
		return sim.Result{}, err
	}
	e.command(act)
	if e.cfg.Perturb > 0 {
		e.perturb()
	}
	if code := C.korr_step(e.s); code != 0 {
		e.live = false
		return sim.Result{}, fmt.Errorf("%w: %s", sim.ErrUnstable, e.reason(code))
	}
	e.steps++
	e.observe(obs)
	reward, success := e.judge.Score(e.poses)
	r := sim.Result{Reward: reward, Success: success, Terminated: success, Truncated: !success && e.steps >= e.spec.MaxSteps}
	e.live = !r.Terminated && !r.Truncated
	return r, nil
}

func (e *Env) command(act []float32) {
	for k := range 3 {
		e.s.target_pos[k] = C.double(min(max(act[k], -2), 2))
	}
	q := geom.Rot6DAt(act[3:9]).Quat()
	e.s.target_quat = [4]C.double{C.double(q[3]), C.double(q[0]), C.double(q[1]), C.double(q[2])}
	switch {
	case act[9] > sim.GripperDeadBand:
		e.last = 1
	case act[9] < -sim.GripperDeadBand:
		e.last = -1
	}
	e.s.finger = 0
	if e.last < 0 {
		e.s.finger = e.s.open_width / 2
	}
}

// perturb hits each part with probability sim.PerturbProbability. Every part draws, so that pushes do not depend on
// which part was hit.
func (e *Env) perturb() {
	for k := range e.s.push {
		e.s.push[k] = 0
	}
	for i := range e.task.Parts {
		hit := e.rng.Float64() < sim.PerturbProbability
		fx, fy, tz := 2*e.rng.Float64()-1, 2*e.rng.Float64()-1, 2*e.rng.Float64()-1
		if hit {
			e.push(i, fx, fy, tz, e.cfg.Perturb)
		}
	}
}

func (e *Env) reason(code C.int) string {
	if msg := C.GoString(C.korr_last_error()); msg != "" {
		return msg
	}
	return fmt.Sprintf("engine warning %d", int(code)-1)
}

func vec(p *[3]C.double) geom.Vec3 {
	return geom.Vec3{float64(p[0]), float64(p[1]), float64(p[2])}
}

// observe reads poses from the engine and writes the observation.
func (e *Env) observe(obs []float32) {
	s := e.s
	var r geom.Mat3
	for k := range r {
		r[k] = float64(s.tool_mat[k])
	}
	geom.VecTo(obs, vec(&s.tool_pos))
	for k := range 6 {
		obs[3+k] = float32(r[k])
		obs[9+k] = float32(s.tool_vel[k])
	}
	obs[15] = float32(s.width)
	tag := geom.TagFrame.Inv()
	for i := range e.poses {
		p := s.pose[7*i:]
		e.poses[i] = geom.Pose{
			P: geom.Vec3{float64(p[0]), float64(p[1]), float64(p[2])},
			Q: geom.Quat{float64(p[4]), float64(p[5]), float64(p[6]), float64(p[3])},
		}
		geom.PoseTo(obs[sim.StateDim+sim.PoseDim*i:], tag.Mul(e.poses[i]))
	}
}

// PegState describes threaded peg i against the nearest hole: depth below the mouth (m), lateral distance (m), angle
// between the axes (rad), yaw about the hole's axis (rad), and the lateral offset in x and z of the receiver (m).
func (e *Env) PegState(i int) (out [6]float64) {
	var c [6]C.double
	C.korr_peg_state(e.s, C.int(i), &c[0], nil)
	for k := range c {
		out[k] = float64(c[k])
	}
	return out
}
