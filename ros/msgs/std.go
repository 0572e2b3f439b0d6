package msgs

import (
	"time"

	"korr/ros/node"
)

// Header is std_msgs/Header.
type Header struct {
	node.Package `ros:"std_msgs"`
	Seq          uint32 `ros2:"-"`
	Stamp        time.Time
	FrameId      string //nolint:revive // the wire name is frame_id
}

// Bool is std_msgs/Bool.
type Bool struct {
	node.Package `ros:"std_msgs"`
	Data         bool
}

// String is std_msgs/String.
type String struct {
	node.Package `ros:"std_msgs"`
	Data         string
}

// Clock is rosgraph_msgs/Clock, the simulated time.
type Clock struct {
	node.Package `ros:"rosgraph_msgs"`
	Clock        time.Time
}

// JointState is sensor_msgs/JointState.
type JointState struct {
	node.Package `ros:"sensor_msgs"`
	Header       Header
	Name         []string
	Position     []float64 // rad or m
	Velocity     []float64 // rad/s or m/s
	Effort       []float64 // N m or N
}

// SetBoolReq is the request of std_srvs/SetBool.
type SetBoolReq struct {
	node.Package `ros:"std_srvs"`
	Data         bool
}

// SetBoolRes is the response of std_srvs/SetBool.
type SetBoolRes struct {
	node.Package `ros:"std_srvs"`
	Success      bool
	Message      string
}

// SetBool is std_srvs/SetBool.
type SetBool struct {
	node.Package `ros:"std_srvs"`
	SetBoolReq
	SetBoolRes
}

// TriggerReq is the empty request of std_srvs/Trigger.
type TriggerReq struct {
	node.Package `ros:"std_srvs"`
}

// TriggerRes is the response of std_srvs/Trigger.
type TriggerRes struct {
	node.Package `ros:"std_srvs"`
	Success      bool
	Message      string
}

// Trigger is std_srvs/Trigger.
type Trigger struct {
	node.Package `ros:"std_srvs"`
	TriggerReq
	TriggerRes
}
