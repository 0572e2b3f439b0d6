package koopman

import (
	"fmt"
	"math"
	"time"

	"gonum.org/v1/gonum/mat"

	"korr/internal/nn"
)

// Forecaster predicts observations open loop.
type Forecaster interface {
	// Name labels the rows of a table.
	Name() string
	// ForecastTo writes the predictions of the steps observations after obs
	// [D], under the actions us [steps, U], into pred [steps, D].
	ForecastTo(pred, obs, us []float32, steps int)
}

// Persistence predicts that nothing changes.
type Persistence struct{}

// Name returns "persistence".
func (Persistence) Name() string { return "persistence" }

// ForecastTo repeats obs.
func (Persistence) ForecastTo(pred, obs, _ []float32, steps int) {
	for h := range steps {
		copy(pred[h*len(obs):], obs)
	}
}

// DMDc is the affine model o' = A o + B u + c of the raw observation: dynamic
// mode decomposition with control (Proctor et al. 2016).
type DMDc struct {
	d, u int
	w    []float32 // [D, D+U+1]
	x    []float32
}

// FitDMDc fits the affine model to every transition of the episodes of widths
// d and u by least squares. The error wraps ErrData or ErrSingular.
func FitDMDc(episodes []Episode, d, u int, ridge float64) (*DMDc, error) {
	if err := checkEpisodes(episodes, d, u); err != nil {
		return nil, err
	}
	in := d + u + 1
	r := newRegression(in, d)
	for _, e := range episodes {
		for t := range max(0, e.T-1) {
			r.add(e.Obs[(t+1)*d:(t+2)*d], e.Obs[t*d:(t+1)*d], e.Act[t*u:(t+1)*u], one)
		}
	}
	sol, err := r.solve(ridge)
	if err != nil {
		return nil, err
	}
	return &DMDc{d: d, u: u, w: transposed(sol), x: make([]float32, in)}, nil
}

var one = []float32{1}

// transposed returns the rows of m^T in float32.
func transposed(m *mat.Dense) []float32 {
	r, c := m.Dims()
	out := make([]float32, 0, r*c)
	for j := range c {
		for i := range r {
			out = append(out, float32(m.At(i, j)))
		}
	}
	return out
}

// Name returns "dmdc".
func (*DMDc) Name() string { return "dmdc" }

// ForecastTo iterates the affine map.
func (f *DMDc) ForecastTo(pred, obs, us []float32, steps int) {
	f.x[f.d+f.u] = 1
	o := obs[:f.d]
	for h := range steps {
		copy(f.x, o)
		copy(f.x[f.d:], us[h*f.u:(h+1)*f.u])
		o = pred[h*f.d : (h+1)*f.d]
		nn.MatVec(o, f.w, f.x, f.d, f.d+f.u+1, 0)
	}
}

// Reader forecasts observations with a Model: the raw coordinates of a
// state-inclusive latent, or an affine read-out fitted by least squares.
type Reader struct {
	p       *Predictor
	z, next []float32
	readout []float32 // [D, L+1]; nil when state-inclusive
}

// NewReader returns a reader of m. The episodes fit the read-out of a lift
// that is not state-inclusive and are ignored otherwise. The error wraps ErrData
// or ErrSingular.
func NewReader(m *Model, episodes []Episode) (*Reader, error) {
	d, l := m.cfg.ObsDim, m.cfg.LatentDim
	f := &Reader{p: m.Predictor(), z: make([]float32, l+1), next: make([]float32, l+1)}
	if m.cfg.StateInclusive {
		return f, nil
	}
	if err := checkEpisodes(episodes, d, m.cfg.ActDim); err != nil {
		return nil, err
	}
	r := newRegression(l+1, d)
	for _, e := range episodes {
		for t := range e.T {
			o := e.Obs[t*d : (t+1)*d]
			f.p.LiftTo(f.z[:l], o)
			r.add(o, f.z[:l], one)
		}
	}
	sol, err := r.solve(1e-5)
	if err != nil {
		return nil, err
	}
	f.readout = transposed(sol)
	return f, nil
}

// Name returns "koopman".
func (*Reader) Name() string { return "koopman" }

