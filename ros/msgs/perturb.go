package msgs

import "korr/ros/node"

// Kinds of injections; see korr_msgs/srv/Perturb.srv.
const (
	PerturbForce   = "force"
	PerturbPose    = "pose"
	PerturbNoise   = "noise"
	PerturbDelay   = "delay"
	PerturbLoss    = "loss"
	PerturbStuck   = "stuck"
	PerturbStamp   = "stamp"
	PerturbClock   = "clock"
	PerturbNaN     = "nan"
	PerturbLength  = "length"
	PerturbReorder = "reorder"
	PerturbSet     = "set"
	PerturbAdd     = "add"
	PerturbFrame   = "frame"
	PerturbMode    = "mode"
	PerturbClear   = "clear"
)

// PerturbReq is the request of korr_msgs/Perturb.
type PerturbReq struct {
	node.Package     `ros:"korr_msgs"`
	node.Definitions `ros:"string FORCE=force,string POSE=pose,string NOISE=noise,string DELAY=delay,string LOSS=loss,string STUCK=stuck,string STAMP=stamp,string CLOCK=clock,string NAN=nan,string LENGTH=length,string REORDER=reorder,string SET=set,string ADD=add,string FRAME=frame,string MODE=mode,string CLEAR=clear"`
	Kind             string
	Target           string
	Value            []float64
	Duration         float64 // s of the simulator's time
	Seed             uint64
}

// PerturbRes is the response of korr_msgs/Perturb.
type PerturbRes struct {
	node.Package `ros:"korr_msgs"`
	Success      bool
	Message      string
}

// Perturb is korr_msgs/Perturb: disturbs the simulator, or breaks what it publishes.
type Perturb struct {
	node.Package `ros:"korr_msgs"`
	PerturbReq
	PerturbRes
}
