package faults

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"korr/internal/geom"
	"korr/ros/msgs"
	"korr/ros/robot/chain"
)

// The limits of docs/safety.md, and what float32 rounds.
const (
	maxStep, maxTurn         = 0.10, 1.0 // from the measured pose, m and rad
	maxCommand, maxCommandRo = 0.10, 0.6 // from the command before
	rounding                 = 1e-5
	statePeriod              = 20 * time.Millisecond  // of the arm
	nearby                   = 0.005                  // m; the arm moves on between the states that the watcher receives
	nearbyTurn               = 0.05                   // rad
	pause                    = 400 * time.Millisecond // without a command means that the arm held
	answerable               = 600 * time.Millisecond // how old what a trajectory answers may be, with its way here
)

var workspace = [3][2]float64{{0.3, 0.8}, {-0.55, 0.55}, {0.005, 0.4}}

// sent is one pose that the node published.
type sent struct {
	at    time.Time
	stamp time.Time
	pose  geom.Pose
	wrong string // of a trajectory: what is, by itself
}

// judge collects what the arm told and what it was told.
type judge struct {
	now      func() time.Time
	chain    *chain.Chain // of an arm that takes trajectories; nil for poses
	mu       sync.Mutex
	measured map[int64][]claim // what the arm told, by stamp; wrong stamps may be there twice
	truth    truth             // where it was
	order    []int64           // stamps as they came
	came     []time.Time       // when they did
	lastArm  time.Time         // when the arm spoke last
	poses    []sent
	actions  []action // ticks whose command was sent
}

// action is what the node says of a command: the tick that sent it, and where to.
type action struct {
	tick uint64
	at   geom.Vec3
}

func (j *judge) arm(m *msgs.FrankaState) {
	f := &m.OTEE
	pose := geom.Pose{P: geom.Vec3{f[12], f[13], f[14]}, Q: geom.Mat3{
		f[0], f[4], f[8], f[1], f[5], f[9], f[2], f[6],
		f[10],
	}.Quat()}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.measured == nil {
		j.measured = map[int64][]claim{}
	}
	at := m.Header.Stamp.UnixNano()
	j.lastArm = j.now()
	j.measured[at], j.order = append(j.measured[at], claim{pose, m.Header.Seq, at, j.lastArm}), append(j.order, at)
	j.came = append(j.came, j.lastArm)
}

func (j *judge) command(m *msgs.PoseStamped) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.poses = append(j.poses, sent{at: j.now(), stamp: m.Header.Stamp, pose: m.Pose.Geom()})
}

// trajectory notes where the one point of a trajectory puts the tool.
func (j *judge) trajectory(m *msgs.JointTrajectory) {
	s := sent{at: j.now(), stamp: m.Header.Stamp}
	if len(m.Points) != 1 || len(m.Points[0].Positions) != len(j.chain.Joints) {
		s.wrong = "a trajectory of another shape"
	} else {
		q := m.Points[0].Positions
		for i := range q {
			if k := &j.chain.Joints[i]; !(q[i] >= k.Min-rounding && q[i] <= k.Max+rounding) {
				s.wrong = fmt.Sprintf("a trajectory with %s at %.4g, outside its limits", k.Name, q[i])
			}
		}
		s.pose = j.chain.Forward(q)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.poses = append(j.poses, s)
}

func (j *judge) action(m *msgs.Action) {
	if !m.Sent || len(m.Command) < 3 {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.actions = append(j.actions, action{
		tick: m.Tick + 1, // ~action counts from 0
		at:   geom.Vec3{float64(m.Command[0]), float64(m.Command[1]), float64(m.Command[2])},
	})
}

// commands is how many commands were sent, as the node says.
func (j *judge) commands() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.actions)
}

// heard is when the arm told its state last.
func (j *judge) heard() time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lastArm
}

// sentIn counts the commands that went out between the tick that stopped and the one that moves again: those that the
// node tells of, from the n-th on, and poses that came after quiet, answer an observation, and are more than it tells
// of. What was on its way when the node stopped is none of them, however late a slow machine delivers it.
func (j *judge) sentIn(stopped, moves uint64, n int, quiet time.Time) (told, untold int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	places := map[geom.Vec3]int{}
	for i, a := range j.actions {
		if places[a.at]++; i >= n && a.tick > stopped && a.tick < moves {
			told++
		}
	}
	for i := range j.poses {
		s := &j.poses[i]
		if _, answer := j.measured[s.stamp.UnixNano()]; !answer || j.wasThere(s.pose) { // a hold
			continue
		}
		if places[s.pose.P]--; places[s.pose.P] < 0 && s.at.After(quiet) {
			untold++
		}
	}
	return told, untold
}

// verdict judges every pose published so far and forgets all but the newest measurements.
func (j *judge) verdict() (poses, unseen int, broken []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var before *sent
	for i := range j.poses {
		s := &j.poses[i]
		if j.chain != nil {
			if why := j.judgePoint(s); why != "" {
				broken = append(broken, why)
			}
			continue
		}
		told, answer := j.answered(s)
		from, known := j.truth.of(told)
		switch {
		case !answer:
		case !known: // the arm died before it told the watcher
			before = nil
			if unseen++; notFinite(s) {
				broken = append(broken, "a pose that is not finite")
			}
			continue
		case j.wasThere(s.pose): // simulated time stamps a hold like the state it sends back
			before = nil
			continue
		}
		if !answer {
			before = nil
			if why := j.wasMeasured(s.pose); why != "" || notFinite(s) {
				if !j.blind(s.at) {
					broken = append(broken, why)
				} else if unseen++; notFinite(s) {
					broken = append(broken, "a pose that is not finite")
				}
			}
			continue
		}
		if before != nil && s.at.Sub(before.at) > pause {
			before = nil // the arm held in between, and what follows starts from the measured pose
		}
		if why := judgePose(s, from, before); why != "" {
			broken = append(broken, why)
		}
		before = s
	}
	poses, j.poses = len(j.poses), nil
	if n := len(j.order) - 500; n > 0 {
		for _, at := range j.order[:n] {
			delete(j.measured, at)
		}
		j.order, j.came = j.order[n:], j.came[n:]
	}
	j.truth.prune()
	return poses, unseen, broken
}