// ForecastTo lifts once and predicts linearly.
func (f *Reader) ForecastTo(pred, obs, us []float32, steps int) {
	cfg := &f.p.m.cfg
	d, l, u := cfg.ObsDim, cfg.LatentDim, cfg.ActDim
	f.p.LiftTo(f.z[:l], obs)
	for h := range steps {
		f.p.PredictTo(f.next[:l], f.z[:l], us[h*u:(h+1)*u])
		f.z, f.next = f.next, f.z
		o := pred[h*d : (h+1)*d]
		if f.readout == nil {
			copy(o, f.z[:d])
			continue
		}
		f.z[l] = 1
		nn.MatVec(o, f.readout, f.z, d, l+1, 0)
	}
}

// Score is one cell of an evaluation.
type Score struct {
	// Model is the forecaster's name.
	Model string `json:"model"`
	// Data names the episodes, where there are several kinds.
	Data string `json:"data,omitempty"`
	// Horizon is the number of steps ahead.
	Horizon int `json:"horizon"`
	// RMSE is the root mean square error over windows and coordinates, in
	// normalised units.
	RMSE float64 `json:"rmse"`
	// Windows is the number of windows behind it.
	Windows int `json:"windows"`
	// Micros is the time of one forecast over the horizon, in microseconds on this machine: the least of several.
	Micros float64 `json:"us"`
}

// EvalConfig sets an evaluation; zero values mean the defaults given.
type EvalConfig struct {
	// Horizons are the steps ahead to score (1, 10, 50).
	Horizons []int
	// Stride is the distance between the windows' starts (5).
	Stride int
	// Dims is the number of leading coordinates to score (all).
	Dims int
}

// Evaluate scores the forecasters on the same windows of held-out episodes of
// widths d and u. A window is as long as the longest horizon. The error wraps
// ErrData or ErrConfig.
func Evaluate(forecasters []Forecaster, heldOut []Episode, d, u int, cfg EvalConfig) ([]Score, error) {
	if len(cfg.Horizons) == 0 {
		cfg.Horizons = []int{1, 10, 50}
	}
	cfg.Stride, cfg.Dims = orDefault(cfg.Stride, 5), orDefault(cfg.Dims, d)
	longest := 0
	for _, h := range cfg.Horizons {
		longest = max(longest, h)
		if h < 1 || cfg.Stride < 1 || cfg.Dims < 1 || cfg.Dims > d {
			return nil, fmt.Errorf("%w: evaluation %+v", ErrConfig, cfg)
		}
	}
	win, err := newWindows(heldOut, d, u, longest)
	if err != nil {
		return nil, err
	}
	var scores []Score
	for _, f := range forecasters {
		scores = append(scores, score(f, win, cfg)...)
	}
	return scores, nil
}

func score(f Forecaster, win *windows, cfg EvalConfig) []Score {
	d, u := win.d, win.u
	pred := make([]float32, win.h*d)
	out := make([]Score, len(cfg.Horizons))
	follower, _ := f.(Follower)
	for _, e := range win.episodes {
		if follower != nil {
			follower.Begin()
		}
		for t := 0; t+win.h < e.T; t++ {
			if follower != nil && t > 0 {
				follower.Saw(e.Obs[(t-1)*d:t*d], e.Act[(t-1)*u:t*u], e.Obs[t*d:(t+1)*d])
			}
			if t%cfg.Stride != 0 {
				continue
			}
			f.ForecastTo(pred, e.Obs[t*d:(t+1)*d], e.Act[t*u:(t+win.h)*u], win.h)
			for k, h := range cfg.Horizons {
				out[k].RMSE += meanSquare(pred[(h-1)*d:][:cfg.Dims], e.Obs[(t+h)*d:])
				out[k].Windows++
			}
		}
	}
	for k, h := range cfg.Horizons {
		out[k].Model, out[k].Horizon = f.Name(), h
		out[k].RMSE = math.Sqrt(out[k].RMSE / float64(out[k].Windows))
		out[k].Micros = micros(func() { f.ForecastTo(pred, win.episodes[0].Obs[:d], win.episodes[0].Act[:h*u], h) })
	}
	return out
}

// micros is the least time of f over several rounds of calls.
func micros(f func()) float64 {
	const rounds, calls = 5, 20
	least := math.Inf(1)
	for range rounds {
		start := time.Now()
		for range calls {
			f()
		}
		least = min(least, float64(time.Since(start).Nanoseconds())/1e3/calls)
	}
	return least
}

// meanSquare returns the mean of (a - b)^2 over the length of a.
func meanSquare(a, b []float32) float64 {
	var s float64
	for i, x := range a {
		e := float64(x - b[i])
		s += e * e
	}
	return s / float64(len(a))
}
