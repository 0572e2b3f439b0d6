package msgs

import (
	"time"

	"korr/ros/node"
)

// SimState is korr_msgs/SimState; see korr_msgs/msg/SimState.msg.
type SimState struct {
	node.Package  `ros:"korr_msgs"`
	Header        Header
	Seed          uint64
	Episode, Step uint32
	Reward        float32
	EpisodeReturn float32
	Terminated    bool
	Truncated     bool
	Success       bool
	Error         string
}

// Over reports whether the episode has ended, for whatever reason.
func (s *SimState) Over() bool { return s.Terminated || s.Truncated || s.Error != "" }

// ResetReq is the request of korr_msgs/Reset.
type ResetReq struct {
	node.Package `ros:"korr_msgs"`
	Seed         uint64
}

// ResetRes is the response of korr_msgs/Reset.
type ResetRes struct {
	node.Package `ros:"korr_msgs"`
	Success      bool
	Message      string
	Episode      uint32
	Stamp        time.Time
}

// Reset is korr_msgs/Reset: starts the episode of a seed.
type Reset struct {
	node.Package `ros:"korr_msgs"`
	ResetReq
	ResetRes
}

// StepReq is the request of korr_msgs/Step.
type StepReq struct {
	node.Package `ros:"korr_msgs"`
	Steps        uint32
}

// StepRes is the response of korr_msgs/Step.
type StepRes struct {
	node.Package `ros:"korr_msgs"`
	Success      bool
	Message      string
}

// Step is korr_msgs/Step: advances a paused simulator.
type Step struct {
	node.Package `ros:"korr_msgs"`
	StepReq
	StepRes
}
