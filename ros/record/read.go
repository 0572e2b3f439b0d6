package record

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"korr/internal/recording"
	"korr/ros/bag"
	"korr/ros/msgs"
	"korr/ros/node"
)

// Twist says where the end effector's velocity is read from.
type Twist int

// Sources of the twist.
const (
	TwistAuto     Twist = iota // reported in a simulator's recording, else from the joints
	TwistJoints                // J(q) dq, as the control node does with a real arm
	TwistReported              // O_dP_EE_d, which a simulator measures
)

// Config sets how a bag is read.
type Config struct {
	Topics  Topics
	Parts   []string // of the task, in its order, the obstacle last
	Twist   Twist
	OpenAt  float64 // m; a gripper move to at least this width opens, a smaller one closes; 0 = 0.03
	Recover bool    // read up to the damage of a damaged bag
	Open    Opener  // nil = OpenBag
}

// handler takes the messages of a topic.
type handler struct {
	kind, md5 string
	take      func(bag.Message) error
}

// reader decodes one bag.
type reader struct {
	cfg      Config
	out      *recording.Recording
	handlers map[string]handler
	names    []string // of the parts, as the tracker orders them
	poses    int      // in an array of parts; 0 = none seen
	reported bool     // the twist comes from the message
	episode  uint32   // of the open mark
	step     uint32   // newest in it: a simulator may tell its state more often than it steps
	open     bool     // a mark is open

	publishers publishers
}

// Read decodes bags that are one recording (see Group). Its error names what is missing, damaged or of another type,
// and what to do.
func Read(paths []string, cfg Config) (*recording.Recording, error) {
	if cfg.OpenAt == 0 {
		cfg.OpenAt = 0.03
	}
	if cfg.Open == nil {
		cfg.Open = OpenBag
	}
	r := &reader{cfg: cfg, handlers: map[string]handler{}, out: &recording.Recording{Path: strings.Join(paths, " and ")}}
	var last Source
	for _, path := range paths {
		b, err := cfg.Open(path, cfg.Recover)
		if err != nil {
			return nil, err
		}
		defer b.Close()
		if err := r.readBag(b); err != nil {
			return nil, err
		}
		last = b
	}
	if last == nil {
		return nil, errors.New("record: no bag to read")
	}
	return r.out, r.finish(last)
}

// readBag takes the messages of one bag.
func (r *reader) readBag(b Source) error {
	if err := r.register(b); err != nil {
		return err
	}
	for m, err := range b.Messages() {
		if err != nil {
			return err
		}
		if err := r.message(m); err != nil {
			return fmt.Errorf("bag %s: message on %s recorded at %d.%09d: %w", b.Path(), m.Conn.Topic, m.Time.Unix(),
				m.Time.Nanosecond(), err)
		}
	}
	r.out.Damage = errors.Join(r.out.Damage, b.Damage())
	return nil
}

// on registers what is done with the messages of a topic.
func on[M any](r *reader, topic string, take func(m *M, at time.Time) error) error {
	var zero M
	kind, md5, err := node.Signature(zero)
	if err != nil {
		return err
	}
	r.handlers[topic] = handler{kind, md5, func(b bag.Message) error {
		m := new(M)
		if err := node.Decode(b.Data, m); err != nil {
			return err
		}
		return take(m, b.Time)
	}}
	return nil
}

// register says what is done with which topic.
func (r *reader) register(b Source) error {
	t := &r.cfg.Topics
	o := r.out
	for _, x := range []struct {
		track *recording.Track
		topic string
		width int
	}{
		{&o.State, t.State, recording.StateWidth},
		{&o.Width, t.Fingers, 1},
		{&o.Poses, t.Parts, 0}, // as many as come
		{&o.Commands, t.Command, recording.CommandWidth},
		{&o.Gripper, t.Gripper + "*/goal", 1},
		{&o.Success, t.Success, 1},
	} {
		if x.track.Len() == 0 { // a second bag goes on
			x.track.Topic, x.track.Width = x.topic, x.width
		}
	}
	simulated := slices.ContainsFunc(b.Connections(), func(c *bag.Connection) bool { return c.Topic == SimStateTopic })
	r.reported = r.cfg.Twist == TwistReported || r.cfg.Twist == TwistAuto && simulated
	errs := []error{
		on(r, t.State, r.onState),
		on(r, t.Fingers, r.onFingers),
		on(r, t.Parts, r.onParts),
		on(r, t.PartNames, func(m *msgs.String, _ time.Time) error { r.names = strings.Split(m.Data, ","); return nil }),
		on(r, t.Command, r.onCommand),
		on(r, t.Gripper+"grasp/goal", func(m *msgs.GraspActionGoal, at time.Time) error {
			return add(&o.Gripper, m.Header, at, 1)
		}),
		on(r, t.Gripper+"move/goal", func(m *msgs.MoveActionGoal, at time.Time) error {
			sign := 1.0
			if m.Goal.Width >= r.cfg.OpenAt {
				sign = -1
			}
			return add(&o.Gripper, m.Header, at, sign)
		}),
		on(r, t.Gripper+"homing/goal", func(m *msgs.HomingActionGoal, at time.Time) error {
			return add(&o.Gripper, m.Header, at, -1)
		}),
		on(r, NoteTopic, r.onNote),
	}
	if t.Success != "" {
		errs = append(errs, on(r, t.Success, func(m *msgs.Bool, at time.Time) error {
			return add(&o.Success, msgs.Header{}, at, map[bool]float64{true: 1}[m.Data])
		}))
	}
	bySim := func(c *bag.Connection) bool { return c.Topic == t.Marker && c.Type == "korr_msgs/SimState" }
	switch {
	case t.Marker == "":
		errs = append(errs, on(r, SimStateTopic, r.onSim))
	case slices.ContainsFunc(b.Connections(), bySim):
		errs = append(errs, on(r, t.Marker, r.onSim))
	default:
		errs = append(errs, on(r, t.Marker, r.onMarker))
	}
	return errors.Join(errs...)
}

