//go:build mujoco

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"korr/cmd/internal/cli"
	"korr/ros/master"
	"korr/ros/rostest"
	"korr/ros/xmlrpc"
	"korr/train/eval"
)

// asKorr makes the test binary behave as korr itself, for programs that start it.
const asKorr = "KORR_TEST_IS_KORR"

func TestMain(m *testing.M) {
	if os.Getenv(asKorr) != "" {
		_ = os.Unsetenv(asKorr)
		main()
	}
	code := m.Run()
	rostest.Clean()
	os.Exit(code)
}

// process is a program that a test started, with what it printed.
type process struct {
	*exec.Cmd
	done chan struct{}
	err  error // once done
	mu   sync.Mutex
	b    bytes.Buffer
}

// Write implements io.Writer.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.Write(b)
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.String()
}

// begin starts a program with korr on its PATH, this test binary.
func begin(t *testing.T, uri string, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "korr")); err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: rostest.Command(context.Background(), t, uri, args...), done: make(chan struct{})}
	p.Env = append(p.Env, asKorr+"=1", "PATH="+bin+":"+os.Getenv("PATH"))
	p.Stdout, p.Stderr = p, p
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.interrupt()
		if t.Failed() {
			t.Logf("%v printed:\n%s", args, p.text())
		}
	})
	return p
}

// interrupt ends the program as Ctrl-C does, and waits.
func (p *process) interrupt() {
	_ = p.Process.Signal(syscall.SIGINT)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		_ = p.Process.Kill()
		<-p.done
	}
}

// says waits until the program has printed a text.
func (p *process) says(t *testing.T, want string) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if strings.Contains(p.text(), want) {
			return
		}
		select {
		case <-p.done:
			t.Fatalf("it ended (%v) and never said %q: %s", p.err, want, p.text())
		default:
		}
	}
	t.Fatalf("it never said %q: %s", want, p.text())
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// TestLaunch: roslaunch starts its master, the simulator and the control node from ros/launch with parameters, a
// remapping and a namespace; they connect; Ctrl-C ends them all, and everything is unregistered before.
func TestLaunch(t *testing.T) {
	rostest.Need(t, "roslaunch", "rosnode", "rostopic", "/usr/lib/python3/dist-packages/rosmaster")
	port := freePort(t)
	uri := fmt.Sprintf("http://127.0.0.1:%d/", port)
	p := begin(t, uri, "roslaunch", "-p", fmt.Sprint(port), "korr", "korr.launch", "task:=one_leg", "policy:=base")
	p.says(t, "simulator is up")
	p.says(t, "to=RUN")
	info := rostest.Tool(t, uri, "rosnode", "info", "/korr")
	if want := "/cartesian_impedance_example_controller/equilibrium_pose"; !strings.Contains(info, want) {
		t.Errorf("rosnode info says %q, want %q in it", info, want)
	}
	if out := rostest.Tool(t, uri, "rosparam", "get", "/korr_sim/sim/task"); !strings.Contains(out, "one_leg") {
		t.Errorf("the parameter is %q", out)
	}
	if out := rostest.Tool(t, uri, "rosnode", "kill", "/korr_sim"); !strings.Contains(out, "killed") {
		t.Errorf("rosnode kill says %q", out)
	}
	p.says(t, "[korr_sim-2] process has finished cleanly")
	p.interrupt()
	if text := p.text(); strings.Contains(text, "escalating") || !strings.Contains(text, "done") {
		t.Errorf("roslaunch did not end cleanly: %s", text)
	}
}

// TestLaunchNamespace: a node in a namespace with a private parameter of another task; ROS_NAMESPACE and __name are
// roslaunch's.
func TestLaunchNamespace(t *testing.T) {
	rostest.Need(t, "roslaunch", "rostopic", "/usr/lib/python3/dist-packages/rosmaster")
	port := freePort(t)
	uri := fmt.Sprintf("http://127.0.0.1:%d/", port)
	file := filepath.Join(t.TempDir(), "two.launch")
	if err := os.WriteFile(file, []byte(`<launch>
  <group ns="lab">
    <node pkg="korr" type="korr" name="arm" args="sim --ros --wait" output="screen">
      <param name="sim/task" value="lamp"/>
      <remap from="/furniture/part_names" to="parts"/>
      <remap from="/joint_states" to="~joints"/>
    </node>
  </group>
</launch>`), 0o644); err != nil {
		t.Fatal(err)
	}
	p := begin(t, uri, "roslaunch", "-p", fmt.Sprint(port), file)
	p.says(t, "simulator is up")
	if out := rostest.Tool(t, uri, "rostopic", "echo", "-n", "1", "/lab/parts"); !strings.Contains(out,
		"base,bulb,hood,obstacle") {
		t.Errorf("/lab/parts says %q", out)
	}
	if out := rostest.Tool(t, uri, "rostopic", "info", "/lab/arm/joints"); !strings.Contains(out, "/lab/arm ") {
		t.Errorf("/lab/arm/joints: %q", out)
	}
	if out := rostest.Tool(t, uri, "rosservice", "list"); !strings.Contains(out, "/lab/arm/perturb") {
		t.Errorf("services: %q", out)
	}
	p.interrupt()
}

