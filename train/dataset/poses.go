package dataset

import (
	"fmt"
	"math"

	"korr/sim"
)

const (
	// unit is how far a rotation's rows or a quaternion may be from unit length: single precision, and what people round.
	unit = 0.02
	// rounding is how far a quaternion may be from unit length without being normalised.
	rounding = 1e-4
	// reach is how far anything of a demonstration can be from the origin of its frame, m: farther than any arm, and than
	// a table beside it.
	reach = 10
)

// CheckPoses is the gate that every pose passes which comes from outside, whatever the format: it refuses positions
// that nobody can reach, six numbers that are no rotation, and quaternions that are none, as a tracker writes for a
// part that it does not see. A quaternion that is only rounded is normalised. The error names frame and part.
func (e *Episode) CheckPoses(info Info) error {
	for t := range e.Len() {
		for _, c := range []struct {
			name string
			row  []float32
		}{{featState, e.State[t*sim.StateDim:]}, {featAction, e.ActionAt(t)}, {featExecuted, e.ExecutedAt(t)}} {
			if err := CheckTool(c.row); err != nil {
				return fmt.Errorf("frame %d: %s: %w", t, c.name, err)
			}
		}
		for k, part := range info.PartNames {
			at := t*info.EnvDim() + k*sim.PoseDim
			if err := CheckPart(e.Env[at : at+sim.PoseDim]); err != nil {
				return fmt.Errorf("frame %d: %s: part %s: %w", t, featEnv, part, err)
			}
		}
	}
	return nil
}

// CheckTool looks at a tool's pose, the first nine values of a state or an action: its position (m) and two rows of its
// rotation.
func CheckTool(pose []float32) error {
	if err := checkPosition(pose[:3]); err != nil {
		return err
	}
	r := pose[3:9]
	a, b, ab := dot(r[:3], r[:3]), dot(r[3:6], r[3:6]), dot(r[:3], r[3:6])
	if !(math.Abs(math.Sqrt(a)-1) <= unit && math.Abs(math.Sqrt(b)-1) <= unit && math.Abs(ab) <= 2*unit) {
		return fmt.Errorf("%v are no two rows of a rotation", r)
	}
	return nil
}

// CheckPart looks at a part's pose, a position (m) and a quaternion, and normalises a quaternion that is only rounded.
func CheckPart(pose []float32) error {
	if err := checkPosition(pose[:3]); err != nil {
		return err
	}
	q := pose[3:7]
	n := math.Sqrt(dot(q, q))
	if !(math.Abs(n-1) <= unit) {
		return fmt.Errorf("the quaternion %v has length %.3g, want 1: did the tracker lose the part?", q, n)
	}
	if math.Abs(n-1) > rounding {
		for i := range q {
			q[i] = float32(float64(q[i]) / n)
		}
	}
	return nil
}

func checkPosition(p []float32) error {
	if d := math.Sqrt(dot(p, p)); !(d <= reach) {
		return fmt.Errorf("the position %v is %.3g m away, want at most %d m", p[:3], d, reach)
	}
	return nil
}

func dot(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}
