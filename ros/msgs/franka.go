package msgs

import "korr/ros/node"

// Robot modes of FrankaState.
const (
	RobotModeOther         uint8 = 0
	RobotModeIdle          uint8 = 1
	RobotModeMove          uint8 = 2
	RobotModeGuiding       uint8 = 3
	RobotModeReflex        uint8 = 4
	RobotModeUserStopped   uint8 = 5
	RobotModeErrorRecovery uint8 = 6
)

// FrankaState is franka_msgs/FrankaState of franka_ros 0.9 and later. Matrices are column-major; names follow
// libfranka's RobotState.
type FrankaState struct {
	node.Package              `ros:"franka_msgs"`
	node.Definitions          `ros:"uint8 ROBOT_MODE_OTHER=0,uint8 ROBOT_MODE_IDLE=1,uint8 ROBOT_MODE_MOVE=2,uint8 ROBOT_MODE_GUIDING=3,uint8 ROBOT_MODE_REFLEX=4,uint8 ROBOT_MODE_USER_STOPPED=5,uint8 ROBOT_MODE_AUTOMATIC_ERROR_RECOVERY=6"`
	Header                    Header
	CartesianCollision        [6]float64  `rosname:"cartesian_collision"`
	CartesianContact          [6]float64  `rosname:"cartesian_contact"`
	Q                         [7]float64  `rosname:"q"` // joint positions, rad
	QD                        [7]float64  `rosname:"q_d"`
	Dq                        [7]float64  `rosname:"dq"` // joint velocities, rad/s
	DqD                       [7]float64  `rosname:"dq_d"`
	DdqD                      [7]float64  `rosname:"ddq_d"`
	Theta                     [7]float64  `rosname:"theta"`
	Dtheta                    [7]float64  `rosname:"dtheta"`
	TauJ                      [7]float64  `rosname:"tau_J"` // joint torques, N m
	DtauJ                     [7]float64  `rosname:"dtau_J"`
	TauJD                     [7]float64  `rosname:"tau_J_d"`
	KFExtHatK                 [6]float64  `rosname:"K_F_ext_hat_K"`
	Elbow                     [2]float64  `rosname:"elbow"`
	ElbowD                    [2]float64  `rosname:"elbow_d"`
	ElbowC                    [2]float64  `rosname:"elbow_c"`
	DelbowC                   [2]float64  `rosname:"delbow_c"`
	DdelbowC                  [2]float64  `rosname:"ddelbow_c"`
	JointCollision            [7]float64  `rosname:"joint_collision"`
	JointContact              [7]float64  `rosname:"joint_contact"`
	OFExtHatK                 [6]float64  `rosname:"O_F_ext_hat_K"`
	ODPEED                    [6]float64  `rosname:"O_dP_EE_d"` // desired end-effector twist in the base frame: linear m/s, angular rad/s
	ODdPO                     [3]float64  `rosname:"O_ddP_O"`   // base acceleration, m/s^2
	ODPEEC                    [6]float64  `rosname:"O_dP_EE_c"`
	ODdPEEC                   [6]float64  `rosname:"O_ddP_EE_c"`
	TauExtHatFiltered         [7]float64  `rosname:"tau_ext_hat_filtered"`
	MEe                       float64     `rosname:"m_ee"`
	FXCee                     [3]float64  `rosname:"F_x_Cee"`
	IEe                       [9]float64  `rosname:"I_ee"`
	MLoad                     float64     `rosname:"m_load"`
	FXCload                   [3]float64  `rosname:"F_x_Cload"`
	ILoad                     [9]float64  `rosname:"I_load"`
	MTotal                    float64     `rosname:"m_total"`
	FXCtotal                  [3]float64  `rosname:"F_x_Ctotal"`
	ITotal                    [9]float64  `rosname:"I_total"`
	OTEE                      [16]float64 `rosname:"O_T_EE"` // measured end-effector pose in the base frame, 4x4, column-major
	OTEED                     [16]float64 `rosname:"O_T_EE_d"`
	OTEEC                     [16]float64 `rosname:"O_T_EE_c"`
	FTEE                      [16]float64 `rosname:"F_T_EE"`  // end effector in the flange frame, column-major
	FTNE                      [16]float64 `rosname:"F_T_NE"`  // nominal end effector in the flange frame
	NETEE                     [16]float64 `rosname:"NE_T_EE"` // end effector in the nominal one
	EETK                      [16]float64 `rosname:"EE_T_K"`
	Time                      float64     `rosname:"time"`                         // s since the robot started
	ControlCommandSuccessRate float64     `rosname:"control_command_success_rate"` // of the last 100 commands
	RobotMode                 uint8
	CurrentErrors             FrankaErrors
	LastMotionErrors          FrankaErrors
}

