package msgs

import (
	"korr/internal/geom"
	"korr/ros/node"
)

// Point is geometry_msgs/Point, m.
type Point struct {
	node.Package `ros:"geometry_msgs"`
	X, Y, Z      float64
}

// Quaternion is geometry_msgs/Quaternion.
type Quaternion struct {
	node.Package `ros:"geometry_msgs"`
	X, Y, Z, W   float64
}

// Pose is geometry_msgs/Pose.
type Pose struct {
	node.Package `ros:"geometry_msgs"`
	Position     Point
	Orientation  Quaternion
}

// PoseStamped is geometry_msgs/PoseStamped.
type PoseStamped struct {
	node.Package `ros:"geometry_msgs"`
	Header       Header
	Pose         Pose
}

// PoseArray is geometry_msgs/PoseArray.
type PoseArray struct {
	node.Package `ros:"geometry_msgs"`
	Header       Header
	Poses        []Pose
}

// PoseOf returns the message of a pose; every component crosses the wire unchanged.
func PoseOf(p geom.Pose) Pose {
	return Pose{
		Position:    Point{X: p.P[0], Y: p.P[1], Z: p.P[2]},
		Orientation: Quaternion{X: p.Q[0], Y: p.Q[1], Z: p.Q[2], W: p.Q[3]},
	}
}

// Geom returns the pose of the message as it is, not normalised.
func (p *Pose) Geom() geom.Pose {
	return geom.Pose{
		P: geom.Vec3{p.Position.X, p.Position.Y, p.Position.Z},
		Q: geom.Quat{p.Orientation.X, p.Orientation.Y, p.Orientation.Z, p.Orientation.W},
	}
}
