//go:build ros2 && cgo

package robot_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"korr/residual/loop"
	"korr/ros/msgs"
	"korr/ros/names"
	"korr/ros/robot"
	"korr/ros/ros2/dds"
	"korr/ros/rosidl"
	"korr/ros/simnode"
	"korr/ros/toyarm"
	"korr/ros/transport"
	"korr/sim"
)

// domains counts the domains that tests of this process have taken, from a random one on: two in one domain would hear
// each other.
var domains atomic.Uint32

func init() { domains.Store(rand.Uint32N(200)) }

// ros2Names makes nodes of ROS 2 in a domain of a test's own, on this machine alone.
func ros2Names(tb testing.TB) func(node string) *names.Names {
	where := names.ROS2{Domain: 10 + int(domains.Add(1)%200), Localhost: true}
	return func(node string) *names.Names {
		n, err := names.NewROS2(node, where)
		if err != nil {
			tb.Fatal(err)
		}
		return n
	}
}

func init() {
	// there is no master that could vanish
	worlds["ros2"] = func(t *testing.T) *world { return &world{names: ros2Names(t)} }
}

// ros2Rig is a simulator and an arm over ROS 2.
func ros2Rig(tb testing.TB, env sim.Env, sc simnode.Config, rc robot.Config) *rig {
	tb.Helper()
	r := &rig{names: ros2Names(tb)}
	sc.Names, sc.Env = r.names(msgs.SimNode), env
	var err error
	if r.server, err = simnode.New(context.Background(), sc); err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.server.Run(ctx); !errors.Is(err, context.Canceled) {
			tb.Errorf("the simulator stopped: %v", err)
		}
	})
	r.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		_ = r.server.Close()
	})
	rc.Names, rc.Parts = r.names("korr"), env.Spec().PartNames
	if r.robot, err = robot.Open(context.Background(), rc); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = r.robot.Close()
		r.stop()
	})
	return r
}

var (
	simLockStep   = simnode.Config{LockStep: true}
	robotLockStep = robot.Config{LockStep: true, ReportedTwist: true}
)

// TestROS2LockStepEpisode: over ROS 2 an episode is the one in process, bit for bit, also when everything is repeated.
func TestROS2LockStepEpisode(t *testing.T) {
	want, wantRes := inProcess(t, toyarm.New(400), 7)
	for _, resend := range []time.Duration{0, 50 * time.Microsecond} {
		sc := simLockStep
		sc.Resend = resend
		r := ros2Rig(t, toyarm.New(400), sc, robotLockStep)
		overROS(t, r, 8)
		first, res := overROS(t, r, 7)
		again, _ := overROS(t, r, 7)
		same(t, "ROS 2 and in process", first, want)
		same(t, "ROS 2 twice", first, again)
		if res.Seed != 7 || int(res.Step) != len(want) || res.Success != wantRes.Success ||
			res.EpisodeReturn != wantRes.Reward || !res.Terminated {
			t.Errorf("result %+v, in process %+v after %d steps", res, wantRes, len(want))
		}
	}
}

// TestROS2LockStepRate states the rate; the bound is loose because machines are shared.
func TestROS2LockStepRate(t *testing.T) {
	r := ros2Rig(t, toyarm.New(1000), simLockStep, robotLockStep)
	overROS(t, r, 1)
	begin := time.Now()
	seen, _ := overROS(t, r, 2)
	rate := float64(len(seen)) / time.Since(begin).Seconds()
	t.Logf("%.0f lock-step control steps per second over ROS 2", rate)
	if rate < 10 {
		t.Errorf("%.0f steps/s: slower than real time", rate)
	}
}

// driven runs a real-time loop on a rig until the test ends.
func driven(t *testing.T, r *rig) (*loop.Loop, func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	up, ended := make(chan *loop.Loop, 1), make(chan error, 1)
	cfg := loop.Config{Period: 100 * time.Millisecond, ObsDim: toyarm.New(1).Spec().ObsDim, Resume: true, Shield: wide()}
	go func() { ended <- r.robot.Serve(ctx, &wander{}, cfg, false, func(l *loop.Loop) { up <- l }) }()
	l := <-up
	return l, func() error {
		cancel()
		return <-ended
	}
}

