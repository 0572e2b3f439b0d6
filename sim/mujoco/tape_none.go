//go:build !mujoco

package mujoco

import (
	"time"

	"korr/sim"
)

// Tape is a recorded episode; binaries built without MuJoCo have none.
type Tape struct{}

// Record returns sim.ErrNoEngine in a binary built without the tag mujoco.
func Record(*Env, sim.Policy, uint64) (*Tape, error) { return nil, sim.ErrNoEngine }

// Steps is zero without the engine.
func (t *Tape) Steps() int { return 0 }

// Step returns sim.ErrNoEngine.
func (t *Tape) Step() (time.Duration, error) { return 0, sim.ErrNoEngine }

// Bare returns sim.ErrNoEngine.
func (t *Tape) Bare(bool) (time.Duration, error) { return 0, sim.ErrNoEngine }

// Phases returns sim.ErrNoEngine.
func (t *Tape) Phases() (Phases, error) { return Phases{}, sim.ErrNoEngine }

// Memory is zero without the engine.
func (e *Env) Memory() int { return 0 }
