// Package rostest runs ROS's own programs beside korr's nodes, for tests: Debian's rosmaster, the command-line tools
// and Python scripts. A test that needs what is not installed is skipped and says what to install.
package rostest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"korr/ros/master"
	"korr/ros/xmlrpc"
)

// Python is the interpreter that Debian's ROS packages are installed for.
const Python = "/usr/bin/python3"

// Need skips the test under -short, or when one of ROS's programs (of /usr/bin, "rostopic") or files (absolute paths)
// is not installed.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes seconds, because Python starts: not run under -short")
	}
	for _, p := range programs {
		if !filepath.IsAbs(p) {
			p = filepath.Join("/usr/bin", p)
		}
		if _, err := os.Stat(p); err != nil {
			t.Skipf("%s is not there: install ROS 1's packages of Debian (see docs/ros.md)", p)
		}
	}
}

// Masters runs a test against the embedded master and, where it is installed, Debian's rosmaster.
func Masters(t *testing.T, test func(t *testing.T, uri string)) {
	t.Run("embedded", func(t *testing.T) {
		m, err := master.Start(master.Config{Addr: "127.0.0.1:0"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.Close() })
		test(t, m.URI())
	})
	t.Run("rosmaster", func(t *testing.T) { test(t, Rosmaster(t)) })
}

// Rosmaster starts Debian's rosmaster on a free port of the loopback interface until the test ends, and returns its
// URI.
func Rosmaster(t testing.TB) (uri string) {
	t.Helper()
	Need(t, "rosmaster")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := ln.Addr().(*net.TCPAddr).Port
	_ = ln.Close()
	uri = fmt.Sprintf("http://127.0.0.1:%d/", port)
	c := exec.Command("/usr/bin/rosmaster", "--core", "-p", fmt.Sprint(port))
	c.Env = Env(uri, "ROS_HOME="+t.TempDir())
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	client := xmlrpc.NewClient(uri, time.Second)
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if _, _, err := client.CallROS(context.Background(), "getPid", "/rostest"); err == nil {
			return uri
		}
	}
	t.Fatal("rosmaster does not answer")
	return ""
}

// Env is the process's environment with the master, the loopback address and the variables given.
func Env(uri string, more ...string) []string {
	env := append(os.Environ(), "ROS_MASTER_URI="+strings.TrimSuffix(uri, "/"), "ROS_IP=127.0.0.1", "PYTHONUNBUFFERED=1")
	return append(env, more...)
}

// Tool runs one of ROS's programs (or an absolute path) against a master for at most 30 s and returns what it printed.
// A failure is an error of the test.
func Tool(t testing.TB, uri string, args ...string) string {
	t.Helper()
	out, err := Try(t, uri, args...)
	if err != nil {
		t.Errorf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// Try is Tool for a program that may fail.
func Try(t testing.TB, uri string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	out, err := Command(ctx, t, uri, args...).CombinedOutput()
	return string(out), err
}

// Command is a program of ROS's, with korr's messages known to Python. Interrupted, it has 5 s to end.
func Command(ctx context.Context, t testing.TB, uri string, args ...string) *exec.Cmd {
	t.Helper()
	name := args[0]
	if !filepath.IsAbs(name) {
		name = filepath.Join("/usr/bin", name)
	}
	c := exec.CommandContext(ctx, name, args[1:]...)
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 5 * time.Second
	dir := Messages(t)
	c.Env = Env(uri, "ROS_HOME="+dir+"/home", "PYTHONPATH="+dir+"/python",
		"ROS_PACKAGE_PATH="+dir+"/share:"+filepath.Join(root(), "ros/launch")+":/usr/share")
	return c
}

// root is the module's folder.
func root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "../..")
}

// generated are the Python modules of korr's messages, made once for a test binary.
var generated = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "korr-ros-")
	if err != nil {
		return "", err
	}
	if out, err := exec.Command(filepath.Join(root(), "ros/msgs/python.sh"), dir).CombinedOutput(); err != nil {
		return dir, fmt.Errorf("python.sh: %w\n%s", err, out)
	}
	return dir, nil
})

var asked bool

// Messages returns a folder with Python modules of korr's messages (python/) and their packages (share/); the test is
// skipped when ROS's generator is not installed. Clean removes it.
func Messages(t testing.TB) string {
	t.Helper()
	Need(t, Python, "/usr/lib/genpy/genmsg_py.py", "/usr/share/std_msgs/msg", "/usr/share/actionlib_msgs/msg")
	asked = true
	dir, err := generated()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// Clean removes what Messages made; for TestMain.
func Clean() {
	if asked {
		dir, _ := generated()
		_ = os.RemoveAll(dir)
	}
}
