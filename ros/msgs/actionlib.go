package msgs

import (
	"time"

	"korr/ros/node"
)

// States of a goal (actionlib_msgs/GoalStatus).
const (
	GoalPending    uint8 = 0
	GoalActive     uint8 = 1
	GoalPreempted  uint8 = 2
	GoalSucceeded  uint8 = 3
	GoalAborted    uint8 = 4
	GoalRejected   uint8 = 5
	GoalPreempting uint8 = 6
)

// GoalID is actionlib_msgs/GoalID.
type GoalID struct {
	node.Package `ros:"actionlib_msgs"`
	Stamp        time.Time
	Id           string //nolint:revive // the wire name is id
}

// GoalStatus is actionlib_msgs/GoalStatus.
type GoalStatus struct {
	node.Package     `ros:"actionlib_msgs"`
	node.Definitions `ros:"uint8 PENDING=0,uint8 ACTIVE=1,uint8 PREEMPTED=2,uint8 SUCCEEDED=3,uint8 ABORTED=4,uint8 REJECTED=5,uint8 PREEMPTING=6,uint8 RECALLING=7,uint8 RECALLED=8,uint8 LOST=9"`
	GoalId           GoalID //nolint:revive // the wire name is goal_id
	Status           uint8
	Text             string
}

// GoalStatusArray is actionlib_msgs/GoalStatusArray.
type GoalStatusArray struct {
	node.Package `ros:"actionlib_msgs"`
	Header       Header
	StatusList   []GoalStatus
}
