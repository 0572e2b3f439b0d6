package imitation

import (
	"math"
	"math/rand/v2"

	"korr/basepolicy"
	"korr/internal/geom"
	"korr/sim"
	"korr/train/dataset"
)

// maxObserved is a width of raw observations up to which noise needs no allocation.
const maxObserved = 128

// samples are normalised frames, ready to be gathered into batches.
type samples struct {
	obs     []float32 // [N*D], clamped
	act     []float32 // [N*U]
	end     []int     // [N] first frame of the next episode
	obsDim  int
	actDim  int
	horizon int

	norm  *basepolicy.Normalizer
	raw   []float32 // [N*D0] raw observations, kept when there is noise
	parts int       // poses that end a raw observation
	sigma float64   // m, of the noise on their positions; 0 = none
}

func newSamples(d *dataset.Dataset, obs, act *basepolicy.Normalizer, horizon int) *samples {
	s := &samples{obs: make([]float32, d.Frames()*obs.Dim()), act: d.ActionRows(), obsDim: obs.Dim(), actDim: act.Dim(), horizon: horizon}
	obs.NormalizeObsTo(s.obs, d.ObsRows())
	act.NormalizeTo(s.act, s.act)
	for i := range d.Episodes {
		end := len(s.end) + d.Episodes[i].Len()
		for len(s.end) < end {
			s.end = append(s.end, end)
		}
	}
	return s
}

// noise makes gather draw noise of sigma (m) on the positions of the parts, and NoiseTurn times that (rad) on
// their rotations.
func (s *samples) noise(d *dataset.Dataset, obs *basepolicy.Normalizer, parts int, sigma float64) {
	if sigma > 0 {
		s.norm, s.raw, s.parts, s.sigma = obs, d.ObsRows(), parts, sigma
	}
}

func (s *samples) len() int { return len(s.end) }

// gather writes the observations x [n*D] and target chunks y [n*H*U] of frames. rng draws the noise on the
// observations, if there is any.
func (s *samples) gather(x, y []float32, frames []int, rng *rand.Rand) {
	d, u, h := s.obsDim, s.actDim, s.horizon
	for i, t := range frames {
		s.observe(x[i*d:(i+1)*d], t, rng)
		chunk := y[i*h*u : (i+1)*h*u]
		last := min(t+h, s.end[t])
		n := copy(chunk, s.act[t*u:last*u])
		for ; n < len(chunk); n += u {
			copy(chunk[n:], s.act[(last-1)*u:last*u])
		}
	}
}

// observe writes the observation of frame t.
func (s *samples) observe(x []float32, t int, rng *rand.Rand) {
	if s.sigma == 0 {
		copy(x, s.obs[t*s.obsDim:(t+1)*s.obsDim])
		return
	}
	width := s.norm.RawDim()
	var buf [maxObserved]float32
	raw := append(buf[:0], s.raw[t*width:(t+1)*width]...)
	normal := func(sigma float64) geom.Vec3 {
		return geom.Vec3{sigma * rng.NormFloat64(), sigma * rng.NormFloat64(), sigma * rng.NormFloat64()}
	}
	for at := width - sim.PoseDim*s.parts; at < width; at += sim.PoseDim {
		p := geom.PoseAt(raw[at:])
		p.P = p.P.Add(normal(s.sigma))
		p.Q = geom.RotVec(normal(NoiseTurn * s.sigma)).Mul(p.Q).Canonical()
		geom.PoseTo(raw[at:], p)
	}
	s.norm.NormalizeObsTo(x, raw)
}

// l1 returns the sum of |p - y| and writes its gradient times scale into dy
// (which may be nil). The sign is copied by its bit: a branch on a random sign
// would cost more than the sum.
func l1(dy, p, y []float32, scale float32) float64 {
	var sum float64
	bits := math.Float32bits(scale)
	for i, v := range p {
		d := math.Float32bits(v - y[i])
		sum += float64(math.Float32frombits(d &^ (1 << 31)))
		if dy != nil {
			dy[i] = math.Float32frombits(bits | d&(1<<31))
		}
	}
	return sum
}
