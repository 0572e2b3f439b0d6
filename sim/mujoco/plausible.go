//go:build mujoco

package mujoco

import (
	"fmt"
	"math"
	"unsafe"

	"korr/sim"
)

// Bounds of what a part's state may be after a control step. The engine warns of numbers above 1e10 only; a part that
// was thrown off and tumbles gains spin in its explicit integration and is kilometres away before that. At the
// published pushes, parts stay within 1 m, 2 m/s and 40 rad/s.
const (
	partReach = 5.0   // m from the base
	partBelow = 0.1   // m under the table's surface
	partSpeed = 20.0  // m/s: 0.1 m in a physics step
	partSpin  = 200.0 // rad/s: a radian in a physics step
)

// implausible is nil, or says which part is in a state that no episode leads to.
func (e *Env) implausible() error {
	qvel := unsafe.Slice(e.s.d.qvel, e.s.m.nv)
	for i := range e.task.Parts {
		at, v := e.s.pose[7*i:], qvel[e.s.vadr[i]:]
		height := float64(at[2])
		reach := norm(float64(at[0]), float64(at[1]), height)
		speed, spin := norm(float64(v[0]), float64(v[1]), float64(v[2])), norm(float64(v[3]), float64(v[4]), float64(v[5]))
		if reach <= partReach && height >= -partBelow && speed <= partSpeed && spin <= partSpin { // false for NaN
			continue
		}
		return fmt.Errorf("%w: part %s is %.4g m from the base, %.4g m above the table, at %.4g m/s and %.4g rad/s; "+
			"plausible are %g m, %g m, %g m/s and %g rad/s",
			sim.ErrUnstable, e.task.Parts[i].Name, reach, height, speed, spin, partReach, -partBelow, partSpeed, partSpin)
	}
	return nil
}

func norm(x, y, z float64) float64 { return math.Sqrt(x*x + y*y + z*z) }