func waitFor(t *testing.T, l *loop.Loop, state loop.State, says string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		st := l.Status()
		if st.State == state && (says == "" || st.Cause != nil && strings.Contains(st.Cause.Error(), says)) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the loop is in %v for %v, want %v %q", st.State, st.Cause, state, says)
		}
	}
}

func realTime(t *testing.T) *rig {
	env := toyarm.New(math.MaxInt)
	env.Still = true // parts that change places have to be told from parts that move
	return ros2Rig(t, env, simnode.Config{}, robot.Config{ReportedTwist: true})
}

// TestROS2RealTime: the arm is moved on the clock, and a second commander is a fault at once. What the operator is told
// names its node, which may be known a moment later than its writer.
func TestROS2RealTime(t *testing.T) {
	r := realTime(t)
	l, _ := driven(t, r)
	waitFor(t, l, loop.StateRun, "")
	for end := time.Now().Add(10 * time.Second); l.Status().Sent < 5; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d commands were sent", l.Status().Sent)
		}
	}
	other, err := transport.Open(t.Context(), transport.Config{Names: r.names("intruder")})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := transport.Advertise[msgs.PoseStamped](other, msgs.CommandTopic, transport.Command); err != nil {
		t.Fatal(err)
	}
	waitFor(t, l, loop.StateFault, "commands the arm too")
	soon(t, "a refusal that names the intruder", func() bool {
		return strings.Contains(trigger(t, other, "/korr/reset_fault").Message, "node /intruder commands the arm too")
	})
}

// TestROS2OtherQoSIsNamed: while the arm's controller asks for a quality that commands do not have, the arm is not
// enabled, and the operator reads which.
func TestROS2OtherQoSIsNamed(t *testing.T) {
	name := ros2Names(t)
	where := name("controller").ROS2
	controller, err := dds.Open(dds.Config{Domain: where.Domain, Localhost: true})
	if err != nil {
		t.Fatal(err)
	}
	defer controller.Close()
	listen := func(q dds.QoS) {
		if _, err := controller.NewReader("rt"+msgs.CommandTopic, rosidl.DDSName("geometry_msgs/msg/PoseStamped"), q, "",
			func(*dds.Sample) {}, nil); err != nil {
			t.Fatal(err)
		}
	}
	rc := robot.Config{Names: name("korr"), Parts: toyarm.New(1).Spec().PartNames}
	r, err := robot.Open(t.Context(), rc)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s := &supervisor{}
	r.Attach(s)
	s.await(t, "nobody listens")
	listen(dds.QoS{Reliable: true, TransientLocal: true})
	s.await(t, `the policy "durability" does not match`)
	listen(dds.QoS{Reliable: true})
	s.await(t, "")
}

// supervisor keeps what blocks it.
type supervisor struct{ blocked atomic.Pointer[string] }

func (s *supervisor) EStop(string)        {}
func (s *supervisor) RequestHold(string)  {}
func (s *supervisor) Block(reason string) { s.blocked.Store(&reason) }
func (s *supervisor) Enable(bool)         {}
func (s *supervisor) Stops() uint64       { return 0 }
func (s *supervisor) Status() loop.Status { return loop.Status{} }

func (s *supervisor) await(t *testing.T, says string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		if p := s.blocked.Load(); p != nil && (*p == says || says != "" && strings.Contains(*p, says)) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("blocked by %q, want %q", *s.blocked.Load(), says)
		}
	}
}

// TestROS2ControllerGone: the listener of the commands leaves, the arm holds.
func TestROS2ControllerGone(t *testing.T) {
	r := realTime(t)
	l, _ := driven(t, r)
	waitFor(t, l, loop.StateRun, "")
	r.stop() // the simulator is the listener, and tells the arm's state
	waitFor(t, l, loop.StateHold, "")
}
