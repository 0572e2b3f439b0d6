package diffusion

import (
	"fmt"
	"math"
)

// Names of beta schedules.
const (
	SquaredCosine = "squaredcos_cap_v2" // a_k follows a squared cosine (Nichol and Dhariwal 2021), betas at most 0.999
	Linear        = "linear"            // betas from 1e-4 to 0.02
)

// What a network predicts.
const (
	PredictNoise    = "epsilon"
	PredictChunk    = "sample"
	PredictVelocity = "v"
)

// Process is the noising that a network was trained to undo.
type Process struct {
	Steps    int    `json:"steps"`    // K
	Schedule string `json:"schedule"` // squaredcos_cap_v2 or linear
	// what the network outputs: epsilon (the noise), sample (the chunk) or v (velocity)
	Prediction string `json:"prediction" yaml:"prediction"`
	Clip       bool   `json:"clip_sample"` // bound predicted chunks to [-1, 1] while sampling
}

// DefaultProcess is the published one.
func DefaultProcess() Process {
	return Process{Steps: 100, Schedule: SquaredCosine, Prediction: PredictNoise, Clip: true}
}

// Validate reports a process that cannot be run.
func (p Process) Validate() error {
	switch {
	case p.Steps < 2 || p.Steps > 10000:
		return fmt.Errorf("diffusion: %d steps, want 2 to 10000", p.Steps)
	case p.Schedule != SquaredCosine && p.Schedule != Linear:
		return fmt.Errorf("diffusion: schedule %q is unknown: want %s or %s", p.Schedule, SquaredCosine, Linear)
	case p.Prediction != PredictNoise && p.Prediction != PredictChunk && p.Prediction != PredictVelocity:
		return fmt.Errorf("diffusion: prediction %q is unknown: want %s, %s or %s", p.Prediction, PredictNoise,
			PredictChunk, PredictVelocity)
	}
	return nil
}

// Schedule holds a process's noise levels, rounded to single precision as in the
// published schedulers: where a_k is small, sampling multiplies the difference.
type Schedule struct {
	Process
	Betas  []float64 // [K]
	Alphas []float64 // [K] a_k, the share of the signal's variance left at step k
}

// NewSchedule computes the levels. It panics unless the process is valid.
func NewSchedule(p Process) *Schedule {
	if err := p.Validate(); err != nil {
		panic(err.Error())
	}
	s := &Schedule{Process: p, Betas: make([]float64, p.Steps), Alphas: make([]float64, p.Steps)}
	n := float64(p.Steps)
	bar := func(t float64) float64 { c := math.Cos((t + 0.008) / 1.008 * math.Pi / 2); return c * c }
	a := 1.0
	for k := range s.Betas {
		if p.Schedule == Linear {
			s.Betas[k] = 1e-4 + (0.02-1e-4)*float64(k)/(n-1)
		} else {
			s.Betas[k] = math.Min(1-bar(float64(k+1)/n)/bar(float64(k)/n), 0.999)
		}
		s.Betas[k] = float64(float32(s.Betas[k]))
		a *= float64(1 - float32(s.Betas[k]))
		s.Alphas[k] = float64(float32(a))
	}
	return s
}

// alpha is a_k, 1 beyond the last denoising step (k < 0).
func (s *Schedule) alpha(k int) float64 {
	if k < 0 {
		return 1
	}
	return s.Alphas[k]
}

// scales are the factors of chunk and noise at step k.
func (s *Schedule) scales(k int) (signal, rest float32) {
	a := float32(s.alpha(k))
	return root(a), root(1 - a)
}

func root(x float32) float32 { return float32(math.Sqrt(float64(x))) }

// AddNoiseTo writes x_k for chunks x and noise of equal length; step -1 is no
// noise. dst may be x or noise.
func (s *Schedule) AddNoiseTo(dst, x, noise []float32, step int) {
	signal, rest := s.scales(step)
	for i, v := range x {
		dst[i] = signal*v + rest*noise[i]
	}
}

// TargetTo writes what the network should output for chunks x noised to step.
func (s *Schedule) TargetTo(dst, x, noise []float32, step int) {
	switch s.Prediction {
	case PredictNoise:
		copy(dst, noise)
	case PredictChunk:
		copy(dst, x)
	default:
		signal, rest := s.scales(step)
		for i, v := range x {
			dst[i] = signal*noise[i] - rest*v
		}
	}
}

// split turns the network's output into the chunk, in place, and the noise, that
// x is made of. The chunk is clipped if the process says so; the noise is not
// corrected for that, as in the published schedulers.
func (s *Schedule) split(out, noise, x []float32, step int) {
	signal, rest := s.scales(step)
	for i, v := range x {
		o := out[i]
		switch s.Prediction {
		case PredictNoise:
			noise[i], out[i] = o, (v-rest*o)/signal
		case PredictChunk:
			noise[i] = (v - signal*o) / rest
		default:
			noise[i], out[i] = signal*o+rest*v, signal*v-rest*o
		}
	}
	if !s.Clip {
		return
	}
	for i, v := range out {
		out[i] = max(-1, min(1, v))
	}
}
