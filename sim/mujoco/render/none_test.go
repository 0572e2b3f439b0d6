//go:build !mujoco

package render

import (
	"errors"
	"testing"
)

func TestNoEngine(t *testing.T) {
	if r, err := Open(640, 480); r != nil || !errors.Is(err, ErrNoEngine) {
		t.Errorf("renderer %v, error %v, want ErrNoEngine", r, err)
	}
	if _, err := Open(0, 0); err == nil || errors.Is(err, ErrNoEngine) {
		t.Errorf("a bad size: %v", err)
	}
}
