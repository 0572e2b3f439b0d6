//go:build mujoco

package mujoco

/*
#include "shim.h"
*/
import "C"

import (
	"fmt"
	"unsafe"

	"korr/internal/geom"
	"korr/internal/seed"
	"korr/sim"
)

var sceneKinds = map[C.int]string{
	C.mjGEOM_PLANE: "plane", C.mjGEOM_SPHERE: "sphere", C.mjGEOM_CAPSULE: "capsule",
	C.mjGEOM_ELLIPSOID: "ellipsoid", C.mjGEOM_CYLINDER: "cylinder", C.mjGEOM_BOX: "box",
}

// Scene describes what there is to draw: every visible primitive with the colour that the renderer gives it.
func (e *Env) Scene() (*Scene, error) {
	if !e.open {
		return nil, sim.ErrNotReset
	}
	m := e.s.m
	out := &Scene{Task: e.task.Name}
	at := map[C.int]int{0: -1}
	body, kind := unsafe.Slice(m.geom_bodyid, m.ngeom), unsafe.Slice(m.geom_type, m.ngeom)
	size, pos, quat := unsafe.Slice(m.geom_size, 3*m.ngeom), unsafe.Slice(m.geom_pos, 3*m.ngeom),
		unsafe.Slice(m.geom_quat, 4*m.ngeom)
	for g := range int(m.ngeom) {
		name, known := sceneKinds[kind[g]]
		rgba := e.geomColour(g)
		if rgba[3] == 0 || !known {
			continue
		}
		if _, ok := at[body[g]]; !ok {
			at[body[g]] = len(out.Bodies)
			out.Bodies = append(out.Bodies, e.sceneBody(body[g]))
		}
		s := SceneGeom{Body: at[body[g]], Kind: name, RGBA: rgba}
		for k := range 3 {
			s.Size[k], s.Pos[k] = float32(size[3*g+k]), float32(pos[3*g+k])
		}
		s.Quat = [4]float32{float32(quat[4*g+1]), float32(quat[4*g+2]), float32(quat[4*g+3]), float32(quat[4*g])}
		out.Geoms = append(out.Geoms, s)
	}
	return out, nil
}

// geomColour is a geometry's own colour, or its material's where it has none of its own.
func (e *Env) geomColour(g int) (rgba [4]float32) {
	m := e.s.m
	own := unsafe.Slice(m.geom_rgba, 4*m.ngeom)[4*g:]
	mat := unsafe.Slice(m.geom_matid, m.ngeom)[g]
	for k := range rgba {
		rgba[k] = float32(own[k])
	}
	if mat >= 0 && rgba == [4]float32{0.5, 0.5, 0.5, 1} { // MuJoCo's default colour
		for k, v := range unsafe.Slice(m.mat_rgba, 4*m.nmat)[4*mat : 4*mat+4] {
			rgba[k] = float32(v)
		}
	}
	return rgba
}

func (e *Env) sceneBody(id C.int) SceneBody {
	b := SceneBody{Name: C.GoString(C.mj_id2name(e.s.m, C.mjOBJ_BODY, id)), Part: id == e.s.obstacle}
	for i := range e.task.Parts {
		b.Part = b.Part || id == e.s.body[i]
	}
	return b
}

// bodies are the engine's numbers of the scene's bodies, in Scene's order.
func (e *Env) bodies() []int {
	m := e.s.m
	seen := make([]bool, m.nbody)
	var ids []int
	kind := unsafe.Slice(m.geom_type, m.ngeom)
	for g, b := range unsafe.Slice(m.geom_bodyid, m.ngeom) {
		if _, known := sceneKinds[kind[g]]; known && b > 0 && !seen[b] && e.geomColour(g)[3] > 0 {
			seen[b] = true
			ids = append(ids, int(b))
		}
	}
	return ids
}

// Watch reads an environment's scene while it is stepped. It belongs to the goroutine that steps the environment.
type Watch struct {
	env    *Env
	bodies []int
}

