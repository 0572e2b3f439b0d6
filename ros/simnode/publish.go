package simnode

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"korr/internal/geom"
	"korr/ros/msgs"
	"korr/ros/simarm"
	"korr/ros/transport"
)

// channel is a topic that faults can be injected into. The functions know its message; nil ones mean that a fault does
// not apply.
type channel[M any] struct {
	target  string
	pub     transport.Publisher[M]
	stamp   func(*M) *time.Time
	noise   func(m *M, rng *rand.Rand, length, angle float64)
	nan     func(*M)
	cut     func(*M)
	extend  func(*M)
	reverse func(*M)
	rename  func(*M)
	number  func(m *M, i int) *float64 // nil: there is none
	last    *M                         // sent last; never changed, because it is serialised later
	late    []late[M]
}

// late is a message that was delayed.
type late[M any] struct {
	due time.Time
	m   *M
}

// emit publishes a fresh message after the faults in force have had their way with it.
func (c *channel[M]) emit(m *M, f *faults) {
	var delay time.Duration
	for _, e := range f.list {
		if !e.hits(c.target) {
			continue
		}
		switch e.Kind {
		case msgs.PerturbNoise:
			c.noise(m, e.random(c.target), e.value(0), e.value(1))
		case msgs.PerturbNaN:
			c.nan(m)
		case msgs.PerturbLength:
			if e.value(0) == 0 {
				c.cut(m)
			} else {
				c.extend(m)
			}
		case msgs.PerturbReorder:
			c.reverse(m)
		case msgs.PerturbFrame:
			c.rename(m)
		case msgs.PerturbSet, msgs.PerturbAdd:
			c.change(m, e)
		case msgs.PerturbStamp:
			t := c.stamp(m)
			*t = t.Add(seconds(e.value(0)))
		case msgs.PerturbLoss:
			if e.random(c.target).Float64() < e.value(0) {
				return
			}
		case msgs.PerturbStuck:
			m = c.stuck(m, e)
		case msgs.PerturbDelay:
			delay += seconds(e.value(0))
		}
	}
	if delay > 0 {
		c.late = append(c.late, late[M]{time.Now().Add(delay), m})
		return
	}
	for _, l := range c.late { // of a delay that is over: a connection keeps the order
		c.write(l.m)
	}
	c.late = c.late[:0]
	c.write(m)
}

// change replaces numbers of a message, or adds to them.
func (c *channel[M]) change(m *M, e *fault) {
	for k := 0; k+1 < len(e.Value); k += 2 {
		v := c.number(m, int(e.Value[k]))
		switch {
		case v == nil:
		case e.Kind == msgs.PerturbSet:
			*v = e.Value[k+1]
		default:
			*v += e.Value[k+1]
		}
	}
}

// at is a pointer to the i-th number, nil when there is none.
func at(x []float64, i int) *float64 {
	if i < 0 || i >= len(x) {
		return nil
	}
	return &x[i]
}

// partNumber is one of the seven numbers of a part's pose.
func partNumber(m *msgs.PoseArray, i int) *float64 {
	if i < 0 || i >= 7*len(m.Poses) {
		return nil
	}
	p := &m.Poses[i/7]
	return [7]*float64{
		&p.Position.X, &p.Position.Y, &p.Position.Z, &p.Orientation.X, &p.Orientation.Y, &p.Orientation.Z, &p.Orientation.W,
	}[i%7]
}

// stuck is the message that the fault froze, with its old stamp or with the present one.
func (c *channel[M]) stuck(m *M, e *fault) *M {
	frozen, ok := e.frozen[c.target].(*M)
	if !ok {
		if frozen = c.last; frozen == nil {
			frozen = m
		}
		e.frozen[c.target] = frozen
	}
	if e.value(0) == 0 {
		return frozen
	}
	again := *frozen
	*c.stamp(&again) = *c.stamp(m)
	return &again
}

func (c *channel[M]) write(m *M) {
	c.pub.Write(m)
	c.last = m
}

