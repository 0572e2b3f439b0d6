//go:build mujoco

package mujoco

import "unsafe"

// Handles hands out the engine's mjModel and mjData for code that draws them. They belong to e: read them only between
// its calls, and not after Close, which makes both nil.
func (e *Env) Handles() (model, data unsafe.Pointer) {
	if !e.open {
		return nil, nil
	}
	return unsafe.Pointer(e.s.m), unsafe.Pointer(e.s.d)
}
