package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/internal/bench"
	"korr/ros/master"
	"korr/ros/msgs"
	"korr/ros/node/bare"
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
	seconds   float64
	transport bool
}

func newCmdBenchROS(b *benchOptions) *cobra.Command {
	o := &benchROSOptions{benchOptions: b}
	cmd := &cobra.Command{
		Use:   "ros",
		Short: "round trip of a state and its command through a node, beside rospy and roscpp",
		Long: `Publishes states of an arm (as large as a FrankaState) and poses of parts at 100 Hz, and measures the time until the pose comes back with
which a node answers each: a node of this build, one in rospy and, where its headers and a compiler are, one in roscpp, in turn, over the
embedded master. On the way each node computes KORR's published networks: ours folded, as korr run does, rospy's as a frozen torch.jit trace,
roscpp's in plain loops; with --transport none does. The measuring end waits on bare sockets, so that the time is the node's and the
system's. Exits with 3 when the p99 is more than 0.7 times rospy's.`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runBenchROS(cmd.Context(), o) },
	}
	cmd.Flags().Float64Var(&o.seconds, "seconds", 10, "of every measurement")
	cmd.Flags().BoolVar(&o.transport, "transport", false, "messages alone, without the networks")
	part := &cobra.Command{
		Use: "node", Short: "the node that is measured", Hidden: true, Args: cli.NoArgs, Annotations: cli.ROSAnnotation,
		RunE: func(cmd *cobra.Command, _ []string) error { return runBenchROSNode(cmd.Context(), o) },
	}
	part.Flags().BoolVar(&o.transport, "transport", false, "messages alone, without the networks")
	cmd.AddCommand(part)
	return cmd
}

// rosPeer is a node under measurement.
type rosPeer struct {
	name string
	cmd  *exec.Cmd
	end  *bare.End

	p99, max float64 // of the newest measurement, us
}

// startPeer starts a node in a namespace of its own and waits until it answers.
func startPeer(ctx context.Context, uri, name string, args ...string) (p *rosPeer, err error) {
	const limit = 30 * time.Second
	p = &rosPeer{name: name, cmd: exec.CommandContext(ctx, args[0], args[1:]...)}
	if p.end, err = bare.Open(
		ctx, uri, "/"+name+"/korr_bench", bare.Topic{Name: "/" + name + "/command", Kind: msgs.PoseStamped{}},
		bare.Message{Topic: bare.Topic{Name: "/" + name + "/parts", Kind: msgs.PoseArray{}}, Value: &msgs.PoseArray{Poses: make([]msgs.Pose, rosParts)}},
		bare.Message{Topic: bare.Topic{Name: "/" + name + "/state", Kind: msgs.JointState{}}, Value: &msgs.JointState{Position: make([]float64, rosStates)}},
	); err != nil {
		return nil, err
	}
	p.cmd.Env = append(os.Environ(), "ROS_MASTER_URI="+strings.TrimSuffix(uri, "/"), "ROS_IP=127.0.0.1", "ROS_NAMESPACE=/"+name)
	var complaint bytes.Buffer
	p.cmd.Stderr = &complaint
	if err := p.cmd.Start(); err != nil {
		p.end.Close()
		return nil, err
	}
	err = p.end.Join(ctx, "/"+name+"/peer", limit)
	for end := time.Now().Add(limit); err == nil; {
		var ok bool
		if _, ok, err = p.end.RoundTrip(100 * time.Millisecond); ok {
			return p, nil
		}
		if err == nil && (time.Now().After(end) || ctx.Err() != nil) {
			err = errors.Join(errors.New("no command came"), ctx.Err())
		}
	}
	p.close() // before what it wrote is read
	return nil, fmt.Errorf("%s does not answer: %w: %s", name, err, complaint.String())
}

func (p *rosPeer) close() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	p.end.Close()
}

// measure makes the round trips of one measurement and returns their median, us.
func (p *rosPeer) measure(ctx context.Context, seconds float64) (float64, error) {
	runtime.GC() // before, not meanwhile: it would be counted as the node's time
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	tick := time.NewTicker(time.Second / rosRate)
	defer tick.Stop()
	var took []float64
	for range int(seconds * rosRate) {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-tick.C:
		}
		d, ok, err := p.end.RoundTrip(time.Second)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", p.name, err)
		}
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
		return cli.UsageErrorf("--seconds %g: measure for longer", o.seconds)
	}
	m, err := master.Start(master.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	peers, err := o.startPeers(ctx, m.URI())
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
			return cli.GateErrorf("bench ros: the p99 is %.2f times rospy's, at most %.2f are allowed", *r.Ratio, mostOfPeer)
		}
	}
	return nil
}

// startPeers starts korr's node, and those of rospy and roscpp where they are installed.
func (o *benchROSOptions) startPeers(ctx context.Context, uri string) (peers []*rosPeer, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "korr-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	with := []string{"policy"}
	commands := map[string][]string{"korr": {self, "bench", "ros", "node", "--quiet"}}
	if o.transport {
		with = nil
		commands["korr"] = append(commands["korr"], "--transport")
	}
	probe := "import rospy, sensor_msgs.msg"
	if !o.transport {
		probe += ", torch"
	}
	if err := exec.CommandContext(ctx, rosPython, "-c", probe).Run(); err != nil {
		o.Log.Warn("nothing to compare with: "+rosPython+" fails to "+probe, "err", err)
	} else {
		commands["rospy"] = append([]string{rosPython, "-c", rospyScript}, with...)
	}
	if binary, err := compileROS(ctx, dir); err != nil {
		o.Log.Warn("no roscpp node", "err", err)
	} else {
		commands["roscpp"] = append([]string{binary}, with...)
	}
	for _, name := range []string{"korr", "rospy", "roscpp"} {
		if commands[name] == nil {
			continue
		}
		p, err := startPeer(ctx, uri, name, commands[name]...)
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
	c := exec.CommandContext(ctx, "g++", "-O3", "-march=native", "-ffast-math", "-o", binary, source, "-lroscpp", "-lrosconsole", "-lroscpp_serialization", "-lrostime", "-lboost_thread", "-lboost_system")
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
