//go:build !mujoco

package mujoco

import "korr/sim"

// Env is the environment of binaries built without MuJoCo; New never returns one.
type Env struct{ sim.Env }

// New returns sim.ErrNoEngine in a binary built without the tag mujoco.
func New(cfg Config) (*Env, error) {
	if _, _, err := cfg.resolve(); err != nil {
		return nil, err
	}
	return nil, sim.ErrNoEngine
}

// Fingerprint returns sim.ErrNoEngine in a binary built without the tag mujoco.
func Fingerprint(string) (string, error) { return "", sim.ErrNoEngine }
