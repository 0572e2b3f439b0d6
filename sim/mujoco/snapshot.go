//go:build mujoco

package mujoco

/*
#include "shim.h"
*/
import "C"

import (
	"fmt"
	"slices"

	"korr/sim"
	"korr/sim/domain"
)

// Snapshot is everything the rest of an episode depends on: the physics and what was drawn of them, the thread and
// controller states, the judge, the gripper, the level and the stream of pushes. It belongs to the task it was taken
// from.
type Snapshot struct {
	task   string
	state  []float64
	done   []bool
	oneYaw []bool
	push   []float64 // that the next control step begins with; nil: none
	steps  int
	held   int
	closed bool
	live   bool
	level  sim.Level
	pcg    []byte
	draw   *domain.Draw
}

// Snapshot copies the state of the running episode.
func (e *Env) Snapshot() (*Snapshot, error) {
	if !e.live {
		return nil, sim.ErrNotReset
	}
	pcg, err := e.pcg.MarshalBinary()
	if err != nil {
		return nil, err
	}
	s := &Snapshot{
		task: e.task.Name, state: make([]float64, C.korr_state_size(e.s)), steps: e.steps, held: e.judge.Held(),
		closed: e.closed, live: e.live, level: e.level, pcg: pcg, draw: e.physics.draw,
	}
	s.done, s.oneYaw = slices.Clone(e.judge.Done()), slices.Clone(e.judge.OneYaw())
	if e.s.has_push != 0 {
		for _, v := range e.s.push {
			s.push = append(s.push, float64(v))
		}
	}
	C.korr_get_state(e.s, (*C.double)(&s.state[0]))
	return s, nil
}

// Restore continues from a snapshot, bit for bit, and writes the observation at that instant. Snapshots move between
// environments of one task.
func (e *Env) Restore(obs []float32, s *Snapshot) error {
	switch {
	case !e.open:
		return sim.ErrNotReset
	case s.task != e.task.Name || len(s.state) != int(C.korr_state_size(e.s)):
		return fmt.Errorf("snapshot of %s does not fit %s", s.task, e.task.Name)
	case len(obs) != e.spec.ObsDim:
		return fmt.Errorf("observation buffer has %d values, want %d", len(obs), e.spec.ObsDim)
	}
	if err := e.pcg.UnmarshalBinary(s.pcg); err != nil {
		return err
	}
	if err := e.setDraw(s.draw); err != nil {
		return err
	}
	C.korr_set_state(e.s, (*C.double)(&s.state[0]))
	copy(e.judge.Done(), s.done)
	copy(e.judge.OneYaw(), s.oneYaw)
	e.s.has_push = 0
	for k, v := range s.push {
		e.s.push[k], e.s.has_push = C.double(v), 1
	}
	e.judge.SetHeld(s.held)
	e.steps, e.closed, e.live, e.level = s.steps, s.closed, s.live, s.level
	e.observe(obs)
	return nil
}

// Fingerprint identifies the physics of a task: engine version, compiled model (what is only seen left out) and the
// version of the control and thread code. Weights and datasets carry it, so that a change of the simulator is noticed.
func Fingerprint(task string) (string, error) {
	e, err := New(Config{Task: task})
	if err != nil {
		return "", err
	}
	defer e.Close()
	return fmt.Sprintf("mujoco-%d-%s-%d-%016x", int(C.mj_version()), task, int(C.KORR_SHIM_VERSION), e.physicsHash()), nil
}

func (e *Env) physicsHash() uint64 { return uint64(C.korr_physics_hash(e.s)) }
