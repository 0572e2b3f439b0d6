package simnode_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"korr/ros/msgs"
	"korr/ros/rostest"
	"korr/ros/simnode"
	"korr/ros/toyarm"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		rostest.Clean()
		os.Exit(code)
	}))
}

// tool is one run of a program of ROS's against the served simulator, and what it must print.
type tool struct {
	args []string
	want string
}

// quick are run against both masters.
var quick = []tool{
	{[]string{"rostopic", "list"}, "/franka_state_controller/franka_states"},
	{[]string{"rostopic", "info", "/furniture/parts_poses"}, "geometry_msgs/PoseArray"},
	{[]string{"rostopic", "echo", "-n", "1", "/furniture/part_names"}, "top,leg1,leg2,leg3,leg4,obstacle"},
	{
		[]string{"rostopic", "echo", "-n", "1", "/franka_state_controller/franka_states"},
		"control_command_success_rate: 1.0",
	},
	{[]string{"rosnode", "list"}, "/korr_sim"},
	{[]string{"rosnode", "info", "/korr_sim"}, "/korr_sim/perturb"},
	{[]string{"rosnode", "ping", "-c", "1", "/korr_sim"}, "xmlrpc reply"},
	{[]string{"rosservice", "call", "/korr_sim/pause", "true"}, "success: True"},
	{[]string{"rosservice", "call", "/korr_sim/reset", "seed: 5"}, "episode: 2"},
	{[]string{"rosparam", "set", "/robot/limits", "{z: 0.4, names: [a, b]}"}, ""},
	{[]string{"rosparam", "get", "/robot"}, "limits"},
	{[]string{"rosparam", "list"}, "/robot/limits/z"},
}

// slow are run against the embedded master alone.
var slow = []tool{
	{[]string{"rostopic", "type", "/franka_gripper/grasp/goal"}, "franka_gripper/GraspActionGoal"},
	{[]string{"rostopic", "find", "tf2_msgs/TFMessage"}, "/tf_static"},
	{[]string{"rostopic", "echo", "-n", "1", "/franka_gripper/joint_states"}, "panda_finger_joint2"},
	{[]string{"rostopic", "echo", "-n", "1", "/tf_static"}, `child_frame_id: "tag"`},
	{[]string{"rostopic", "echo", "-n", "1", "/korr_sim/state"}, "seed: 5"},
	{[]string{"rosnode", "machine"}, "127.0.0.1"},
	{[]string{"rosservice", "list"}, "/korr_sim/step"},
	{[]string{"rosservice", "info", "/korr_sim/perturb"}, "korr_msgs/Perturb"},
	{[]string{"rosservice", "call", "/korr_sim/step", "3"}, "success: True"},
	{[]string{"rosservice", "call", "/korr_sim/perturb", "{kind: noise, target: parts, value: [0.001, 0.01], duration: " +
		"1.0}"}, "success: True"},
	{[]string{"rosservice", "call", "/korr_sim/perturb", "{kind: quake}"}, "take one of"},
	{[]string{"rosparam", "delete", "/robot/limits"}, ""},
	{[]string{"rosmsg", "show", "korr_msgs/SimState"}, "float32 episode_return"},
	{[]string{"rossrv", "md5", "korr_msgs/Perturb"}, "acd427c0960a3d9522c90824e3ed36a3"},
	{[]string{"rostopic", "hz", "-w", "30", "/joint_states"}, "average rate: "},
}

// TestTools runs ROS's own command-line tools against the simulator, at the embedded master and at Debian's rosmaster.
func TestTools(t *testing.T) {
	rostest.Need(t, "rostopic", "rosnode", "rosservice", "rosparam", "rosmsg", "/usr/lib/python3/dist-packages/tf2_msgs")
	rostest.Masters(t, func(t *testing.T, uri string) {
		b := serve(t, uri, simnode.Config{Env: toyarm.New(math.MaxInt)})
		for _, tc := range quick {
			tc.run(t, uri)
		}
		v, found, err := b.node.Param(context.Background(), "/robot/limits")
		if m, ok := v.(map[string]any); err != nil || !found || !ok || m["z"] != 0.4 {
			t.Errorf("the parameter that rosparam set is %v, %v", v, err)
		}
		if !strings.HasSuffix(t.Name(), "embedded") {
			return
		}
		for _, tc := range slow {
			tc.run(t, uri)
		}
	})
}

// run runs the tool; one that never ends is interrupted once it has printed what it must.
func (c tool) run(t *testing.T, uri string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cmd := rostest.Command(ctx, t, uri, c.args...)
	out := &watched{want: c.want, seen: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = out, out
	err := cmd.Start()
	if err == nil {
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case err = <-ended:
		case <-out.endless(c.args):
			cancel()
			<-ended
		}
	}
	text := out.String()
	if err != nil || !strings.Contains(text, c.want) {
		t.Errorf("%s: %v, says %q, want %q in it", strings.Join(c.args, " "), err, text, c.want)
	}
	if c.args[1] == "hz" {
		var hz float64
		if _, err := fmt.Sscanf(text[strings.Index(text, c.want)+len(c.want):], "%g", &hz); err != nil || hz < 45 || hz > 55 {
			t.Errorf("rostopic hz says %q", text)
		}
	}
}

