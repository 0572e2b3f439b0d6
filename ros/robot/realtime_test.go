package robot_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"korr/residual"
	"korr/residual/loop"
	"korr/ros/msgs"
	"korr/ros/node"
	"korr/ros/robot"
	"korr/ros/simnode"
	"korr/ros/toyarm"
)

const (
	period = 100 * time.Millisecond
	slack  = 300 * time.Millisecond // stalls of a busy machine
)

// still asks for one pose, again and again.
type still struct{}

func (still) StepTo(act, _ []float32) (residual.Info, error) {
	copy(act, []float32{0.5, 0.1, 0.2, 1, 0, 0, 0, -1, 0, 1})
	return residual.Info{}, nil
}
func (still) ReadTimes(residual.When) {}

func (still) Executed([]float32) {}
func (still) Replan()            {}

func (still) Prepare([]float32) (bool, error) { return true, nil }

// spy is a node that listens to the commands and can publish as an operator does.
type spy struct {
	node *node.Node
	mu   sync.Mutex
	got  []*msgs.PoseStamped
	at   []time.Time
}

func newSpy(t *testing.T, r *rig) *spy {
	t.Helper()
	n, err := node.Open(context.Background(), node.Config{Names: r.names("spy")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	s := &spy{node: n}
	if err := node.Subscribe(n, msgs.CommandTopic, func(m *msgs.PoseStamped) {
		s.mu.Lock()
		s.got, s.at = append(s.got, m), append(s.at, time.Now())
		s.mu.Unlock()
	}); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *spy) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.got)
}

// drive is a running loop.
type drive struct {
	*loop.Loop
	changes chan loop.Change
	ended   chan error
}

func start(t *testing.T, r *robot.Robot) *drive {
	t.Helper()
	d := &drive{changes: make(chan loop.Change, 64), ended: make(chan error, 1)}
	l, err := loop.New(r, still{}, loop.Config{
		Period: period, Shield: wide(),
		OnState: func(c loop.Change) { d.changes <- c },
	})
	if err != nil {
		t.Fatal(err)
	}
	d.Loop = l
	r.Attach(l)
	l.Enable(true)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.ended <- l.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return d
}

// until waits for a state and returns the change into it.
func (d *drive) until(t *testing.T, s loop.State) loop.Change {
	t.Helper()
	timeout := time.After(5 * time.Second)
	for {
		select {
		case c := <-d.changes:
			if c.To == s {
				return c
			}
		case <-timeout:
			t.Fatalf("never in %v; now in %v because of %v", s, d.State(), d.Cause())
		}
	}
}

// soon waits for what a machine that is not too busy does within seconds.
func soon(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
	}
}

// calm is a toy whose parts stay where they are: those that jump about by themselves would be lost.
func calm(steps int) *toyarm.Env {
	toy := toyarm.New(steps)
	toy.Still = true
	return toy
}

func realTimeRig(t *testing.T, rc robot.Config) *rig {
	t.Helper()
	rc.Poll = 50 * time.Millisecond
	return newRig(t, calm(math.MaxInt), simnode.Config{}, rc)
}

// TestObservationsStop: when the arm falls silent the measured pose is published once, within three periods and the
// tick that notices, and then nothing.
func TestObservationsStop(t *testing.T) {
	t.Parallel()
	r := realTimeRig(t, robot.Config{})
	s := newSpy(t, r)
	d := start(t, r.robot)
	d.until(t, loop.StateRun)
	soon(t, "five commands", func() bool { return s.count() >= 5 })
	var sample loop.Sample
	r.stop()
	stopped := time.Now()
	c := d.until(t, loop.StateHold)
	if late := time.Since(stopped); late > 4*period+slack {
		t.Errorf("held %v after the last possible observation", late)
	}
	// The stamp's age or the master's word that the publisher is gone: whichever comes first.
	var stale *loop.StaleError
	if !errors.As(c.Cause, &stale) && !strings.Contains(c.Cause.Error(), "is gone") {
		t.Errorf("cause %v", c.Cause)
	}
	time.Sleep(5 * period) // silence
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.got[len(s.got)-1].Pose.Geom()
	sample.Obs = make([]float32, 58)
	if err := r.robot.Read(&sample); err != nil {
		t.Fatal(err)
	}
	for k := range 3 {
		if math.Abs(last.P[k]-float64(sample.Obs[k])) > 1e-6 {
			t.Fatalf("the pose published last is %v, measured %v", last, sample.Obs[:3])
		}
	}
	if age := time.Since(s.at[len(s.at)-1]); age < 4*period {
		t.Errorf("something was published %v ago, while holding", age)
	}
	if before := s.got[len(s.got)-2].Pose.Geom(); before.P == last.P {
		t.Error("the last two commands are the same: hold was not published once but more often")
	}
}

