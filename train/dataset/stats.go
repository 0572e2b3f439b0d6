package dataset

import (
	"math"
	"slices"
)

// Stats holds the statistics of every feature, by name.
type Stats map[string]FeatureStats

// FeatureStats summarises one feature, dimension by dimension; each slice has
// the feature's width. Booleans count as 0 and 1, Std is the population's, and
// quantiles interpolate linearly between the sorted values.
type FeatureStats struct {
	Min  []float64 `json:"min"`
	Max  []float64 `json:"max"`
	Mean []float64 `json:"mean"`
	Std  []float64 `json:"std"`
	Q01  []float64 `json:"q01"`
	Q10  []float64 `json:"q10"`
	Q50  []float64 `json:"q50"`
	Q90  []float64 `json:"q90"`
	Q99  []float64 `json:"q99"`

	Count []int64 `json:"count"` // one element: the number of frames
}

// named lists the per-dimension statistics under their names.
func (s *FeatureStats) named() []struct {
	name string
	v    *[]float64
} {
	return []struct {
		name string
		v    *[]float64
	}{
		{"min", &s.Min},
		{"max", &s.Max},
		{"mean", &s.Mean},
		{"std", &s.Std},
		{"q01", &s.Q01},
		{"q10", &s.Q10},
		{"q50", &s.Q50},
		{"q90", &s.Q90},
		{"q99", &s.Q99},
	}
}

// summarize computes the statistics of a column ([n*width] of float32, int64 or bool).
func summarize(values any, width int) FeatureStats {
	x := toFloat64(values)
	n := len(x) / width
	s := FeatureStats{Count: []int64{int64(n)}}
	for _, st := range s.named() {
		*st.v = make([]float64, width)
	}
	col := make([]float64, n)
	for j := range width {
		var sum, sq float64
		for i := range col {
			col[i] = x[i*width+j]
			sum += col[i]
		}
		mean := sum / float64(n)
		for _, v := range col {
			sq += (v - mean) * (v - mean)
		}
		slices.Sort(col)
		s.Min[j], s.Max[j] = col[0], col[n-1]
		s.Mean[j], s.Std[j] = mean, math.Sqrt(sq/float64(n))
		s.Q01[j], s.Q10[j], s.Q50[j] = quantile(col, 0.01), quantile(col, 0.10), quantile(col, 0.50)
		s.Q90[j], s.Q99[j] = quantile(col, 0.90), quantile(col, 0.99)
	}
	return s
}

// quantile interpolates linearly in sorted, as numpy.quantile does.
func quantile(sorted []float64, q float64) float64 {
	h := q * float64(len(sorted)-1)
	i := int(h)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (h-float64(i))*(sorted[i+1]-sorted[i])
}

func toFloat64(values any) []float64 {
	var x []float64
	switch v := values.(type) {
	case []float32:
		for _, f := range v {
			x = append(x, float64(f))
		}
	case []int64:
		for _, i := range v {
			x = append(x, float64(i))
		}
	case []bool:
		for _, b := range v {
			if b {
				x = append(x, 1)
			} else {
				x = append(x, 0)
			}
		}
	default:
		panic("dataset: statistics of an unknown column type")
	}
	return x
}