// flush sends the delayed messages that are due, in their order.
func (c *channel[M]) flush(now time.Time) {
	n := 0
	for n < len(c.late) && !c.late[n].due.After(now) {
		c.write(c.late[n].m)
		n++
	}
	c.late = slices.Delete(c.late, 0, n)
}

// publishers are the robot-side topics.
type publishers struct {
	franka  channel[msgs.FrankaState]
	fingers channel[msgs.JointState]
	joints  channel[msgs.JointState]
	parts   channel[msgs.PoseArray]
	clock   channel[msgs.Clock]
	state   transport.Publisher[msgs.SimState]
	tf      transport.Publisher[msgs.TFMessage]
}

func (p *publishers) advertise(l transport.Link, parts []string) error {
	var errs [9]error
	p.franka = channel[msgs.FrankaState]{
		target: TargetArm,
		stamp:  func(m *msgs.FrankaState) *time.Time { return &m.Header.Stamp }, noise: noisyArm,
		nan: func(m *msgs.FrankaState) { m.OTEE[12] = math.NaN() }, cut: func(*msgs.FrankaState) {},
		extend: func(*msgs.FrankaState) {}, number: func(m *msgs.FrankaState, i int) *float64 { return at(m.OTEE[:], i) },
	}
	joints := channel[msgs.JointState]{
		stamp: func(m *msgs.JointState) *time.Time { return &m.Header.Stamp },
		noise: noisyJoints, nan: func(m *msgs.JointState) { m.Position[0] = math.NaN() },
		cut:    func(m *msgs.JointState) { m.Position = m.Position[:len(m.Position)-1] },
		extend: func(m *msgs.JointState) { m.Position = append(m.Position, 0) }, number: func(m *msgs.JointState,
			i int,
		) *float64 {
			return at(m.Position, i)
		},
	}
	p.fingers, p.joints = joints, joints
	p.fingers.target, p.joints.target = TargetGripper, TargetJoints
	p.parts = channel[msgs.PoseArray]{
		target: TargetParts,
		stamp:  func(m *msgs.PoseArray) *time.Time { return &m.Header.Stamp }, noise: noisyParts,
		nan:     func(m *msgs.PoseArray) { m.Poses[0].Position.X = math.NaN() },
		cut:     func(m *msgs.PoseArray) { m.Poses = m.Poses[:len(m.Poses)-1] },
		reverse: func(m *msgs.PoseArray) { slices.Reverse(m.Poses) },
		extend:  func(m *msgs.PoseArray) { m.Poses = append(m.Poses, m.Poses[0]) },
		rename:  func(m *msgs.PoseArray) { m.Header.FrameId = "camera" }, number: partNumber,
	}
	p.clock = channel[msgs.Clock]{target: TargetClock, stamp: func(m *msgs.Clock) *time.Time { return &m.Clock }}
	p.franka.pub, errs[0] = transport.AdvertiseFranka(l)
	p.fingers.pub, errs[1] = transport.Advertise[msgs.JointState](l, msgs.FingerTopic, transport.State)
	p.joints.pub, errs[2] = transport.Advertise[msgs.JointState](l, msgs.JointTopic, transport.State)
	p.parts.pub, errs[3] = transport.Advertise[msgs.PoseArray](l, msgs.PartsTopic, transport.State)
	p.clock.pub, errs[4] = transport.Advertise[msgs.Clock](l, msgs.ClockTopic, transport.Clock)
	p.state, errs[5] = transport.Advertise[msgs.SimState](l, "~state", transport.Latched)
	p.tf, errs[6] = transport.Advertise[msgs.TFMessage](l, msgs.TFTopic, transport.Report)
	var list transport.Publisher[msgs.String]
	list, errs[7] = transport.Advertise[msgs.String](l, msgs.PartNamesTopic, transport.Latched)
	var static transport.Publisher[msgs.TFMessage]
	static, errs[8] = transport.Advertise[msgs.TFMessage](l, msgs.TFStaticTopic, transport.Latched)
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	list.Write(&msgs.String{Data: strings.Join(parts, ",")})
	static.Write(staticTransforms())
	return nil
}

