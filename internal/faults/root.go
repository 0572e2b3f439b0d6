package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync/atomic"
	"time"

	"korr/ros/master"
	"korr/ros/names"
	"korr/ros/xmlrpc"
)

// root is where the nodes of a world find each other: a master, which can be killed and started again at the same
// address, or a domain of ROS 2. It knows what a process has to be told of either.
type root struct {
	kind     string // the link; rosbridge has the embedded one behind it
	domain   int    // of ROS 2
	addr     string
	embedded *master.Master
	debian   *exec.Cmd
}

// domains numbers the domains of a matrix, from somewhere on: others of this machine have domains too.
// Above 101 a domain's ports are among those that Linux hands out.
var domains atomic.Uint32

func init() { domains.Store(rand.Uint32N(1 << 16)) }

func newRoot(link string) (*root, error) {
	if link == ROS2 {
		return &root{kind: link, domain: 1 + int(domains.Add(1)%100)}, nil
	}
	var err error
	for range 5 { // another process may take the port in between
		addr, e := freeAddr()
		if e != nil {
			return nil, e
		}
		r := &root{kind: link, addr: addr}
		if err = r.start(); err == nil {
			return r, nil
		}
		r.kill()
	}
	return nil, fmt.Errorf("no port of the loopback interface stays free: %w", err)
}

// freeAddr is an address of the loopback interface where nobody listens.
func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

func (r *root) uri() string { return "http://" + r.addr }

func (r *root) start() (err error) {
	if r.kind != Rosmaster {
		r.embedded, err = master.Start(master.Config{Addr: r.addr})
		return err
	}
	_, port, _ := net.SplitHostPort(r.addr)
	r.debian = exec.Command(rosmaster, "--core", "-p", port)
	r.debian.Env = slices.Concat(os.Environ(), r.env(), []string{"ROS_HOME=" + os.TempDir()})
	if err := r.debian.Start(); err != nil {
		return err
	}
	client := xmlrpc.NewClient(r.uri(), time.Second)
	for end := time.Now().Add(startLimit); ; time.Sleep(20 * time.Millisecond) {
		if _, _, err = client.CallROS(context.Background(), "getPid", "/faults"); err == nil || time.Now().After(end) {
			return err
		}
	}
}

func (r *root) kill() {
	if r.embedded != nil {
		_ = r.embedded.Close()
		r.embedded = nil
	}
	if r.debian != nil {
		_ = r.debian.Process.Kill()
		_ = r.debian.Wait()
		r.debian = nil
	}
}

// names are those of a node of the world.
func (r *root) names(name string) (*names.Names, error) {
	if r.kind == ROS2 {
		return names.NewROS2(name, names.ROS2{Domain: r.domain, Localhost: true})
	}
	n, err := names.New(name, r.uri())
	if err == nil {
		n.Host = "127.0.0.1"
	}
	return n, err
}

// env is what a process must have in its environment to find the others.
func (r *root) env() []string {
	if r.kind == ROS2 {
		return []string{fmt.Sprint("ROS_DOMAIN_ID=", r.domain), "ROS_LOCALHOST_ONLY=1"}
	}
	return []string{"ROS_MASTER_URI=" + r.uri(), "ROS_IP=127.0.0.1"}
}

// part is the command line of a process of the robot's side.
func (r *root) part(args []string) []string {
	if r.kind == ROS2 {
		return slices.Concat(args, []string{"--ros2"})
	}
	return slices.Clone(args)
}

// korr are the arguments of korr run that say where the robot is, the last ones.
func (r *root) korr(simTime bool) []string {
	switch {
	case r.kind != ROS2:
		return []string{"--wait"}
	case simTime:
		return []string{"--robot", "ros2", "--ros-args", "-p", "use_sim_time:=true"}
	}
	return []string{"--robot", "ros2"}
}

// simTime lets the nodes that start from now on live by /clock. In ROS 2 that is a parameter of each (see korr).
func (r *root) simTime(ctx context.Context) error {
	if r.kind == ROS2 {
		return nil
	}
	_, _, err := xmlrpc.NewClient(r.uri(), 5*time.Second).CallROS(ctx, "setParam", "/faults", "/use_sim_time", true)
	return err
}
