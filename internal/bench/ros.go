package bench

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"korr/internal/usage"
	"korr/ros/master"
	"korr/ros/msgs"
	"korr/ros/node/bare"
)

const (
	rosPython = "/usr/bin/python3" // that Debian's ROS packages are for
	rosStates = 230                // float64 values of a state, about those of franka_msgs/FrankaState
	rosParts  = 6                  // poses
	rosRate   = 100                // states per second
)

//go:embed peers/rospy.py
var rospyScript string

//go:embed peers/roscpp.cpp
var roscppSource string

// ROSConfig is a measurement of round trips.
type ROSConfig struct {
	Rounds    int
	Seconds   float64      // of every measurement
	Transport bool         // messages alone, without the networks
	Node      []string     // command line that runs ServeROSNode in a process of its own
	Log       *slog.Logger // tells which peers are missing
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
		bare.Message{
			Topic: bare.Topic{Name: "/" + name + "/parts", Kind: msgs.PoseArray{}},
			Value: &msgs.PoseArray{Poses: make([]msgs.Pose, rosParts)},
		},
		bare.Message{
			Topic: bare.Topic{Name: "/" + name + "/state", Kind: msgs.JointState{}},
			Value: &msgs.JointState{Position: make([]float64, rosStates)},
		},
	); err != nil {
		return nil, err
	}
	p.cmd.Env = append(os.Environ(), "ROS_MASTER_URI="+strings.TrimSuffix(uri, "/"), "ROS_IP=127.0.0.1",
		"ROS_NAMESPACE=/"+name)
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

// ROS publishes states of an arm and poses of parts at 100 Hz over the embedded master, and measures the time until the
// pose comes back with which a node answers each, us: a node of this build, and those of rospy and roscpp where they
// are installed.
func ROS(ctx context.Context, c ROSConfig) (_ []Result, err error) {
	if c.Seconds*rosRate < 1 {
		return nil, usage.Errorf("--seconds %g: measure for longer", c.Seconds)
	}
	m, err := master.Start(master.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	peers, err := c.startPeers(ctx, m.URI())
	defer func() {
		for _, p := range peers {
			p.close()
		}
	}()
	if err != nil {
		return nil, err
	}
	return Alternate(ctx, c.Rounds, c.cases(ctx, peers)...)
}

// MostOfRospy is how much of rospy's 99th percentile korr's may take.
const MostOfRospy = 0.7

// BesideRospy is the 99th percentile of korr's node over rospy's; false when rospy was not measured.
func BesideRospy(results []Result) (float64, bool) {
	for _, r := range results {
		if r.Name == "ros/korr/p99" && r.Ratio != nil {
			return *r.Ratio, true
		}
	}
	return 0, false
}

// startPeers starts korr's node, and those of rospy and roscpp where they are installed.
func (c *ROSConfig) startPeers(ctx context.Context, uri string) (peers []*rosPeer, err error) {
	dir, err := os.MkdirTemp("", "korr-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	with := []string{"policy"}
	commands := map[string][]string{"korr": slices.Clone(c.Node)}
	if c.Transport {
		with = nil
		commands["korr"] = append(commands["korr"], "--transport")
	}
	probe := "import rospy, sensor_msgs.msg"
	if !c.Transport {
		probe += ", torch"
	}
	if err := exec.CommandContext(ctx, rosPython, "-c", probe).Run(); err != nil {
		c.Log.Warn("nothing to compare with: "+rosPython+" fails to "+probe, "err", err)
	} else {
		commands["rospy"] = append([]string{rosPython, "-c", rospyScript}, with...)
	}
	if binary, err := compileROS(ctx, dir); err != nil {
		c.Log.Warn("no roscpp node", "err", err)
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
	args := []string{"-O3", "-march=native", "-ffast-math", "-o", binary, source}
	for _, lib := range []string{
		"roscpp", "rosconsole", "roscpp_serialization", "rostime", "boost_thread",
		"boost_system",
	} {
		args = append(args, "-l"+lib)
	}
	c := exec.CommandContext(ctx, "g++", args...)
	if out, err := c.CombinedOutput(); err != nil {
		first, _, _ := strings.Cut(string(out), "\n")
		return "", fmt.Errorf("%w: %s (install libroscpp-dev, libsensor-msgs-dev, libgeometry-msgs-dev, g++)", err, first)
	}
	return binary, nil
}

// cases are the median, p99 and maximum of every peer, of one measurement in each round; korr's beside rospy's.
func (c *ROSConfig) cases(ctx context.Context, peers []*rosPeer) (cases []Case) {
	rospy := slices.ContainsFunc(peers, func(p *rosPeer) bool { return p.name == "rospy" })
	for _, q := range []string{"p50", "p99", "max"} {
		for _, p := range peers {
			m := Case{Name: "ros/" + p.name + "/" + q, Unit: "us"}
			if p.name == "korr" && rospy {
				m.Peer = "ros/rospy/" + q
			}
			switch q {
			case "p50":
				m.Run = func() (float64, error) { return p.measure(ctx, c.Seconds) }
			case "p99":
				m.Run = func() (float64, error) { return p.p99, nil }
			default:
				m.Run = func() (float64, error) { return p.max, nil }
			}
			cases = append(cases, m)
		}
	}
	return cases
}
