package simnode

import (
	"math"
	"time"

	"korr/internal/geom"
	"korr/internal/layout"
	"korr/ros/msgs"
	"korr/ros/simarm"
	"korr/sim"
	"korr/sim/disturb"
)

// senses is what the node's messages show of the simulator's state. Without sensing they show the truth.
type senses struct {
	sensor *disturb.Sensor // nil: the truth
	seen   []float32       // lock step: the observation that is shown
	told   []float64       // the arm state that messages are made of
	ages   []float32       // of what is shown: robot, parts; control steps
	camera *camera         // real time: parts come in frames of their own; nil: with the arm's messages
	period time.Duration   // of a control step
	sent   []time.Time     // stamp of each part's frame that was sent last
}

func newSenses(cfg *Config) (senses, error) {
	spec := cfg.Env.Spec()
	s := senses{
		told: make([]float64, simarm.Dim(len(spec.PartNames))), ages: make([]float32, spec.AgeDim()),
		period: time.Duration(float64(time.Second) / spec.ControlHz), sent: make([]time.Time, len(spec.PartNames)),
	}
	if !cfg.LockStep && (cfg.Sensing.On() || cfg.PartsHz > 0 || cfg.PartsDelay > 0) {
		var err error
		s.camera, err = newCamera(cfg)
		return s, err
	}
	if !cfg.Sensing.On() {
		return s, nil
	}
	var err error
	s.seen = make([]float32, spec.ObsDim)
	s.sensor, err = disturb.NewSensor(cfg.Sensing, spec.ObsDim)
	return s, err
}

// reset begins an episode with the observation obs and the arm state arm.
func (s *senses) reset(arm []float64, obs []float32, episode uint64, at time.Time) {
	copy(s.told, arm)
	clear(s.ages)
	switch {
	case s.camera != nil:
		s.camera.reset(s.told, arm, episode, at)
	case s.sensor != nil:
		s.sensor.Reset(s.seen, obs, episode)
		s.show()
	}
}

// observe takes in the next control step's observation and arm state.
func (s *senses) observe(arm []float64, obs []float32) {
	if s.sensor == nil {
		s.follow(arm)
		return
	}
	copy(s.told, arm)
	s.sensor.Observe(s.seen, obs)
	s.sensor.AgesTo(s.ages)
	s.show()
}

// follow takes in an arm state between control steps, or one without sensing.
func (s *senses) follow(arm []float64) {
	if s.camera != nil {
		copy(s.told[:simarm.Parts], arm) // the parts are the camera's
		return
	}
	copy(s.told, arm)
}

// transforms are the frames of the parts that were measured since the last call, each with the stamp of its own
// measurement: a tracker says nothing of what it did not see.
func (s *senses) transforms(f *simarm.Frame, parts []string, jump time.Duration) *msgs.TFMessage {
	m := &msgs.TFMessage{}
	for i, name := range parts {
		stamp := f.Stamp.Add(-time.Duration(s.ages[1+i]) * s.period)
		if s.camera != nil {
			stamp = s.camera.stamps[i].Add(jump)
		}
		if stamp.Equal(s.sent[i]) {
			continue
		}
		s.sent[i] = stamp
		m.Transforms = append(m.Transforms, f.Part(name, i, stamp))
	}
	return m
}

// again makes the next frames tell of every part, seen lately or not: whoever asks late has not heard of them.
func (s *senses) again() { clear(s.sent) }

// show writes the observation that is shown into the arm state, so that whoever rounds it gets the same bits.
func (s *senses) show() {
	wide := func(dst []float64, src []float32) {
		for i, v := range src {
			dst[i] = float64(v)
		}
	}
	obs, a := s.seen, s.told
	wide(a[simarm.Position:simarm.Position+3], layout.Position.Of(obs))
	wide(a[simarm.Rotation:simarm.Rotation+6], layout.Rotation.Of(obs))
	x, y := geom.Vec3(a[simarm.Rotation:]), geom.Vec3(a[simarm.Rotation+3:])
	z := x.Cross(y)
	copy(a[simarm.Rotation+6:simarm.Rotation+9], z[:])
	wide(a[simarm.Twist:simarm.Twist+6], layout.Twist.Of(obs))
	a[simarm.Fingers] = float64(obs[layout.Width]) / 2
	a[simarm.Fingers+1] = a[simarm.Fingers]
	wide(a[simarm.Parts:], obs[sim.StateDim:])
}

