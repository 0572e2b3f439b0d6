package disturb

import (
	"math"

	"korr/internal/setting"
)

// Bounds of a Config.
const (
	largestDelay   = 100  // control steps
	largestDropout = 0.99 // probability
	largestBurst   = 1000 // control steps
)

// Config sets both channels; the zero value changes nothing. Noise is given by its standard deviation per component.
// Fields without a key are for profiles and for those who call the package.
type Config struct {
	Robot Robot
	Parts Parts `yaml:"part"`
}

// Robot disturbs the robot state.
type Robot struct {
	Position float64 // m
	Rotation float64 // rad
	Velocity float64 // m/s, linear
	Spin     float64 // rad/s, angular velocity
	Gripper  float64 // m, of the gripper's width
	Delay    int     // control steps before the robot state arrives
	Jitter   float64 // control steps, bound of what a measurement comes earlier or later
	Dropout  float64 // probability per control step
}

// Parts disturbs the part poses, the obstacle's among them.
type Parts struct {
	Position float64 `yaml:"position"` // m, noise of every part's position
	Rotation float64 `yaml:"rotation"` // rad, of its rotation, about each axis
	Delay    int     `yaml:"delay"`    // control steps before the part poses arrive
	Jitter   float64 // control steps, bound of what a measurement comes earlier or later
	// probability, per part, that a control step shows the pose of the one before
	Dropout float64 `yaml:"dropout"`
	// The hand covers a part: for Occlusion control steps on average (0 = never), with OcclusionChance for a burst to
	// begin in a control step while the tool point is within OcclusionReach (m) of the part's origin.
	Occlusion, OcclusionChance, OcclusionReach float64
}

// On reports whether anything is disturbed.
func (c Config) On() bool { return c != Config{} }

// Validate returns an error that names the first setting which is out of bounds.
func (c Config) Validate() error {
	r, p := c.Robot, c.Parts
	return setting.Check(
		"disturb",
		setting.Within("robot.position", r.Position, 0, math.Pi),
		setting.Within("robot.rotation", r.Rotation, 0, math.Pi),
		setting.Within("robot.velocity", r.Velocity, 0, math.Pi),
		setting.Within("robot.spin", r.Spin, 0, math.Pi),
		setting.Within("robot.gripper", r.Gripper, 0, math.Pi),
		setting.Within("robot.delay", r.Delay, 0, largestDelay),
		setting.Within("robot.jitter", r.Jitter, 0, largestDelay),
		setting.Within("robot.dropout", r.Dropout, 0, largestDropout),
		setting.Within("part.position", p.Position, 0, math.Pi),
		setting.Within("part.rotation", p.Rotation, 0, math.Pi),
		setting.Within("part.delay", p.Delay, 0, largestDelay),
		setting.Within("part.jitter", p.Jitter, 0, largestDelay),
		setting.Within("part.dropout", p.Dropout, 0, largestDropout),
		setting.Within("part.occlusion", p.Occlusion, 0, largestBurst),
		setting.Rule{
			Key: "part.occlusion", OK: p.Occlusion == 0 || p.Occlusion >= 1,
			Want: "is below a control step: use 0, or 1 or more",
		},
		setting.Within("part.occlusion_chance", p.OcclusionChance, 0, 1),
		setting.Within("part.occlusion_reach", p.OcclusionReach, 0, 10),
	)
}

// noisy reports whether the robot's measurements have noise.
func (r Robot) noisy() bool {
	return r.Position > 0 || r.Rotation > 0 || r.Velocity > 0 || r.Spin > 0 || r.Gripper > 0
}

// noisy reports whether the tracker's measurements have noise.
func (p Parts) noisy() bool { return p.Position > 0 || p.Rotation > 0 }
