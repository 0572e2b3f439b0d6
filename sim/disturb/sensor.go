package disturb

import (
	"fmt"
	"math"
	"math/rand/v2"

	"korr/internal/geom"
	"korr/internal/layout"
	"korr/internal/seed"
	"korr/sim"
)

// The streams of an episode.
const (
	purpose      = "sim/disturb"
	robotNoise   = 0
	partNoise    = 1
	robotDropout = 2
	partDropout  = 3
	robotJitter  = 4
	partJitter   = 5
	occlusion    = 6
	streams      = 7
)

// Sensor turns true observations into what has been seen of them by now. Channel 0 is the robot's state, channel 1+i
// the pose of part i, the obstacle's last. It is not safe for concurrent use, and allocates only in NewSensor.
type Sensor struct {
	cfg      Config
	dim      int
	channels int
	depth    int       // rows kept: those of the longest delay, and the present one
	past     []float32 // measurements, a ring of depth rows of dim
	lost     []bool    // [depth][channels] measurements that never arrive
	late     []int     // [depth][2] control steps after which a measurement arrives: robot, parts
	step     int       // control steps since the reset
	seen     []int     // [channels] control step of the measurement that is shown
	hidden   []int     // [channels] control steps for which a part stays covered
	rng      [streams]*rand.Rand
	pcg      [streams]*rand.PCG
}

// NewSensor returns a sensor of observations of dim values. The error names a setting that is out of bounds, or the
// number of values where no observation has so many.
func NewSensor(cfg Config, dim int) (*Sensor, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	poses, ok := layout.Poses(dim)
	if !ok {
		return nil, fmt.Errorf("disturb: %d values are no observation of an arm and parts", dim)
	}
	s := &Sensor{cfg: cfg, dim: dim, channels: 1 + poses}
	s.depth = 1 + max(longest(cfg.Robot.Delay, cfg.Robot.Jitter), longest(cfg.Parts.Delay, cfg.Parts.Jitter))
	s.past = make([]float32, s.depth*dim)
	s.lost = make([]bool, s.depth*s.channels)
	s.late = make([]int, s.depth*2)
	s.seen, s.hidden = make([]int, s.channels), make([]int, s.channels)
	for i := range s.rng {
		s.pcg[i] = rand.NewPCG(0, 0)
		s.rng[i] = rand.New(s.pcg[i])
	}
	return s, nil
}

// longest is the most control steps that a measurement takes.
func longest(delay int, jitter float64) int { return delay + int(math.Ceil(jitter)) }

// Reset starts the episode of a seed and shows the first measurement, of which nothing is lost.
func (s *Sensor) Reset(shown, truth []float32, episode uint64) {
	for i, p := range s.pcg {
		p.Seed(seed.Hash(episode, purpose, uint64(2*i)), seed.Hash(episode, purpose, uint64(2*i+1)))
	}
	s.step = 0
	clear(s.seen)
	clear(s.hidden)
	clear(s.lost)
	clear(s.late)
	s.noise(s.past[:s.dim], truth)
	copy(shown, s.past[:s.dim])
}

// Observe measures the truth of the next control step and brings shown, which must be what was shown before, up to
// date.
func (s *Sensor) Observe(shown, truth []float32) {
	s.step++
	at := s.step % s.depth
	s.Measure(s.past[at*s.dim:(at+1)*s.dim], truth, s.lost[at*s.channels:(at+1)*s.channels])
	r, p := s.cfg.Robot, s.cfg.Parts
	s.late[2*at] = s.travel(r.Delay, r.Jitter, robotJitter)
	s.late[2*at+1] = s.travel(p.Delay, p.Jitter, partJitter)
	s.arrive(shown, 0, 0, longest(r.Delay, r.Jitter))
	for c := 1; c < s.channels; c++ {
		s.arrive(shown, c, 1, longest(p.Delay, p.Jitter))
	}
}

// Measure writes one measurement of the truth, with noise, and which channels' are lost: dropped out, or covered by the
// hand.
func (s *Sensor) Measure(dst, truth []float32, lost []bool) {
	s.noise(dst, truth)
	lost[0] = s.chance(robotDropout, s.cfg.Robot.Dropout)
	for c := 1; c < s.channels; c++ {
		dropped, covered := s.chance(partDropout, s.cfg.Parts.Dropout), s.cover(c, truth)
		lost[c] = dropped || covered
	}
}

