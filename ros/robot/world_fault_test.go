package robot_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"korr/residual/loop"
	"korr/residual/plausible"
	"korr/ros/msgs"
	"korr/ros/robot"
)

// TestJointArmFollows: an arm that is described by a file goes where the policy says, in steps that its joints can
// make, over ROS 1 and over rosbridge; its gripper closes.
func TestJointArmFollows(t *testing.T) {
	inEveryWorld(t, func(t *testing.T, w *world) {
		m := startMachine(t, w)
		s := serve(t, w, robot.Config{}, goOn)
		s.until(t, loop.StateRun)
		sample := loop.Sample{Obs: make([]float32, 58)}
		far := 1.0
		for deadline := time.Now().Add(8 * time.Second); far > 0.01 &&
			time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			if err := s.robot.Read(&sample); err != nil {
				t.Fatal(err)
			}
			far = math.Hypot(float64(sample.Obs[0])-0.5, float64(sample.Obs[1])-0.1)
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		if far > 0.01 || m.finger > 0.005 || m.grips != 1 {
			t.Errorf("%.3f m from the goal at %v, finger at %g after %d goals", far, sample.Obs[:3], m.finger, m.grips)
		}
		if m.fastest > 1.0+0.5 { // the arm moves between the state and the command's arrival
			t.Errorf("a joint was asked to move at %g rad/s", m.fastest)
		}
		c := m.commands[len(m.commands)-1]
		if len(c.Points) != 1 || c.JointNames[0] != "panda_joint1" || len(c.JointNames) != 7 ||
			c.Points[0].TimeFromStart != 100*time.Millisecond || time.Since(c.Header.Stamp) > time.Minute {
			t.Errorf("%+v", c)
		}
	})
}

// goOn lets the loop survive the stalls of a busy machine.
func goOn(c *loop.Config) { c.Resume = true }

// holds is every way to HOLD that a machine or a network can take, and what the operator reads.
var holds = map[string]struct {
	harm  func(w *world, m *jointMachine)
	cause string
}{
	"silent": {func(_ *world, m *jointMachine) {
		m.spoilWith(func(*msgs.JointState, *msgs.PoseArray) bool { return false })
	}, "too old"},
	"machine gone": {func(_ *world, m *jointMachine) { m.stop() }, "too old"},
	"stamps stuck": {func(_ *world, m *jointMachine) {
		at := time.Now()
		m.spoilWith(func(s *msgs.JointState, _ *msgs.PoseArray) bool { s.Header.Stamp = at; return true })
	}, "too old"},
	"parts stamped in the past": {func(_ *world, m *jointMachine) {
		m.spoilWith(func(_ *msgs.JointState, p *msgs.PoseArray) bool {
			p.Header.Stamp = p.Header.Stamp.Add(-time.Minute)
			return true
		})
	}, "too old"},
	"stamped in the future": {func(_ *world, m *jointMachine) {
		m.spoilWith(func(s *msgs.JointState, p *msgs.PoseArray) bool {
			s.Header.Stamp = s.Header.Stamp.Add(time.Minute)
			p.Header.Stamp = s.Header.Stamp
			return true
		})
	}, "in the future"},
	"a joint missing": {func(_ *world, m *jointMachine) {
		m.spoilWith(func(s *msgs.JointState, _ *msgs.PoseArray) bool { s.Name[3] = "elbow"; return true })
	}, "too old"},
	"master or server gone": {func(w *world, _ *jointMachine) { w.vanish() }, " is lost"},
}

// TestHolds: whatever happens the arm holds within three periods, the tick that notices, and the time the master's or
// server's loss takes to notice; the joints commanded last are the measured ones, and then nothing is sent.
func TestHolds(t *testing.T) {
	inEveryWorld(t, func(t *testing.T, w *world) {
		for name := range holds {
			if name == "master or server gone" {
				continue // last: it takes the world along
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				testHold(t, worlds[strings.Split(t.Name(), "/")[1]](t), name)
			})
		}
		if w.vanish != nil { // ROS 2 has no such thing
			testHold(t, w, "master or server gone")
		}
	})
}

func testHold(t *testing.T, w *world, name string) {
	m := startMachine(t, w)
	s := serve(t, w, robot.Config{}, nil)
	s.until(t, loop.StateRun)
	soon(t, "four commands", func() bool { return m.count() >= 4 })
	holds[name].harm(w, m)
	begin := time.Now()
	c := s.until(t, loop.StateHold)
	limit := 4*period + slack
	if name == "master or server gone" {
		limit += 2 * time.Second
	}
	if took := time.Since(begin); took > limit {
		t.Errorf("held after %v", took)
	}
	if !strings.Contains(c.Cause.Error(), holds[name].cause) {
		t.Errorf("cause %v", c.Cause)
	}
	time.Sleep(2 * period)
	n := m.count()
	time.Sleep(4 * period)
	if m.count() != n {
		t.Errorf("%d commands while holding", m.count()-n)
	}
}

