package robot

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"path/filepath"

	"go.yaml.in/yaml/v3"

	"korr/internal/regular"
	"korr/residual/shield"
	"korr/ros/msgs"
	"korr/ros/robot/chain"
)

// ArmFile describes an arm other than a Franka: one that reports sensor_msgs/JointState and takes
// trajectory_msgs/JointTrajectory, or the pose of its tool.
type ArmFile struct {
	Name          string      `yaml:"name"`
	Frame         string      `yaml:"frame"`           // that commands and observations are in: the base of the chain
	Chain         chain.Spec  `yaml:"chain"`           // kinematics and the limits of the joints
	StateTopic    string      `yaml:"state_topic"`     // JointState; /joint_states
	Command       string      `yaml:"command"`         // trajectory (the default) or pose
	CommandTopic  string      `yaml:"command_topic"`   // JointTrajectory or PoseStamped
	TimeFromStart float64     `yaml:"time_from_start"` // s, in which a trajectory's one point is to be reached; 0.1
	Gripper       GripperFile `yaml:"gripper"`
	Limits        *LimitsFile `yaml:"limits"` // of the tool; none: those of the real Franka arm

	kinematics *chain.Chain
}

// GripperFile describes a gripper whose joints are part of a JointState. Without joints the arm has none.
type GripperFile struct {
	Joints       []string  `yaml:"joints"`
	StateTopic   string    `yaml:"state_topic"`   // JointState; the arm's
	Offset       float64   `yaml:"offset"`        // m; width = offset + scale * sum of the joints
	Scale        float64   `yaml:"scale"`         // 1
	CommandTopic string    `yaml:"command_topic"` // JointTrajectory
	Open         []float64 `yaml:"open"`          // joints when open
	Closed       []float64 `yaml:"closed"`        // joints to close to
	Seconds      float64   `yaml:"seconds"`       // to open or close; 1
	Width        float64   `yaml:"width"`         // m, reported when there are no joints
}

// LimitsFile are shield.Limits in metres and radians.
type LimitsFile struct {
	Min          [3]float64 `yaml:"min"` // workspace box
	Max          [3]float64 `yaml:"max"`
	MaxStep      float64    `yaml:"max_step"`       // from the measured position
	MaxTurn      float64    `yaml:"max_turn"`       // from the measured rotation
	MaxSpeed     float64    `yaml:"max_speed"`      // m/s of the command
	MaxTurnRate  float64    `yaml:"max_turn_rate"`  // rad/s
	MaxAccel     float64    `yaml:"max_accel"`      // m/s^2; 10
	MaxTurnAccel float64    `yaml:"max_turn_accel"` // rad/s^2; 60
}

// Shield returns the limits of the tool.
func (l *LimitsFile) Shield() *shield.Limits {
	d := shield.Default()
	return &shield.Limits{
		Min: l.Min, Max: l.Max, MaxStep: l.MaxStep, MaxTurn: l.MaxTurn, MaxSpeed: l.MaxSpeed, MaxTurnRate: l.MaxTurnRate,
		MaxAccel: cmp.Or(l.MaxAccel, d.MaxAccel), MaxTurnAccel: cmp.Or(l.MaxTurnAccel, d.MaxTurnAccel),
	}
}

// LoadArm reads an arm's description, a YAML file. Keys that are not known are errors.
func LoadArm(path string) (*ArmFile, error) {
	data, err := regular.Read(path, regular.Text)
	if err != nil {
		return nil, fmt.Errorf("arm: %w", err)
	}
	a, err := ParseArm(data, filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("arm %s: %w", path, err)
	}
	return a, nil
}

// ParseArm reads an arm's description; dir is the folder that a URDF's name is relative to.
func ParseArm(data []byte, dir string) (*ArmFile, error) {
	a := &ArmFile{
		StateTopic: msgs.JointTopic, Command: "trajectory", Frame: "base_link", TimeFromStart: 0.1,
		Gripper: GripperFile{Scale: 1, Seconds: 1},
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(a); err != nil {
		return nil, err
	}
	g := &a.Gripper
	if g.StateTopic == "" {
		g.StateTopic = a.StateTopic
	}
	switch {
	case a.Name == "":
		return nil, errors.New("it has no name")
	case a.Command != "trajectory" && a.Command != "pose":
		return nil, fmt.Errorf("command %q: trajectory or pose", a.Command)
	case a.CommandTopic == "":
		return nil, errors.New("it has no command_topic")
	case !(a.TimeFromStart > 0 && a.TimeFromStart < 60) || !(g.Seconds > 0 && g.Seconds < 60):
		return nil, errors.New("time_from_start and gripper.seconds: want seconds above 0")
	case len(g.Joints) > 0 && g.CommandTopic != "" && (len(g.Open) != len(g.Joints) || len(g.Closed) != len(g.Joints)):
		return nil, fmt.Errorf("gripper: %d joints want as many values in open and closed", len(g.Joints))
	}
	if a.Limits != nil {
		if err := a.Limits.Shield().Validate(); err != nil {
			return nil, fmt.Errorf("limits: %w", err)
		}
	}
	var err error
	a.kinematics, err = a.Chain.Chain(dir)
	return a, err
}
