package sim

import (
	"errors"
	"fmt"
	"math"

	"korr/internal/layout"
)

// Sizes of the fixed parts of observation and action.
const (
	StateDim = layout.State  // robot state, see the package comment
	PoseDim  = layout.Pose   // one part pose: position and quaternion x y z w
	ActDim   = layout.Action // position, rotation 6D, gripper
)

// GripperDeadBand is the magnitude a gripper action must exceed to change what the gripper does.
const GripperDeadBand = layout.GripperDeadBand

var (
	// ErrNoEngine says that this binary was built without a physics engine.
	ErrNoEngine = errors.New("built without MuJoCo: install libmujoco-dev and rebuild with `make build` " +
		"(CGO_ENABLED=1 go build -tags mujoco)")
	// ErrAction marks an action that is not finite or of the wrong length; the episode ends.
	ErrAction = errors.New("bad action")
	// ErrUnstable marks an episode that the physics engine could not integrate; reset to go on.
	ErrUnstable = errors.New("simulation became unstable")
	// ErrNotReset marks a Step before the first Reset or after an episode that ended with an error.
	ErrNotReset = errors.New("reset the environment first")
)

// ControlHz is the rate of the control loop, steps per second, for which every policy here is made.
const ControlHz = 10

// Spec describes an environment.
type Spec struct {
	Task      string   // "one_leg"
	ObsDim    int      // StateDim + PoseDim*(parts+1)
	ActDim    int      // ActDim
	MaxSteps  int      // control steps until an episode is truncated
	ControlHz float64  // control steps per second of simulated time
	PartNames []string // parts in observation order, the obstacle last
	Yaw       Yaw      // of the task's success; empty: Symmetric
}

// Result is what one control step led to.
type Result struct {
	Reward     float32 // +1 the first time a pair is assembled
	Terminated bool    // the task ended: every pair assembled
	Truncated  bool    // the time limit was reached; the state is not terminal
	Success    bool    // every required pair is assembled
}

// Env is one furniture-assembly environment. It is not safe for concurrent use; environments are independent of one
// another. An error from Step ends the episode, and Reset starts a new one.
type Env interface {
	// Spec describes the environment; it never changes.
	Spec() Spec
	// Reset starts the episode of the seed and writes the first observation (length ObsDim).
	Reset(obs []float32, seed uint64) error
	// Step executes one action (length ActDim, see the package comment) for one control period and writes the
	// next observation.
	Step(obs, act []float32) (Result, error)
	// Close frees the engine's memory; the environment must not be used afterwards.
	Close() error
}

// Policy maps raw observations to raw actions, one per control step (see the package comment for both).
type Policy interface {
	Reset(seed uint64)
	ActTo(act, obs []float32) error
}

// CheckAction returns an error that wraps ErrAction unless act has ActDim finite values.
func CheckAction(act []float32) error {
	if len(act) != ActDim {
		return fmt.Errorf("%w: %d values, want %d (position 3, rotation 6D 6, gripper 1)", ErrAction, len(act), ActDim)
	}
	for i, v := range act {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("%w: element %d is %v", ErrAction, i, v)
		}
	}
	return nil
}
