package filter

import (
	"errors"
	"fmt"
	"math"

	"korr/internal/geom"
)

// ErrConfig marks a Config that describes no filter.
var ErrConfig = errors.New("filter: bad config")

const (
	// ringSize is how many control steps back a late pose can be.
	ringSize = 32
	// longestGap is how many control steps may pass between two observations before everything is forgotten.
	longestGap = 10
	// coincident is how far apart (control steps) two times are that count as one.
	coincident = 1e-6
	// driftGain is the share of the newest innovation in their average.
	driftGain = 0.3
)

// Config describes a Bank.
type Config struct {
	// Parts is how many poses are estimated.
	Parts int
	// Q [part][mode] is the covariance of the model's error in one control step.
	Q [][]Cov
	// Noise is the tracker's; zeros estimate it from parts at rest.
	Noise Noise
	// Gain, above 0, corrects every pose by that share of its innovation, whatever the covariances say: exponential
	// smoothing, with which the filter is compared. 0 = the Kalman gain.
	Gain float64
	// Gate is the squared Mahalanobis distance of an innovation above which a pose does not correct; 0 means DefaultGate.
	Gate float64
}

// DefaultGate is the 0.999 quantile of a chi-squared distribution with six degrees of freedom.
const DefaultGate = 22.46

func (c *Config) check(m Model) error {
	if c.Parts < 1 || len(c.Q) != c.Parts || !(c.Gate >= 0) || !(c.Gain >= 0 && c.Gain <= 1) {
		return fmt.Errorf("%w: %d parts, Q of %d, gate %g, gain %g", ErrConfig, c.Parts, len(c.Q), c.Gate, c.Gain)
	}
	for i, q := range c.Q {
		if len(q) != m.Modes() {
			return fmt.Errorf("%w: part %d has Q of %d modes, the model has %d", ErrConfig, i, len(q), m.Modes())
		}
		for k := range q {
			if !q[k].valid() {
				return fmt.Errorf("%w: Q of part %d in mode %d is not symmetric positive definite", ErrConfig, i, k)
			}
		}
	}
	return c.Noise.check()
}

// belief is what is known of one part at one control step.
type belief struct {
	pose    geom.Pose
	cov     Cov
	known   bool
	suspect bool         // the last pose was beyond the gate:
	seen    [2]geom.Pose // it, as seen, and moved along with the prediction
	gated   int          // poses in a row that did not correct
	drift   geom.Vec3    // recent innovations of the position, averaged, in the part's frame
}

// sample is a pose that the tracker sent.
type sample struct {
	pose geom.Pose
	r    Cov
	at   float64 // of the way to the next control step, in [0, 1)
	had  bool
}

// row is one control step of the ring.
type row struct {
	time   float64
	arm    Arm
	target geom.Pose
	shut   bool
	before []belief // of each part, predicted
	sample []sample // of each part
}

// Bank estimates the parts of one task.
type Bank struct {
	cfg   Config
	model Model
	noise estimator
	rows  [ringSize]row
	n     int // rows since Reset; the newest is n-1
	dirty int // first row whose samples are still to be taken in
	shut  bool

	now        []belief // of the newest row, corrected
	newest     []float64
	mode       []Mode
	poses      []geom.Pose
	next, peek []geom.Pose
	peekMode   []Mode
	step       Step
}

// New returns a filter. The error wraps ErrConfig.
func New(cfg Config, m Model) (*Bank, error) {
	if err := cfg.check(m); err != nil {
		return nil, err
	}
	if cfg.Gate == 0 {
		cfg.Gate = DefaultGate
	}
	n := cfg.Parts
	b := &Bank{
		cfg: cfg, model: m, now: make([]belief, n), newest: make([]float64, n), mode: make([]Mode, n),
		poses: make([]geom.Pose, n), next: make([]geom.Pose, n), peek: make([]geom.Pose, n), peekMode: make([]Mode, n),
	}
	for i := range b.rows {
		b.rows[i].before, b.rows[i].sample = make([]belief, n), make([]sample, n)
	}
	b.Reset()
	return b, nil
}

// Reset starts an episode: nothing is known of any part.
func (b *Bank) Reset() {
	b.noise.reset(b.cfg.Noise, b.cfg.Parts)
	b.shut = false
	b.forget()
}