// flush sends the delayed messages that are due.
func (p *publishers) flush(now time.Time) {
	p.clock.flush(now)
	p.fingers.flush(now)
	p.joints.flush(now)
	p.parts.flush(now)
	p.franka.flush(now)
}

// publish sends the newest observation with the time.
func (s *Server) publish() {
	s.out.clock.emit(&msgs.Clock{Clock: s.stamp}, &s.faults)
	if s.senses.camera != nil {
		s.publishParts(s.stamp)
	}
	s.publishArm()
}

// frame is the newest observation as messages show it.
func (s *Server) frame() simarm.Frame {
	return simarm.Frame{Seq: s.seq, Stamp: s.stamp, Arm: s.senses.told, Target: s.target}
}

// publishParts sends what the camera shows: the array with the stamp of its newest frame, and the frame of every part
// that it saw, each with its own.
func (s *Server) publishParts(stamp time.Time) {
	f := s.frame()
	f.Stamp = stamp
	s.out.parts.emit(f.Parts(), &s.faults)
	s.out.tf.Write(s.senses.transforms(&f, s.spec.PartNames, s.faults.jump()))
}

// publishArm sends the newest observation: the same stamp on every topic, the arm's state last. A camera's parts go
// their own way.
func (s *Server) publishArm() {
	f := s.frame()
	state := s.episode // a copy: messages are serialised later
	state.Header = f.Header("")
	s.out.fingers.emit(f.Fingers(), &s.faults)
	s.out.joints.emit(f.Joints(), &s.faults)
	switch {
	case s.senses.camera != nil:
		s.out.tf.Write(f.Transforms(nil))
	case s.senses.sensor != nil: // the parts' frames before the arm's: whoever has those of a stamp has all of it
		if m := s.senses.transforms(&f, s.spec.PartNames, 0); len(m.Transforms) > 0 {
			s.out.tf.Write(m)
		}
		s.out.tf.Write(f.Transforms(nil))
		s.out.parts.emit(f.Parts(), &s.faults)
	default:
		s.out.tf.Write(f.Transforms(s.spec.PartNames))
		s.out.parts.emit(f.Parts(), &s.faults)
	}
	s.out.state.Write(&state)
	arm := f.Franka()
	s.faults.report(arm)
	s.out.franka.emit(arm, &s.faults)
}

// noisyArm shakes the measured pose and the joints alike.
func noisyArm(m *msgs.FrankaState, rng *rand.Rand, length, angle float64) {
	r := geom.Mat3{m.OTEE[0], m.OTEE[4], m.OTEE[8], m.OTEE[1], m.OTEE[5], m.OTEE[9], m.OTEE[2], m.OTEE[6], m.OTEE[10]}
	p := geom.Vec3{m.OTEE[12], m.OTEE[13], m.OTEE[14]}.Add(gauss(rng, length))
	m.OTEE = simarm.Matrix(p, geom.RotVec(gauss(rng, angle)).Mat().Mul(r))
	for i := range m.Q {
		m.Q[i] += angle * rng.NormFloat64()
	}
}

func noisyJoints(m *msgs.JointState, rng *rand.Rand, length, angle float64) {
	for i := range m.Position {
		sigma := angle
		if strings.Contains(m.Name[i], "finger") {
			sigma = length
		}
		m.Position[i] += sigma * rng.NormFloat64()
	}
}

func noisyParts(m *msgs.PoseArray, rng *rand.Rand, length, angle float64) {
	for i := range m.Poses {
		p := m.Poses[i].Geom()
		m.Poses[i] = msgs.PoseOf(geom.Pose{
			P: p.P.Add(gauss(rng, length)),
			Q: geom.RotVec(gauss(rng, angle)).Mul(p.Q).Canonical(),
		})
	}
}

func gauss(rng *rand.Rand, sigma float64) geom.Vec3 {
	return geom.Vec3{sigma * rng.NormFloat64(), sigma * rng.NormFloat64(), sigma * rng.NormFloat64()}
}
