package imitation

import (
	"math"
	"math/rand/v2"

	"korr/basepolicy"
	"korr/internal/geom"
	"korr/residual"
	"korr/sim"
	"korr/train/dataset"
)

// maxObserved is a width of raw observations up to which noise needs no allocation.
const maxObserved = 128

// newReader returns the encoder of what a base policy reads, the one that a controller encodes for it with: the
// normalised observation and the features; nil for none.
func newReader(obs, act *basepolicy.Normalizer, feats residual.Features) *residual.Encoder {
	enc := residual.NewEncoder(obs, act, feats)
	return enc.Feeding(basepolicy.About{Features: enc.Dim() - enc.ObsDim()})
}

// samples are normalised frames, ready to be gathered into batches.
type samples struct {
	obs     []float32 // [N*D] as read without noise; nil with noise
	act     []float32 // [N*U]
	end     []int     // [N] first frame of the next episode
	obsDim  int
	actDim  int
	horizon int

	read  *residual.Encoder
	raw   []float32 // [N*D0] raw observations, kept when there is noise
	parts int       // poses that end a raw observation
	sigma float64   // m, of the noise on their positions; 0 = none

	relative *basepolicy.Relative // what the network says of positions; nil for the positions
}

// newSamples reads the frames of d. sigma (m) is the noise that gather draws on the positions of the parts, with
// NoiseTurn times that (rad) on their rotations.
func newSamples(d *dataset.Dataset, read *residual.Encoder, horizon int, sigma float64) *samples {
	s := &samples{
		act: d.ActionRows(), obsDim: read.BaseDim(), actDim: read.ActDim(), horizon: horizon,
		read: read, parts: len(d.Info.PartNames), sigma: sigma,
	}
	raw, width := d.ObsRows(), read.RawDim()
	if sigma > 0 {
		s.raw = raw
	} else {
		s.obs = make([]float32, len(raw)/width*s.obsDim)
		for i := range len(raw) / width {
			read.EncodeTo(s.obs[i*s.obsDim:(i+1)*s.obsDim], raw[i*width:(i+1)*width])
		}
	}
	read.NormalizeActionTo(s.act, s.act)
	for i := range d.Episodes {
		end := len(s.end) + d.Episodes[i].Len()
		for len(s.end) < end {
			s.end = append(s.end, end)
		}
	}
	return s
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
		if s.relative != nil {
			s.relative.To(chunk, x[i*d:(i+1)*d])
		}
	}
}

// observe writes the observation of frame t.
func (s *samples) observe(x []float32, t int, rng *rand.Rand) {
	if s.sigma == 0 {
		copy(x, s.obs[t*s.obsDim:(t+1)*s.obsDim])
		return
	}
	width := s.read.RawDim()
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
	s.read.EncodeTo(x, raw)
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