// forget drops the past and what is known of the parts.
func (b *Bank) forget() {
	b.n, b.dirty = 0, 0
	for i := range b.now {
		b.now[i] = belief{pose: geom.IdentityPose}
		b.newest[i] = math.Inf(-1)
	}
}

func (b *Bank) at(i int) *row { return &b.rows[i%ringSize] }

// Begin starts the control step at the time t (control steps) with the arm as it is now: the parts are predicted from
// the last step. It is false, and everything is forgotten, when the clock ran backwards or stood still, when too much
// time has passed for a prediction, or when a number is not finite; in the last case the step does not begin.
func (b *Bank) Begin(t float64, arm Arm) bool {
	if !(math.Abs(t) <= 1e12) || !finite(arm.Hand) || !(math.Abs(arm.Width) <= 1) {
		b.forget()
		return false
	}
	arm.Hand.Q = arm.Hand.Q.Normalize()
	fits := true
	if b.n > 0 {
		dt := t - b.at(b.n-1).time
		if fits = dt > coincident && dt <= longestGap; !fits {
			b.forget()
		}
	}
	r := b.at(b.n)
	r.time, r.arm, r.target, r.shut = t, arm, arm.Hand, b.shut
	clear(r.sample)
	if b.n > 0 {
		b.predict(b.n-1, r.before, b.now)
	} else {
		copy(r.before, b.now)
	}
	copy(b.now, r.before)
	b.n++
	b.dirty = b.n
	return fits
}

// Executed tells what was commanded after the step that has begun. Without it the hand counts as commanded to stay.
func (b *Bank) Executed(c Command) {
	if b.n == 0 {
		return
	}
	if c.Grip > 0 {
		b.shut = true
	} else if c.Grip < 0 {
		b.shut = false
	}
	r := b.at(b.n - 1)
	if r.shut = b.shut; finite(c.Target) {
		r.target = geom.Pose{P: c.Target.P, Q: c.Target.Q.Normalize()}
	}
}

// Measure hands over the pose that the tracker saw of a part at the time t, in any order, at most once for each
// control step (a later one of the same step replaces it). It is false for what cannot be used: a stamp that was seen
// before, that is older than the ring or ahead of the clock, and numbers that are not finite. Update takes the
// samples in.
func (b *Bank) Measure(part int, t float64, pose geom.Pose) bool {
	if b.n == 0 || !finite(pose) || t-t != 0 || math.Abs(t-b.newest[part]) < coincident {
		return false
	}
	if t > b.at(b.n-1).time+coincident {
		return false
	}
	i, oldest := b.n-1, max(0, b.n-ringSize)
	for i >= oldest && b.at(i).time > t+coincident {
		i--
	}
	if i < oldest {
		return false
	}
	r := b.at(i)
	s := sample{pose: geom.Pose{P: pose.P, Q: pose.Q.Normalize()}, had: true}
	if i < b.n-1 {
		s.at = min(max(0, (t-r.time)/(b.at(i+1).time-r.time)), 1)
	}
	if old := &r.sample[part]; old.had && old.at+coincident > s.at {
		return false
	}
	if t > b.newest[part] {
		b.noise.observe(part, s.pose, b.mode[part] == Rest && !b.now[part].suspect)
		b.newest[part] = t
	}
	s.r = b.noise.cov()
	r.sample[part] = s
	b.dirty = min(b.dirty, i)
	return true
}

// Update takes in what Measure was given since the last Update.
func (b *Bank) Update() {
	for i := b.dirty; i < b.n; i++ {
		r := b.at(i)
		copy(b.now, r.before)
		b.take(i)
		if i+1 < b.n {
			b.predict(i, b.at(i+1).before, b.now)
		}
	}
	b.dirty = b.n
}

// take corrects now, the prediction of row i, with the row's samples.
func (b *Bank) take(i int) {
	r := b.at(i)
	between := false
	for p := range r.sample {
		s := &r.sample[p]
		between = between || s.had && s.at > coincident
		if x := &b.now[p]; s.had && !x.known { // the model moves what is seen
			x.pose = s.pose
		}
	}
	if between {
		b.ahead(i, b.peek, b.peekMode, b.now)
	}
	for p := range r.sample {
		s := &r.sample[p]
		if !s.had {
			continue
		}
		expected := b.now[p].pose
		if s.at > coincident {
			expected = part(expected, b.peek[p], s.at)
		}
		b.correct(&b.now[p], s, expected)
	}
}

