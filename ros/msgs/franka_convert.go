package msgs

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"korr/internal/geom"
)

const joints = 7 // of a Franka

// unit is by how much the square of an orientation's length may differ from 1.
const unit = 1e-3

// RobotState is the state as franka_ros2 tells it. Its poses are quaternions; that of O_T_EE is chosen, among those
// that differ in the last digits, so that its rotation rounds to the same float32 numbers as the matrix: a policy sees
// the same bits over either ROS.
func (m *FrankaState) RobotState() *FrankaRobotState {
	joint := func(position, velocity, effort []float64) JointState {
		j := JointState{Header: m.Header, Position: position, Velocity: velocity, Effort: effort}
		for i := range joints {
			j.Name = append(j.Name, "panda_joint"+strconv.Itoa(i+1))
		}
		return j
	}
	pose := func(t *[16]float64, q geom.Quat) PoseStamped {
		return PoseStamped{Header: m.Header, Pose: PoseOf(geom.Pose{P: geom.Vec3{t[12], t[13], t[14]}, Q: q})}
	}
	at := func(t *[16]float64) PoseStamped { return pose(t, rotationOf(t).Quat()) }
	vector := func(v []float64) Vector3 { return Vector3{X: v[0], Y: v[1], Z: v[2]} }
	inertia := func(mass float64, com [3]float64, i [9]float64) InertiaStamped {
		return InertiaStamped{Header: m.Header, Inertia: Inertia{
			M: mass, Com: vector(com[:]), Ixx: i[0], Ixy: i[1],
			Ixz: i[2], Iyy: i[4], Iyz: i[5], Izz: i[8],
		}}
	}
	wrench := func(w [6]float64) WrenchStamped {
		return WrenchStamped{Header: m.Header, Wrench: Wrench{Force: vector(w[:3]), Torque: vector(w[3:])}}
	}
	twist := func(t [6]float64) TwistStamped {
		return TwistStamped{Header: m.Header, Twist: Twist{Linear: vector(t[:3]), Angular: vector(t[3:])}}
	}
	return &FrankaRobotState{
		Header: m.Header,
		CollisionIndicators: CollisionIndicators{
			IsCartesianLinearCollision:  vector(m.CartesianCollision[:3]),
			IsCartesianAngularCollision: vector(m.CartesianCollision[3:]),
			IsCartesianLinearContact:    vector(m.CartesianContact[:3]),
			IsCartesianAngularContact:   vector(m.CartesianContact[3:]),
			IsJointCollision:            m.JointCollision, IsJointContact: m.JointContact,
		},
		MeasuredJointState: joint(m.Q[:], m.Dq[:], m.TauJ[:]), DesiredJointState: joint(m.QD[:], m.DqD[:], m.TauJD[:]),
		MeasuredJointMotorState: joint(m.Theta[:], m.Dtheta[:], nil), DdqD: m.DdqD, DtauJ: m.DtauJ,
		TauExtHatFiltered: joint(nil, nil, m.TauExtHatFiltered[:]),
		Elbow: FrankaElbow{
			Position: m.Elbow, DesiredPosition: m.ElbowD, CommandedPosition: m.ElbowC, CommandedVelocity: m.DelbowC,
			CommandedAcceleration: m.DdelbowC,
		},
		KFExtHatK: wrench(m.KFExtHatK), OFExtHatK: wrench(m.OFExtHatK),
		InertiaEe: inertia(m.MEe, m.FXCee, m.IEe), InertiaLoad: inertia(m.MLoad, m.FXCload, m.ILoad),
		InertiaTotal: inertia(m.MTotal, m.FXCtotal, m.ITotal),
		OTEE:         pose(&m.OTEE, exactQuat(rotationOf(&m.OTEE))), OTEED: at(&m.OTEED), OTEEC: at(&m.OTEEC),
		FTEE:   at(&m.FTEE),
		EETK:   at(&m.EETK),
		ODPEED: twist(m.ODPEED), ODPEEC: twist(m.ODPEEC),
		ODdPEEC: AccelStamped{Header: m.Header, Accel: Accel{Linear: vector(m.ODdPEEC[:3]), Angular: vector(m.ODdPEEC[3:])}},
		Time:    m.Time, ControlCommandSuccessRate: m.ControlCommandSuccessRate, RobotMode: m.RobotMode,
		CurrentErrors: m.CurrentErrors, LastMotionErrors: m.LastMotionErrors,
	}
}

// rotationOf is the rotation of a column-major 4x4 matrix.
func rotationOf(t *[16]float64) geom.Mat3 {
	return geom.Mat3{t[0], t[4], t[8], t[1], t[5], t[9], t[2], t[6], t[10]}
}

