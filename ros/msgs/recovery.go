package msgs

import "korr/ros/node"

// RecoveryAction is the action that clears an arm's errors (franka_msgs/ErrorRecovery).
const RecoveryAction = "/franka_control/error_recovery"

// ErrorRecoveryGoal is franka_msgs/ErrorRecoveryGoal, which is empty.
type ErrorRecoveryGoal struct {
	node.Package `ros:"franka_msgs" ros2:"franka_msgs/action/ErrorRecovery_Goal"`
}

// ErrorRecoveryResult is franka_msgs/ErrorRecoveryResult, which is empty.
type ErrorRecoveryResult struct {
	node.Package `ros:"franka_msgs" ros2:"franka_msgs/action/ErrorRecovery_Result"`
}

// ErrorRecoveryFeedback is franka_msgs/ErrorRecoveryFeedback, which is empty.
type ErrorRecoveryFeedback struct {
	node.Package `ros:"franka_msgs" ros2:"franka_msgs/action/ErrorRecovery_Feedback"`
}

// ErrorRecoveryActionGoal is franka_msgs/ErrorRecoveryActionGoal.
type ErrorRecoveryActionGoal struct {
	node.Package `ros:"franka_msgs"`
	Header       Header
	GoalId       GoalID //nolint:revive // the wire name is goal_id
	Goal         ErrorRecoveryGoal
}

// ErrorRecoveryActionResult is franka_msgs/ErrorRecoveryActionResult.
type ErrorRecoveryActionResult struct {
	node.Package `ros:"franka_msgs"`
	Header       Header
	Status       GoalStatus
	Result       ErrorRecoveryResult
}

// ErrorRecoveryActionFeedback is franka_msgs/ErrorRecoveryActionFeedback.
type ErrorRecoveryActionFeedback struct {
	node.Package `ros:"franka_msgs"`
	Header       Header
	Status       GoalStatus
	Feedback     ErrorRecoveryFeedback
}
