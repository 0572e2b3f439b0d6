package sim

import (
	"math"

	"korr/internal/geom"
)

// pairFeatures is the number of features per pair.
const pairFeatures = 13

// Features computes task-relative features of a raw observation. A policy that reads absolute poses must learn to
// subtract centimetres to see a millimetre; these say directly where the male part's tip stands to its target. Per
// pair of the task, in order:
//
//	0..2    tanh(l / 10 mm), l the tip relative to the hole's mouth (or the target), in the first part's frame
//	3..5    l / 100 mm, clipped to +-1.5
//	6..7    5 x tilt: x and z components of the second part's y axis in the first part's frame, clipped to +-1.5
//	8..9    cos and sin of n times the yaw about that axis, n the second part's symmetry
//	10..12  second part's origin in the tool frame / 30 mm, clipped to +-1.5
//
// Immutable: one value serves any number of goroutines.
type Features struct{ task *Task }

// NewFeatures returns the feature extractor of the task.
func (t *Task) NewFeatures() *Features { return &Features{task: t} }

// Dim is the number of features.
func (f *Features) Dim() int { return pairFeatures * len(f.task.Pairs) }

// FeaturesTo writes Dim() features of the raw observation (length Task.ObsDim) into dst, without allocation.
func (f *Features) FeaturesTo(dst, obs []float32) {
	for i := range f.task.Pairs {
		f.pairTo(dst[pairFeatures*i:pairFeatures*(i+1)], obs, &f.task.Pairs[i])
	}
}

func (f *Features) pairTo(dst, obs []float32, p *Pair) {
	first := geom.PoseAt(obs[StateDim+PoseDim*p.First:])
	second := geom.PoseAt(obs[StateDim+PoseDim*p.Second:])
	rel := first.Inv().Mul(second)
	tip := rel.Apply(geom.Vec3(p.Tip))
	var l geom.Vec3
	best := math.Inf(1)
	for k := range p.Targets {
		d := tip.Sub(geom.Vec3(p.Mouth(k)))
		if lateral := d[0]*d[0] + d[2]*d[2]; lateral < best {
			best, l = lateral, d
		}
	}
	r := rel.Q.Mat()
	yaw := math.Atan2(-r[6], r[0])
	n := float64(max(1, p.Symmetry))
	tool := geom.Pose{P: geom.VecAt(obs), Q: geom.Rot6DAt(obs[3:9]).Quat()}
	hand := tool.Inv().Apply(geom.TagFrame.Apply(second.P))
	for k := range 3 {
		dst[k] = float32(math.Tanh(l[k] / 0.01))
		dst[3+k] = clip(l[k]/0.1, 1.5)
		dst[10+k] = clip(hand[k]/0.03, 1.5)
	}
	dst[6], dst[7] = clip(5*r[1], 1.5), clip(5*r[7], 1.5)
	dst[8], dst[9] = float32(math.Cos(n*yaw)), float32(math.Sin(n*yaw))
}

func clip(x, limit float64) float32 { return float32(min(max(x, -limit), limit)) }

// Engaged reports whether some pair's male part is inside its hole, deep and central enough for the thread to have
// taken hold (the engine's own thread state is not part of the observation): a milestone on the way to a reward.
func (t *Task) Engaged(obs []float32) bool {
	for i := range t.Pairs {
		p := &t.Pairs[i]
		rel := geom.PoseAt(obs[StateDim+PoseDim*p.First:]).Inv().Mul(geom.PoseAt(obs[StateDim+PoseDim*p.Second:]))
		tip, axis := rel.Apply(geom.Vec3(p.Tip)), rel.Q.Rotate(geom.Vec3{0, 1, 0})
		for k := range p.Targets {
			d := tip.Sub(geom.Vec3(p.Mouth(k)))
			if d[1] < -engagedDepth && math.Hypot(d[0], d[2]) < engagedLateral && axis[1] > engagedCos {
				return true
			}
		}
	}
	return false
}

// A peg this deep (m), this central (m) and this straight (cosine) counts as engaged.
const (
	engagedDepth   = 0.0036
	engagedLateral = 0.0015
	engagedCos     = 0.995
)