// TestRecordAndPlay: rosbag records what the simulator says, and plays it back to a subscriber.
func TestRecordAndPlay(t *testing.T) {
	rostest.Need(t, "rosbag", "/usr/lib/rosbag/record", "/usr/lib/rosbag/play")
	bag := filepath.Join(t.TempDir(), "arm.bag")
	t.Run("record", func(t *testing.T) {
		b := serve(t, "", simnode.Config{Env: toyarm.New(math.MaxInt)})
		rostest.Tool(t, b.uri, "rosbag", "record", "-O", bag, "--duration=2", msgs.StateTopic, msgs.PartsTopic, msgs.TFTopic,
			msgs.PartNamesTopic)
	})
	if t.Failed() {
		return
	}
	b := serve(t, "", simnode.Config{Env: toyarm.New(math.MaxInt)}) // its own messages go by another name
	info := rostest.Tool(t, b.uri, "rosbag", "info", bag)
	for _, want := range []string{
		"franka_msgs/FrankaState", "geometry_msgs/PoseArray", "tf2_msgs/TFMessage",
		"std_msgs/String",
	} {
		if !strings.Contains(info, want) {
			t.Errorf("rosbag info says %q, want %q in it", info, want)
		}
	}
	var played heard
	if err := subscribeArm(listen(t, b.uri), "/played"+msgs.StateTopic, &played); err != nil {
		t.Fatal(err)
	}
	rostest.Tool(t, b.uri, "rosbag", "play", "-q", "-d", "1", bag, "--prefix=/played")
	if n, hz := len(played.stamps), played.rate(); n < 20 || math.Abs(hz-50) > 3 {
		t.Errorf("%d messages of %.1f Hz came back", n, hz)
	}
}

// rospy is a node as users write them: it waits for the arm, commands a motion, grasps, injects a fault, and looks at
// it all.
const rospyNode = `
import sys, rospy, actionlib, tf2_msgs.msg
from franka_msgs.msg import FrankaState
from franka_gripper.msg import GraspAction, GraspGoal, GraspEpsilon, MoveAction, MoveGoal
from geometry_msgs.msg import PoseStamped, PoseArray
from sensor_msgs.msg import JointState
from korr_msgs.srv import Perturb
rospy.init_node("user")
first = rospy.wait_for_message("/franka_state_controller/franka_states", FrankaState, 10)
frames = set(t.child_frame_id for t in rospy.wait_for_message("/tf", tf2_msgs.msg.TFMessage, 10).transforms)
print("frames", "panda_hand_tcp" in frames, "furniture/leg4" in frames)
pub = rospy.Publisher("/cartesian_impedance_example_controller/equilibrium_pose", PoseStamped, queue_size=1)
goal = PoseStamped()
goal.pose.position.x, goal.pose.position.y, goal.pose.position.z = first.O_T_EE[12] + 0.1, first.O_T_EE[13], first.O_T_EE[14]
goal.pose.orientation.x = 1
now = first
for i in range(200):
    goal.header.stamp = rospy.Time.now()
    pub.publish(goal)
    now = rospy.wait_for_message("/franka_state_controller/franka_states", FrankaState, 5)
    if now.O_T_EE[12] > first.O_T_EE[12] + 0.02:
        break
print("moved", now.O_T_EE[12] > first.O_T_EE[12] + 0.02, "mode", now.robot_mode)
def do(name, action, g):
    c = actionlib.SimpleActionClient("/franka_gripper/" + name, action)
    if not c.wait_for_server(rospy.Duration(10)):
        sys.exit("no server of " + name)
    c.send_goal(g)
    if not c.wait_for_result(rospy.Duration(10)):
        sys.exit("no result of " + name)
    print(name, c.get_state(), c.get_result().success)
do("grasp", GraspAction, GraspGoal(width=0.02, epsilon=GraspEpsilon(0.01, 0.01), speed=0.1, force=40))
fingers = rospy.wait_for_message("/franka_gripper/joint_states", JointState, 5)
print("width", sum(fingers.position) < 0.03)
do("move", MoveAction, MoveGoal(width=0.08, speed=0.1))
perturb = rospy.ServiceProxy("/korr_sim/perturb", Perturb)
print("perturb", perturb(kind="length", target="parts").success)
for i in range(100):
    n = len(rospy.wait_for_message("/furniture/parts_poses", PoseArray, 5).poses)
    if n == 5:
        break
print("parts", n)
`

// TestRospyAndActionlib: a node of a user's moves the arm, grips and injects.
func TestRospyAndActionlib(t *testing.T) {
	rostest.Need(t, rostest.Python, "/usr/lib/python3/dist-packages/rospy", "/usr/lib/python3/dist-packages/actionlib",
		"/usr/lib/python3/dist-packages/tf2_msgs")
	rostest.Masters(t, func(t *testing.T, uri string) {
		serve(t, uri, simnode.Config{Env: toyarm.New(math.MaxInt)})
		out := rostest.Tool(t, uri, rostest.Python, "-c", rospyNode)
		for _, want := range []string{
			"frames True True", "moved True mode 2", "grasp 3 True", "width True", "move 3 True",
			"perturb True", "parts 5",
		} {
			if !strings.Contains(out, want) {
				t.Errorf("the node says %q, want %q in it", out, want)
			}
		}
	})
}

// TestRosnodeKill: a node that is told to shut down ends, and leaves nothing at the master.
func TestRosnodeKill(t *testing.T) {
	rostest.Need(t, "rosnode")
	rostest.Masters(t, func(t *testing.T, uri string) {
		ended := serveUntilKilled(t, uri)
		if out := rostest.Tool(t, uri, "rosnode", "kill", "/korr_sim"); !strings.Contains(out, "killed") {
			t.Errorf("rosnode kill says %q", out)
		}
		select {
		case err := <-ended:
			if !strings.Contains(fmt.Sprint(err), "told to shut down") {
				t.Errorf("Run returned %v", err)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("the node goes on")
		}
		if out := rostest.Tool(t, uri, "rosnode", "list"); strings.Contains(out, "/korr_sim") {
			t.Errorf("rosnode list says %q", out)
		}
	})
}
