package chain

import (
	"fmt"
	"math"

	"korr/internal/geom"
)

// Joint is one moving joint.
type Joint struct {
	Name        string
	Min, Max    float64 // rad or m
	MaxVelocity float64 // rad/s or m/s
	Prismatic   bool
	Axis        geom.Vec3 // unit, in the frame behind Before
	Before      geom.Pose // fixed, from the frame of the joint before
	After       geom.Pose // fixed, behind the motion
}

// Chain is a serial arm from its base to its tool. Its methods do not change it.
type Chain struct {
	Joints []Joint
	Tool   geom.Pose // of the end effector behind the last joint
}

// Validate refuses a chain that cannot move within its limits.
func (c *Chain) Validate() error {
	if len(c.Joints) == 0 {
		return fmt.Errorf("chain: no joints")
	}
	for i, j := range c.Joints {
		switch {
		case j.Name == "":
			return fmt.Errorf("chain: joint %d has no name", i+1)
		case !(j.Min < j.Max) || math.IsInf(j.Min, 0) || math.IsInf(j.Max, 0):
			return fmt.Errorf("chain: joint %s: limits %g..%g: want min < max", j.Name, j.Min, j.Max)
		case !(j.MaxVelocity > 0) || math.IsInf(j.MaxVelocity, 0):
			return fmt.Errorf("chain: joint %s: max_velocity %g: want a positive number", j.Name, j.MaxVelocity)
		case math.Abs(j.Axis.Norm()-1) > 1e-6:
			return fmt.Errorf("chain: joint %s: axis %v is not a unit vector", j.Name, j.Axis)
		}
	}
	return nil
}

// motion is M(q).
func (j *Joint) motion(q float64) geom.Pose {
	if j.Prismatic {
		return geom.Pose{P: j.Axis.Scale(q), Q: geom.IdentityQuat}
	}
	return geom.Pose{Q: geom.AxisAngle(j.Axis, q)}
}

// Forward returns the pose of the end effector in the base frame for joints q (rad, m).
func (c *Chain) Forward(q []float64) geom.Pose {
	at := geom.IdentityPose
	for i := range c.Joints {
		j := &c.Joints[i]
		at = at.Mul(j.Before).Mul(j.motion(q[i])).Mul(j.After)
	}
	return at.Mul(c.Tool)
}

// Jacobian returns J with twist = J dq: one column of linear (m/s) and angular (rad/s) velocity of the end effector in
// the base frame per joint, and the end effector's pose.
func (c *Chain) Jacobian(q []float64) (columns [][6]float64, tool geom.Pose) {
	type axis struct{ at, along geom.Vec3 }
	axes := make([]axis, len(c.Joints))
	at := geom.IdentityPose
	for i := range c.Joints {
		j := &c.Joints[i]
		at = at.Mul(j.Before)
		axes[i] = axis{at.P, at.Q.Rotate(j.Axis)}
		at = at.Mul(j.motion(q[i])).Mul(j.After)
	}
	tool = at.Mul(c.Tool)
	columns = make([][6]float64, len(c.Joints))
	for i, a := range axes {
		var linear, angular geom.Vec3
		if c.Joints[i].Prismatic {
			linear = a.along
		} else {
			linear, angular = a.along.Cross(tool.P.Sub(a.at)), a.along
		}
		copy(columns[i][:3], linear[:])
		copy(columns[i][3:], angular[:])
	}
	return columns, tool
}

// Twist returns the end effector's linear (m/s) and angular (rad/s) velocity in the base frame.
func (c *Chain) Twist(q, dq []float64) (t [6]float64) {
	columns, _ := c.Jacobian(q)
	for i, col := range columns {
		for k := range t {
			t[k] += col[k] * dq[i]
		}
	}
	return t
}

const (
	iterations = 100
	damping    = 0.02
	turnWeight = 0.3  // m per rad: how far a rotation error counts
	closest    = 1e-5 // m: an error below this is none
	longest    = 0.2  // rad or m of one joint in one iteration
)

// Solve returns joints within their limits whose end effector is at the target, starting from q, and how far it is from
// there: m and rad. When the target is out of reach the joints come near it. q is not changed.
func (c *Chain) Solve(target geom.Pose, q []float64) (solution []float64, distance, angle float64) {
	solution = append([]float64(nil), q...)
	best := append([]float64(nil), q...)
	least := math.Inf(1)
	for range iterations {
		columns, at := c.Jacobian(solution)
		dp := target.P.Sub(at.P)
		dr := target.Q.Mul(at.Q.Inv()).RotVec()
		if e := dp.Norm() + turnWeight*dr.Norm(); e < least {
			least, distance, angle = e, dp.Norm(), dr.Norm()
			copy(best, solution)
		}
		if least < closest {
			break
		}
		c.step(solution, columns, dp, dr)
	}
	return best, distance, angle
}

// step is one iteration of damped least squares.
func (c *Chain) step(q []float64, columns [][6]float64, dp, dr geom.Vec3) {
	weigh := func(k int) float64 {
		if k < 3 {
			return 1
		}
		return turnWeight
	}
	var a [6][7]float64 // (J J^T + lambda^2 I | e)
	for i := range 6 {
		for j := range 6 {
			for _, col := range columns {
				a[i][j] += weigh(i) * col[i] * weigh(j) * col[j]
			}
		}
		a[i][i] += damping * damping
		if i < 3 {
			a[i][6] = dp[i]
		} else {
			a[i][6] = turnWeight * dr[i-3]
		}
	}
	x := solve(&a)
	dq, most := make([]float64, len(q)), 0.0
	for i, col := range columns {
		for k := range 6 {
			dq[i] += weigh(k) * col[k] * x[k]
		}
		most = max(most, math.Abs(dq[i]))
	}
	scale := 1.0
	if most > longest {
		scale = longest / most
	}
	for i, j := range c.Joints {
		q[i] = min(max(q[i]+scale*dq[i], j.Min), j.Max)
	}
}

// solve is Gauss elimination of a positive definite system, which needs no pivoting.
func solve(a *[6][7]float64) (x [6]float64) {
	for i := range 6 {
		for r := i + 1; r < 6; r++ {
			f := a[r][i] / a[i][i]
			for k := i; k < 7; k++ {
				a[r][k] -= f * a[i][k]
			}
		}
	}
	for i := 5; i >= 0; i-- {
		x[i] = a[i][6]
		for k := i + 1; k < 6; k++ {
			x[i] -= a[i][k] * x[k]
		}
		x[i] /= a[i][i]
	}
	return x
}

// Clamp returns the nearest joints within their limits.
func (c *Chain) Clamp(q []float64) []float64 {
	out := make([]float64, len(q))
	for i, j := range c.Joints {
		out[i] = min(max(q[i], j.Min), j.Max)
	}
	return out
}

// Toward returns joints on the way from q to goal that every joint reaches within seconds at its largest velocity, and
// that keep all limits; a joint that is measured outside its limits may only come back. All joints move in proportion.
func (c *Chain) Toward(q, goal []float64, seconds float64) []float64 {
	scale := 1.0
	for i, j := range c.Joints {
		if d := math.Abs(goal[i] - q[i]); d > j.MaxVelocity*seconds {
			scale = min(scale, j.MaxVelocity*seconds/d)
		}
	}
	out := make([]float64, len(q))
	for i, j := range c.Joints {
		out[i] = q[i] + scale*(goal[i]-q[i])
		out[i] = min(max(out[i], min(j.Min, q[i])), max(j.Max, q[i]))
	}
	return out
}
