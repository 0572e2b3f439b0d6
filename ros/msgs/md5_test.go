package msgs

import (
	"testing"

	"korr/ros/node"
)

// TestMD5 compares every message with the sum that other ROS nodes compute. The sums of the standard packages are those
// of `rosmsg md5` (ROS 1.15); those of franka_msgs, franka_gripper and korr_msgs were computed with genmsg 0.6 from
// the published definitions, which also gave the sums that are published for FrankaState of franka_ros 0.8
// (ada2a2f352d5bb0df96bc0a5d3c9d6e1, the same less O_ddP_O and five errors) and for GraspActionGoal.
func TestMD5(t *testing.T) {
	for _, tc := range []struct {
		message   any
		kind, md5 string
	}{
		{Header{}, "std_msgs/Header", "2176decaecbce78abc3b96ef049fabed"},
		{Bool{}, "std_msgs/Bool", "8b94c1b53db61fb6aed406028ad6332a"},
		{String{}, "std_msgs/String", "992ce8a1687cec8c8bd883ec73ca41d1"},
		{Clock{}, "rosgraph_msgs/Clock", "a9c97c1d230cfc112e270351a944ee47"},
		{JointState{}, "sensor_msgs/JointState", "3066dcd76a6cfaef579bd0f34173e9fd"},
		{Pose{}, "geometry_msgs/Pose", "e45d45a5a1ce597b249e23fb30fc871f"},
		{PoseStamped{}, "geometry_msgs/PoseStamped", "d3812c3cbc69362b77dc0b19b345f8f5"},
		{PoseArray{}, "geometry_msgs/PoseArray", "916c28c5764443f268b296bb671b9d97"},
		{GoalID{}, "actionlib_msgs/GoalID", "302881f31927c1df708a2dbab0e80ee8"},
		{GoalStatus{}, "actionlib_msgs/GoalStatus", "d388f9b87b3c471f784434d671988d4a"},
		{GoalStatusArray{}, "actionlib_msgs/GoalStatusArray", "8b2b82f13216d0a8ea88bd3af735e619"},
		{FrankaState{}, "franka_msgs/FrankaState", "431567d5df6caf4e4dd7385f25cb71ee"},
		{FrankaErrors{}, "franka_msgs/Errors", "082e9a670c96d8bc64b53e32777458e7"},
		{GraspActionGoal{}, "franka_gripper/GraspActionGoal", "7bd1a6e7f94ef15bb6dd05cb170e7909"},
		{GraspActionResult{}, "franka_gripper/GraspActionResult", "89dbc4e75593b525bbbea3a150532ed6"},
		{GraspActionFeedback{}, "franka_gripper/GraspActionFeedback", "aae20e09065c3809e8a8e87c4c8953fd"},
		{MoveActionGoal{}, "franka_gripper/MoveActionGoal", "f8907a1e7bb902f2e4c7db8e1cf3d24f"},
		{MoveActionResult{}, "franka_gripper/MoveActionResult", "89dbc4e75593b525bbbea3a150532ed6"},
		{MoveActionFeedback{}, "franka_gripper/MoveActionFeedback", "aae20e09065c3809e8a8e87c4c8953fd"},
		{HomingActionGoal{}, "franka_gripper/HomingActionGoal", "4b30be6cd12b9e72826df56b481f40e0"},
		{HomingActionResult{}, "franka_gripper/HomingActionResult", "89dbc4e75593b525bbbea3a150532ed6"},
		{HomingActionFeedback{}, "franka_gripper/HomingActionFeedback", "aae20e09065c3809e8a8e87c4c8953fd"},
		{StopActionGoal{}, "franka_gripper/StopActionGoal", "4b30be6cd12b9e72826df56b481f40e0"},
		{StopActionResult{}, "franka_gripper/StopActionResult", "89dbc4e75593b525bbbea3a150532ed6"},
		{StopActionFeedback{}, "franka_gripper/StopActionFeedback", "aae20e09065c3809e8a8e87c4c8953fd"},
		{SimState{}, "korr_msgs/SimState", "67ccd0caba1dd1406875ae063d93e2a1"},
	} {
		kind, md5, err := node.Signature(tc.message)
		if err != nil || kind != tc.kind || md5 != tc.md5 {
			t.Errorf("%T: %s %s, %v; want %s %s", tc.message, kind, md5, err, tc.kind, tc.md5)
		}
	}
	for _, tc := range []struct {
		service   any
		kind, md5 string
	}{
		{SetBool{}, "std_srvs/SetBool", "09fb03525b03e7ea1fd3992bafd87e16"},
		{Trigger{}, "std_srvs/Trigger", "937c9679a518e3a18d831e57125ea522"},
		{Reset{}, "korr_msgs/Reset", "8a1aded0728f03b342ff3a4b2eef69ff"},
		{Step{}, "korr_msgs/Step", "00e4f54343e482ab36166b108d48bb52"},
	} {
		kind, md5, err := node.ServiceSignature(tc.service)
		if err != nil || kind != tc.kind || md5 != tc.md5 {
			t.Errorf("%T: %s %s, %v; want %s %s", tc.service, kind, md5, err, tc.kind, tc.md5)
		}
	}
}
