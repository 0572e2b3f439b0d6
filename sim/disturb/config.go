package disturb

import (
	"fmt"
	"math"
)

// Bounds of a Config.
const (
	largestDelay   = 100  // control steps
	largestDropout = 0.99 // probability
)

// Config sets both channels; the zero value changes nothing. Noise is given by its standard deviation per component.
type Config struct {
	Robot Robot
	Parts Parts
}

// Robot disturbs the robot state.
type Robot struct {
	Position float64 // m
	Rotation float64 // rad
	Velocity float64 // m/s, linear
	Spin     float64 // rad/s, angular velocity
	Gripper  float64 // m, of the gripper's width
	Delay    int     // control steps
	Dropout  float64 // probability per control step
}

// Parts disturbs the part poses, the obstacle's among them.
type Parts struct {
	Position float64 // m
	Rotation float64 // rad
	Delay    int     // control steps
	Dropout  float64 // probability per part and control step
}

// On reports whether anything is disturbed.
func (c Config) On() bool { return c != Config{} }

// Check returns an error that names the first setting which is out of bounds.
func (c Config) Check() error {
	r, p := c.Robot, c.Parts
	for _, noise := range []struct {
		name string
		v    float64
	}{
		{"robot position", r.Position},
		{"robot rotation", r.Rotation},
		{"robot velocity", r.Velocity},
		{"robot spin", r.Spin},
		{"robot gripper", r.Gripper},
		{"part position", p.Position},
		{"part rotation", p.Rotation},
	} {
		if !(noise.v >= 0 && noise.v <= math.Pi) {
			return fmt.Errorf("disturb: %s noise %v: use 0 to pi", noise.name, noise.v)
		}
	}
	for _, delay := range []int{r.Delay, p.Delay} {
		if delay < 0 || delay > largestDelay {
			return fmt.Errorf("disturb: delay of %d control steps: use 0 to %d", delay, largestDelay)
		}
	}
	for _, chance := range []float64{r.Dropout, p.Dropout} {
		if !(chance >= 0 && chance <= largestDropout) {
			return fmt.Errorf("disturb: dropout %v: use 0 to %v", chance, largestDropout)
		}
	}
	return nil
}

// noisy reports whether the robot's measurements have noise.
func (r Robot) noisy() bool {
	return r.Position > 0 || r.Rotation > 0 || r.Velocity > 0 || r.Spin > 0 || r.Gripper > 0
}

// noisy reports whether the tracker's measurements have noise.
func (p Parts) noisy() bool { return p.Position > 0 || p.Rotation > 0 }
