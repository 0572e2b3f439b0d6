package msgs

import "korr/ros/node"

// EpisodeResult is korr_msgs/EpisodeResult.
type EpisodeResult struct {
	node.Package `ros:"korr_msgs"`
	Seed         uint64
	Steps        uint32
	Success      bool
	Fault        string
}

// EvaluateGoal is korr_msgs/EvaluateGoal; see korr_msgs/action/Evaluate.action.
type EvaluateGoal struct {
	node.Package `ros:"korr_msgs"`
	Task         string
	Randomness   string
	Perturb      float64
	Policy       string
	Episodes     uint32
	Seed         uint64
	OverRos      bool //nolint:revive // the wire name is over_ros
}

// EvaluateResult is korr_msgs/EvaluateResult.
type EvaluateResult struct {
	node.Package `ros:"korr_msgs"`
	Episodes     uint32
	Successes    uint32
	Rate         float64
	RateLow      float64 // 95 % Wilson interval
	RateHigh     float64
	Results      []EpisodeResult
	Error        string
}

// EvaluateFeedback is korr_msgs/EvaluateFeedback.
type EvaluateFeedback struct {
	node.Package `ros:"korr_msgs"`
	Done         uint32
	Total        uint32
	Successes    uint32
	Rate         float64 // so far
	RateLow      float64
	RateHigh     float64
	Episode      EpisodeResult
}

// EvaluateActionGoal is korr_msgs/EvaluateActionGoal.
type EvaluateActionGoal struct {
	node.Package `ros:"korr_msgs"`
	Header       Header
	GoalId       GoalID //nolint:revive // the wire name is goal_id
	Goal         EvaluateGoal
}

// EvaluateActionResult is korr_msgs/EvaluateActionResult.
type EvaluateActionResult struct {
	node.Package `ros:"korr_msgs"`
	Header       Header
	Status       GoalStatus
	Result       EvaluateResult
}

// EvaluateActionFeedback is korr_msgs/EvaluateActionFeedback.
type EvaluateActionFeedback struct {
	node.Package `ros:"korr_msgs"`
	Header       Header
	Status       GoalStatus
	Feedback     EvaluateFeedback
}
