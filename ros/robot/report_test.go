package robot_test

import (
	"context"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"korr/residual/loop"
	"korr/ros/action"
	"korr/ros/msgs"
	"korr/ros/node"
	"korr/ros/robot"
	"korr/ros/simnode"
)

// reports are what a node published about itself.
type reports struct {
	mu     sync.Mutex
	status []*msgs.Status
	action []*msgs.Action
	health []*msgs.DiagnosticArray
}

func listen(t *testing.T, s *spy) *reports {
	t.Helper()
	r := &reports{}
	for _, err := range []error{
		node.Subscribe(s.node, "/korr/status", func(m *msgs.Status) {
			r.mu.Lock()
			r.status = append(r.status, m)
			r.mu.Unlock()
		}),
		node.Subscribe(s.node, "/korr/action", func(m *msgs.Action) {
			r.mu.Lock()
			r.action = append(r.action, m)
			r.mu.Unlock()
		}),
		node.Subscribe(s.node, msgs.DiagnosticsTopic, func(m *msgs.DiagnosticArray) {
			r.mu.Lock()
			r.health = append(r.health, m)
			r.mu.Unlock()
		}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// run serves a loop of a rig until the test ends.
func (r *rig) serve(t *testing.T) (*loop.Loop, chan loop.Change) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	made, changes, ended := make(chan *loop.Loop, 1), make(chan loop.Change, 64), make(chan struct{})
	go func() {
		defer close(ended)
		cfg := loop.Config{Period: period, Shield: wide(), OnState: func(c loop.Change) { changes <- c }}
		_ = r.robot.Serve(ctx, still{}, cfg, false, func(l *loop.Loop) { made <- l })
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return <-made, changes
}

func awaitState(t *testing.T, changes chan loop.Change, to loop.State) loop.Change {
	t.Helper()
	d := drive{changes: changes, Loop: &loop.Loop{}}
	return d.until(t, to)
}

// TestReports: ten statuses a second, one action per tick, diagnostics once a second, and they agree with each other.
func TestReports(t *testing.T) {
	t.Parallel()
	for _, passive := range []bool{false, true} {
		r := realTimeRig(t, robot.Config{Passive: passive, Policy: "still"})
		s := newSpy(t, r)
		got := listen(t, s)
		l, changes := r.serve(t)
		awaitState(t, changes, loop.StateRun)
		time.Sleep(1500 * time.Millisecond)
		commands := s.count()
		got.mu.Lock()
		status, actions, health := got.status, got.action, got.health
		got.mu.Unlock()
		if len(status) < 10 || len(status) > 30 || len(actions) < 8 || len(health) < 1 || len(health) > 4 {
			t.Fatalf("%d statuses, %d actions, %d diagnostics", len(status), len(actions), len(health))
		}
		last := status[len(status)-1]
		if last.State != uint8(loop.StateRun) || last.Cause != "" || last.Live == passive || !last.Enabled ||
			!last.MasterUp || last.Policy != "still" ||
			last.Period != 0.1 || last.Ticks == 0 || last.ArmAge < 0 || last.PartsAge < 0 || last.GripperAge < 0 ||
			last.DeadmanAge >= 0 ||
			last.LatencyP50 <= 0 || last.JitterMax <= 0 || last.Age <= 0 || (last.Sent == 0) != passive {
			t.Errorf("passive %v: %+v", passive, last)
		}
		a := actions[len(actions)-1]
		if a.Sent == passive || a.Sum[0] != 0.5 || len(a.Command) != 10 || a.Command[9] != 1 ||
			a.State != uint8(loop.StateRun) || a.Sequence == 0 || a.Latency <= 0 {
			t.Errorf("passive %v: %+v", passive, a)
		}
		for i := 1; i < len(actions); i++ {
			if actions[i].Tick != actions[i-1].Tick+1 {
				t.Errorf("ticks %d and %d follow each other", actions[i-1].Tick, actions[i].Tick)
			}
		}
		if st := l.Status(); st.Withdrawn > st.Sent/2 { // a few on a busy machine
			t.Errorf("passive %v: %d of %d commands were withdrawn", passive, st.Withdrawn, st.Sent)
		}
		if (commands == 0) != passive {
			t.Errorf("passive %v: %d commands", passive, commands)
		}
		d := health[len(health)-1].Status
		if len(d) != 3 || d[0].Level != msgs.DiagnosticOK || !strings.HasPrefix(d[0].Message, "RUN") ||
			d[1].Message != "fresh" || d[2].Message != "up" || d[0].HardwareId != "franka" {
			t.Errorf("%+v", d)
		}
		l.EStop("test")
		awaitState(t, changes, loop.StateFault)
		time.Sleep(300 * time.Millisecond)
		got.mu.Lock()
		if m := got.status[len(got.status)-1]; m.State != uint8(loop.StateFault) || !strings.Contains(m.Cause,
			"emergency stop: test") {
			t.Errorf("%+v", m)
		}
		got.mu.Unlock()
	}
}

// TestRecovery: a reflex faults; ~recover alone sends error_recovery, never while the loop may move; ~reset_fault waits
// for the arm.
func TestRecovery(t *testing.T) {
	t.Parallel()
	r := realTimeRig(t, robot.Config{})
	s := newSpy(t, r)
	var mu sync.Mutex
	recoveries := 0
	server, err := action.NewServer[msgs.ErrorRecoveryActionGoal, msgs.ErrorRecoveryActionResult,
		msgs.ErrorRecoveryActionFeedback](s.node, msgs.RecoveryAction,
		func(*msgs.ErrorRecoveryActionGoal) error { mu.Lock(); recoveries++; mu.Unlock(); return nil }, func() {})
	if err == nil {
		defer server.Close()
	} else if !strings.Contains(err.Error(), "already") { // the simulator may serve it
		t.Fatal(err)
	}
	_, changes := r.serve(t)
	awaitState(t, changes, loop.StateRun)
	if res := trigger(t, s.node, "/korr/recover"); res.Success || !strings.Contains(res.Message, "enabled") {
		t.Errorf("recovered while running: %+v", res)
	}
	// else the simulator would report that all is well
	r.stop()
	arm, err := node.Advertise[msgs.FrankaState](s.node, msgs.StateTopic, false) // two that tell the state would hold
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * period) // it is connected
	state := msgs.FrankaState{RobotMode: msgs.RobotModeReflex, CurrentErrors: msgs.FrankaErrors{JointReflex: true}}
	state.OTEE[0], state.OTEE[5], state.OTEE[10], state.OTEE[12], state.OTEE[14], state.OTEE[15] = 1, 1, 1, 0.5, 0.2, 1
	say := func(mode uint8) {
		m := state
		m.RobotMode, m.Header.Stamp = mode, time.Now()
		arm.Write(&m)
	}
	for range 5 {
		say(msgs.RobotModeReflex)
		time.Sleep(50 * time.Millisecond)
	}
	if c := awaitState(t, changes, loop.StateFault); !strings.Contains(c.Cause.Error(), "joint_reflex") {
		t.Errorf("cause %v", c.Cause)
	}
	if res := trigger(t, s.node, "/korr/reset_fault"); res.Success || !strings.Contains(res.Message, "reflex") {
		t.Errorf("reset in a reflex: %+v", res)
	}
	if res := trigger(t, s.node, "/korr/recover"); !res.Success && server != nil {
		t.Errorf("not recovered: %+v", res)
	}
	say(msgs.RobotModeIdle)
	time.Sleep(period)
	if res := trigger(t, s.node, "/korr/reset_fault"); !res.Success {
		t.Errorf("not reset: %+v", res)
	}
	mu.Lock()
	defer mu.Unlock()
	if server != nil && recoveries != 1 {
		t.Errorf("%d recoveries", recoveries)
	}
}

// TestClockJumpsBack: simulated time that jumps back, and one that stands still, hold.
func TestClockJumpsBack(t *testing.T) {
	t.Parallel()
	r := newRigWith(t, func(tb testing.TB, n *node.Node) {
		if err := n.SetParam(context.Background(), "/use_sim_time", true); err != nil {
			tb.Fatal(err)
		}
	}, calm(math.MaxInt), simnode.Config{}, robot.Config{Poll: 50 * time.Millisecond})
	s := newSpy(t, r)
	clock, err := node.Advertise[msgs.Clock](s.node, msgs.ClockTopic, false)
	if err != nil {
		t.Fatal(err)
	}
	l, changes := r.serve(t)
	awaitState(t, changes, loop.StateRun)
	time.Sleep(3 * period)
	for range 50 { // louder than the simulator's own
		clock.Write(&msgs.Clock{Clock: time.Now().Add(-time.Hour)})
		time.Sleep(time.Millisecond)
	}
	if c := awaitState(t, changes, loop.StateHold); !strings.Contains(c.Cause.Error(), "jumped") &&
		!strings.Contains(c.Cause.Error(), "future") {
		t.Errorf("cause %v", c.Cause)
	}
	time.Sleep(2 * period)
	l.Enable(true)
	awaitState(t, changes, loop.StateRun)
	r.stop() // with it, /clock
	awaitState(t, changes, loop.StateHold)
}
