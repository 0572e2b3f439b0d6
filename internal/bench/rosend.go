package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"korr/ros/msgs"
	"korr/ros/node/bare"
)

// answerLimit is how long a node may take until its first answer.
const answerLimit = 30 * time.Second

// ros1End measures a node over ROS 1 by sockets of its own.
type ros1End struct {
	cmd *exec.Cmd
	end *bare.End
}

// startROS1 starts a node in a namespace of its own and waits until it answers.
func startROS1(ctx context.Context, uri, name string, args ...string) (*ros1End, error) {
	p := &ros1End{cmd: exec.CommandContext(ctx, args[0], args[1:]...)}
	var err error
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
	err = p.end.Join(ctx, "/"+name+"/peer", answerLimit)
	for end := time.Now().Add(answerLimit); err == nil; {
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

func (p *ros1End) close() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	p.end.Close()
}

func (p *ros1End) measure(ctx context.Context, n int) (q [3]float64, err error) {
	runtime.GC() // before, not meanwhile: it would be counted as the node's time
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	tick := time.NewTicker(time.Second / rosRate)
	defer tick.Stop()
	var took []float64
	for range n {
		select {
		case <-ctx.Done():
			return q, ctx.Err()
		case <-tick.C:
		}
		d, ok, err := p.end.RoundTrip(time.Second)
		if err != nil {
			return q, err
		}
		if !ok {
			return q, errors.New("no answer within 1 s")
		}
		took = append(took, float64(d.Nanoseconds())/1e3)
	}
	slices.Sort(took)
	return [3]float64{took[n/2], took[int(0.99*float64(n))], took[n-1]}, nil
}

// tripDomain is the DDS domain of the first node that is measured over ROS 2; the others follow.
const tripDomain = 201

// loopback is the same network for every program: this machine alone.
const loopback = `CYCLONEDDS_URI=<CycloneDDS><Domain id="any"><General><Interfaces><NetworkInterface name="lo" ` +
	`multicast="false"/></Interfaces><AllowMulticast>false</AllowMulticast></General><Discovery>` +
	`<ParticipantIndex>auto</ParticipantIndex><Peers><Peer address="127.0.0.1"/></Peers></Discovery></Domain></CycloneDDS>`

// ros2End measures a node over ROS 2: a program in C asks it (package hosts, peers/trip.c).
type ros2End struct {
	node, ask *exec.Cmd
	in        io.WriteCloser
	said      *bufio.Reader
}

// startROS2 starts the node of a number in a domain of its own, and the program that asks it, and waits until it
// answers.
func startROS2(ctx context.Context, trip string, number int, args ...string) (*ros2End, error) {
	domain := fmt.Sprint(tripDomain + number)
	p := &ros2End{
		node: exec.CommandContext(ctx, args[0], args[1:]...),
		ask:  exec.CommandContext(ctx, trip, domain, "ask"),
	}
	env := append(os.Environ(), "ROS_DOMAIN_ID="+domain, loopback)
	var complaint bytes.Buffer
	p.node.Env, p.ask.Env, p.node.Stderr = env, env, &complaint
	out, err := p.ask.StdoutPipe()
	if err == nil {
		p.in, err = p.ask.StdinPipe()
	}
	if err != nil {
		return nil, err
	}
	p.said = bufio.NewReader(out)
	if err := p.node.Start(); err != nil {
		return nil, err
	}
	if err := p.ask.Start(); err != nil {
		p.close()
		return nil, err
	}
	if line, err := p.said.ReadString('\n'); err != nil || line != "up\n" { // the program has a limit of its own
		p.close() // before what it wrote is read
		return nil, fmt.Errorf("the node in domain %s does not answer: %q, %w: %s", domain, line, err, complaint.String())
	}
	return p, nil
}

func (p *ros2End) close() {
	for _, c := range []*exec.Cmd{p.node, p.ask} {
		if c.Process != nil {
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	}
}

func (p *ros2End) measure(_ context.Context, n int) (q [3]float64, err error) {
	if _, err := fmt.Fprintln(p.in, n); err != nil {
		return q, err
	}
	line, err := p.said.ReadString('\n') // ctx ends the program
	if err != nil {
		return q, fmt.Errorf("no answer within 1 s: %w", err)
	}
	_, err = fmt.Sscan(line, &q[0], &q[1], &q[2])
	return q, err
}
