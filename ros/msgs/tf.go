package msgs

import (
	"korr/internal/geom"
	"korr/ros/node"
)

// Topics of the transform tree, and the fixed frames of the cell.
const (
	TFTopic       = "/tf"        // TFMessage
	TFStaticTopic = "/tf_static" // TFMessage, latched
	BaseFrame     = "panda_link0"
	TagFrame      = "tag"
)

// Vector3 is geometry_msgs/Vector3.
type Vector3 struct {
	node.Package `ros:"geometry_msgs"`
	X, Y, Z      float64
}

// Transform is geometry_msgs/Transform.
type Transform struct {
	node.Package `ros:"geometry_msgs"`
	Translation  Vector3
	Rotation     Quaternion
}

// TransformStamped is geometry_msgs/TransformStamped: the pose of ChildFrameId in the header's frame.
type TransformStamped struct {
	node.Package `ros:"geometry_msgs"`
	Header       Header
	ChildFrameId string //nolint:revive // the wire name is child_frame_id
	Transform    Transform
}

// TFMessage is tf2_msgs/TFMessage.
type TFMessage struct {
	node.Package `ros:"tf2_msgs"`
	Transforms   []TransformStamped
}

// TransformOf returns the transform of a pose.
func TransformOf(p geom.Pose) Transform {
	return Transform{
		Translation: Vector3{X: p.P[0], Y: p.P[1], Z: p.P[2]},
		Rotation:    Quaternion{X: p.Q[0], Y: p.Q[1], Z: p.Q[2], W: p.Q[3]},
	}
}