// exactQuat is the quaternion of a rotation whose first two rows, rounded to float32, are those of m. One that is off
// by a unit in the last place of a float64 misses that about once in 10^7 matrices; the neighbours are tried then.
func exactQuat(m geom.Mat3) geom.Quat {
	q := m.Quat()
	same := func(q geom.Quat) bool {
		r := q.Mat()
		for i := range 6 {
			if float32(r[i]) != float32(m[i]) {
				return false
			}
		}
		return true
	}
	if same(q) || math.IsNaN(q[0]+q[1]+q[2]+q[3]) {
		return q
	}
	const reach = 2
	for code := range 625 { // 5 x 5 x 5 x 5 neighbours
		near, c := q, code
		for i := range near {
			for step := c%5 - reach; step != 0; {
				if step > 0 {
					near[i] = math.Nextafter(near[i], math.Inf(1))
					step--
				} else {
					near[i] = math.Nextafter(near[i], math.Inf(-1))
					step++
				}
			}
			c /= 5
		}
		if same(near) {
			return near
		}
	}
	return q
}

// State is the state in ROS 1's form, in which the control node judges it. The error says what the message lacks; the
// rest of the state is there all the same.
func (m *FrankaRobotState) State() (*FrankaState, error) {
	s := &FrankaState{
		Header: m.Header, DdqD: m.DdqD, DtauJ: m.DtauJ, Time: m.Time, ControlCommandSuccessRate: m.ControlCommandSuccessRate,
		RobotMode:     m.RobotMode,
		CurrentErrors: m.CurrentErrors, LastMotionErrors: m.LastMotionErrors,
		JointCollision: m.CollisionIndicators.IsJointCollision, JointContact: m.CollisionIndicators.IsJointContact,
		ODPEED:    six(m.ODPEED.Twist.Linear, m.ODPEED.Twist.Angular),
		ODPEEC:    six(m.ODPEEC.Twist.Linear, m.ODPEEC.Twist.Angular),
		OFExtHatK: six(m.OFExtHatK.Wrench.Force, m.OFExtHatK.Wrench.Torque),
		KFExtHatK: six(m.KFExtHatK.Wrench.Force, m.KFExtHatK.Wrench.Torque),
		MEe:       m.InertiaEe.Inertia.M, MLoad: m.InertiaLoad.Inertia.M, MTotal: m.InertiaTotal.Inertia.M,
	}
	var wrong error
	fill := func(dst *[joints]float64, j *JointState, values []float64, what string) {
		switch {
		case len(values) != joints:
			wrong = fmt.Errorf("%s has %d values, want %d", what, len(values), joints)
			return
		case len(j.Name) != 0 && len(j.Name) != joints:
			wrong = fmt.Errorf("%s names %d joints, want %d", what, len(j.Name), joints)
			return
		}
		for i, name := range j.Name {
			if !strings.HasSuffix(name, "joint"+strconv.Itoa(i+1)) {
				wrong = fmt.Errorf("%s has joint %q in place %d", what, name, i+1)
				return
			}
		}
		copy(dst[:], values)
	}
	j := &m.MeasuredJointState
	fill(&s.Q, j, j.Position, "measured_joint_state.position")
	fill(&s.Dq, j, j.Velocity, "measured_joint_state.velocity")
	copy(s.TauJ[:], j.Effort)
	copy(s.QD[:], m.DesiredJointState.Position)
	copy(s.DqD[:], m.DesiredJointState.Velocity)
	copy(s.TauExtHatFiltered[:], m.TauExtHatFiltered.Effort)
	var err error
	if s.OTEE, err = matrixOf(&m.OTEE.Pose); err != nil {
		wrong = fmt.Errorf("o_t_ee: %w", err)
	}
	for _, x := range []struct {
		dst *[16]float64
		p   *Pose
	}{{&s.OTEED, &m.OTEED.Pose}, {&s.OTEEC, &m.OTEEC.Pose}, {&s.FTEE, &m.FTEE.Pose}, {&s.EETK, &m.EETK.Pose}} {
		*x.dst, _ = matrixOf(x.p) // nothing is decided by them
	}
	return s, wrong
}

func six(a, b Vector3) [6]float64 { return [6]float64{a.X, a.Y, a.Z, b.X, b.Y, b.Z} }

// matrixOf is a pose as a column-major 4x4 matrix. An orientation that is none, or not finite, is an error.
func matrixOf(p *Pose) (t [16]float64, err error) {
	g := p.Geom()
	if n := g.Q.Dot(g.Q); !(math.Abs(n-1) < unit) {
		err = fmt.Errorf("the orientation %.3g is no unit quaternion", g.Q)
	}
	r := g.Q.Mat()
	return [16]float64{r[0], r[3], r[6], 0, r[1], r[4], r[7], 0, r[2], r[5], r[8], 0, g.P[0], g.P[1], g.P[2], 1}, err
}
