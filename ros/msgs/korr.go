package msgs

import (
	"time"

	"korr/ros/node"
)

// Status is korr_msgs/Status; see korr_msgs/msg/Status.msg. State is residual/loop's State.
type Status struct {
	node.Package     `ros:"korr_msgs"`
	node.Definitions `ros:"uint8 INIT=0,uint8 READY=1,uint8 RUN=2,uint8 HOLD=3,uint8 FAULT=4"`
	Header           Header
	State            uint8
	Cause            string
	Enabled          bool
	Live             bool
	MasterUp         bool
	Policy           string
	Period           float64 // s
	Ticks            uint64
	Sent             uint64
	Misses           uint64
	Holds            uint64
	Fallbacks        uint64
	Clamped          uint64
	LateChunks       uint64
	Age              float64 // s, by the stamp
	ArmAge           float64 // s; negative: never heard
	GripperAge       float64
	PartsAge         float64
	DeadmanAge       float64
	JitterP50        float64 `rosname:"jitter_p50"` // s
	JitterP99        float64 `rosname:"jitter_p99"`
	JitterMax        float64
	LatencyP50       float64 `rosname:"latency_p50"` // s
	LatencyP99       float64 `rosname:"latency_p99"`
	LatencyMax       float64
	Parts            []string  // that the policy's filter estimates; empty without one
	PartAges         []float64 // s, of each one's newest pose by its stamp, when the arm's state was measured
	PartPositions    []float64 // m, standard deviation per axis of where it is believed to be
	PartRotations    []float64 // rad, likewise
	PartGated        []uint32  // poses in a row that the filter's gate kept out
}

// Action is korr_msgs/Action; see korr_msgs/msg/Action.msg. Clamps are residual/shield's bits.
type Action struct {
	node.Package     `ros:"korr_msgs"`
	node.Definitions `ros:"uint32 WORKSPACE=1,uint32 RATE=2,uint32 STEP=4,uint32 ORTHONORMAL=8,uint32 NO_ROTATION=16,uint32 TURN_RATE=32,uint32 TURN=64,uint32 GRIPPER=128"`
	Header           Header // stamp of the observation
	Tick             uint64
	Sequence         uint64
	State            uint8
	Sent             bool
	FellBack         bool
	Age              float64 // s
	Latency          float64 // s
	Base             []float32
	Residual         []float32
	Sum              []float32
	Command          []float32
	Clamps           uint32
	Innovation       float32
}

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
