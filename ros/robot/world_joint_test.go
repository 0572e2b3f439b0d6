package robot_test

import (
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

// jointLies are joint states that cannot be true, and what the operator reads.
var jointLies = map[string]struct {
	tell  func(s *msgs.JointState)
	cause string
}{
	"huge":            {func(s *msgs.JointState) { s.Position[joint(s, 4)] = 1e300 }, "joint panda_joint4"},
	"a turn farther":  {func(s *msgs.JointState) { s.Position[joint(s, 5)] += 2 * math.Pi }, "joint panda_joint5"},
	"out of limits":   {func(s *msgs.JointState) { s.Position[joint(s, 4)] = 0.1 }, "outside its limits"},
	"infinite":        {func(s *msgs.JointState) { s.Position[joint(s, 1)] = math.Inf(1) }, "not finite"},
	"a leap":          {func(s *msgs.JointState) { s.Position[joint(s, 2)] += 0.4 }, "leapt"},
	"a fast velocity": {func(s *msgs.JointState) { s.Velocity[joint(s, 3)] = 1e9 }, "its limit"},
	"two of a name":   {func(s *msgs.JointState) { s.Name[joint(s, 1)] = "panda_joint2" }, "more than once"},
	"a finger":        {func(s *msgs.JointState) { s.Position[7] = 1e30 }, "width"},
}

// joint is where a message tells the n-th joint.
func joint(s *msgs.JointState, n int) int {
	for i, name := range s.Name {
		if name == "panda_joint"+string(rune('0'+n)) {
			return i
		}
	}
	panic("no such joint")
}

// TestJointLies: joints that cannot be true fault, in both worlds, and what the hold commands is where the arm was. The
// message lacks joint 1 when joint 2 is told twice: then it is not about the arm, and the arm holds for its silence.
func TestJointLies(t *testing.T) {
	inEveryWorld(t, func(t *testing.T, _ *world) {
		for name, lie := range jointLies {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				m := startMachine(t, worlds[strings.Split(t.Name(), "/")[1]](t))
				s := serve(t, m.world, robot.Config{}, nil)
				s.until(t, loop.StateRun)
				soon(t, "four commands", func() bool { return m.count() >= 4 })
				m.spoilWith(func(s *msgs.JointState, _ *msgs.PoseArray) bool { lie.tell(s); return true })
				begin := time.Now()
				var c loop.Change
				if name == "two of a name" {
					c = s.until(t, loop.StateHold)
				} else if c = s.until(t, loop.StateFault); !strings.Contains(c.Cause.Error(), lie.cause) {
					t.Errorf("cause %v", c.Cause)
				}
				var e *plausible.Error
				if took := time.Since(begin); took > 4*period+slack || c.To == loop.StateFault && !errors.As(c.Cause, &e) {
					t.Errorf("after %v: %v", took, c.Cause)
				}
				time.Sleep(2 * period)
				m.mu.Lock()
				defer m.mu.Unlock()
				last := m.commands[len(m.commands)-1].Points[0].Positions
				for i, v := range last {
					if !(math.Abs(v-m.q[i]) < 0.1) {
						t.Errorf("joint %d is at %g and was told %g", i+1, m.q[i], v)
					}
				}
			})
		}
	})
}

// TestUnreadFieldsMayBeAnything: efforts, and joints that are not the arm's, stop nothing.
func TestUnreadFieldsMayBeAnything(t *testing.T) {
	inEveryWorld(t, func(t *testing.T, w *world) {
		m := startMachine(t, w)
		m.spoilWith(func(s *msgs.JointState, _ *msgs.PoseArray) bool {
			for i := range s.Effort {
				s.Effort[i] = math.NaN()
			}
			s.Name, s.Position = append(s.Name, "wheel"), append(s.Position, math.Inf(1))
			s.Velocity = append(s.Velocity, math.NaN())
			return true
		})
		s := serve(t, w, robot.Config{}, goOn)
		s.until(t, loop.StateRun)
		soon(t, "ten commands", func() bool { return m.count() >= 10 })
	})
}

// TestOneTrackerOnly: a second node that publishes the parts holds an arm of joint states too.
func TestOneTrackerOnly(t *testing.T) {
	t.Parallel()
	w := worlds["ros1"](t)
	startMachine(t, w)
	s := serve(t, w, robot.Config{}, goOn)
	s.until(t, loop.StateRun)
	other := w.open(t, "tracker")
	if _, err := robot.Advertise[msgs.PoseArray](other, msgs.PartsTopic); err != nil {
		t.Fatal(err)
	}
	if c := s.until(t, loop.StateHold); !strings.Contains(c.Cause.Error(), "2 nodes publish "+msgs.PartsTopic) {
		t.Errorf("cause %v", c.Cause)
	}
	_ = other.Close()
	soon(t, "enabled again", func() bool { s.Enable(true); return s.State() == loop.StateRun })
}
