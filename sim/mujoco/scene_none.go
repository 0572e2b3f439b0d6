//go:build !mujoco

package mujoco

import "korr/sim"

// Watch reads an environment's scene; binaries built without MuJoCo have none.
type Watch struct{}

// NewWatch returns sim.ErrNoEngine in a binary built without the tag mujoco.
func NewWatch(*Env) (*Watch, error) { return nil, sim.ErrNoEngine }

// Scene returns sim.ErrNoEngine in a binary built without the tag mujoco.
func (e *Env) Scene() (*Scene, error) { return nil, sim.ErrNoEngine }

// FrameTo does nothing.
func (w *Watch) FrameTo(*SceneFrame) {}

// Step returns sim.ErrNoEngine.
func (w *Watch) Step([]float32, []float32, int, float64, uint64, func(int)) (sim.Result, error) {
	return sim.Result{}, sim.ErrNoEngine
}

// SetPerturb returns sim.ErrNoEngine.
func (w *Watch) SetPerturb(float64) error { return sim.ErrNoEngine }

// Put returns sim.ErrNoEngine.
func (w *Watch) Put([]float32) error { return sim.ErrNoEngine }
