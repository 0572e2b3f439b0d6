package robot

import (
	"errors"

	"korr/basepolicy"
	"korr/internal/setting"
	"korr/residual/loop"
	"korr/residual/loop/realtime"
)

// Settings are the section run. It closes the loop over ROS: how the robot is reached, who decides, and how time is
// kept.
type Settings struct {
	Robot      string `yaml:"robot"`       // how the robot is reached: ros1, ros2, rosbridge
	URL        string `yaml:"url"`         // of the rosbridge server
	ROSVersion int    `yaml:"ros_version"` // of the ROS behind the rosbridge server: 1, 2
	// YAML file that describes an arm of joint states and trajectories (docs/safety.md); empty = a Franka
	Arm        string  `yaml:"arm"`
	Frame      string  `yaml:"frame"`       // frame_id of a Franka's commands; a controller may refuse others
	PartsFrame string  `yaml:"parts_frame"` // frame_id of the parts' poses; others stop the arm
	Policy     string  `yaml:"policy"`      // base, resip or korr with the shipped weights, or the path of a checkpoint
	Master     string  // ROS master; empty = $ROS_MASTER_URI
	RateHz     float64 `yaml:"rate_hz"` // control steps per second
	// go on by itself after a hold for old observations or a late chunk, once that is over
	Resume        bool                   `yaml:"resume"`
	Deadman       bool                   `yaml:"deadman"` // hold unless ~deadman speaks every 0.3 s
	MaxAgePeriods int                    // an observation older than this stops the arm
	MaxMisses     int                    // missed deadlines in a row that stop the arm
	Ahead         basepolicy.AheadConfig `yaml:",inline"`
	Tracking      loop.Tracking          `yaml:",inline"`
	Realtime      realtime.Options       `yaml:",inline"`
	Metrics       string                 `yaml:"metrics"` // host:port of a Prometheus server; empty = none
	// file with the token that it asks for; required beyond the loopback interface
	MetricsTokenFile string `yaml:"metrics_token_file"`
}

// Validate implements the check of package configs.
func (r *Settings) Validate() error {
	return errors.Join(r.Tracking.Validate(), r.Realtime.Validate(), setting.Check(
		"run",
		setting.OneOf("robot", r.Robot, "ros1", "ros2", "rosbridge"),
		setting.Within("ros_version", r.ROSVersion, 1, 2),
		setting.Given("policy", r.Policy, "a policy"),
		setting.Within("rate_hz", r.RateHz, 1, 1000),
		setting.AtLeast("max_age_periods", r.MaxAgePeriods, 1),
		setting.AtLeast("max_misses", r.MaxMisses, 1),
		setting.AtLeast("lead", r.Ahead.Lead, 0),
		setting.AtLeast("bridge", r.Ahead.Bridge, 0),
	))
}

// DefaultSettings reach a Franka over ROS 1 at 10 Hz.
func DefaultSettings() Settings {
	return Settings{
		Robot: "ros1", URL: "ws://127.0.0.1:9090", ROSVersion: 2, Policy: "korr", Frame: "panda_link0", PartsFrame: "tag",
		RateHz: 10, Resume: true,
		MaxAgePeriods: 3, MaxMisses: loop.DefaultMaxMisses,
		Ahead: basepolicy.AheadConfig{Lead: 1, Bridge: 8}, Tracking: loop.DefaultTracking(),
		Realtime: realtime.DefaultOptions(),
	}
}
