package residual

import (
	"errors"
	"fmt"
	"math"

	"korr/internal/geom"
	"korr/internal/layout"
	"korr/koopman/filter"
)

// Estimation says what stands in for the parts' poses that the tracker sent.
type Estimation string

// The estimations.
const (
	AsSeen    Estimation = "none"      // nothing
	Aligned   Estimation = "aligned"   // the newest pose, moved as the hand that holds the part has moved since its stamp
	Smoothed  Estimation = "smoothed"  // aligned poses, averaged exponentially
	Kinematic Estimation = "kinematic" // a Kalman filter; a part is at rest or rigid in the hand
	Koopman   Estimation = "koopman"   // a Kalman filter with the learned model
	Nonlinear Estimation = "mlp"       // the same with networks in the matrices' place
)

// smoothing is the share of the newest pose in a smoothed one: of 0.3, 0.5 and 0.7 the best for a part at rest, where
// alignment changes nothing (train/sense compares them).
const smoothing = 0.3

// PoseEstimator shows a policy where the parts are now instead of where a tracker saw them: raw observation in, raw
// observation out. It allocates nothing after it was made and is for one goroutine.
type PoseEstimator struct {
	bank  *filter.Bank
	n     int
	begun bool
	clock float64 // control steps from an episode's first observation to the newest state of the arm
	parts []filter.Estimate
}

// NewPoseEstimator returns an estimator of raw observations of the width raw. noise is the tracker's; zeros estimate
// it.
func NewPoseEstimator(kind Estimation, f *filter.Fitted, raw int, noise filter.Noise) (*PoseEstimator, error) {
	if f == nil {
		return nil, fmt.Errorf("residual: estimation %q needs a fitted filter: korr train filter makes one", kind)
	}
	n := len(f.Scene.Parts)
	if raw != layout.Observation(n) {
		return nil, fmt.Errorf("residual: a filter of %d parts, an observation of %d values: it was fitted for another task",
			n, raw)
	}
	cfg := filter.Config{Parts: n, Q: f.Kinematic, Noise: noise}
	var model filter.Model = filter.NewKinematic(f.Scene)
	switch kind {
	case Aligned:
		cfg.Q, cfg.Gate = f.Following(), math.MaxFloat64
	case Smoothed:
		cfg.Gain = smoothing
	case Kinematic:
	case Koopman:
		learned, err := filter.NewLearned(f.Scene, f.W)
		if err != nil {
			return nil, fmt.Errorf("residual: %w", err)
		}
		cfg.Q, model = f.Learned, learned
	case Nonlinear:
		if f.Nets == nil {
			return nil, errors.New("residual: the fitted filter has no networks: fit another with korr train filter")
		}
		nonlinear, err := filter.NewNonlinear(f.Scene, f.Nets)
		if err != nil {
			return nil, fmt.Errorf("residual: %w", err)
		}
		cfg.Q, model = f.Nonlinear, nonlinear
	default:
		return nil, fmt.Errorf("residual: unknown estimation %q: use aligned, smoothed, kinematic, koopman or mlp", kind)
	}
	bank, err := filter.New(cfg, model)
	if err != nil {
		return nil, errors.Join(errors.New("residual: the estimator's filter"), err)
	}
	return &PoseEstimator{bank: bank, n: n, parts: make([]filter.Estimate, n)}, nil
}

// Reset starts an episode.
func (e *PoseEstimator) Reset() {
	e.bank.Reset()
	e.begun, e.clock = false, 0
}

// EstimateTo implements Estimator. A part that was never seen stays as it is in obs. The estimate is of the time of the
// arm's state. The filter keeps a ring of the arm's states, one for each control step: a pose that is older than the
// arm's state is paired with the state of its own time. A clock that ran backwards, or on for long, makes it forget.
func (e *PoseEstimator) EstimateTo(dst, obs []float32, at When, cmd []float32) error {
	copy(dst, obs)
	if cmd != nil {
		e.bank.Executed(CommandOf(cmd))
	}
	if !e.begun || at.Steps != 0 {
		if e.begun {
			e.clock += at.Steps
		}
		e.begun = true
		e.bank.Begin(e.clock, ArmOf(obs))
	}
	for i := range e.n {
		var late float64
		if i+1 < len(at.Ages) {
			late = max(0, at.Ages[i+1]-at.Ages[0])
		}
		e.bank.Measure(i, e.clock-late, PartOf(obs, i))
	}
	e.bank.Update()
	for i := range e.n {
		x := e.bank.Estimate(i)
		if e.parts[i] = x; x.Known {
			geom.PoseTo(layout.Part(i).Of(dst), fromBase.Mul(x.Pose))
		}
	}
	return nil
}

// Parts implements Estimator.
func (e *PoseEstimator) Parts() []filter.Estimate { return e.parts }

var fromBase = geom.TagFrame.Inv()

// ArmOf is the arm of a raw observation.
func ArmOf(obs []float32) filter.Arm {
	a := layout.ArmAt(obs)
	return filter.Arm{Hand: a.Tool, Width: a.Width}
}

// PartOf is the pose of part i of a raw observation, in the arm's base frame.
func PartOf(obs []float32, i int) geom.Pose {
	return geom.TagFrame.Mul(geom.PoseAt(layout.Part(i).Of(obs)))
}

// CommandOf is a raw action as a command. A gripper command in the dead band keeps what the gripper did.
func CommandOf(cmd []float32) filter.Command {
	c := filter.Command{Target: layout.ToolAt(cmd)}
	if g := float64(cmd[layout.Gripper]); math.Abs(g) > layout.GripperDeadBand {
		c.Grip = g
	}
	return c
}
