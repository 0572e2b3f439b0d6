//go:build mujoco

package mujoco

/*
#include "domain.h"
*/
import "C"

import (
	"errors"
	"fmt"

	"korr/internal/geom"
	"korr/sim/domain"
)

// overlapLimit is how deep displaced parts may start in each other or in the obstacle (m): what solid contacts undo.
const overlapLimit = 0.0005

// physics is what an environment needs to draw its physics; the zero value draws none.
type physics struct {
	base *C.mjModel   // the model as compiled; nil when Config.Domain is off
	draw *domain.Draw // of the running episode
}

// openPhysics keeps the compiled model when its physics will be drawn.
func (e *Env) openPhysics() {
	if e.cfg.Domain.On() {
		e.physics.base = C.korr_domain_base(e.s)
	}
}

func (p *physics) close() {
	if p.base != nil {
		C.korr_domain_free(p.base)
		p.base = nil
	}
}

// Domain is what the running episode drew, which must not be changed; nil when Config.Domain is off.
func (e *Env) Domain() *domain.Draw { return e.physics.draw }

// setDraw gives the model the physics of a draw, nil for the compiled ones. The engine's data are undefined afterwards.
func (e *Env) setDraw(d *domain.Draw) error {
	p := &e.physics
	switch {
	case d == p.draw:
		return nil
	case p.base == nil:
		return errors.New("the episode's physics were drawn (domain.*): open the environment with domain randomisation to " +
			"go on with it")
	case d == nil:
		C.korr_domain_apply(e.s, p.base, nil, nil, 1)
	default:
		C.korr_domain_apply(e.s, p.base, (*C.double)(&d.Mass[0]), (*C.double)(&d.Friction[0]), C.double(d.Gain))
	}
	p.draw = d
	return nil
}

// drawPhysics draws an episode's physics, and its displacements until no part stands in another or in the obstacle.
func (e *Env) drawPhysics(episode uint64, obstacle [3]C.double) error {
	r := e.cfg.Domain
	if !r.On() {
		return nil
	}
	if err := e.setDraw(r.Draw(episode, len(e.task.Parts))); err != nil {
		return err
	}
	still := func(float64) float64 { return 0 }
	for try := range resetTries {
		r.ShiftTo(e.physics.draw, episode, try)
		e.place(still, obstacle)
		if float64(C.korr_domain_overlap(e.s)) < overlapLimit {
			return nil
		}
	}
	return fmt.Errorf("the displaced parts overlapped in %d arrangements: draw smaller displacements", resetTries)
}

// startPose is where part i starts the episode, base frame.
func (e *Env) startPose(i int) geom.Pose {
	pose := NominalPose(&e.task.Parts[i])
	if d := e.physics.draw; d != nil {
		s := d.Shift[i]
		pose.P[0] += s[0]
		pose.P[1] += s[1]
		pose.Q = geom.AxisAngle(geom.Vec3{0, 0, 1}, s[2]).Mul(pose.Q)
	}
	return pose
}