// TestEStop: ~estop faults at once, and nothing but the hold is sent.
func TestEStop(t *testing.T) {
	t.Parallel()
	r := realTimeRig(t, robot.Config{})
	s := newSpy(t, r)
	stop, err := node.Advertise[msgs.Bool](s.node, "/korr/estop", false)
	if err != nil {
		t.Fatal(err)
	}
	d := start(t, r.robot)
	d.until(t, loop.StateRun)
	stop.Write(&msgs.Bool{Data: false}) // not a stop
	time.Sleep(2 * period)
	if d.State() != loop.StateRun {
		t.Fatalf("estop false led to %v", d.State())
	}
	stop.Write(&msgs.Bool{Data: true})
	begin := time.Now()
	c := d.until(t, loop.StateFault)
	var e *loop.EStopError
	if !errors.As(c.Cause, &e) || time.Since(begin) > slack {
		t.Errorf("after %v: %v", time.Since(begin), c.Cause)
	}
	if err := <-d.ended; !errors.As(err, &e) {
		t.Errorf("Run returned %v", err)
	}
	time.Sleep(period) // Run has returned: what is still to come, the hold included, is on its way
	n := s.count()
	time.Sleep(3 * period)
	if s.count() > n {
		t.Errorf("%d commands after the end", s.count()-n)
	}
}

// TestEStopBeforeTheLoop: an emergency stop that comes before there is a loop is not lost.
func TestEStopBeforeTheLoop(t *testing.T) {
	t.Parallel()
	r := realTimeRig(t, robot.Config{})
	s := newSpy(t, r)
	stop, err := node.Advertise[msgs.Bool](s.node, "/korr/estop", true)
	if err != nil {
		t.Fatal(err)
	}
	stop.Write(&msgs.Bool{Data: true})
	time.Sleep(2 * period)
	d := start(t, r.robot)
	d.until(t, loop.StateFault)
}

// TestMasterLost: hold, then nothing; when it is back an operator must enable.
func TestMasterLost(t *testing.T) {
	t.Parallel()
	r := realTimeRig(t, robot.Config{})
	d := start(t, r.robot)
	d.until(t, loop.StateRun)
	_ = r.master.Close()
	c := d.until(t, loop.StateHold)
	var h *loop.HoldRequestError
	if !errors.As(c.Cause, &h) || !strings.Contains(h.Reason, "master") {
		t.Errorf("cause %v", c.Cause)
	}
}

// TestTwin: when another node takes the name the loop faults and says why.
func TestTwin(t *testing.T) {
	t.Parallel()
	r := realTimeRig(t, robot.Config{})
	d := start(t, r.robot)
	d.until(t, loop.StateRun)
	twin, err := node.Open(context.Background(), node.Config{Names: r.names("korr")})
	if err != nil {
		t.Fatal(err)
	}
	defer twin.Close()
	if err := <-d.ended; !errors.Is(err, node.ErrReplaced) {
		t.Errorf("Run returned %v", err)
	}
}

