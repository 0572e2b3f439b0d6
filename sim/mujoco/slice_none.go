//go:build !mujoco

package mujoco

import (
	"errors"

	"korr/sim"
)

// ErrDisturb means that a disturbance cannot be done now or ever; its text says why.
var ErrDisturb = errors.New("disturb")

// Slices is 0 in a binary built without MuJoCo.
func (e *Env) Slices() int { return 0 }

// StepSlice returns sim.ErrNoEngine in a binary built without MuJoCo.
func (e *Env) StepSlice([]float32, [3]float64, [4]float64, float64, int, int) (sim.Result, error) {
	return sim.Result{}, sim.ErrNoEngine
}

// PushPart returns sim.ErrNoEngine in a binary built without MuJoCo.
func (e *Env) PushPart(int, [6]float64) error { return sim.ErrNoEngine }

// MovePart returns sim.ErrNoEngine in a binary built without MuJoCo.
func (e *Env) MovePart(int, [3]float64, [3]float64) error { return sim.ErrNoEngine }
