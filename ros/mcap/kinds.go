package mcap

import (
	"korr/ros/msgs"
	"korr/ros/node"
	"korr/ros/rosidl"
)

// kind is a message type in both generations.
type kind struct {
	ros1, md5, definition string
	ros2                  *rosidl.Type
	toCDR, toROS1         func([]byte) ([]byte, error)
}

// known are the types that are translated, by their ROS 1 and by their ROS 2 names.
var known = map[string]*kind{}

func init() {
	same[msgs.String]()
	same[msgs.Bool]()
	same[msgs.Clock]()
	same[msgs.JointState]()
	same[msgs.PoseStamped]()
	same[msgs.PoseArray]()
	same[msgs.TFMessage]()
	same[msgs.JointTrajectory]()
	same[msgs.DiagnosticArray]()
	same[msgs.SimState]()
	same[msgs.Status]()
	same[msgs.Action]()
	same[msgs.GraspActionGoal]()
	same[msgs.MoveActionGoal]()
	same[msgs.HomingActionGoal]()
	add(func(m *msgs.FrankaState) (*msgs.FrankaRobotState, error) { return m.RobotState(), nil },
		(*msgs.FrankaRobotState).State)
}

func same[M any]() {
	it := func(m *M) (*M, error) { return m, nil }
	add(it, it)
}

// add knows a type of ROS 1 and its like in ROS 2. It panics at the start of the program when one has no ROS type.
func add[A, B any](up func(*A) (*B, error), down func(*B) (*A, error)) {
	var zero A
	k := &kind{}
	var errs [3]error
	k.ros1, k.md5, errs[0] = node.Signature(zero)
	k.definition, errs[1] = node.Definition(zero)
	k.ros2, errs[2] = rosidl.For[B]()
	for _, err := range errs {
		if err != nil {
			panic(err)
		}
	}
	k.toCDR = func(data []byte) ([]byte, error) {
		a := new(A)
		if err := node.Decode(data, a); err != nil {
			return nil, err
		}
		b, err := up(a)
		if err != nil {
			return nil, err
		}
		return rosidl.Marshal(b)
	}
	k.toROS1 = func(data []byte) ([]byte, error) {
		b := new(B)
		if err := rosidl.Unmarshal(data, b); err != nil {
			return nil, err
		}
		a, err := down(b)
		if err != nil {
			return nil, err
		}
		return node.Encode(a)
	}
	known[k.ros1], known[k.ros2.Name] = k, k
}

// Topics that the two generations of Franka's packages name differently, ROS 1's first.
var renamed = [][2]string{{msgs.StateTopic, msgs.RobotStateTopic}}

func topic2(name string) string { return rename(name, 0) }

func topic1(name string) string { return rename(name, 1) }

func rename(name string, from int) string {
	for _, r := range renamed {
		if r[from] == name {
			return r[1-from]
		}
	}
	return name
}
