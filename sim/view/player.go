package view

import (
	"math"

	"korr/sim/mujoco"
)

// Pose is a tool pose: position (m) and quaternion x y z w, robot base frame.
type Pose [7]float32

// Sample is what one control step says for the charts.
type Sample struct {
	Step       int     // control steps executed
	Time       float32 // s
	Reward     float32 // of the episode so far
	Residual   float32 // Euclidean norm of the residual action, NaN where there is none
	Innovation float32 // see residual.Info, NaN where there is none
	Phase      string  // see render.Phase
	Target     *Pose   // what the arm was told, nil if unknown
	Base       *Pose   // what the base policy alone would have told it, nil if there is none
	Ended      bool    // nothing follows
	Success    bool    // the task is solved
}

// Advice is what a policy says about an action beside the action.
type Advice struct {
	Base       []float32 // the base policy's raw action [sim.ActDim]; nil for a policy without a base
	Residual   float32   // Euclidean norm of the residual, NaN for a policy without one
	Innovation float32   // NaN when there is none
}

// Policy acts in a live session. One that is a sim.AgeReader is told the ages of what it acts on.
type Policy interface {
	Reset(seed uint64)
	// ActTo writes the raw action for the raw observation, as sim.Policy does, and explains it.
	ActTo(act, obs []float32) (Advice, error)
	// Close ends what the policy runs.
	Close()
}

// Push is a disturbance for one control step.
type Push struct {
	Strength float64 // times the published push; 0 = none
	Salt     uint64  // picks the directions
}

// Player is what a session plays. Its methods are called from one goroutine.
type Player interface {
	// Scene is what there is to draw; it never changes.
	Scene() *mujoco.Scene
	// About describes the player; it never changes.
	About() About
	// Reset goes to the beginning of an episode.
	Reset(seed uint64) (Sample, error)
	// Step executes one control step and hands frames instants of it to each, in order; frames divides
	// mujoco.FramesPerStep. The frame is valid during the call.
	Step(frames int, push Push, each func(*mujoco.SceneFrame)) (Sample, error)
	// FrameTo writes the newest instant.
	FrameTo(f *mujoco.SceneFrame)
	Close() error
}

// About describes a player.
type About struct {
	Task     string
	Policy   string  // who acts, or the title of a recording
	Hz       float64 // control steps per second
	MaxSteps int     // control steps until the episode ends at the latest
}

// Perturber is a Player whose random pushes can be set.
type Perturber interface {
	SetPerturb(strength float64) error
	Perturb() float64
}

// Seeker is a Player of something that has already happened.
type Seeker interface {
	// Samples are those of all control steps.
	Samples() []Sample
	// Seek goes to a sample, clipped to those there are.
	Seek(i int)
	// At is the sample it is at.
	At() int
}

var nan = float32(math.NaN())
