package filter

import (
	"fmt"
	"math"

	"korr/internal/geom"
)

// Noise is the standard deviation of a tracker's poses per axis.
type Noise struct {
	Position float64 // m
	Rotation float64 // rad
}

func (n Noise) check() error {
	for _, v := range [2]float64{n.Position, n.Rotation} {
		if !(v >= 0 && v <= 1) {
			return fmt.Errorf("%w: tracker noise of %g m and %g rad: use 0 (estimated) to 1", ErrConfig, n.Position, n.Rotation)
		}
	}
	return nil
}

// What an estimate starts from, and the least it comes to: the covariance must stay positive with a perfect tracker.
var (
	firstNoise = Noise{Position: 1e-3, Rotation: 0.01}
	leastNoise = Noise{Position: 2e-5, Rotation: 2e-4}
)

const (
	// firstWeight is how many samples the first guess is worth.
	firstWeight = 2
	// mostWeight is how many samples an estimate remembers.
	mostWeight = 400
	// largestStep bounds the square of a sample in units of the estimate's own: a push is not noise.
	largestStep = 16
)

// estimator tells the noise from differences of one part's poses in a row while it is at rest: their variance is twice
// the noise's.
type estimator struct {
	fixed    Noise
	variance [2]float64 // position, rotation: of one axis
	weight   float64
	last     []geom.Pose
	had      []bool
}

func (s *estimator) reset(fixed Noise, parts int) {
	s.fixed = fixed
	s.variance = [2]float64{firstNoise.Position * firstNoise.Position, firstNoise.Rotation * firstNoise.Rotation}
	s.weight = firstWeight
	if s.last == nil {
		s.last, s.had = make([]geom.Pose, parts), make([]bool, parts)
	}
	clear(s.had)
}

// observe takes in the newest pose of a part.
func (s *estimator) observe(part int, pose geom.Pose, rest bool) {
	if rest && s.had[part] {
		e := between(s.last[part], pose)
		s.weight = min(s.weight+1, mostWeight)
		for i := range s.variance {
			d := (e[3*i]*e[3*i] + e[3*i+1]*e[3*i+1] + e[3*i+2]*e[3*i+2]) / 6
			s.variance[i] += (min(d, largestStep*s.variance[i]) - s.variance[i]) / s.weight
		}
	}
	s.last[part], s.had[part] = pose, rest
}

// now is the noise that counts.
func (s *estimator) now() Noise {
	n := Noise{
		Position: max(leastNoise.Position, math.Sqrt(s.variance[0])),
		Rotation: max(leastNoise.Rotation, math.Sqrt(s.variance[1])),
	}
	if s.fixed.Position > 0 {
		n.Position = s.fixed.Position
	}
	if s.fixed.Rotation > 0 {
		n.Rotation = s.fixed.Rotation
	}
	return n
}

func (s *estimator) cov() Cov {
	n := s.now()
	return Diagonal(n.Position, n.Rotation)
}