// judgePoint says what is wrong with a trajectory's point. It does not tell which observation it answers, so the arm
// must have been near enough at some time shortly before. Joints that move evenly do not move the tool on a straight
// line.
func (j *judge) judgePoint(s *sent) string {
	if s.wrong != "" {
		return s.wrong
	}
	least := math.Inf(1)
	for _, claims := range j.truth.poses {
		for _, c := range claims {
			if age := s.at.Sub(c.came); age < -statePeriod || age > answerable {
				continue
			}
			if angle(s.pose.Q, c.pose.Q) <= maxTurn+nearbyTurn {
				least = min(least, s.pose.P.Sub(c.pose.P).Norm())
			}
		}
	}
	if !(least <= maxStep+nearby) {
		return fmt.Sprintf("a trajectory to a place %.4f m from where the arm was", least)
	}
	for k, w := range workspace {
		if outside := max(w[0]-s.pose.P[k], s.pose.P[k]-w[1]); outside > nearby {
			return fmt.Sprintf("a trajectory to a place %.4f m outside the workspace", outside)
		}
	}
	return ""
}

// blind reports whether states of the arm may have been missed shortly before t: those of an arm that was killed, or to
// which the node connected before the watcher did.
func (j *judge) blind(t time.Time) bool {
	from, to := t.Add(-200*time.Millisecond), t.Add(50*time.Millisecond)
	last := from
	for _, c := range j.came {
		if c.After(from) && c.Before(to) {
			if c.Sub(last) > 3*statePeriod {
				return true
			}
			last = c
		}
	}
	return to.Sub(last) > 3*statePeriod
}

// answered is the newest state with the stamp of a pose that had come by then, or shortly after.
func (j *judge) answered(s *sent) (told claim, ok bool) {
	for _, c := range j.measured[s.stamp.UnixNano()] {
		if !ok || c.came.Before(s.at.Add(statePeriod)) {
			told, ok = c, true
		}
	}
	return told, ok
}

// wasThere reports whether the arm was exactly at a pose: a hold sends that.
func (j *judge) wasThere(p geom.Pose) bool {
	d, a := j.truth.nearest(p)
	return d < 1e-9 && a < 1e-6
}

// wasMeasured says what is wrong with a pose that answers no observation: the arm must have been there lately.
func (j *judge) wasMeasured(p geom.Pose) string {
	nearest, turn := j.truth.nearest(p)
	if !(nearest < nearby && turn < nearbyTurn) {
		return fmt.Sprintf("a pose %.4f m and %.3f rad from where the arm was, without an observation that it answers",
			nearest, turn)
	}
	return ""
}

func notFinite(s *sent) bool {
	return slices.ContainsFunc(append(s.pose.P[:], s.pose.Q[:]...), func(v float64) bool {
		return math.IsNaN(v) || math.IsInf(v, 0)
	})
}

// judgePose says what is wrong with a command.
func judgePose(s *sent, from geom.Pose, before *sent) string {
	if notFinite(s) {
		return "a command that is not finite"
	}
	if d := s.pose.P.Sub(from.P).Norm(); d > maxStep+rounding {
		return fmt.Sprintf("a command %.4f m from the measured position", d)
	}
	if a := angle(s.pose.Q, from.Q); a > maxTurn+1e-3 {
		return fmt.Sprintf("a command %.3f rad from the measured rotation", a)
	}
	for k, w := range workspace {
		outside := max(w[0]-s.pose.P[k], s.pose.P[k]-w[1])
		was := max(w[0]-from.P[k], from.P[k]-w[1])
		if outside > rounding && outside > was+rounding {
			return fmt.Sprintf("a command %.4f m outside the workspace", outside)
		}
	}
	if before == nil {
		return ""
	}
	p, q := reachable(before.pose, from)
	if d := s.pose.P.Sub(p).Norm(); d > maxCommand+rounding {
		return fmt.Sprintf("a command %.4f m from the one before", d)
	}
	if a := angle(s.pose.Q, q); a > maxCommandRo+1e-3 {
		return fmt.Sprintf("a command %.3f rad from the one before", a)
	}
	return ""
}

// reachable is the pose nearest to one commanded before that is allowed at a measured one: where the two limits
// contradict each other, the measured pose wins.
func reachable(before, from geom.Pose) (geom.Vec3, geom.Quat) {
	p, q := before.P, before.Q.Normalize()
	if d := p.Sub(from.P).Norm(); d > maxStep {
		p = from.P.Lerp(p, maxStep/d)
	}
	for k, w := range workspace {
		p[k] = min(max(p[k], min(w[0], from.P[k])), max(w[1], from.P[k]))
	}
	if a := angle(q, from.Q); a > maxTurn {
		q = from.Q.Normalize().Slerp(q, maxTurn/a)
	}
	return p, q
}

func angle(a, b geom.Quat) float64 { return a.Normalize().Angle(b.Normalize()) }