// TestDeadman: without it the loop cannot be enabled; when it falls silent the robot holds.
func TestDeadman(t *testing.T) {
	t.Parallel()
	r := realTimeRig(t, robot.Config{Deadman: true})
	s := newSpy(t, r)
	d := start(t, r.robot)
	d.until(t, loop.StateHold)
	enable, err := node.NewClient[msgs.SetBool, msgs.SetBoolReq, msgs.SetBoolRes](s.node, "/korr/enable")
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if res, err := enable.Call(ctx, &msgs.SetBoolReq{Data: true}); err != nil || res.Success {
		t.Fatalf("enabled without a dead-man: %+v %v", res, err)
	}
	alive, err := node.Advertise[msgs.Header](s.node, "/korr/deadman", false)
	if err != nil {
		t.Fatal(err)
	}
	press, release := context.WithCancel(ctx)
	defer release()
	var wg sync.WaitGroup
	wg.Go(func() {
		for press.Err() == nil {
			alive.Write(&msgs.Header{Stamp: time.Now()})
			time.Sleep(20 * time.Millisecond)
		}
	})
	time.Sleep(2 * period)
	if res, err := enable.Call(ctx, &msgs.SetBoolReq{Data: true}); err != nil || !res.Success {
		t.Fatalf("not enabled: %+v %v", res, err)
	}
	d.until(t, loop.StateRun)
	time.Sleep(5 * period)
	if d.State() != loop.StateRun {
		t.Errorf("in %v with a live dead-man", d.State())
	}
	release()
	wg.Wait()
	released := time.Now()
	d.until(t, loop.StateHold)
	if late := time.Since(released); late > 300*time.Millisecond+2*period+slack {
		t.Errorf("held %v after the release", late)
	}
}

// TestReflex: an arm that reports a reflex faults the loop, with the errors it names.
func TestReflex(t *testing.T) {
	t.Parallel()
	r := realTimeRig(t, robot.Config{})
	s := newSpy(t, r)
	d := start(t, r.robot)
	d.until(t, loop.StateRun)
	arm, err := node.Advertise[msgs.FrankaState](s.node, msgs.StateTopic, true)
	if err != nil {
		t.Fatal(err)
	}
	arm.Write(&msgs.FrankaState{
		Header: msgs.Header{Stamp: time.Now()}, RobotMode: msgs.RobotModeReflex,
		CurrentErrors: msgs.FrankaErrors{CartesianReflex: true},
	})
	c := d.until(t, loop.StateFault)
	if !strings.Contains(c.Cause.Error(), "cartesian_reflex") {
		t.Errorf("cause %v", c.Cause)
	}
}

// TestRealTimeEpisode: ten steps per second, the gripper closes by an action, and the arm goes where it is told.
func TestRealTimeEpisode(t *testing.T) {
	r := newRig(t, calm(25), simnode.Config{}, robot.Config{})
	begin := time.Now()
	res, err := r.robot.Run(context.Background(), still{}, loop.Config{Period: period, Shield: wide()}, 3)
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(begin)
	if res.Step != 25 || !res.Truncated || took < 24*period || took > 100*period {
		t.Errorf("%+v after %v", res, took)
	}
	sample := loop.Sample{Obs: make([]float32, 58)}
	if err := r.robot.Read(&sample); err != nil {
		t.Fatal(err)
	}
	if w := sample.Obs[15]; w > 0.03 {
		t.Errorf("the gripper is %g m open", w)
	}
	if math.Abs(float64(sample.Obs[0])-0.5) > 0.05 || math.Abs(float64(sample.Obs[1])-0.1) > 0.05 {
		t.Errorf("the tool is at %v", sample.Obs[:3])
	}
}

// TestWriteNeverBlocks: also not when nothing listens or the gripper does not answer.
func TestWriteNeverBlocks(t *testing.T) {
	r := realTimeRig(t, robot.Config{})
	r.stop()
	cmd := []float32{0.5, 0, 0.2, 1, 0, 0, 0, -1, 0, 1}
	begin := time.Now()
	for i := range 1000 {
		cmd[9] = float32(1 - 2*(i%2))
		if err := r.robot.Write(cmd, loop.Permit{}); err != nil {
			t.Fatal(err)
		}
	}
	if d := time.Since(begin); d > period {
		t.Errorf("1000 writes took %v", d)
	}
	cmd[3] = float32(math.NaN())
	if err := r.robot.Write(cmd, loop.Permit{}); err == nil {
		t.Error("a command that is not finite was accepted")
	}
	if err := r.robot.Write(cmd[:9], loop.Permit{}); err == nil {
		t.Error("a short command was accepted")
	}
}
