//go:build !mujoco

package render

import (
	"image"

	"korr/sim/mujoco"
)

// Renderer is the renderer of binaries built without MuJoCo; Open never returns one.
type Renderer struct{}

// Open returns ErrNoEngine in a binary built without the tag mujoco.
func Open(width, height int) (*Renderer, error) {
	if err := checkSize(width, height); err != nil {
		return nil, err
	}
	return nil, ErrNoEngine
}

// Size is the size of the pictures in pixels.
func (*Renderer) Size() (width, height int) { return 0, 0 }

// Backend names what draws.
func (*Renderer) Backend() string { return "none" }

// Frame returns ErrNoEngine.
func (*Renderer) Frame(*mujoco.Env, string) (*image.RGBA, error) { return nil, ErrNoEngine }

func (*Renderer) frame(*mujoco.Env, string, int, int) (*image.RGBA, error) { return nil, ErrNoEngine }

// Close does nothing.
func (*Renderer) Close() error { return nil }
