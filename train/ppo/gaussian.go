package ppo

import "math"

// logRootTwoPi is log sqrt(2 pi).
var logRootTwoPi = 0.5 * math.Log(2*math.Pi)

// LogProb returns the log density of the residual r under a Gaussian with the
// given mean and log-std, all [U] and independent.
func LogProb(r, mean, logStd []float32) float64 {
	sum := 0.0
	for i, s := range logStd {
		d := (float64(r[i]) - float64(mean[i])) * math.Exp(-float64(s))
		sum -= 0.5*d*d + float64(s) + logRootTwoPi
	}
	return sum
}

// Entropy returns the differential entropy of the Gaussian with that log-std [U].
func Entropy(logStd []float32) float64 {
	sum := 0.0
	for _, s := range logStd {
		sum += 0.5 + logRootTwoPi + float64(s)
	}
	return sum
}

// logProbGradTo sets dMean [U] to c times the derivative of LogProb by mean.
func logProbGradTo(dMean, r, mean, logStd []float32, c float64) {
	for i, s := range logStd {
		dMean[i] = float32(c * (float64(r[i]) - float64(mean[i])) * math.Exp(-2*float64(s)))
	}
}
