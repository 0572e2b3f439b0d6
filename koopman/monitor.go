package koopman

import (
	"fmt"
	"math"
	"slices"

	"korr/internal/tensorfile"
)

// Monitor turns the difference of two latents into a number that demonstrations
// rarely exceed: score = rms((a - b) / scale) / limit, above 1 in a share of
// 1 - quantile of their steps.
type Monitor struct {
	Scale []float32 // [L] root mean square of each coordinate's difference, with a floor
	Limit float32   // the quantile of the demonstrations' scores before division
}

// scaleFloor keeps a coordinate that hardly moves in the demonstrations from
// deciding alone: a hundredth of the normalised range.
const scaleFloor = 0.01

// Score returns the score of a against b, each [L]; it is not finite when they
// are not.
func (m *Monitor) Score(a, b []float32) float32 { return m.raw(a, b) / m.Limit }

func (m *Monitor) raw(a, b []float32) float32 {
	var sum float64
	for i, s := range m.Scale {
		e := float64((a[i] - b[i]) / s)
		sum += e * e
	}
	return float32(math.Sqrt(sum / float64(len(m.Scale))))
}

// Calibrate sets the model's monitor from episodes it was not trained on. Innovation
// compares a latent with its prediction. quantile is the share of steps that stay
// below a score of 1. The error wraps ErrData or ErrConfig.
func (m *Model) Calibrate(episodes []Episode, quantile float64) error {
	d, u, l := m.cfg.ObsDim, m.cfg.ActDim, m.cfg.LatentDim
	if !(quantile > 0 && quantile < 1) {
		return fmt.Errorf("%w: quantile %g, want one in (0, 1)", ErrConfig, quantile)
	}
	if err := checkEpisodes(episodes, d, u); err != nil {
		return err
	}
	p := m.Predictor()
	var measured, predicted []float32 // [n, L]
	z, next := make([]float32, l), make([]float32, l)
	for _, e := range episodes {
		for t := range max(0, e.T-1) {
			p.LiftTo(z, e.Obs[t*d:(t+1)*d])
			p.PredictTo(next, z, e.Act[t*u:(t+1)*u])
			predicted = append(predicted, next...)
			p.LiftTo(z, e.Obs[(t+1)*d:(t+2)*d])
			measured = append(measured, z...)
		}
	}
	if len(measured) == 0 {
		return fmt.Errorf("%w: no transitions to calibrate with", ErrData)
	}
	m.Innovation = newMonitor(measured, predicted, l, quantile)
	return nil
}

func newMonitor(a, b []float32, l int, quantile float64) *Monitor {
	m, n := &Monitor{Scale: make([]float32, l), Limit: 1}, len(a)/l
	for j := range l {
		var sum float64
		for i := j; i < len(a); i += l {
			e := float64(a[i] - b[i])
			sum += e * e
		}
		m.Scale[j] = max(scaleFloor, float32(math.Sqrt(sum/float64(n))))
	}
	scores := make([]float32, n)
	for i := range n {
		scores[i] = m.raw(a[i*l:(i+1)*l], b[i*l:])
	}
	slices.Sort(scores)
	m.Limit = max(1e-3, scores[min(n-1, int(quantile*float64(n)))])
	return m
}

// saveMonitor adds a monitor, if there is one, as a tensor [L+1].
func saveMonitor(f *tensorfile.File, name string, m *Monitor) {
	if m != nil {
		f.Add(name, append(slices.Clone(m.Scale), m.Limit), len(m.Scale)+1)
	}
}

// loadMonitor returns what saveMonitor added, nil if there is none.
func loadMonitor(f *tensorfile.File, name string, l int) (*Monitor, error) {
	if !slices.ContainsFunc(f.Tensors, func(t tensorfile.Tensor) bool { return t.Name == name }) {
		return nil, nil
	}
	v, err := f.Get(name, l+1)
	if err != nil {
		return nil, err
	}
	if slices.Min(v) <= 0 {
		return nil, fmt.Errorf("%w: %s holds a scale that is not positive", ErrConfig, name)
	}
	return &Monitor{Scale: slices.Clone(v[:l]), Limit: v[l]}, nil
}