// correct takes a sample in, of which the pose expected was predicted.
func (b *Bank) correct(x *belief, s *sample, expected geom.Pose) {
	seen := s.pose
	if s.at > coincident {
		seen = carry(s.pose, expected, x.pose) // where the part was at the control step before
	}
	if !x.known {
		*x = belief{pose: seen, cov: s.r, known: true}
		return
	}
	e := between(x.pose, seen)
	for k, v := range e[:3] {
		x.drift[k] += driftGain * (v - x.drift[k])
	}
	if g := b.cfg.Gain; g > 0 {
		for k := range e {
			e[k] *= g
		}
		x.pose = moved(x.pose, &e)
		return
	}
	var l Cov
	if factorTo(&l, &x.cov, &s.r) && !(l.distance(&e) > b.cfg.Gate) {
		shift := x.cov.correct(&l, &s.r, &e)
		x.pose = moved(x.pose, &shift)
		x.suspect, x.gated = false, 0
		return
	}
	if x.suspect && b.agree(x, seen, &s.r) {
		*x = belief{pose: seen, cov: s.r, known: true}
		return
	}
	x.suspect, x.seen = true, [2]geom.Pose{seen, seen}
	x.gated++
}

// agree reports whether a pose confirms the last one that was beyond the gate, at rest or moved along.
func (b *Bank) agree(x *belief, seen geom.Pose, r *Cov) bool {
	var l Cov
	if !factorTo(&l, r, r) {
		return false
	}
	for i := range x.seen {
		e := between(x.seen[i], seen)
		if l.distance(&e) <= b.cfg.Gate {
			return true
		}
	}
	return false
}

// predict writes the beliefs of row i+1 into dst, from those of row i.
func (b *Bank) predict(i int, dst, from []belief) {
	steps := b.ahead(i, b.next, b.mode, from)
	for p := range dst {
		x := from[p]
		if x.known {
			if x.suspect {
				x.seen[1] = carry(x.seen[1], x.pose, b.next[p])
			}
			x.pose = b.next[p]
			x.cov.addScaled(&b.cfg.Q[p][b.mode[p]], steps)
		}
		dst[p] = x
	}
}

// ahead predicts the poses of row i+1 and returns how many control steps that is.
func (b *Bank) ahead(i int, next []geom.Pose, mode []Mode, from []belief) float64 {
	r, to := b.at(i), b.at(i+1)
	for p := range from {
		b.poses[p] = from[p].pose
	}
	b.step = Step{From: r.arm, To: to.arm, Target: r.target, Shut: r.shut, Steps: to.time - r.time}
	b.model.PredictTo(next, mode, b.poses, &b.step)
	for p := range next {
		if !finite(next[p]) { // a model must not lose a part
			next[p] = b.poses[p]
		}
	}
	return b.step.Steps
}

// Estimate is what is known of a part now.
type Estimate struct {
	Pose     geom.Pose
	Known    bool    // false until a first pose was taken in
	Position float64 // standard deviation per axis, m
	Rotation float64 // and rad
	Age      float64 // control steps since the stamp of the newest pose
	Gated    int     // poses in a row that the gate kept out
	Mode     Mode    // during the last step
	// Drift is how far recent poses were off their predictions on average, in the frame of the poses (m): what pushes the
	// part, or slips, and the model does not know.
	Drift geom.Vec3
}

// Estimate returns what is known of a part after Update.
func (b *Bank) Estimate(part int) Estimate {
	x := &b.now[part]
	e := Estimate{Pose: x.pose, Known: x.known, Gated: x.gated, Mode: b.mode[part], Age: math.Inf(1)}
	e.Position, e.Rotation = x.cov.deviation(0), x.cov.deviation(3)
	e.Drift = x.pose.Q.Rotate(x.drift)
	if b.n > 0 {
		e.Age = b.at(b.n-1).time - b.newest[part]
	}
	return e
}

// Noise is the tracker's noise as the filter has it now.
func (b *Bank) Noise() Noise { return b.noise.now() }
