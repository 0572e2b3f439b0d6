package basepolicy

import (
	"fmt"
	"math"
	"strconv"

	"korr/internal/tensorfile"
)

// ObsLimit bounds a normalised observation: it is clamped to
// [-ObsLimit, ObsLimit] before any network reads it.
const ObsLimit = 3

// MinRange is the extent below which FitNormalizer takes a dimension for
// constant: 0.1 mm for a position, about 0.01 degrees for a rotation, far
// below what demonstrations carry on purpose. Stretching such jitter over
// [-1, 1] would turn it into the loudest input of the network.
const MinRange = 1e-4

// Normalizer maps every dimension linearly from [Min, Max] to [-1, 1].
type Normalizer struct {
	Min, Max []float32 // of equal length, Min < Max in every dimension
}

// FitNormalizer returns the normalizer of rows, a flat row-major [n*dim] slice
// in raw units. A constant dimension (extent below MinRange) gets min-1 and
// max+1. It refuses an empty, ragged or not finite input.
func FitNormalizer(rows []float32, dim int) (*Normalizer, error) {
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
		if n.Max[j]-n.Min[j] < MinRange {
			n.Min[j]--
			n.Max[j]++
		}
	}
	if err := n.Validate(); err != nil {
		return nil, fmt.Errorf("fit normalizer: %w", err)
	}
	return n, nil
}

// Dim is the number of dimensions.
func (n *Normalizer) Dim() int { return len(n.Min) }

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

// NormalizeObsTo is NormalizeTo followed by the clamp to ObsLimit: what every
// network sees of an observation.
func (n *Normalizer) NormalizeObsTo(dst, x []float32) {
	n.NormalizeTo(dst, x)
	for i, v := range dst[:len(x)] {
		dst[i] = max(-ObsLimit, min(ObsLimit, v))
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
	for j, lo := range n.Min {
		if !finite(lo) || !finite(n.Max[j]) || lo >= n.Max[j] {
			return fmt.Errorf("normalizer dimension %d runs from %v to %v", j, lo, n.Max[j])
		}
	}
	return nil
}

// SaveTo adds the tensors prefix+"min" and prefix+"max" to f.
func (n *Normalizer) SaveTo(f *tensorfile.File, prefix string) {
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
	if err := n.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", prefix, err)
	}
	return n, nil
}

func finite(v float32) bool {
	return !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0)
}
