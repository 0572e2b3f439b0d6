package results

import (
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// OverSeeds is the mean of a figure over training seeds and Student's 95 % interval of it. ok is false below two seeds,
// which have no interval.
func OverSeeds(values []float64) (mean float64, ci [2]float64, ok bool) {
	n := float64(len(values))
	if n == 0 {
		return math.NaN(), ci, false
	}
	mean, sd := stat.MeanStdDev(values, nil)
	if n < 2 {
		return mean, ci, false
	}
	half := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}.Quantile(0.975) * sd / math.Sqrt(n)
	return mean, [2]float64{mean - half, mean + half}, true
}
