package robot_test

import (
	"context"
	"errors"
	"math"
	"os"
	"sync"
	"testing"
	"time"

	"korr/internal/geom"
	"korr/residual/loop"
	"korr/ros/master"
	"korr/ros/msgs"
	"korr/ros/names"
	"korr/ros/panda"
	"korr/ros/robot"
	"korr/ros/rosbridge/standin"
)

// world is a ROS system: a master on loopback, or a rosbridge server.
type world struct {
	url    string // of the rosbridge server; "" = ROS 1
	names  func(node string) *names.Names
	vanish func() // the master, or the server, dies
}

// worlds are the two systems that every test of this file runs in.
var worlds = map[string]func(t *testing.T) *world{
	"ros1": func(t *testing.T) *world {
		m, err := master.Start(master.Config{Addr: "127.0.0.1:0"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.Close() })
		return &world{
			names:  func(node string) *names.Names { return named(t, node, m.URI()) },
			vanish: func() { _ = m.Close() },
		}
	},
	"rosbridge": func(t *testing.T) *world {
		s, err := standin.Start("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return &world{url: s.URL(), names: func(node string) *names.Names { return named(t, node, "") }, vanish: s.Close}
	},
}

func named(t *testing.T, node, uri string) *names.Names {
	t.Helper()
	n, err := names.New(node, uri)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func inEveryWorld(t *testing.T, f func(t *testing.T, w *world)) {
	t.Parallel()
	for name, start := range worlds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, start(t))
		})
	}
}

func (w *world) open(t *testing.T, node string) robot.Link {
	t.Helper()
	l, err := robot.OpenLink(context.Background(), w.url, w.names(node))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// jointMachine is an arm that reports joint states and follows joint trajectories, with parts around it. spoil may
// change what it is about to publish; returning false suppresses it.
type jointMachine struct {
	world *world
	link  robot.Link
	done  chan struct{}
	wg    sync.WaitGroup

	mu       sync.Mutex
	q, goal  [7]float64
	finger   float64
	grip     float64
	commands []*msgs.JointTrajectory
	at       []time.Time
	grips    int
	spoil    func(s *msgs.JointState, p *msgs.PoseArray) bool
	fastest  float64 // rad/s asked of a joint
}

func startMachine(t *testing.T, w *world) *jointMachine {
	t.Helper()
	m := &jointMachine{
		world: w, link: w.open(t, "machine"), done: make(chan struct{}), q: panda.Home, goal: panda.Home,
		finger: 0.04, grip: 0.04,
	}
	states := must[interface{ Write(*msgs.JointState) }](t)(robot.Advertise[msgs.JointState](m.link, msgs.JointTopic))
	parts := must[interface{ Write(*msgs.PoseArray) }](t)(robot.Advertise[msgs.PoseArray](m.link, msgs.PartsTopic))
	err := errors.Join(
		robot.Subscribe(m.link, "/panda_arm_controller/command", m.onCommand),
		robot.Subscribe(m.link, "/panda_hand_controller/command", func(c *msgs.JointTrajectory) {
			m.mu.Lock()
			m.grip = c.Points[0].Positions[0]
			m.grips++
			m.mu.Unlock()
		}),
	)
	if err != nil {
		t.Fatal(err)
	}
	m.wg.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-m.done:
				return
			case <-tick.C:
			}
			s, p, ok := m.step()
			if ok {
				parts.Write(p)
				states.Write(s)
			}
		}
	})
	t.Cleanup(m.stop)
	return m
}

func (m *jointMachine) stop() {
	m.mu.Lock()
	select {
	case <-m.done:
	default:
		close(m.done)
	}
	m.mu.Unlock()
	m.wg.Wait()
}

func (m *jointMachine) onCommand(c *msgs.JointTrajectory) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.commands, m.at = append(m.commands, c), append(m.at, time.Now())
	if len(c.Points) != 1 || len(c.Points[0].Positions) != 7 {
		return
	}
	for i, v := range c.Points[0].Positions {
		m.fastest = max(m.fastest, math.Abs(v-m.q[i])/c.Points[0].TimeFromStart.Seconds())
	}
	copy(m.goal[:], c.Points[0].Positions)
}

// step moves the joints for one period and tells their state.
func (m *jointMachine) step() (*msgs.JointState, *msgs.PoseArray, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.q {
		m.q[i] += min(max(m.goal[i]-m.q[i], -0.02), 0.02)
	}
	m.finger += 0.3 * (m.grip - m.finger)
	now := time.Now()
	s := &msgs.JointState{Header: msgs.Header{Stamp: now}, Velocity: make([]float64, 9), Effort: make([]float64, 9)}
	for i := 6; i >= 0; i-- { // in another order than the chain's
		s.Name, s.Position = append(s.Name, "panda_joint"+string(rune('1'+i))), append(s.Position, m.q[i])
	}
	s.Name = append(s.Name, "panda_finger_joint1", "panda_finger_joint2")
	s.Position = append(s.Position, m.finger, m.finger)
	p := &msgs.PoseArray{Header: msgs.Header{Stamp: now, FrameId: msgs.TagFrame}, Poses: make([]msgs.Pose, 6)}
	for i := range p.Poses {
		p.Poses[i] = msgs.PoseOf(geom.Pose{P: geom.Vec3{0.1 * float64(i), 0, 0}, Q: geom.IdentityQuat})
	}
	ok := m.spoil == nil || m.spoil(s, p)
	return s, p, ok
}

func (m *jointMachine) spoilWith(f func(s *msgs.JointState, p *msgs.PoseArray) bool) {
	m.mu.Lock()
	m.spoil = f
	m.mu.Unlock()
}

func (m *jointMachine) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.commands)
}

func jointArm(t *testing.T) *robot.ArmFile {
	t.Helper()
	data, err := os.ReadFile("testdata/panda_joints.yaml")
	if err != nil {
		t.Fatal(err)
	}
	a, err := robot.ParseArm(data, "testdata")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// served is a robot whose loop Serve runs.
type served struct {
	*loop.Loop
	robot   *robot.Robot
	changes chan loop.Change
	ended   chan error
	cancel  context.CancelFunc
}

func serve(t *testing.T, w *world, cfg robot.Config, edit func(*loop.Config)) *served {
	t.Helper()
	cfg.Names, cfg.URL, cfg.Arm = w.names("korr"), w.url, jointArm(t)
	cfg.Parts = []string{"top", "leg1", "leg2", "leg3", "leg4", "obstacle"}
	cfg.Poll = 300 * time.Millisecond
	r, err := robot.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := &served{robot: r, changes: make(chan loop.Change, 256), ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	lc := loop.Config{Period: period, Shield: cfg.Arm.Limits.Shield(), OnState: func(c loop.Change) { s.changes <- c }}
	if edit != nil {
		edit(&lc)
	}
	made := make(chan *loop.Loop, 1)
	go func() { s.ended <- r.Serve(ctx, still{}, lc, false, func(l *loop.Loop) { made <- l }) }()
	s.Loop = <-made
	t.Cleanup(func() {
		cancel()
		<-s.ended
		_ = r.Close()
	})
	return s
}

// until waits for a state and returns the change into it.
func (s *served) until(t *testing.T, to loop.State) loop.Change {
	t.Helper()
	timeout := time.After(8 * time.Second)
	for {
		select {
		case c := <-s.changes:
			if c.To == to {
				return c
			}
		case <-timeout:
			t.Fatalf("never in %v; now in %v because of %v", to, s.State(), s.Cause())
		}
	}
}
