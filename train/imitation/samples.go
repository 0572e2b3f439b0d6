package imitation

import (
	"math"

	"korr/basepolicy"
	"korr/train/dataset"
)

// samples are normalised frames, ready to be gathered into batches.
type samples struct {
	obs     []float32 // [N*D], clamped
	act     []float32 // [N*U]
	end     []int     // [N] first frame of the next episode
	obsDim  int
	actDim  int
	horizon int
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

func (s *samples) len() int { return len(s.end) }

// gather writes the observations x [n*D] and target chunks y [n*H*U] of frames.
func (s *samples) gather(x, y []float32, frames []int) {
	d, u, h := s.obsDim, s.actDim, s.horizon
	for i, t := range frames {
		copy(x[i*d:(i+1)*d], s.obs[t*d:(t+1)*d])
		chunk := y[i*h*u : (i+1)*h*u]
		last := min(t+h, s.end[t])
		n := copy(chunk, s.act[t*u:last*u])
		for ; n < len(chunk); n += u {
			copy(chunk[n:], s.act[(last-1)*u:last*u])
		}
	}
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
