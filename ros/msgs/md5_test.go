package msgs

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"korr/ros/node"
)

// signature is a message or service with the sum by which ROS nodes agree on it.
type signature struct {
	value     any
	kind, md5 string
}

// messages are the sums that other ROS nodes compute: those of `rosmsg md5` (ROS 1.15), for franka_msgs, franka_gripper
// and korr_msgs after python.sh. The definitions of franka_msgs also gave the sum that is published for FrankaState of
// franka_ros 0.8 (ada2a2f352d5bb0df96bc0a5d3c9d6e1, the same less O_ddP_O and five errors).
var messages = []signature{
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
	{Vector3{}, "geometry_msgs/Vector3", "4a842b65f413084dc2b10fb484ea7f17"},
	{TransformStamped{}, "geometry_msgs/TransformStamped", "b5764a33bfeb3588febc2682852579b0"},
	{TFMessage{}, "tf2_msgs/TFMessage", "94810edda583a504dfda3829e70d7eec"},
	{DiagnosticArray{}, "diagnostic_msgs/DiagnosticArray", "60810da900de1dd6ddd437c3503511da"},
	{Log{}, "rosgraph_msgs/Log", "acffd30cd6b6de30f120938c17c593fb"},
	{DiagnosticStatus{}, "diagnostic_msgs/DiagnosticStatus", "d0ce08bc6e5ba34c7754f563a9cabaf1"},
	{JointTrajectory{}, "trajectory_msgs/JointTrajectory", "65b4f94a94d1ed67169da35a02f33d3f"},
	{ErrorRecoveryActionGoal{}, "franka_msgs/ErrorRecoveryActionGoal", "4b30be6cd12b9e72826df56b481f40e0"},
	{ErrorRecoveryActionResult{}, "franka_msgs/ErrorRecoveryActionResult", "1eb06eeff08fa7ea874431638cb52332"},
	{ErrorRecoveryActionFeedback{}, "franka_msgs/ErrorRecoveryActionFeedback", "aae20e09065c3809e8a8e87c4c8953fd"},
	{Status{}, "korr_msgs/Status", "1b1c572fc11d8479c6fcc104a126ffbb"},
	{Action{}, "korr_msgs/Action", "154a9717bee6cc4394cb993e9f431214"},
	{EpisodeResult{}, "korr_msgs/EpisodeResult", "5d3996bbed40815a9239b4cb4382d5f8"},
	{EvaluateActionGoal{}, "korr_msgs/EvaluateActionGoal", "eebb21a617db86231da9dd1ef19e6a32"},
	{EvaluateActionResult{}, "korr_msgs/EvaluateActionResult", "13d71353be9e2bcf1ecb8d148c2b36f8"},
	{EvaluateActionFeedback{}, "korr_msgs/EvaluateActionFeedback", "dc9b0363b8d5b8d172671a72074b486a"},
}

var services = []signature{
	{SetBool{}, "std_srvs/SetBool", "09fb03525b03e7ea1fd3992bafd87e16"},
	{Trigger{}, "std_srvs/Trigger", "937c9679a518e3a18d831e57125ea522"},
	{Reset{}, "korr_msgs/Reset", "8a1aded0728f03b342ff3a4b2eef69ff"},
	{Step{}, "korr_msgs/Step", "00e4f54343e482ab36166b108d48bb52"},
	{Perturb{}, "korr_msgs/Perturb", "0a2a26c2170502f8fe76d55bdd28d679"},
}

func TestMD5(t *testing.T) {
	for _, tc := range messages {
		kind, md5, err := node.Signature(tc.value)
		if err != nil || kind != tc.kind || md5 != tc.md5 {
			t.Errorf("%T: %s %s, %v; want %s %s", tc.value, kind, md5, err, tc.kind, tc.md5)
		}
	}
	for _, tc := range services {
		kind, md5, err := node.ServiceSignature(tc.value)
		if err != nil || kind != tc.kind || md5 != tc.md5 {
			t.Errorf("%T: %s %s, %v; want %s %s", tc.value, kind, md5, err, tc.kind, tc.md5)
		}
	}
}

// sums prints the type and MD5 sum of the Python classes of the types in its arguments.
const sums = `
import importlib, sys
for kind in sys.argv[1:]:
    package, name = kind.split("/")
    md5 = "none"
    for sub in "msg", "srv":
        try:
            md5 = getattr(importlib.import_module(package + "." + sub), name)._md5sum
        except (ImportError, AttributeError):
            pass
    print(kind, md5)
`

// TestDefinitionsOnDisk lets ROS's own generator read the definitions in this folder, and ROS's own packages the
// standard ones: their sums are those of the Go types.
func TestDefinitionsOnDisk(t *testing.T) {
	for _, f := range []string{
		"/usr/bin/python3", "/usr/lib/genpy/genmsg_py.py", "/usr/share/std_msgs/msg",
		"/usr/share/actionlib_msgs/msg",
	} {
		if _, err := os.Stat(f); err != nil {
			t.Skipf("%s is missing: install python3-genpy, ros-std-msgs and ros-actionlib-msgs to compare with ROS's own sums",
				f)
		}
	}
	dir := t.TempDir()
	if out, err := exec.Command("./python.sh", dir).CombinedOutput(); err != nil {
		t.Fatalf("python.sh: %v\n%s", err, out)
	}
	all := append(append([]signature(nil), messages...), services...)
	args := []string{"-c", sums}
	for _, s := range all {
		args = append(args, s.kind)
	}
	c := exec.Command("/usr/bin/python3", args...)
	c.Env = append(os.Environ(), "PYTHONPATH="+dir+"/python", "ROS_PACKAGE_PATH="+dir+"/share")
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, err.(*exec.ExitError).Stderr)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(all) {
		t.Fatalf("%d sums for %d types:\n%s", len(lines), len(all), out)
	}
	for i, s := range all {
		kind, md5, _ := strings.Cut(lines[i], " ")
		ours := strings.HasPrefix(kind, "korr_msgs/") || strings.HasPrefix(kind, "franka_")
		if md5 == "none" && !ours {
			t.Logf("%s is not installed", kind)
		} else if kind != s.kind || md5 != s.md5 {
			t.Errorf("%s: ROS says %s %s, Go %s", s.kind, kind, md5, s.md5)
		}
	}
}