// AgesTo writes how many control steps ago what is shown of each channel was measured; dst has one value for the robot
// and one for each part.
func (s *Sensor) AgesTo(dst []float32) {
	for c, at := range s.seen {
		dst[c] = float32(s.step - at)
	}
}

// arrive shows a channel's newest measurement that has come and is newer than what is shown. The delay of group 0 is
// the robot's, of group 1 the parts'; oldest is the longest.
func (s *Sensor) arrive(shown []float32, c, group, oldest int) {
	for ago := 0; ago <= oldest && s.step-ago > s.seen[c]; ago++ {
		row := (s.step - ago) % s.depth
		if s.late[2*row+group] > ago || s.lost[row*s.channels+c] {
			continue
		}
		from, to := span(c)
		copy(shown[from:to], s.past[row*s.dim+from:row*s.dim+to])
		s.seen[c] = s.step - ago
		return
	}
}

// span is where a channel stands in an observation.
func span(c int) (from, to int) {
	if c == 0 {
		return 0, sim.StateDim
	}
	s := layout.Part(c - 1)
	return s.From, s.To
}

// travel is after how many control steps a measurement shows: at the first one that is not before its arrival.
func (s *Sensor) travel(delay int, jitter float64, stream int) int {
	if jitter == 0 {
		return delay
	}
	return max(0, int(math.Ceil(float64(delay)+jitter*(2*s.rng[stream].Float64()-1))))
}

// Spread draws how much earlier or later than its delay a measurement of the parts arrives, from -1 to 1 times the
// jitter: for whoever keeps the time itself.
func (s *Sensor) Spread() float64 { return 2*s.rng[partJitter].Float64() - 1 }

func (s *Sensor) chance(stream int, p float64) bool { return p > 0 && s.rng[stream].Float64() < p }

// cover reports whether the hand hides a part. While the tool point is near the part's origin a burst may begin at
// every step; it lasts for a geometric number of steps, also when the hand leaves.
func (s *Sensor) cover(c int, truth []float32) bool {
	p := s.cfg.Parts
	if p.Occlusion == 0 {
		return false
	}
	// both always, so that one part's do not depend on another's
	begin, length := s.rng[occlusion].Float64(), s.rng[occlusion].Float64()
	if s.hidden[c] > 0 {
		s.hidden[c]--
		return true
	}
	from, _ := span(c)
	part := geom.TagFrame.Apply(geom.VecAt(truth[from:]))
	if begin >= p.OcclusionChance || part.Sub(geom.VecAt(truth)).Norm() >= p.OcclusionReach {
		return false
	}
	if p.Occlusion > 1 { // P(more than k steps) = (1 - 1/mean)^k
		s.hidden[c] = int(math.Log(1-length) / math.Log(1-1/p.Occlusion))
	}
	return true
}

// noise writes the truth with noise.
func (s *Sensor) noise(dst, truth []float32) {
	copy(dst, truth)
	if r := s.cfg.Robot; r.noisy() {
		rng := s.rng[robotNoise]
		p, q, v, w := normal(rng), normal(rng), normal(rng), normal(rng)
		add(layout.Position.Of(dst), p, r.Position)
		if r.Rotation > 0 {
			geom.Rot6DTo(layout.Rotation.Of(dst),
				geom.Rot6DAt(layout.Rotation.Of(dst)).Quat().Mul(geom.RotVec(q.Scale(r.Rotation))))
		}
		add(layout.Velocity.Of(dst), v, r.Velocity)
		add(layout.Spin.Of(dst), w, r.Spin)
		dst[layout.Width] = float32(float64(dst[layout.Width]) + r.Gripper*rng.NormFloat64())
	}
	p := s.cfg.Parts
	if !p.noisy() {
		return
	}
	for at := sim.StateDim; at < s.dim; at += sim.PoseDim {
		shift, turn := normal(s.rng[partNoise]), normal(s.rng[partNoise])
		add(dst[at:at+3], shift, p.Position)
		if p.Rotation > 0 {
			geom.QuatTo(dst[at+3:], geom.QuatAt(dst[at+3:]).Mul(geom.RotVec(turn.Scale(p.Rotation))))
		}
	}
}

// normal draws three standard normal numbers.
func normal(rng *rand.Rand) (v geom.Vec3) {
	for k := range v {
		v[k] = rng.NormFloat64()
	}
	return v
}

func add(dst []float32, n geom.Vec3, scale float64) {
	geom.VecTo(dst, geom.VecAt(dst).Add(n.Scale(scale)))
}
