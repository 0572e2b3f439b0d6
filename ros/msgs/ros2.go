package msgs

import (
	"time"

	"korr/ros/node"
)

// The messages in this file exist in ROS 2 only.

// UUID is unique_identifier_msgs/msg/UUID.
type UUID struct {
	node.Package `ros:"unique_identifier_msgs"`
	Uuid         [16]uint8 //nolint:revive // the wire name is uuid
}

// GoalInfo is action_msgs/msg/GoalInfo.
type GoalInfo struct {
	node.Package `ros:"action_msgs"`
	GoalId       UUID //nolint:revive // the wire name is goal_id
	Stamp        time.Time
}

// States of a goal of an action of ROS 2 (action_msgs/msg/GoalStatus).
const (
	Goal2Unknown   int8 = 0
	Goal2Accepted  int8 = 1
	Goal2Executing int8 = 2
	Goal2Canceling int8 = 3
	Goal2Succeeded int8 = 4
	Goal2Canceled  int8 = 5
	Goal2Aborted   int8 = 6
)

// GoalStatus2 is action_msgs/msg/GoalStatus.
type GoalStatus2 struct {
	node.Package     `ros:"action_msgs" ros2:"action_msgs/msg/GoalStatus"`
	node.Definitions `ros:"int8 STATUS_UNKNOWN=0,int8 STATUS_ACCEPTED=1,int8 STATUS_EXECUTING=2,int8 STATUS_CANCELING=3,int8 STATUS_SUCCEEDED=4,int8 STATUS_CANCELED=5,int8 STATUS_ABORTED=6"`
	GoalInfo         GoalInfo
	Status           int8
}

// GoalStatusArray2 is action_msgs/msg/GoalStatusArray.
type GoalStatusArray2 struct {
	node.Package `ros:"action_msgs" ros2:"action_msgs/msg/GoalStatusArray"`
	StatusList   []GoalStatus2
}

// Answers to a request to cancel (CancelGoalRes).
const (
	CancelNone       int8 = 0
	CancelRejected   int8 = 1
	CancelUnknownID  int8 = 2
	CancelTerminated int8 = 3
)

// CancelGoalService is the type of every action's cancel service.
const CancelGoalService = "action_msgs/srv/CancelGoal"

// CancelGoalReq is the request of action_msgs/srv/CancelGoal.
type CancelGoalReq struct {
	node.Package `ros:"action_msgs" ros2:"action_msgs/srv/CancelGoal_Request"`
	GoalInfo     GoalInfo
}

// CancelGoalRes is the response of action_msgs/srv/CancelGoal.
type CancelGoalRes struct {
	node.Package     `ros:"action_msgs" ros2:"action_msgs/srv/CancelGoal_Response"`
	node.Definitions `ros:"int8 ERROR_NONE=0,int8 ERROR_REJECTED=1,int8 ERROR_UNKNOWN_GOAL_ID=2,int8 ERROR_GOAL_TERMINATED=3"`
	ReturnCode       int8
	GoalsCanceling   []GoalInfo
}

// RosoutLog is rcl_interfaces/msg/Log, what Log is in ROS 1.
type RosoutLog struct {
	node.Package     `ros:"rcl_interfaces" ros2:"rcl_interfaces/msg/Log"`
	node.Definitions `ros:"byte DEBUG=10,byte INFO=20,byte WARN=30,byte ERROR=40,byte FATAL=50"`
	Stamp            time.Time
	Level            uint8
	Name             string
	Msg              string
	File             string
	Function         string
	Line             uint32
}

// Gid16 is rmw_dds_common/msg/Gid since Iron.
type Gid16 struct {
	node.Package `ros:"rmw_dds_common" ros2:"rmw_dds_common/msg/Gid"`
	Data         [16]uint8
}

// NodeEntities16 is rmw_dds_common/msg/NodeEntitiesInfo since Iron.
type NodeEntities16 struct {
	node.Package  `ros:"rmw_dds_common" ros2:"rmw_dds_common/msg/NodeEntitiesInfo"`
	NodeNamespace string
	NodeName      string
	ReaderGidSeq  []Gid16
	WriterGidSeq  []Gid16
}

// ParticipantEntities16 is rmw_dds_common/msg/ParticipantEntitiesInfo since Iron: which nodes a participant holds.
type ParticipantEntities16 struct {
	node.Package        `ros:"rmw_dds_common" ros2:"rmw_dds_common/msg/ParticipantEntitiesInfo"`
	Gid                 Gid16
	NodeEntitiesInfoSeq []NodeEntities16
}

// Gid24 is rmw_dds_common/msg/Gid of Humble.
type Gid24 struct {
	node.Package `ros:"rmw_dds_common" ros2:"rmw_dds_common/msg/Gid"`
	Data         [24]uint8
}

// NodeEntities24 is rmw_dds_common/msg/NodeEntitiesInfo of Humble.
type NodeEntities24 struct {
	node.Package  `ros:"rmw_dds_common" ros2:"rmw_dds_common/msg/NodeEntitiesInfo"`
	NodeNamespace string
	NodeName      string
	ReaderGidSeq  []Gid24
	WriterGidSeq  []Gid24
}

// ParticipantEntities24 is rmw_dds_common/msg/ParticipantEntitiesInfo of Humble.
type ParticipantEntities24 struct {
	node.Package        `ros:"rmw_dds_common" ros2:"rmw_dds_common/msg/ParticipantEntitiesInfo"`
	Gid                 Gid24
	NodeEntitiesInfoSeq []NodeEntities24
}
