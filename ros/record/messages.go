package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"korr/internal/recording"
	"korr/ros/msgs"
	"korr/ros/panda"
)

// This file is what becomes of each message of a bag.

// maxDisorder is by how much stamps may step back, as the messages of several threads do; more is a jump of the clock.
const maxDisorder = 100 * time.Millisecond

// add appends a sample by its message's stamp, or by the time of recording if it has none.
func add(t *recording.Track, h msgs.Header, recorded time.Time, values ...float64) error {
	at := h.Stamp
	if at.IsZero() {
		at = recorded
	}
	ns := at.UnixNano()
	if n := t.Len(); n > 0 && t.Stamps[n-1]-ns > int64(maxDisorder) {
		return fmt.Errorf("its stamp is %.3f s before the one of the message before: the clock jumped; cut the bag there "+
			"(rosbag filter)", float64(t.Stamps[n-1]-ns)/1e9)
	}
	t.Add(ns, values...)
	return nil
}

func (r *reader) onState(m *msgs.FrankaState, at time.Time) error {
	var v [recording.StateWidth]float64
	for k := range 3 {
		v[k], v[3+k], v[6+k] = m.OTEE[12+k], m.OTEE[4*k], m.OTEE[4*k+1]
	}
	twist := m.ODPEED
	if !r.reported {
		twist = panda.Twist(&m.Q, &m.Dq)
	}
	copy(v[9:], twist[:])
	if why, ok := stops[m.RobotMode]; ok {
		at := at
		if !m.Header.Stamp.IsZero() {
			at = m.Header.Stamp
		}
		r.out.Stops = append(r.out.Stops, recording.Stop{At: at.UnixNano(), Why: why})
	}
	return add(&r.out.State, m.Header, at, v[:]...)
}

// stops are the modes in which a Franka does not follow commands.
var stops = map[uint8]string{
	msgs.RobotModeReflex: "in a reflex", msgs.RobotModeUserStopped: "with its user stop pressed",
	msgs.RobotModeErrorRecovery: "recovering from an error",
}

func (r *reader) onFingers(m *msgs.JointState, at time.Time) error {
	fingers, err := fingersOf(m)
	if err != nil {
		return err
	}
	return add(&r.out.Width, m.Header, at, m.Position[fingers[0]]+m.Position[fingers[1]])
}

// fingersOf finds the gripper's two joints by their names, whatever else the message holds. A message without names is
// the gripper's alone.
func fingersOf(m *msgs.JointState) (at [2]int, err error) {
	if len(m.Name) == 0 && len(m.Position) == 2 {
		return [2]int{0, 1}, nil
	}
	var found []int
	for i, name := range m.Name {
		if strings.Contains(name, "finger") && i < len(m.Position) {
			found = append(found, i)
		}
	}
	if len(found) != 2 {
		return at, fmt.Errorf("it has the joints %q with %d positions, want two whose names hold \"finger\": name the "+
			"gripper's topic (--topic fingers=...)", m.Name, len(m.Position))
	}
	return [2]int{found[0], found[1]}, nil
}

func (r *reader) onParts(m *msgs.PoseArray, at time.Time) error {
	if r.poses == 0 {
		r.poses = len(m.Poses)
		r.out.Poses.Width = recording.PoseWidth * r.poses
	}
	if len(m.Poses) != r.poses || r.poses == 0 {
		return fmt.Errorf("it has %d poses, the ones before %d", len(m.Poses), r.poses)
	}
	v := make([]float64, 0, r.out.Poses.Width)
	for i := range m.Poses {
		p := m.Poses[i].Geom()
		v = append(append(v, p.P[:]...), p.Q[:]...)
	}
	return add(&r.out.Poses, m.Header, at, v...)
}

func (r *reader) onCommand(m *msgs.PoseStamped, at time.Time) error {
	p := m.Pose.Geom()
	if p.Q.Dot(p.Q) == 0 {
		return errors.New("it has no orientation: all four values are 0")
	}
	six := p.Q.Normalize().Rot6D()
	return add(&r.out.Commands, m.Header, at, append(p.P[:], six[:]...)...)
}

func (r *reader) onNote(m *msgs.String, _ time.Time) error {
	r.out.Note = &recording.Note{}
	if err := json.Unmarshal([]byte(m.Data), r.out.Note); err != nil {
		return fmt.Errorf("it does not tell where the recording comes from: %w", err)
	}
	return nil
}

// onSim delimits episodes by the simulator's state.
func (r *reader) onSim(m *msgs.SimState, at time.Time) error {
	ns := at.UnixNano()
	if !m.Header.Stamp.IsZero() {
		ns = m.Header.Stamp.UnixNano()
	}
	if !r.open || m.Episode != r.episode {
		r.open, r.episode, r.step = true, m.Episode, 0
		r.out.Marks = append(r.out.Marks, recording.Mark{
			Begin: ns, Seed: m.Seed,
			Rewards: recording.Track{Topic: SimStateTopic, Width: 1},
		})
	}
	k := &r.out.Marks[len(r.out.Marks)-1]
	if m.Step > r.step {
		k.Rewards.Add(ns, float64(m.Reward))
		r.step = m.Step
	}
	k.End = max(k.End, ns)
	if m.Over() {
		k.Judged, k.Success, k.Fault = true, m.Success, m.Error
	}
	return nil
}

// onMarker delimits episodes by what the operator says.
func (r *reader) onMarker(m *msgs.Bool, at time.Time) error {
	ns := at.UnixNano()
	if r.open {
		r.out.Marks[len(r.out.Marks)-1].End = ns - 1
	}
	if r.open = m.Data; r.open {
		r.out.Marks = append(r.out.Marks, recording.Mark{Begin: ns, End: 1<<63 - 1})
	}
	return nil
}
