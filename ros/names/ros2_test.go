package names

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

// TestROS2Arguments: what `ros2 run` and a launch file pass.
func TestROS2Arguments(t *testing.T) {
	file := filepath.Join(t.TempDir(), "p.yaml")
	text := "/**:\n  ros__parameters:\n    run: {rate_hz: 20, resume: false}\n    use_sim_time: true\narm:\n  " +
		"ros__parameters:\n    run: {rate_hz: 25}\nother:\n  ros__parameters: {x: 1}\n"
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	line := strings.Fields("run --yes --ros-args -r __node:=arm -r __ns:=/lab -r target_pose:=/crisp/target_pose " +
		"--params-file " + file +
		" -p run.resume:=true --log-level warn -- --rate 10")
	ros, rest := SplitROS2(line)
	if want := strings.Fields("run --yes --rate 10"); !reflect.DeepEqual(rest, want) {
		t.Errorf("the rest is %q", rest)
	}
	n, err := ParseROS2("korr", ros, env(map[string]string{
		"ROS_DOMAIN_ID": "7", "ROS_STATIC_PEERS": "10.0.0.2;host",
		"ROS_DISTRO": "humble", "ROS_LOCALHOST_ONLY": "1",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if n.Node != "/lab/arm" || n.MustResolve("target_pose") != "/crisp/target_pose" {
		t.Errorf("%s, %s", n.Node, n.MustResolve("target_pose"))
	}
	if want := map[string]string{
		"run.rate_hz": "25", "run.resume": "true",
		"use_sim_time": "true",
	}; !reflect.DeepEqual(n.Params, want) {
		t.Errorf("parameters %v, want %v", n.Params, want)
	}
	if want := (&ROS2{Domain: 7, Localhost: true, Humble: true, Peers: []string{
		"10.0.0.2",
		"host",
	}}); !reflect.DeepEqual(n.ROS2, want) {
		t.Errorf("%+v, want %+v", n.ROS2, want)
	}
}

func TestBadROS2Arguments(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe") // which nobody writes to
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{
		"-r", "-r x", "-p x", "--params-file /nowhere/x.yaml", "--params-file " + pipe,
		"--unknown", "-r __node:=a/b", "-r __ns:=~x",
	} {
		if _, err := ParseROS2("korr", strings.Fields(args), env(nil)); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
	for _, e := range []map[string]string{
		{"ROS_DOMAIN_ID": "x"},
		{"ROS_DOMAIN_ID": "233"},
		{"ROS_AUTOMATIC_DISCOVERY_RANGE": "OFF"},
	} {
		if _, err := ParseROS2("korr", nil, env(e)); err == nil {
			t.Errorf("%v was taken", e)
		}
	}
}
