package layout

import "korr/internal/geom"

// Widths of what a row is made of.
const (
	Vector     = 3 // a position (m), or a velocity (m/s, rad/s)
	Rotation6D = 6 // the first two rows of a rotation matrix
	Quaternion = 4 // x y z w

	Tool    = Vector + Rotation6D // pose of the end effector: how a state and an action begin
	State   = Tool + 2*Vector + 1 // the arm's state: pose, linear and angular velocity, gripper width
	Action  = Tool + 1            // target pose and gripper command
	Pose    = Vector + Quaternion // of a part
	Pose6D  = Vector + Rotation6D // of a part whose rotation is rewritten
	Gripper = Tool                // index of the gripper command of an action
)

// GripperDeadBand is the magnitude that an action's gripper command must exceed to change what the gripper does.
const GripperDeadBand = 0.019

// Spans of a state, and so of a raw observation. Position and Rotation are those of an action, too.
var (
	Position = Span{0, Vector}
	Rotation = Span{Vector, Tool}
	Velocity = Span{Tool, Tool + Vector}            // linear, m/s
	Spin     = Span{Tool + Vector, Tool + 2*Vector} // angular, rad/s
	Twist    = Span{Tool, Tool + 2*Vector}          // both
	Width    = Tool + 2*Vector                      // index of the gripper's width, m
)

// Part is the span of part i's pose in a raw observation.
func Part(i int) Span { return Span{State + i*Pose, State + (i+1)*Pose} }

// Observation is the width of a raw observation of so many poses: the parts' and the front obstacle's.
func Observation(poses int) int { return State + poses*Pose }

// Poses is how many part poses a raw observation of the width has; false if it is none.
func Poses(width int) (poses int, ok bool) {
	n := width - State
	return n / Pose, n >= 0 && n%Pose == 0
}

// Span is the values From..To-1 of a row.
type Span struct{ From, To int }

// Len is the number of values.
func (s Span) Len() int { return s.To - s.From }

// Of is the span of row, which shares its memory.
func (s Span) Of(row []float32) []float32 { return row[s.From:s.To:s.To] }

// ToolAt reads the pose that a state, a raw observation or an action begins with.
func ToolAt(row []float32) geom.Pose {
	return geom.Pose{P: geom.VecAt(row), Q: geom.Rot6DAt(Rotation.Of(row)).Quat()}
}

// ToolTo writes it.
func ToolTo(row []float32, p geom.Pose) {
	geom.VecTo(row, p.P)
	geom.Rot6DTo(Rotation.Of(row), p.Q)
}

// Arm is the arm's measured state, base frame.
type Arm struct {
	Tool     geom.Pose // end effector, m
	Velocity geom.Vec3 // linear, m/s
	Spin     geom.Vec3 // angular, rad/s
	Width    float64   // of the gripper, m
}

// ArmAt reads the state that a raw observation begins with.
func ArmAt(obs []float32) Arm {
	return Arm{
		Tool: ToolAt(obs), Velocity: geom.VecAt(Velocity.Of(obs)), Spin: geom.VecAt(Spin.Of(obs)), Width: float64(obs[Width]),
	}
}
