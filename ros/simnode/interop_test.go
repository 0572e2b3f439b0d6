package simnode_test

import (
	"context"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"korr/ros/internal/toyarm"
	"korr/ros/master"
	"korr/ros/names"
	"korr/ros/node"
	"korr/ros/simnode"
)

// ros runs one of ROS's own command-line tools against a master.
func ros(t *testing.T, uri string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, "/usr/bin/"+args[0], args[1:]...)
	c.Env = append(os.Environ(), "ROS_MASTER_URI="+strings.TrimSuffix(uri, "/"), "ROS_IP=127.0.0.1", "PYTHONUNBUFFERED=1")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

func needROS(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes seconds: Python starts often")
	}
	for _, tool := range []string{"rosmaster", "rostopic", "rosnode", "rosparam", "rosservice"} {
		if _, err := os.Stat("/usr/bin/" + tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
}

// TestROSToolsOnOurMaster: Debian's rostopic, rosnode, rosparam and rosservice work with the embedded master and the
// served simulator.
func TestROSToolsOnOurMaster(t *testing.T) {
	needROS(t)
	m, err := master.Start(master.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	useTools(t, m.URI())
}

// TestOurNodesOnROSMaster: the same with Debian's rosmaster.
func TestOurNodesOnROSMaster(t *testing.T) {
	needROS(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := ln.Addr().(*net.TCPAddr).Port
	ln.Close()
	uri := fmt.Sprintf("http://127.0.0.1:%d/", port)
	c := exec.Command("/usr/bin/rosmaster", "--core", "-p", fmt.Sprint(port))
	c.Env = append(os.Environ(), "ROS_MASTER_URI="+uri, "ROS_IP=127.0.0.1", "ROS_HOME="+t.TempDir())
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	nm, _ := names.New("probe", uri)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	n, err := node.Open(ctx, node.Config{Names: nm, Wait: true})
	if err != nil {
		t.Fatal(err)
	}
	_ = n.Close()
	useTools(t, uri)
}

// useTools serves a simulator at a master and looks at it with ROS's tools.
func useTools(t *testing.T, uri string) {
	t.Helper()
	b := serve(t, uri, simnode.Config{Env: toyarm.New(math.MaxInt)})
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"rostopic", "list"}, "/franka_state_controller/franka_states"},
		{[]string{"rostopic", "info", "/furniture/parts_poses"}, "geometry_msgs/PoseArray"},
		{[]string{"rostopic", "type", "/franka_gripper/grasp/goal"}, "franka_gripper/GraspActionGoal"},
		{[]string{"rostopic", "echo", "-n", "1", "/franka_gripper/joint_states"}, "panda_finger_joint2"},
		{[]string{"rostopic", "echo", "-n", "1", "/furniture/part_names"}, "top,leg1,leg2,leg3,leg4,obstacle"},
		{[]string{"rosnode", "info", "/korr_sim"}, "/korr_sim/reset"},
		{[]string{"rosnode", "ping", "-c", "1", "/korr_sim"}, "xmlrpc reply"},
		{[]string{"rosservice", "call", "/korr_sim/pause", "true"}, "success: True"},
		{[]string{"rosparam", "set", "/robot/limits", "{z: 0.4, names: [a, b]}"}, ""},
		{[]string{"rosparam", "get", "/robot"}, "limits"},
		{[]string{"rosparam", "list"}, "/robot/limits/z"},
	} {
		if out := ros(t, uri, tc.args...); !strings.Contains(out, tc.want) {
			t.Errorf("%v says %q, want %q in it", tc.args, out, tc.want)
		}
	}
	v, found, err := b.node.Param(context.Background(), "/robot/limits")
	if m, ok := v.(map[string]any); err != nil || !found || !ok || m["z"] != 0.4 {
		t.Errorf("the parameter that rosparam set is %v, %v", v, err)
	}
	// a pose published by rospy moves the arm
	ros(t, uri, "rosservice", "call", "/korr_sim/pause", "false")
	x := b.arm.Load().OTEE[12]
	ros(t, uri, "rostopic", "pub", "--once", "/cartesian_impedance_example_controller/equilibrium_pose", "geometry_msgs/PoseStamped",
		fmt.Sprintf("{pose: {position: {x: %g, y: 0.0, z: 0.2}, orientation: {x: 1.0}}}", x+0.1))
	within(t, "the arm follows rostopic pub", func() bool { return b.arm.Load().OTEE[12] > x+0.02 })
}