// TestNotFiniteFaults: a joint that is not a number, null over rosbridge, faults; ~enable is refused until
// ~reset_fault, and that until the cause is gone; then ~enable moves the arm again.
func TestNotFiniteFaults(t *testing.T) {
	inEveryWorld(t, func(t *testing.T, w *world) {
		m := startMachine(t, w)
		s := serve(t, w, robot.Config{}, nil)
		operator := w.open(t, "operator")
		s.until(t, loop.StateRun)
		m.spoilWith(func(s *msgs.JointState, _ *msgs.PoseArray) bool { s.Position[2] = math.NaN(); return true })
		c := s.until(t, loop.StateFault)
		var e *plausible.Error
		if !errors.As(c.Cause, &e) || !strings.Contains(e.Why, "not finite") {
			t.Errorf("cause %v", c.Cause)
		}
		if res := enable(t, operator); res.Success || !strings.Contains(res.Message, "reset_fault") {
			t.Errorf("enabled in FAULT: %+v", res)
		}
		m.spoilWith(nil)
		time.Sleep(period)
		if res := trigger(t, operator, "/korr/reset_fault"); !res.Success {
			t.Fatalf("not reset: %+v", res)
		}
		n := m.count()
		time.Sleep(2 * period)
		if m.count() != n {
			t.Error("the arm moved before it was enabled")
		}
		if res := trigger(t, operator, "/korr/reset_fault"); res.Success {
			t.Error("reset without a fault")
		}
		if res := enable(t, operator); !res.Success {
			t.Errorf("%+v", res)
		}
		s.until(t, loop.StateRun)
	})
}

// TestEStopStaysPressed: a fault by ~estop cannot be reset while the newest ~estop says true.
func TestEStopStaysPressed(t *testing.T) {
	inEveryWorld(t, func(t *testing.T, w *world) {
		startMachine(t, w)
		s := serve(t, w, robot.Config{}, nil)
		operator := w.open(t, "operator")
		button := must[interface{ Write(*msgs.Bool) }](t)(robot.Advertise[msgs.Bool](operator, "/korr/estop"))
		s.until(t, loop.StateRun)
		time.Sleep(2 * period) // connections are made
		button.Write(&msgs.Bool{Data: true})
		begin := time.Now()
		var e *loop.EStopError
		if c := s.until(t, loop.StateFault); !errors.As(c.Cause, &e) || time.Since(begin) > slack {
			t.Errorf("after %v: %v", time.Since(begin), c.Cause)
		}
		if res := trigger(t, operator, "/korr/reset_fault"); res.Success || !strings.Contains(res.Message, "estop") {
			t.Errorf("reset with the button pressed: %+v", res)
		}
		button.Write(&msgs.Bool{Data: false})
		time.Sleep(period)
		if res := trigger(t, operator, "/korr/reset_fault"); !res.Success {
			t.Errorf("%+v", res)
		}
		if res := trigger(t, operator, "/korr/recover"); res.Success {
			t.Error("an arm without a recovery action was recovered")
		}
	})
}

// TestReorderedMessagesAreDropped: a message that was overtaken on the way never replaces a newer one.
func TestReorderedMessagesAreDropped(t *testing.T) {
	inEveryWorld(t, func(t *testing.T, w *world) {
		m := startMachine(t, w)
		s := serve(t, w, robot.Config{}, goOn)
		s.until(t, loop.StateRun)
		n := 0
		m.spoilWith(func(s *msgs.JointState, _ *msgs.PoseArray) bool {
			if n++; n%2 == 0 {
				s.Header.Stamp = s.Header.Stamp.Add(-200 * time.Millisecond)
				s.Position[6] = 3 // an old place
			}
			return true
		})
		soon(t, "ten dropped messages", func() bool { return s.robot.Reordered() >= 10 })
		soon(t, "RUN", func() bool { return s.State() == loop.StateRun })
	})
}

func enable(t *testing.T, l robot.Link) *msgs.SetBoolRes {
	t.Helper()
	return must[*msgs.SetBoolRes](t)(robot.Call[msgs.SetBool, msgs.SetBoolReq, msgs.SetBoolRes](
		context.Background(), l, "/korr/enable", &msgs.SetBoolReq{Data: true}))
}

func trigger(t *testing.T, l robot.Link, name string) *msgs.TriggerRes {
	t.Helper()
	return must[*msgs.TriggerRes](t)(robot.Call[msgs.Trigger, msgs.TriggerReq, msgs.TriggerRes](
		context.Background(), l, name, &msgs.TriggerReq{}))
}