// TestSignals: SIGINT and SIGTERM end the nodes, which unregister before.
func TestSignals(t *testing.T) {
	rostest.Need(t, rostest.Python)
	rostest.Masters(t, func(t *testing.T, uri string) {
		for _, tc := range []struct {
			signal os.Signal
			args   []string
			up     string
		}{
			{syscall.SIGINT, []string{"sim", "--ros"}, "simulator is up"},
			{syscall.SIGTERM, []string{"sim", "--ros", "--lock-step"}, "simulator is up"},
			{syscall.SIGTERM, []string{"eval", "--serve"}, "evaluation node is up"},
		} {
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			p := begin(t, uri, append([]string{self}, tc.args...)...)
			p.says(t, tc.up)
			before := time.Now()
			_ = p.Process.Signal(tc.signal)
			select {
			case <-p.done:
			case <-time.After(10 * time.Second):
				t.Fatalf("%v: it goes on after %v", tc.args, tc.signal)
			}
			if code := p.ProcessState.ExitCode(); code != cli.ExitInterrupted {
				t.Errorf("%v: exit code %d after %v", tc.args, code, tc.signal)
			}
			t.Logf("%v ended %v after %v", tc.args, time.Since(before).Round(time.Millisecond), tc.signal)
			if nodes, err := registered(uri); err != nil || len(nodes) > 0 {
				t.Errorf("%v left %v at the master, %v", tc.args, nodes, err)
			}
		}
	})
}

// registered lists the nodes that the master knows to publish, subscribe or serve anything.
func registered(uri string) (nodes []string, err error) {
	_, v, err := xmlrpc.NewClient(uri, 5*time.Second).CallROS(context.Background(), "getSystemState", "/test")
	if err != nil {
		return nil, err
	}
	for _, list := range v.([]any) {
		for _, entry := range list.([]any) {
			for _, n := range entry.([]any)[1].([]any) {
				nodes = append(nodes, n.(string))
			}
		}
	}
	return nodes, nil
}

// evaluator asks the evaluation node with ROS's own action client.
const evaluator = `
import sys, actionlib, rospy
from korr_msgs.msg import EvaluateAction, EvaluateGoal
rospy.init_node("client")
c = actionlib.SimpleActionClient("/korr_eval/run", EvaluateAction)
if not c.wait_for_server(rospy.Duration(20)):
    sys.exit("no action server")
for over_ros in False, True:
    c.send_goal(EvaluateGoal(policy="expert", task="lamp", episodes=2, seed=11, perturb=1, over_ros=over_ros))
    if not c.wait_for_result(rospy.Duration(60)):
        sys.exit("no result")
    r = c.get_result()
    print("state %d: %d of %d, %.6f [%.6f, %.6f], steps %d %s" % (c.get_state(), r.successes, r.episodes, r.rate, r.rate_low, r.rate_high, sum(e.steps for e in r.results), r.error))
c.send_goal(EvaluateGoal(policy="nobody.safetensors"))
c.wait_for_result(rospy.Duration(20))
print("state %d: %s" % (c.get_state(), c.get_result().error))
`

// TestEvaluateAction: the action gives what korr eval gives, in process and over ROS nodes.
func TestEvaluateAction(t *testing.T) {
	rostest.Need(t, rostest.Python, "/usr/lib/python3/dist-packages/actionlib")
	o := korr(t, "eval", "--task", "lamp", "--policy", "expert", "--episodes", "2", "--perturb", "on", "--seed", "11",
		"--json")
	var want eval.Report
	if err := json.Unmarshal([]byte(o.out), &want); err != nil || len(want.Results) != 1 {
		t.Fatalf("%v: %s %s", err, o.out, o.err)
	}
	w := want.Results[0]
	line := fmt.Sprintf("state 3: %d of %d, %.6f [%.6f, %.6f], steps %.0f ", w.Successes, w.Episodes, w.Rate, w.CI95[0],
		w.CI95[1], w.MeanSteps*float64(w.Episodes))
	m, err := master.Start(master.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	begin(t, m.URI(), self, "eval", "--serve").says(t, "evaluation node is up")
	out := rostest.Tool(t, m.URI(), rostest.Python, "-c", evaluator)
	if strings.Count(out, line) != 2 || !strings.Contains(out, "state 4: policy nobody.safetensors") {
		t.Errorf("the client says %q, want %q twice, and a refusal", out, line)
	}
}
