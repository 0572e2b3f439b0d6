package bench

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"korr/internal/usage"
	"korr/internal/verify/hosts"
	"korr/ros/master"
	"korr/ros/ros2/dds"
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

// rosEnd is the end that measures a node.
type rosEnd interface {
	// measure makes n round trips, rosRate per second, and returns their median, 99th percentile and maximum, us.
	measure(ctx context.Context, n int) ([3]float64, error)
	close() // ends the node too
}

// rosPeer is a node under measurement.
type rosPeer struct {
	name string // over which ROS, and whose: "ros2/korr"
	end  rosEnd
	last [3]float64 // of the newest measurement
}

// ROS publishes states of an arm and poses of parts at 100 Hz, over the embedded master and over ROS 2, and measures the
// time until the pose comes back with which a node answers each, us: nodes of this build, and those of rospy, roscpp and
// Cyclone DDS in C where they are installed.
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
			p.end.close()
		}
	}()
	if err != nil {
		return nil, err
	}
	return Alternate(ctx, c.Rounds, c.cases(ctx, peers)...)
}

// mostOf is how much of a peer's 99th percentile korr's may take.
var mostOf = map[string]float64{"ros/korr/p99": 0.7, "ros2/korr/p99": 1.2} // rospy's, Cyclone's in C

// TooSlow says which of korr's nodes took more of its peer's 99th percentile than it may; "" when none did.
func TooSlow(results []Result) string {
	var slow []string
	for _, r := range results {
		if most := mostOf[r.Name]; r.Ratio != nil && most != 0 && *r.Ratio > most {
			slow = append(slow, fmt.Sprintf("%s is %.2f times its peer's, at most %.2f are allowed", r.Name, *r.Ratio, most))
		}
	}
	return strings.Join(slow, "; ")
}

// startPeers starts korr's nodes, and those of rospy, roscpp and Cyclone DDS where they are installed.
func (c *ROSConfig) startPeers(ctx context.Context, uri string) (peers []*rosPeer, err error) {
	dir, err := os.MkdirTemp("", "korr-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := hosts.WritePeers(dir); err != nil {
		return nil, err
	}
	with, own := []string{"policy"}, slices.Clone(c.Node)
	if c.Transport {
		with, own = nil, append(own, "--transport")
	}
	add := func(name string, end rosEnd, err error) error {
		if err == nil {
			peers = append(peers, &rosPeer{name: name, end: end})
		}
		return err
	}
	over1 := func(name string, command ...string) error {
		end, err := startROS1(ctx, uri, name, command...)
		return add("ros/"+name, end, err)
	}
	if err := over1("korr", own...); err != nil {
		return peers, err
	}
	probe := "import rospy, sensor_msgs.msg"
	if !c.Transport {
		probe += ", torch"
	}
	if err := exec.CommandContext(ctx, rosPython, "-c", probe).Run(); err != nil {
		c.Log.Warn("no rospy node: "+rosPython+" fails to "+probe, "err", err)
	} else if err := over1("rospy", append([]string{rosPython, "-c", rospyScript}, with...)...); err != nil {
		return peers, err
	}
	if binary, err := compileROS(ctx, dir); err != nil {
		c.Log.Warn("no roscpp node", "err", err)
	} else if err := over1("roscpp", append([]string{binary}, with...)...); err != nil {
		return peers, err
	}
	trip, err := hosts.BuildTrip(ctx, dir)
	if err != nil {
		c.Log.Warn("nothing over ROS 2", "err", err)
		return peers, nil
	}
	if dds.Available {
		end, err := startROS2(ctx, trip, 0, append(own, "--ros2")...)
		if err := add("ros2/korr", end, err); err != nil {
			return peers, err
		}
	} else {
		c.Log.Warn("no node of this build over ROS 2", "err", dds.ErrAbsent)
	}
	end, err := startROS2(ctx, trip, 1, append([]string{trip, fmt.Sprint(tripDomain + 1), "answer"}, with...)...)
	return peers, add("ros2/cyclone", end, err)
}

// compileROS compiles the roscpp node.
func compileROS(ctx context.Context, dir string) (string, error) {
	source, binary := filepath.Join(dir, "peer.cpp"), filepath.Join(dir, "peer")
	if err := os.WriteFile(source, []byte(roscppSource), 0o600); err != nil {
		return "", err
	}
	args := []string{"-O3", "-march=native", "-ffast-math", "-I", dir, "-o", binary, source}
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

// besides are the peers that korr's nodes are compared with.
var besides = map[string]string{"ros/korr": "ros/rospy", "ros2/korr": "ros2/cyclone"}

// cases are the median, p99 and maximum of every peer, of one measurement in each round.
func (c *ROSConfig) cases(ctx context.Context, peers []*rosPeer) (cases []Case) {
	for i, q := range []string{"p50", "p99", "max"} {
		for _, p := range peers {
			m := Case{Name: p.name + "/" + q, Unit: "us"}
			if other := besides[p.name]; slices.ContainsFunc(peers, func(p *rosPeer) bool { return p.name == other }) {
				m.Peer = other + "/" + q
			}
			m.Run = func() (_ float64, err error) {
				if i == 0 { // the others read what this one has measured
					p.last, err = p.end.measure(ctx, int(c.Seconds*rosRate))
				}
				if err != nil {
					err = fmt.Errorf("%s: %w", p.name, err)
				}
				return p.last[i], err
			}
			cases = append(cases, m)
		}
	}
	return cases
}
