package record

import (
	"errors"
	"fmt"

	"korr/internal/geom"
	"korr/internal/layout"
	"korr/residual/loop"
	"korr/ros/bag"
	"korr/ros/msgs"
	"korr/sim"
)

// Topics of a flight record as a bag, beside those of the arm.
const (
	FaultTopic  = "/korr/fault"  // std_msgs/String, latched: what stopped the loop
	ActionTopic = "/korr/action" // korr_msgs/Action, each tick: what the policy asked for and what was made of it
)

// flight writes flight records to a bag.
type flight struct {
	fault   *Topic[msgs.String]
	action  *Topic[msgs.Action]
	franka  *Topic[msgs.FrankaState]
	fingers *Topic[msgs.JointState]
	parts   *Topic[msgs.PoseArray]
	command *Topic[msgs.PoseStamped]
}

// Flights writes flight records to a bag at path, which must not exist: what was observed as the arm's and the
// tracker's topics, what was sent as the commanded pose, and everything else of a tick as korr_msgs/Action. Messages
// are recorded at the loop's wake-up and stamped as their observation.
func Flights(path string, flights []loop.Flight) error {
	w, err := bag.Create(path, bag.WriterOptions{})
	if err != nil {
		return err
	}
	return FlightsIn(w, flights)
}

// FlightsIn is Flights into a store, which it closes, or removes when it fails.
func FlightsIn(w Store, flights []loop.Flight) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Abort())
		}
	}()
	var f flight
	var errs [6]error
	f.fault, errs[0] = NewTopic[msgs.String](w, FaultTopic, true)
	f.action, errs[1] = NewTopic[msgs.Action](w, ActionTopic, false)
	f.franka, errs[2] = NewTopic[msgs.FrankaState](w, msgs.StateTopic, false)
	f.fingers, errs[3] = NewTopic[msgs.JointState](w, msgs.FingerTopic, false)
	f.parts, errs[4] = NewTopic[msgs.PoseArray](w, msgs.PartsTopic, false)
	f.command, errs[5] = NewTopic[msgs.PoseStamped](w, msgs.CommandTopic, false)
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	for i := range flights {
		for k := range flights[i].Records {
			if err := f.write(&flights[i].Records[k]); err != nil {
				return fmt.Errorf("tick %d: %w", flights[i].Records[k].Tick, err)
			}
		}
		if n := len(flights[i].Records); n > 0 {
			if err := f.fault.Write(flights[i].Records[n-1].Start, &msgs.String{Data: flights[i].Error}); err != nil {
				return err
			}
		}
	}
	return w.Close()
}

// write adds one tick.
func (f *flight) write(r *loop.Record) error {
	h := msgs.Header{Seq: uint32(r.Seq), Stamp: r.Stamp}
	if r.Seq != 0 {
		if err := f.observe(r, h); err != nil {
			return err
		}
	}
	if r.Sent {
		h := h
		h.FrameId = commandFrame
		pose := layout.ToolAt(r.Command)
		if err := f.command.Write(r.Start, &msgs.PoseStamped{Header: h, Pose: msgs.PoseOf(pose)}); err != nil {
			return err
		}
	}
	return f.action.Write(r.Start, &msgs.Action{
		Header: h, Tick: r.Tick, Sequence: r.Seq, State: uint8(r.State), Sent: r.Sent, FellBack: r.FellBack,
		Age: r.Age.Seconds(), Latency: r.Latency.Seconds(), Base: r.Base, Residual: r.Residual, Sum: r.Action,
		Command: r.Command,
		Clamps:  uint32(r.Clamps), Innovation: r.Innovation,
	})
}

// observe adds the observation of a tick.
func (f *flight) observe(r *loop.Record, h msgs.Header) error {
	o := r.Observation
	if len(o) < sim.StateDim || (len(o)-sim.StateDim)%sim.PoseDim != 0 || len(r.Command) != sim.ActDim {
		return fmt.Errorf("an observation of %d values and a command of %d: want %d and poses of %d, and %d", len(o),
			len(r.Command), sim.StateDim, sim.PoseDim, sim.ActDim)
	}
	m := &msgs.FrankaState{Header: h, RobotMode: msgs.RobotModeMove}
	rows := geom.Rot6DAt(layout.Rotation.Of(o))
	a, b := geom.Vec3{rows[0], rows[1], rows[2]}, geom.Vec3{rows[3], rows[4], rows[5]}
	c := a.Cross(b)
	for k := range 3 {
		m.OTEE[4*k], m.OTEE[4*k+1], m.OTEE[4*k+2], m.OTEE[12+k] = a[k], b[k], c[k], float64(o[k])
	}
	m.OTEE[15] = 1
	for k := range 6 {
		m.ODPEED[k] = float64(o[9+k])
	}
	half := float64(o[15]) / 2
	parts := &msgs.PoseArray{Header: h}
	parts.Header.FrameId = "tag"
	for p := o[sim.StateDim:]; len(p) > 0; p = p[sim.PoseDim:] {
		parts.Poses = append(parts.Poses, msgs.PoseOf(geom.Pose{P: geom.VecAt(p), Q: geom.QuatAt(p[3:])}))
	}
	return errors.Join(
		f.fingers.Write(r.Start, &msgs.JointState{
			Header: h, Name: []string{"panda_finger_joint1", "panda_finger_joint2"},
			Position: []float64{half, half},
		}),
		f.parts.Write(r.Start, parts),
		f.franka.Write(r.Start, m),
	)
}
