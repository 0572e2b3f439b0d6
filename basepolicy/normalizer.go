package basepolicy

import (
	"fmt"
	"math"
	"strconv"

	"korr/internal/geom"
	"korr/internal/layout"
	"korr/internal/tensorfile"
)

// ObsLimit bounds a normalised observation: it is clamped to
// [-ObsLimit, ObsLimit] before any network reads it.
const ObsLimit = 3

// MinRange is the extent below which a dimension without a floor counts as constant.
const MinRange = 1e-4

// Normalizer maps every dimension linearly from [Min, Max] to [-1, 1].
//
// A normalizer of observations may first rewrite the part poses that end every
// raw row: a quaternion stands for the same rotation as its negative, so that
// fixing its sign makes it jump (a part near half a turn from identity flips at
// random), while the 6D form is continuous (Zhou et al. 2019).
type Normalizer struct {
	Min, Max []float32 // of equal length Dim, Min < Max in every dimension
	// trailing poses (position 3, quaternion x y z w) of a raw row read as position 3 and rotation 6D; 0 = rows as
	// they are
	Poses int
}

// FitNormalizer returns the normalizer of rows, a flat row-major [n*dim] slice
// in raw units. A constant dimension (extent below MinRange) gets min-1 and
// max+1. It refuses an empty, ragged or not finite input.
func FitNormalizer(rows []float32, dim int) (*Normalizer, error) {
	return fit(rows, dim, 0)
}

// fit widens every dimension's extent about its middle to the floor.
func fit(rows []float32, dim int, floor float32) (*Normalizer, error) {
	if dim <= 0 || len(rows) == 0 || len(rows)%dim != 0 {
		return nil, fmt.Errorf("fit normalizer: %d values are no rows of %d", len(rows), dim)
	}
	n := &Normalizer{
		Min: append([]float32(nil), rows[:dim]...),
		Max: append([]float32(nil), rows[:dim]...),
	}
	for i, v := range rows {
		if !finite(v) {
			return nil, fmt.Errorf("fit normalizer: row %d, dimension %d is %v", i/dim, i%dim, v)
		}
		j := i % dim
		n.Min[j] = min(n.Min[j], v)
		n.Max[j] = max(n.Max[j], v)
	}
	for j := range dim {
		switch extent := n.Max[j] - n.Min[j]; {
		case extent < floor:
			n.Min[j] -= (floor - extent) / 2
			n.Max[j] += (floor - extent) / 2
		case extent < MinRange:
			n.Min[j]--
			n.Max[j]++
		}
	}
	if err := n.Validate(); err != nil {
		return nil, fmt.Errorf("fit normalizer: %w", err)
	}
	return n, nil
}

// Dim is the width of a normalised row.
func (n *Normalizer) Dim() int { return len(n.Min) }

// RawDim is the width of a raw row: Dim, less two per rewritten pose.
func (n *Normalizer) RawDim() int { return len(n.Min) - (pose6D-poseQuat)*n.Poses }

// Widths of a part pose with a quaternion and with a 6D rotation.
const (
	poseQuat = layout.Pose
	pose6D   = layout.Pose6D
)

// FitObsNormalizer returns the normalizer of raw observations, a flat
// row-major [n*rawDim] slice whose rows end with so many part poses, rewritten
// as 6D rotations; poses = 0 leaves rows as they are (the published form).
//
// floor is the least extent of every dimension, in its own unit (m, m/s, rad/s,
// or none of a rotation's elements). Demonstrations hardly move some dimensions:
// a part that nobody touches varies by a millimetre, and stretched over its own
// extent, half a millimetre of a tracker's noise would be a full swing of the
// input. With 0.1, 1 mm of noise in a part's position is 0.02 in its input and
// 0.01 rad in its rotation at most 0.2. 0 is no floor, as published.
func FitObsNormalizer(rows []float32, rawDim, poses int, floor float64) (*Normalizer, error) {
	if !(floor >= 0 && floor <= math.MaxFloat32) {
		return nil, fmt.Errorf("fit normalizer: the least extent of a dimension is %v, want a finite number of at least 0",
			floor)
	}
	if rawDim <= 0 || poses < 0 || poses*poseQuat > rawDim || len(rows)%rawDim != 0 {
		return nil, fmt.Errorf("fit normalizer: %d values are no rows of %d with %d poses", len(rows), rawDim, poses)
	}
	dim := rawDim + (pose6D-poseQuat)*poses
	wide := make([]float32, len(rows)/rawDim*dim)
	for i := range len(rows) / rawDim {
		widen(wide[i*dim:(i+1)*dim], rows[i*rawDim:(i+1)*rawDim], poses)
	}
	n, err := fit(wide, dim, float32(floor))
	if err != nil {
		return nil, err
	}
	n.Poses = poses
	return n, nil
}