// FrankaErrors is franka_msgs/Errors: what stopped the arm.
type FrankaErrors struct {
	node.Package                                           `ros:"franka_msgs"`
	node.Name                                              `ros:"Errors"`
	JointPositionLimitsViolation                           bool `rosname:"joint_position_limits_violation"`
	CartesianPositionLimitsViolation                       bool `rosname:"cartesian_position_limits_violation"`
	SelfCollisionAvoidanceViolation                        bool `rosname:"self_collision_avoidance_violation"`
	JointVelocityViolation                                 bool `rosname:"joint_velocity_violation"`
	CartesianVelocityViolation                             bool `rosname:"cartesian_velocity_violation"`
	ForceControlSafetyViolation                            bool `rosname:"force_control_safety_violation"`
	JointReflex                                            bool `rosname:"joint_reflex"`
	CartesianReflex                                        bool `rosname:"cartesian_reflex"`
	MaxGoalPoseDeviationViolation                          bool `rosname:"max_goal_pose_deviation_violation"`
	MaxPathPoseDeviationViolation                          bool `rosname:"max_path_pose_deviation_violation"`
	CartesianVelocityProfileSafetyViolation                bool `rosname:"cartesian_velocity_profile_safety_violation"`
	JointPositionMotionGeneratorStartPoseInvalid           bool `rosname:"joint_position_motion_generator_start_pose_invalid"`
	JointMotionGeneratorPositionLimitsViolation            bool `rosname:"joint_motion_generator_position_limits_violation"`
	JointMotionGeneratorVelocityLimitsViolation            bool `rosname:"joint_motion_generator_velocity_limits_violation"`
	JointMotionGeneratorVelocityDiscontinuity              bool `rosname:"joint_motion_generator_velocity_discontinuity"`
	JointMotionGeneratorAccelerationDiscontinuity          bool `rosname:"joint_motion_generator_acceleration_discontinuity"`
	CartesianPositionMotionGeneratorStartPoseInvalid       bool `rosname:"cartesian_position_motion_generator_start_pose_invalid"`
	CartesianMotionGeneratorElbowLimitViolation            bool `rosname:"cartesian_motion_generator_elbow_limit_violation"`
	CartesianMotionGeneratorVelocityLimitsViolation        bool `rosname:"cartesian_motion_generator_velocity_limits_violation"`
	CartesianMotionGeneratorVelocityDiscontinuity          bool `rosname:"cartesian_motion_generator_velocity_discontinuity"`
	CartesianMotionGeneratorAccelerationDiscontinuity      bool `rosname:"cartesian_motion_generator_acceleration_discontinuity"`
	CartesianMotionGeneratorElbowSignInconsistent          bool `rosname:"cartesian_motion_generator_elbow_sign_inconsistent"`
	CartesianMotionGeneratorStartElbowInvalid              bool `rosname:"cartesian_motion_generator_start_elbow_invalid"`
	CartesianMotionGeneratorJointPositionLimitsViolation   bool `rosname:"cartesian_motion_generator_joint_position_limits_violation"`
	CartesianMotionGeneratorJointVelocityLimitsViolation   bool `rosname:"cartesian_motion_generator_joint_velocity_limits_violation"`
	CartesianMotionGeneratorJointVelocityDiscontinuity     bool `rosname:"cartesian_motion_generator_joint_velocity_discontinuity"`
	CartesianMotionGeneratorJointAccelerationDiscontinuity bool `rosname:"cartesian_motion_generator_joint_acceleration_discontinuity"`
	CartesianPositionMotionGeneratorInvalidFrame           bool `rosname:"cartesian_position_motion_generator_invalid_frame"`
	ForceControllerDesiredForceToleranceViolation          bool `rosname:"force_controller_desired_force_tolerance_violation"`
	ControllerTorqueDiscontinuity                          bool `rosname:"controller_torque_discontinuity"`
	StartElbowSignInconsistent                             bool `rosname:"start_elbow_sign_inconsistent"`
	CommunicationConstraintsViolation                      bool `rosname:"communication_constraints_violation"`
	PowerLimitViolation                                    bool `rosname:"power_limit_violation"`
	JointP2pInsufficientTorqueForPlanning                  bool `rosname:"joint_p2p_insufficient_torque_for_planning"`
	TauJRangeViolation                                     bool `rosname:"tau_j_range_violation"`
	InstabilityDetected                                    bool `rosname:"instability_detected"`
	JointMoveInWrongDirection                              bool `rosname:"joint_move_in_wrong_direction" ros2:"-"`
	CartesianSplineMotionGeneratorViolation                bool `rosname:"cartesian_spline_motion_generator_violation" ros2:"-"`
	JointViaMotionGeneratorPlanningJointLimitViolation     bool `rosname:"joint_via_motion_generator_planning_joint_limit_violation" ros2:"-"`
	BaseAccelerationInitializationTimeout                  bool `rosname:"base_acceleration_initialization_timeout" ros2:"-"`
	BaseAccelerationInvalidReading                         bool `rosname:"base_acceleration_invalid_reading" ros2:"-"`
}