func (r *reader) message(m bag.Message) error {
	h, ok := r.handlers[m.Conn.Topic]
	if !ok {
		return nil
	}
	if m.Conn.Type != h.kind || m.Conn.MD5 != h.md5 {
		return fmt.Errorf("it is a %s (MD5 sum %s), want %s (%s): name the right topic with --topic, or convert the bag "+
			"(rosbag fix)", m.Conn.Type, m.Conn.MD5, h.kind, h.md5)
	}
	r.publishers.saw(m)
	return h.take(m)
}

// finish sorts the tracks, orders the parts and checks that everything came.
func (r *reader) finish(b Source) error {
	o := r.out
	t := &r.cfg.Topics
	var missing []string
	for _, x := range []struct {
		track *recording.Track
		flag  string
	}{{&o.State, "state"}, {&o.Width, "fingers"}, {&o.Poses, "parts"}, {&o.Commands, "command"}} {
		x.track.Sort()
		if x.track.Len() == 0 {
			missing = append(missing, fmt.Sprintf("%s (--topic %s=...)", x.track.Topic, x.flag))
		}
	}
	o.Gripper.Sort()
	slices.SortStableFunc(o.Stops, func(a, b recording.Stop) int { return cmp.Compare(a.At, b.At) })
	if err := r.publishers.check(t.State, t.Fingers, t.Parts, t.Command); err != nil {
		return fmt.Errorf("bag %s: %w", o.Path, err)
	}
	if t.Marker != "" && o.Marks == nil {
		missing = append(missing, t.Marker+" (--topic marker=...)")
	}
	if t.Success != "" && o.Success.Len() == 0 {
		missing = append(missing, t.Success+" (--topic success=...)")
	}
	if missing != nil {
		return fmt.Errorf("bag %s: no message on %s; the bag has %s", b.Path(), strings.Join(missing, ", "), listed(b))
	}
	return r.orderParts(b)
}

// listed are the topics of a bag with their types.
func listed(b Source) string {
	var all []string
	for _, c := range b.Connections() {
		all = append(all, fmt.Sprintf("%s (%s)", c.Topic, c.Type))
	}
	if all == nil {
		return "no topics"
	}
	return strings.Join(all, ", ")
}

// orderParts brings the poses into the task's order.
func (r *reader) orderParts(b Source) error {
	want, got := r.cfg.Parts, r.names
	if got == nil && r.poses == len(want) {
		got = want
	}
	if len(got) != r.poses {
		return fmt.Errorf("bag %s: %s has %d poses for the %d parts %v: name the topic with their names "+
			"(--topic part_names=)", b.Path(), r.cfg.Topics.Parts, r.poses, len(want), want)
	}
	r.out.Parts = want
	if slices.Equal(got, want) {
		return nil
	}
	in := r.out.Poses
	out := recording.Track{Topic: in.Topic, Width: recording.PoseWidth * len(want)}
	var order []int
	for _, p := range want {
		at := slices.Index(got, p)
		if at < 0 {
			return fmt.Errorf("bag %s: the tracker's parts are %v, the task's %v: record the task's parts, or name another "+
				"--task", b.Path(), got, want)
		}
		order = append(order, at)
	}
	for i := range in.Len() {
		out.Stamps = append(out.Stamps, in.Stamps[i])
		for _, at := range order {
			out.Values = append(out.Values, in.At(i)[recording.PoseWidth*at:recording.PoseWidth*(at+1)]...)
		}
	}
	r.out.Poses = out
	return nil
}
