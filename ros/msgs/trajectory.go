package msgs

import (
	"time"

	"korr/ros/node"
)

// JointTrajectoryPoint is trajectory_msgs/JointTrajectoryPoint.
type JointTrajectoryPoint struct {
	node.Package  `ros:"trajectory_msgs"`
	Positions     []float64 // rad or m
	Velocities    []float64
	Accelerations []float64
	Effort        []float64
	TimeFromStart time.Duration
}

// JointTrajectory is trajectory_msgs/JointTrajectory.
type JointTrajectory struct {
	node.Package `ros:"trajectory_msgs"`
	Header       Header
	JointNames   []string
	Points       []JointTrajectoryPoint
}
