package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"korr/internal/bench"
	"korr/ros/master"
	"korr/ros/msgs"
	"korr/ros/names"
	"korr/ros/node"
)

const (
	rosPython  = "/usr/bin/python3" // that Debian's ROS packages are for
	rosStates  = 230                // float64 values of a state, about those of franka_msgs/FrankaState
	rosParts   = 6                  // poses
	rosRate    = 100                // states per second
	mostOfPeer = 0.7                // of rospy's p99 that korr's may take
)

//go:embed testdata/bench_ros.py
var rospyScript string

//go:embed testdata/bench_ros.cpp
var roscppSource string

// benchROSOptions are the verb's flags.
type benchROSOptions struct {
	*benchOptions
	seconds float64
}

func newCmdBenchROS(b *benchOptions) *cobra.Command {
	o := &benchROSOptions{benchOptions: b}
	cmd := &cobra.Command{
		Use:   "ros",
		Short: "round trip of a state and its command through a node, beside rospy and roscpp",
		Long: `Publishes states of an arm (as large as a FrankaState) and poses of parts at 100 Hz, and measures the time until the pose comes back with
which a node answers each: a node of this build, one in rospy and, where its headers and a compiler are, one in roscpp, in turn, over the
embedded master. Exits with 3 when the p99 is more than 0.7 times rospy's.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runBenchROS(cmd.Context(), o) },
	}
	cmd.Flags().Float64Var(&o.seconds, "seconds", 10, "of every measurement")
	cmd.AddCommand(&cobra.Command{
		Use: "node", Short: "the node that is measured", Hidden: true, Args: noArgs, Annotations: rosAnnotation,
		RunE: func(cmd *cobra.Command, _ []string) error { return runBenchROSNode(cmd.Context(), b.app) },
	})
	return cmd
}

// runBenchROSNode answers every state with a pose until ctx ends.
func runBenchROSNode(ctx context.Context, a *app) (err error) {
	nm, err := a.rosNames("peer")
	if err != nil {
		return err
	}
	n, err := node.Open(ctx, node.Config{Names: nm, Logger: a.log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	out, err := node.Advertise[msgs.PoseStamped](n, "command", false)
	if err != nil {
		return err
	}
	parts := make(chan *msgs.PoseArray, 1)
	var newest *msgs.PoseArray
	if err := errors.Join(node.Subscribe(n, "parts", func(m *msgs.PoseArray) {
		select {
		case <-parts:
		default:
		}
		parts <- m
	}), node.Subscribe(n, "state", func(m *msgs.JointState) {
		select {
		case newest = <-parts:
		default:
		}
		p := &msgs.PoseStamped{Header: msgs.Header{Stamp: m.Header.Stamp}}
		for _, v := range m.Position {
			p.Pose.Position.X += v
		}
		if newest != nil {
			for i := range newest.Poses {
				p.Pose.Position.Y += newest.Poses[i].Position.X
			}
		}
		p.Pose.Orientation.W = 1
		out.Write(p)
	})); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// rosPeer is a node under measurement.
type rosPeer struct {
	name  string
	cmd   *exec.Cmd
	state *node.Publisher[msgs.JointState]
	parts *node.Publisher[msgs.PoseArray]
	back  chan *msgs.PoseStamped

	p99, max float64 // of the newest measurement, us
}

// startPeer starts a node in a namespace of its own and waits until it answers.
func startPeer(ctx context.Context, n *node.Node, uri, name string, args ...string) (*rosPeer, error) {
	p := &rosPeer{name: name, cmd: exec.CommandContext(ctx, args[0], args[1:]...), back: make(chan *msgs.PoseStamped, rosRate)}
	p.cmd.Env = append(os.Environ(), "ROS_MASTER_URI="+strings.TrimSuffix(uri, "/"), "ROS_IP=127.0.0.1", "ROS_NAMESPACE=/"+name)
	var complaint strings.Builder
	p.cmd.Stderr = &complaint
	var errs [3]error
	p.state, errs[0] = node.Advertise[msgs.JointState](n, "/"+name+"/state", false)
	p.parts, errs[1] = node.Advertise[msgs.PoseArray](n, "/"+name+"/parts", false)
	errs[2] = node.Subscribe(n, "/"+name+"/command", func(m *msgs.PoseStamped) {
		select {
		case p.back <- m:
		default:
		}
	})
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end) && ctx.Err() == nil; {
		if _, ok := p.roundTrip(100 * time.Millisecond); ok {
			return p, nil
		}
	}
	p.close()
	return nil, fmt.Errorf("%s does not answer: %s", name, complaint.String())
}

func (p *rosPeer) close() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// roundTrip is the time from a state to the pose that answers it.
func (p *rosPeer) roundTrip(limit time.Duration) (time.Duration, bool) {
	begun := time.Now()
	h := msgs.Header{Stamp: begun}
	p.parts.Write(&msgs.PoseArray{Header: h, Poses: make([]msgs.Pose, rosParts)})
	p.state.Write(&msgs.JointState{Header: h, Position: make([]float64, rosStates)})
	timeout := time.After(limit)
	for {
		select {
		case m := <-p.back:
			if m.Header.Stamp.Equal(begun) {
				return time.Since(begun), true
			}
		case <-timeout:
			return 0, false
		}
	}
}

// measure makes the round trips of one measurement and returns their median, us.
func (p *rosPeer) measure(ctx context.Context, seconds float64) (float64, error) {
	tick := time.NewTicker(time.Second / rosRate)
	defer tick.Stop()
	var took []float64
	for range int(seconds * rosRate) {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-tick.C:
		}
		d, ok := p.roundTrip(time.Second)
		if !ok {
			return 0, fmt.Errorf("%s gave no answer within 1 s", p.name)
		}
		took = append(took, float64(d.Nanoseconds())/1e3)
	}
	slices.Sort(took)
	p.p99, p.max = took[int(0.99*float64(len(took)))], took[len(took)-1]
	return took[len(took)/2], nil
}

func runBenchROS(ctx context.Context, o *benchROSOptions) (err error) {
	if o.seconds*rosRate < 1 {
		return usageErrorf("--seconds %g: measure for longer", o.seconds)
	}
	m, err := master.Start(master.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	nm, err := names.New("korr_bench", m.URI())
	if err != nil {
		return err
	}
	nm.Host = "127.0.0.1"
	n, err := node.Open(ctx, node.Config{Names: nm})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	peers, err := o.startPeers(ctx, n, m.URI())
	defer func() {
		for _, p := range peers {
			p.close()
		}
	}()
	if err != nil {
		return err
	}
	results, err := bench.Alternate(ctx, o.rounds, o.rosCases(ctx, peers)...)
	if err != nil {
		return err
	}
	if err := o.printBench(results); err != nil {
		return err
	}
	for _, r := range results {
		if r.Name == "ros/korr/p99" && r.Ratio != nil && *r.Ratio > mostOfPeer {
			return gateErrorf("bench ros: the p99 is %.2f times rospy's, at most %.2f are allowed", *r.Ratio, mostOfPeer)
		}
	}
	return nil
}

// startPeers starts korr's node, and those of rospy and roscpp where they are installed.
func (o *benchROSOptions) startPeers(ctx context.Context, n *node.Node, uri string) (peers []*rosPeer, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "korr-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	commands := map[string][]string{"korr": {self, "bench", "ros", "node", "--quiet"}}
	if err := exec.CommandContext(ctx, rosPython, "-c", "import rospy, sensor_msgs.msg").Run(); err != nil {
		o.log.Warn("rospy is not installed: nothing to compare with", "err", err)
	} else {
		commands["rospy"] = []string{rosPython, "-c", rospyScript}
	}
	if binary, err := compileROS(ctx, dir); err != nil {
		o.log.Warn("no roscpp node", "err", err)
	} else {
		commands["roscpp"] = []string{binary}
	}
	for _, name := range []string{"korr", "rospy", "roscpp"} {
		if commands[name] == nil {
			continue
		}
		p, err := startPeer(ctx, n, uri, name, commands[name]...)
		if err != nil {
			return peers, err
		}
		peers = append(peers, p)
	}
	return peers, nil
}

// compileROS compiles the roscpp node.
func compileROS(ctx context.Context, dir string) (string, error) {
	source, binary := filepath.Join(dir, "peer.cpp"), filepath.Join(dir, "peer")
	if err := os.WriteFile(source, []byte(roscppSource), 0o600); err != nil {
		return "", err
	}
	c := exec.CommandContext(ctx, "g++", "-O2", "-o", binary, source, "-lroscpp", "-lrosconsole", "-lroscpp_serialization", "-lrostime", "-lboost_thread", "-lboost_system")
	if out, err := c.CombinedOutput(); err != nil {
		first, _, _ := strings.Cut(string(out), "\n")
		return "", fmt.Errorf("%w: %s (install libroscpp-dev, libsensor-msgs-dev, libgeometry-msgs-dev, g++)", err, first)
	}
	return binary, nil
}

// rosCases are the median, p99 and maximum of every peer, of one measurement in each round; korr's beside rospy's.
func (o *benchROSOptions) rosCases(ctx context.Context, peers []*rosPeer) (cases []bench.Case) {
	rospy := slices.ContainsFunc(peers, func(p *rosPeer) bool { return p.name == "rospy" })
	for _, q := range []string{"p50", "p99", "max"} {
		for _, p := range peers {
			c := bench.Case{Name: "ros/" + p.name + "/" + q, Unit: "us"}
			if p.name == "korr" && rospy {
				c.Peer = "ros/rospy/" + q
			}
			switch q {
			case "p50":
				c.Run = func() (float64, error) { return p.measure(ctx, o.seconds) }
			case "p99":
				c.Run = func() (float64, error) { return p.p99, nil }
			default:
				c.Run = func() (float64, error) { return p.max, nil }
			}
			cases = append(cases, c)
		}
	}
	return cases
}