// watch is what StepPose looks at: how many frames a control step has, and who takes them.
type watch struct {
	frames int
	each   func(k int)
}

// NewWatch makes a reader of e's scene.
func NewWatch(e *Env) (*Watch, error) {
	if !e.open {
		return nil, sim.ErrNotReset
	}
	return &Watch{env: e, bodies: e.bodies()}, nil
}

// FrameTo writes the scene at the newest instant; its slices are reused.
func (w *Watch) FrameTo(f *SceneFrame) {
	d := w.env.s.d
	nbody := w.env.s.m.nbody
	pos, quat := unsafe.Slice(d.xpos, 3*nbody), unsafe.Slice(d.xquat, 4*nbody)
	f.Poses = f.Poses[:0]
	for _, b := range w.bodies {
		p, q := pos[3*b:], quat[4*b:]
		f.Poses = append(f.Poses, geom.Pose{
			P: geom.Vec3{float64(p[0]), float64(p[1]), float64(p[2])},
			Q: geom.Quat{float64(q[1]), float64(q[2]), float64(q[3]), float64(q[0])},
		})
	}
	f.Contacts = f.Contacts[:0]
	if d.ncon == 0 {
		return
	}
	for _, c := range unsafe.Slice(d.contact, d.ncon) {
		f.Contacts = append(f.Contacts, SceneContact{
			Pos:    geom.Vec3{float64(c.pos[0]), float64(c.pos[1]), float64(c.pos[2])},
			Normal: geom.Vec3{float64(c.frame[0]), float64(c.frame[1]), float64(c.frame[2])},
			Depth:  -float64(c.dist),
		})
	}
}

// Step is Env.Step seen in parts: each is called frames times (1 to FramesPerStep, a divisor of it), after equal shares
// of the control period, and may call FrameTo. The episode is the same, bit for bit. push above zero hits every part,
// at the start of the step and beside the episode's own pushes, with that multiple of the published push; salt picks
// its direction.
func (w *Watch) Step(obs, act []float32, frames int, push float64, salt uint64, each func(k int)) (sim.Result, error) {
	e := w.env
	if frames < 1 || FramesPerStep%frames != 0 {
		return sim.Result{}, fmt.Errorf("%d frames of a control step: use a divisor of %d", frames, FramesPerStep)
	}
	e.watch = &watch{frames: frames, each: each}
	strength := e.cfg.Perturb
	if push > 0 && e.live {
		if strength > 0 {
			e.perturb() // what the episode's own stream says comes first, and is not drawn again below
		}
		rng := seed.Stream(salt, "sim/view/push", 0)
		for i := range e.task.Parts {
			e.push(i, sim.DrawPush(rng), push)
		}
		e.cfg.Perturb = 0
	}
	defer func() { e.watch, e.cfg.Perturb = nil, strength }()
	return e.Step(obs, act)
}

// SetPerturb changes the strength of the episode's random pushes from the next step on: 0 is off, 1 as published.
func (w *Watch) SetPerturb(strength float64) error {
	cfg := w.env.cfg
	cfg.Perturb = strength
	if _, _, err := cfg.resolve(); err != nil {
		return err
	}
	w.env.cfg.Perturb = strength
	return nil
}

// advance is one control period of the engine, in parts when somebody watches.
func (e *Env) advance() C.int {
	if e.watch == nil {
		return C.korr_step(e.s)
	}
	all, pushed, pushing := e.s.substeps, e.s.push_substeps, e.s.has_push
	defer func() { e.s.substeps, e.s.push_substeps = all, pushed }()
	e.s.substeps = all / C.int(e.watch.frames)
	var deepest C.double
	for k := range e.watch.frames {
		code := C.korr_step(e.s)
		if code != 0 {
			return code
		}
		deepest = max(deepest, e.s.max_penetration)
		e.watch.each(k)
		if e.s.push_substeps -= e.s.substeps; e.s.push_substeps > 0 { // the push outlasts this part
			e.s.has_push = pushing
		}
	}
	e.s.max_penetration = deepest
	return 0
}
