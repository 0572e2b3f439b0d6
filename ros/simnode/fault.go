package simnode

import (
	"math/rand/v2"
	"slices"
	"time"

	"korr/ros/msgs"
)

// Targets of injections, besides the parts' names.
const (
	TargetArm     = "arm"     // franka_states
	TargetGripper = "gripper" // franka_gripper/joint_states
	TargetParts   = "parts"   // furniture/parts_poses
	TargetJoints  = "joints"  // joint_states
	TargetClock   = "clock"   // clock
)

// fault is one injection in force.
type fault struct {
	msgs.PerturbReq
	part   int       // of force
	until  time.Time // on the simulator's clock; zero = until cleared
	rng    *rand.Rand
	joints *rand.Rand     // of joint states where everything is hit, so that a Franka's topics draw what they always drew
	frozen map[string]any // of stuck: the message, by target
}

// hits reports whether the fault is meant for a topic. Without a target it hits what a controller reads, of a Franka or
// of an arm of joint states.
func (f *fault) hits(target string) bool {
	if f.Target == "" {
		return target == TargetArm || target == TargetGripper || target == TargetParts || target == TargetJoints
	}
	return f.Target == target
}

// random is what a channel draws from.
func (f *fault) random(target string) *rand.Rand {
	if f.Target == "" && target == TargetJoints {
		return f.joints
	}
	return f.rng
}

// value is the i-th value, 0 where there is none.
func (f *fault) value(i int) float64 {
	if i < len(f.Value) {
		return f.Value[i]
	}
	return 0
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// faults are the injections in force, in the order in which they came.
type faults struct{ list []*fault }

// add puts a fault in force in place of one of the same kind and target.
func (f *faults) add(e *fault) {
	f.drop(func(o *fault) bool { return o.Kind == e.Kind && o.Target == e.Target })
	f.list = append(f.list, e)
}

// drop ends the faults for which which holds, and returns them.
func (f *faults) drop(which func(*fault) bool) (ended []*fault) {
	f.list = slices.DeleteFunc(f.list, func(e *fault) bool {
		if which(e) {
			ended = append(ended, e)
			return true
		}
		return false
	})
	return ended
}

// expire ends the faults whose time is over.
func (f *faults) expire(at time.Time) {
	if len(f.list) > 0 {
		f.drop(func(e *fault) bool { return !e.until.IsZero() && !at.Before(e.until) })
	}
}

// jump is what injected clock jumps add to every stamp.
func (f *faults) jump() (d time.Duration) {
	for _, e := range f.list {
		if e.Kind == msgs.PerturbClock {
			d += seconds(e.value(0))
		}
	}
	return d
}

// mode is the robot mode to report.
func (f *faults) mode() uint8 {
	mode := msgs.RobotModeMove
	for _, e := range f.list {
		if e.Kind == msgs.PerturbMode {
			mode = uint8(e.value(0))
		}
	}
	return mode
}

// stopped reports whether the arm refuses to move.
func (f *faults) stopped() bool { return f.mode() != msgs.RobotModeMove }

// report writes mode and errors into the arm's state.
func (f *faults) report(m *msgs.FrankaState) {
	m.RobotMode = f.mode()
	m.CurrentErrors.CartesianReflex = m.RobotMode == msgs.RobotModeReflex
	m.LastMotionErrors = m.CurrentErrors
}
