package sim

import (
	"math"

	"korr/internal/geom"
	"korr/internal/layout"
)

// pairFeatures is the number of features per pair.
const pairFeatures = 13

// Features computes task-relative features of a raw observation. A policy that reads absolute poses must learn to
// subtract centimetres to see a millimetre; these say directly where the male part's tip stands to its target. Per
// pair of the task, in order:
//
//	0..2    tanh(l / 10 mm), l the tip in the frame of the nearest hole (see Pair; y is out of the hole)
//	3..5    l / 100 mm, clipped to +-1.5
//	6..7    5 x tilt: x and z components of the peg's axis in the frame of the hole, clipped to +-1.5
//	8..9    cos and sin of n times the yaw about that axis, n the pair's symmetry; 1 and 0 for a round one
//	10..12  second part's origin in the tool frame / 30 mm, clipped to +-1.5
//
// Immutable: one value serves any number of goroutines.
type Features struct{ task *Task }

// NewFeatures returns the feature extractor of the task.
func (t *Task) NewFeatures() *Features { return &Features{task: t} }

// TaskName is the task that they are of.
func (f *Features) TaskName() string { return f.task.Name }

// Dim is the number of features.
func (f *Features) Dim() int { return pairFeatures * len(f.task.Pairs) }

// FeaturesTo writes Dim() features of the raw observation (length Task.ObsDim) into dst, without allocation.
func (f *Features) FeaturesTo(dst, obs []float32) {
	for i := range f.task.Pairs {
		f.pairTo(dst[pairFeatures*i:pairFeatures*(i+1)], obs, &f.task.Pairs[i])
	}
}

func (f *Features) pairTo(dst, obs []float32, p *Pair) {
	second := geom.PoseAt(layout.Part(p.Second).Of(obs))
	fit := p.Fit(geom.PoseAt(layout.Part(p.First).Of(obs)), second)
	r := fit.Turn.Mat()
	tool := layout.ToolAt(obs)
	hand := tool.Inv().Apply(geom.TagFrame.Apply(second.P))
	for k := range 3 {
		dst[k] = float32(math.Tanh(fit.Offset[k] / 0.01))
		dst[3+k] = clip(fit.Offset[k]/0.1, 1.5)
		dst[10+k] = clip(hand[k]/0.03, 1.5)
	}
	dst[6], dst[7] = clip(5*r[1], 1.5), clip(5*r[7], 1.5)
	dst[8], dst[9] = 1, 0
	if p.Symmetry != Round {
		yaw := math.Atan2(-r[6], r[0])
		n := float64(max(1, p.Symmetry))
		dst[8], dst[9] = float32(math.Cos(n*yaw)), float32(math.Sin(n*yaw))
	}
}

// DetailDim is the number of details: three for each pair.
func (f *Features) DetailDim() int { return 3 * len(f.task.Pairs) }

// DetailTo writes for each pair tanh(l / 2 mm), l as in features 0..5, into dst, without allocation: what tells half a
// millimetre at the mouth of a hole.
func (f *Features) DetailTo(dst, obs []float32) {
	for i := range f.task.Pairs {
		p := &f.task.Pairs[i]
		fit := p.Fit(geom.PoseAt(layout.Part(p.First).Of(obs)), geom.PoseAt(layout.Part(p.Second).Of(obs)))
		for k, l := range fit.Offset {
			dst[3*i+k] = float32(math.Tanh(l / 0.002))
		}
	}
}

func clip(x, limit float64) float32 { return float32(min(max(x, -limit), limit)) }

// Engaged reports whether some pair's male part is inside its hole, deep and central enough for the thread to have
// taken hold (the engine's own thread state is not part of the observation): a milestone on the way to a reward.
func (t *Task) Engaged(obs []float32) bool {
	for i := range t.Pairs {
		if t.Pairs[i].engaged(geom.PoseAt(obs[StateDim+PoseDim*t.Pairs[i].First:]),
			geom.PoseAt(obs[StateDim+PoseDim*t.Pairs[i].Second:])) {
			return true
		}
	}
	return false
}

func (p *Pair) engaged(first, second geom.Pose) bool {
	fit := p.Fit(first, second)
	return p.Thread != nil && fit.Offset[1] < -engagedDepth && fit.Lateral() < engagedLateral &&
		fit.Turn.Rotate(geom.Vec3{0, 1, 0})[1] > engagedCos
}

// A peg this deep (m), this central (m) and this straight (cosine) counts as engaged.
const (
	engagedDepth   = 0.0036
	engagedLateral = 0.0015
	engagedCos     = 0.995
)
