package msgs

import "korr/ros/node"

// Names of franka_ros2 that are not those of franka_ros.
const (
	RobotStateTopic = "/franka_robot_state_broadcaster/robot_state" // FrankaRobotState
	RecoveryAction2 = "/action_server/error_recovery"               // franka_msgs/action/ErrorRecovery
	StopService     = GripperAction + "stop"                        // Trigger
)

// FrankaRobotState is franka_msgs/msg/FrankaRobotState of franka_ros2, what FrankaState is in ROS 1.
type FrankaRobotState struct {
	node.Package              `ros:"franka_msgs"`
	node.Definitions          `ros:"uint8 ROBOT_MODE_OTHER=0,uint8 ROBOT_MODE_IDLE=1,uint8 ROBOT_MODE_MOVE=2,uint8 ROBOT_MODE_GUIDING=3,uint8 ROBOT_MODE_REFLEX=4,uint8 ROBOT_MODE_USER_STOPPED=5,uint8 ROBOT_MODE_AUTOMATIC_ERROR_RECOVERY=6"`
	Header                    Header
	CollisionIndicators       CollisionIndicators
	MeasuredJointState        JointState // q (rad), dq (rad/s), tau_J (N m)
	DesiredJointState         JointState
	MeasuredJointMotorState   JointState
	DdqD                      [7]float64
	DtauJ                     [7]float64
	TauExtHatFiltered         JointState
	Elbow                     FrankaElbow
	KFExtHatK                 WrenchStamped `rosname:"k_f_ext_hat_k"`
	OFExtHatK                 WrenchStamped `rosname:"o_f_ext_hat_k"`
	InertiaEe                 InertiaStamped
	InertiaLoad               InertiaStamped
	InertiaTotal              InertiaStamped
	OTEE                      PoseStamped  `rosname:"o_t_ee"` // measured end-effector pose in the base frame
	OTEED                     PoseStamped  `rosname:"o_t_ee_d"`
	OTEEC                     PoseStamped  `rosname:"o_t_ee_c"`
	FTEE                      PoseStamped  `rosname:"f_t_ee"`
	EETK                      PoseStamped  `rosname:"ee_t_k"`
	ODPEED                    TwistStamped `rosname:"o_dp_ee_d"` // desired end-effector twist in the base frame
	ODPEEC                    TwistStamped `rosname:"o_dp_ee_c"`
	ODdPEEC                   AccelStamped `rosname:"o_ddp_ee_c"`
	Time                      float64      // s since the robot started
	ControlCommandSuccessRate float64      // of the last 100 commands
	RobotMode                 uint8
	CurrentErrors             FrankaErrors
	LastMotionErrors          FrankaErrors
}

// CollisionIndicators is franka_msgs/msg/CollisionIndicators.
type CollisionIndicators struct {
	node.Package                `ros:"franka_msgs"`
	IsCartesianLinearCollision  Vector3
	IsCartesianAngularCollision Vector3
	IsCartesianLinearContact    Vector3
	IsCartesianAngularContact   Vector3
	IsJointCollision            [7]float64
	IsJointContact              [7]float64
}

// FrankaElbow is franka_msgs/msg/Elbow.
type FrankaElbow struct {
	node.Package          `ros:"franka_msgs"`
	node.Name             `ros:"Elbow"`
	Position              [2]float64
	DesiredPosition       [2]float64
	CommandedPosition     [2]float64
	CommandedVelocity     [2]float64
	CommandedAcceleration [2]float64
}

// Wrench is geometry_msgs/Wrench: N and N m.
type Wrench struct {
	node.Package  `ros:"geometry_msgs"`
	Force, Torque Vector3
}

// WrenchStamped is geometry_msgs/WrenchStamped.
type WrenchStamped struct {
	node.Package `ros:"geometry_msgs"`
	Header       Header
	Wrench       Wrench
}

// Inertia is geometry_msgs/Inertia: kg, m, kg m^2.
type Inertia struct {
	node.Package `ros:"geometry_msgs"`
	M            float64
	Com          Vector3
	Ixx, Ixy     float64
	Ixz, Iyy     float64
	Iyz, Izz     float64
}

// InertiaStamped is geometry_msgs/InertiaStamped.
type InertiaStamped struct {
	node.Package `ros:"geometry_msgs"`
	Header       Header
	Inertia      Inertia
}

// Twist is geometry_msgs/Twist: m/s and rad/s.
type Twist struct {
	node.Package    `ros:"geometry_msgs"`
	Linear, Angular Vector3
}

// TwistStamped is geometry_msgs/TwistStamped.
type TwistStamped struct {
	node.Package `ros:"geometry_msgs"`
	Header       Header
	Twist        Twist
}

// Accel is geometry_msgs/Accel: m/s^2 and rad/s^2.
type Accel struct {
	node.Package    `ros:"geometry_msgs"`
	Linear, Angular Vector3
}

// AccelStamped is geometry_msgs/AccelStamped.
type AccelStamped struct {
	node.Package `ros:"geometry_msgs"`
	Header       Header
	Accel        Accel
}
