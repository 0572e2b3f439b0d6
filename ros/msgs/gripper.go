package msgs

import "korr/ros/node"

// GraspEpsilon is franka_gripper/GraspEpsilon: by how much the width reached may differ from the one asked for, m.
type GraspEpsilon struct {
	node.Package `ros:"franka_gripper" ros2:"franka_msgs/msg/GraspEpsilon"`
	Inner, Outer float64
}

// GraspGoal is franka_gripper/GraspGoal: closes until something is gripped.
type GraspGoal struct {
	node.Package `ros:"franka_gripper" ros2:"franka_msgs/action/Grasp_Goal"`
	Width        float64 // m
	Epsilon      GraspEpsilon
	Speed        float64 // m/s
	Force        float64 // N
}

// GraspResult is franka_gripper/GraspResult.
type GraspResult struct {
	node.Package `ros:"franka_gripper" ros2:"franka_msgs/action/Grasp_Result"`
	Success      bool
	Error        string
}

// GraspFeedback is franka_gripper/GraspFeedback, which is empty.
type GraspFeedback struct {
	node.Package `ros:"franka_gripper" ros2:"franka_msgs/action/Grasp_Feedback"`
}

// GraspActionGoal is franka_gripper/GraspActionGoal.
type GraspActionGoal struct {
	node.Package `ros:"franka_gripper"`
	Header       Header
	GoalId       GoalID //nolint:revive // the wire name is goal_id
	Goal         GraspGoal
}

// GraspActionResult is franka_gripper/GraspActionResult.
type GraspActionResult struct {
	node.Package `ros:"franka_gripper"`
	Header       Header
	Status       GoalStatus
	Result       GraspResult
}

// GraspActionFeedback is franka_gripper/GraspActionFeedback.
type GraspActionFeedback struct {
	node.Package `ros:"franka_gripper"`
	Header       Header
	Status       GoalStatus
	Feedback     GraspFeedback
}

// MoveGoal is franka_gripper/MoveGoal: moves to a width.
type MoveGoal struct {
	node.Package `ros:"franka_gripper" ros2:"franka_msgs/action/Move_Goal"`
	Width        float64 // m
	Speed        float64 // m/s
}

// MoveResult is franka_gripper/MoveResult.
type MoveResult struct {
	node.Package `ros:"franka_gripper" ros2:"franka_msgs/action/Move_Result"`
	Success      bool
	Error        string
}

// MoveFeedback is franka_gripper/MoveFeedback, which is empty.
type MoveFeedback struct {
	node.Package `ros:"franka_gripper" ros2:"franka_msgs/action/Move_Feedback"`
}

// MoveActionGoal is franka_gripper/MoveActionGoal.
type MoveActionGoal struct {
	node.Package `ros:"franka_gripper"`
	Header       Header
	GoalId       GoalID //nolint:revive // the wire name is goal_id
	Goal         MoveGoal
}

// MoveActionResult is franka_gripper/MoveActionResult.
type MoveActionResult struct {
	node.Package `ros:"franka_gripper"`
	Header       Header
	Status       GoalStatus
	Result       MoveResult
}

// MoveActionFeedback is franka_gripper/MoveActionFeedback.
type MoveActionFeedback struct {
	node.Package `ros:"franka_gripper"`
	Header       Header
	Status       GoalStatus
	Feedback     MoveFeedback
}

// HomingGoal is franka_gripper/HomingGoal: finds the largest width.
type HomingGoal struct {
	node.Package `ros:"franka_gripper" ros2:"franka_msgs/action/Homing_Goal"`
}

// HomingResult is franka_gripper/HomingResult.
type HomingResult struct {
	node.Package `ros:"franka_gripper" ros2:"franka_msgs/action/Homing_Result"`
	Success      bool
	Error        string
}

// HomingFeedback is franka_gripper/HomingFeedback, which is empty.
type HomingFeedback struct {
	node.Package `ros:"franka_gripper" ros2:"franka_msgs/action/Homing_Feedback"`
}

// HomingActionGoal is franka_gripper/HomingActionGoal.
type HomingActionGoal struct {
	node.Package `ros:"franka_gripper"`
	Header       Header
	GoalId       GoalID //nolint:revive // the wire name is goal_id
	Goal         HomingGoal
}

// HomingActionResult is franka_gripper/HomingActionResult.
type HomingActionResult struct {
	node.Package `ros:"franka_gripper"`
	Header       Header
	Status       GoalStatus
	Result       HomingResult
}

// HomingActionFeedback is franka_gripper/HomingActionFeedback.
type HomingActionFeedback struct {
	node.Package `ros:"franka_gripper"`
	Header       Header
	Status       GoalStatus
	Feedback     HomingFeedback
}

// StopGoal is franka_gripper/StopGoal: stops and keeps the width.
type StopGoal struct {
	node.Package `ros:"franka_gripper"`
}

// StopResult is franka_gripper/StopResult.
type StopResult struct {
	node.Package `ros:"franka_gripper"`
	Success      bool
	Error        string
}

// StopFeedback is franka_gripper/StopFeedback, which is empty.
type StopFeedback struct {
	node.Package `ros:"franka_gripper"`
}

// StopActionGoal is franka_gripper/StopActionGoal.
type StopActionGoal struct {
	node.Package `ros:"franka_gripper"`
	Header       Header
	GoalId       GoalID //nolint:revive // the wire name is goal_id
	Goal         StopGoal
}

// StopActionResult is franka_gripper/StopActionResult.
type StopActionResult struct {
	node.Package `ros:"franka_gripper"`
	Header       Header
	Status       GoalStatus
	Result       StopResult
}

// StopActionFeedback is franka_gripper/StopActionFeedback.
type StopActionFeedback struct {
	node.Package `ros:"franka_gripper"`
	Header       Header
	Status       GoalStatus
	Feedback     StopFeedback
}
