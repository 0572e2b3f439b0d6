package record

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"korr/ros/msgs"
)

// Topics name what Read looks for in a bag.
type Topics struct {
	State     string // franka_msgs/FrankaState
	Fingers   string // sensor_msgs/JointState; the width is the sum of the first two positions
	Parts     string // geometry_msgs/PoseArray, tag frame
	PartNames string // std_msgs/String, comma-separated; without it the parts are in the task's order
	Command   string // geometry_msgs/PoseStamped
	Gripper   string // prefix of grasp/goal, move/goal and homing/goal
	// korr_msgs/SimState, or std_msgs/Bool: true begins an episode, false ends it; "" = SimStateTopic, if it is there
	Marker  string
	Success string // std_msgs/Bool: the operator's verdict; "" = none
}

// DefaultTopics are those of franka_ros and of the simulator.
func DefaultTopics() Topics {
	return Topics{
		State: msgs.StateTopic, Fingers: msgs.FingerTopic, Parts: msgs.PartsTopic, PartNames: msgs.PartNamesTopic,
		Command: msgs.CommandTopic, Gripper: msgs.GripperAction,
	}
}

// fields are the topics by the names that Set knows.
func (t *Topics) fields() map[string]*string {
	return map[string]*string{
		"state": &t.State, "fingers": &t.Fingers, "parts": &t.Parts, "part_names": &t.PartNames, "command": &t.Command,
		"gripper": &t.Gripper, "marker": &t.Marker, "success": &t.Success,
	}
}

// Set takes one remapping, "parts=/tracker/poses".
func (t *Topics) Set(remap string) error {
	name, topic, ok := strings.Cut(remap, "=")
	f := t.fields()
	if !ok || f[name] == nil || !strings.HasPrefix(topic, "/") {
		return fmt.Errorf("%q: want NAME=/topic with NAME one of %s", remap, strings.Join(slices.Sorted(maps.Keys(f)), ", "))
	}
	if name == "gripper" && !strings.HasSuffix(topic, "/") {
		topic += "/"
	}
	*f[name] = topic
	return nil
}