// widen copies a raw row, turning the quaternion of its trailing poses into 6D.
func widen(dst, raw []float32, poses int) {
	head := len(raw) - poseQuat*poses
	copy(dst, raw[:head])
	for i := range poses {
		from, to := raw[head+poseQuat*i:], dst[head+pose6D*i:]
		copy(to, from[:3])
		geom.Rot6DTo(layout.Rotation.Of(to), geom.QuatAt(from[layout.Vector:]))
	}
}

// NormalizeTo writes the normalised x into dst; both hold whole rows of Dim
// values and may be the same slice.
func (n *Normalizer) NormalizeTo(dst, x []float32) {
	n.checkRows(dst, x)
	for i := 0; i < len(x); i += len(n.Min) {
		for j, lo := range n.Min {
			dst[i+j] = 2*(x[i+j]-lo)/(n.Max[j]-lo) - 1
		}
	}
}

// NormalizeObsTo turns raw observations, rows of RawDim, into what every
// network sees, rows of Dim: poses rewritten, normalised, clamped to ObsLimit.
// dst may be x only when Poses is 0.
func (n *Normalizer) NormalizeObsTo(dst, x []float32) {
	raw, dim := n.RawDim(), n.Dim()
	if len(x)%raw != 0 || len(dst) < len(x)/raw*dim {
		panic("basepolicy: normalizer of rows of " + strconv.Itoa(raw) + " got " + strconv.Itoa(len(x)) +
			" values and room for " + strconv.Itoa(len(dst)))
	}
	for i := range len(x) / raw {
		row := dst[i*dim : (i+1)*dim]
		widen(row, x[i*raw:(i+1)*raw], n.Poses)
		n.NormalizeTo(row, row)
		for j, v := range row {
			row[j] = max(-ObsLimit, min(ObsLimit, v))
		}
	}
}

// DenormalizeTo is the inverse of NormalizeTo.
func (n *Normalizer) DenormalizeTo(dst, x []float32) {
	n.checkRows(dst, x)
	for i := 0; i < len(x); i += len(n.Min) {
		for j, lo := range n.Min {
			dst[i+j] = (x[i+j]+1)/2*(n.Max[j]-lo) + lo
		}
	}
}

func (n *Normalizer) checkRows(dst, x []float32) {
	if len(x)%len(n.Min) != 0 || len(dst) < len(x) {
		panic("basepolicy: normalizer of " + strconv.Itoa(len(n.Min)) + " dimensions got " +
			strconv.Itoa(len(x)) + " values and room for " + strconv.Itoa(len(dst)))
	}
}

// Validate reports a normalizer that would divide by zero or spread a NaN.
func (n *Normalizer) Validate() error {
	if len(n.Min) == 0 || len(n.Min) != len(n.Max) {
		return fmt.Errorf("normalizer has %d minima and %d maxima", len(n.Min), len(n.Max))
	}
	if n.Poses < 0 || n.Poses*pose6D > len(n.Min) {
		return fmt.Errorf("normalizer of %d dimensions rewrites %d poses", len(n.Min), n.Poses)
	}
	for j, lo := range n.Min {
		if !finite(lo) || !finite(n.Max[j]) || lo >= n.Max[j] {
			return fmt.Errorf("normalizer dimension %d runs from %v to %v", j, lo, n.Max[j])
		}
	}
	return nil
}

// SaveTo adds the tensors prefix+"min" and prefix+"max" to f, and to its
// metadata how many poses are rewritten.
func (n *Normalizer) SaveTo(f *tensorfile.File, prefix string) {
	if n.Poses > 0 {
		f.SetMeta(prefix+"poses", strconv.Itoa(n.Poses))
	}
	f.Add(prefix+"min", n.Min, len(n.Min))
	f.Add(prefix+"max", n.Max, len(n.Max))
}

// LoadNormalizer reads what SaveTo wrote; the tensors must have dim values.
func LoadNormalizer(f *tensorfile.File, prefix string, dim int) (*Normalizer, error) {
	lo, err := f.Get(prefix+"min", dim)
	if err != nil {
		return nil, err
	}
	hi, err := f.Get(prefix+"max", dim)
	if err != nil {
		return nil, err
	}
	n := &Normalizer{Min: lo, Max: hi}
	if meta, ok := f.Meta[prefix+"poses"]; ok {
		if n.Poses, err = strconv.Atoi(meta); err != nil {
			return nil, fmt.Errorf("metadata %q: %w", prefix+"poses", err)
		}
	}
	if err := n.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", prefix, err)
	}
	return n, nil
}

func finite(v float32) bool {
	return !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0)
}
