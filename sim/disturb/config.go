package disturb

import (
	"fmt"
	"math"
)

// Bounds of a Config.
const (
	largestDelay   = 100  // control steps
	largestDropout = 0.99 // probability
	largestBurst   = 1000 // control steps
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
	Jitter   float64 // control steps, bound of what a measurement comes earlier or later
	Dropout  float64 // probability per control step
}

// Parts disturbs the part poses, the obstacle's among them.
type Parts struct {
	Position float64 // m
	Rotation float64 // rad
	Delay    int     // control steps
	Jitter   float64 // control steps, bound of what a measurement comes earlier or later
	Dropout  float64 // probability per part and control step
	// The hand covers a part: for Occlusion control steps on average (0 = never), with OcclusionChance for a burst to begin in a
	// control step while the tool point is within OcclusionReach (m) of the part's origin.
	Occlusion, OcclusionChance, OcclusionReach float64
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
	for _, jitter := range []float64{r.Jitter, p.Jitter} {
		if !(jitter >= 0 && jitter <= largestDelay) {
			return fmt.Errorf("disturb: jitter of %v control steps: use 0 to %d", jitter, largestDelay)
		}
	}
	for _, chance := range []float64{r.Dropout, p.Dropout} {
		if !(chance >= 0 && chance <= largestDropout) {
			return fmt.Errorf("disturb: dropout %v: use 0 to %v", chance, largestDropout)
		}
	}
	return p.checkOcclusion()
}

func (p Parts) checkOcclusion() error {
	switch {
	case !(p.Occlusion >= 0 && p.Occlusion <= largestBurst) || p.Occlusion > 0 && p.Occlusion < 1:
		return fmt.Errorf("disturb: occlusion of %v control steps: use 0, or 1 to %d", p.Occlusion, largestBurst)
	case !(p.OcclusionChance >= 0 && p.OcclusionChance <= 1):
		return fmt.Errorf("disturb: chance %v of an occlusion: use 0 to 1", p.OcclusionChance)
	case !(p.OcclusionReach >= 0 && p.OcclusionReach <= 10):
		return fmt.Errorf("disturb: occlusion within %v m: use 0 to 10", p.OcclusionReach)
	}
	return nil
}

// noisy reports whether the robot's measurements have noise.
func (r Robot) noisy() bool {
	return r.Position > 0 || r.Rotation > 0 || r.Velocity > 0 || r.Spin > 0 || r.Gripper > 0
}

// noisy reports whether the tracker's measurements have noise.
func (p Parts) noisy() bool { return p.Position > 0 || p.Rotation > 0 }