// camera is a part tracker in real time: it sees the parts at its own rate, and what it saw arrives later, in order.
type camera struct {
	sensor *disturb.Sensor
	period time.Duration
	delay  time.Duration
	jitter time.Duration
	next   time.Time // of its next frame
	queue  []sighting
	truth  []float32
	lost   []bool
	stamps []time.Time // of each part's pose that is shown
}

// sighting is a frame of the camera on its way.
type sighting struct {
	stamp, due time.Time
	obs        []float32
	lost       []bool
}

// newCamera makes the tracker of a configuration. Chances that Sensing gives per control step are turned into those per
// frame; dropout is per frame already.
func newCamera(cfg *Config) (*camera, error) {
	spec := cfg.Env.Spec()
	hz := cfg.PartsHz
	if hz == 0 {
		hz = cfg.Hz
	}
	parts := cfg.Sensing.Parts
	step := time.Duration(float64(time.Second) / spec.ControlHz)
	c := &camera{
		period: time.Duration(float64(time.Second) / hz), delay: time.Duration(parts.Delay) * step,
		jitter: time.Duration(parts.Jitter * float64(step)),
		truth:  make([]float32, spec.ObsDim), lost: make([]bool, spec.AgeDim()), stamps: make([]time.Time,
			len(spec.PartNames)),
	}
	if cfg.PartsDelay > 0 {
		c.delay, c.jitter = cfg.PartsDelay, cfg.PartsJitter
	}
	if parts.Occlusion > 0 {
		frames := hz / spec.ControlHz // per control step
		parts.Occlusion = math.Max(1, parts.Occlusion*frames)
		parts.OcclusionChance = 1 - math.Pow(1-parts.OcclusionChance, 1/frames)
	}
	parts.Delay, parts.Jitter = 0, 0 // of time, not of control steps
	var err error
	c.sensor, err = disturb.NewSensor(disturb.Config{Parts: parts}, spec.ObsDim)
	return c, err
}

// reset begins an episode: the first frame is seen whole and at once.
func (c *camera) reset(told, arm []float64, episode uint64, at time.Time) {
	c.look(arm)
	first := make([]float32, len(c.truth))
	c.sensor.Reset(first, c.truth, episode)
	clear(c.lost)
	c.queue = c.queue[:0]
	c.next = at.Add(c.period)
	c.arrive(told, &sighting{stamp: at, obs: first, lost: c.lost})
}

// look rounds the arm state to the observation that it is.
func (c *camera) look(arm []float64) {
	for i := range 3 {
		c.truth[i] = float32(arm[simarm.Position+i])
	}
	for i, v := range arm[simarm.Parts:] {
		c.truth[sim.StateDim+i] = float32(v)
	}
}

// see takes the frame that is due at the time of the arm state, and brings told up to date with every frame that has
// arrived by then, calling news with the frame's stamp after each.
func (c *camera) see(told, arm []float64, at time.Time, news func(stamp time.Time)) {
	if !at.Before(c.next) {
		c.look(arm)
		s := sighting{stamp: at, obs: make([]float32, len(c.truth)), lost: make([]bool, len(c.lost))}
		c.sensor.Measure(s.obs, c.truth, s.lost)
		s.due = at.Add(c.delay + time.Duration(float64(c.jitter)*c.sensor.Spread()))
		if n := len(c.queue); n > 0 && s.due.Before(c.queue[n-1].due) {
			s.due = c.queue[n-1].due // a connection keeps the order
		}
		c.queue = append(c.queue, s)
		for !at.Before(c.next) { // frames that fell into one slice are one
			c.next = c.next.Add(c.period)
		}
	}
	n := 0
	for ; n < len(c.queue) && !at.Before(c.queue[n].due); n++ {
		c.arrive(told, &c.queue[n])
		news(c.queue[n].stamp)
	}
	c.queue = append(c.queue[:0], c.queue[n:]...)
}

// arrive shows the parts that a frame did not lose.
func (c *camera) arrive(told []float64, s *sighting) {
	for i := range c.stamps {
		if s.lost[1+i] {
			continue
		}
		c.stamps[i] = s.stamp
		for k := sim.PoseDim * i; k < sim.PoseDim*(i+1); k++ {
			told[simarm.Parts+k] = float64(s.obs[sim.StateDim+k])
		}
	}
}
