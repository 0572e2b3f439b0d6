package koopman

// Follower is a Forecaster that learns from the episode it forecasts in.
type Follower interface {
	Forecaster
	// Begin starts an episode.
	Begin()
	// Saw is told every transition: u led from obs to next.
	Saw(obs, u, next []float32)
}

// Disturbed forecasts observations with a state-inclusive Model and the
// disturbance that an Observer estimates, taken to last.
type Disturbed struct {
	p       *Predictor
	o       *Observer
	d, u    int
	z, next []float32
}

// NewDisturbed returns a forecaster of m with an observer of the gain. The error
// wraps ErrConfig: the lift must hold the state.
func NewDisturbed(m *Model, gain float64) (*Disturbed, error) {
	if !m.cfg.StateInclusive {
		return nil, ErrConfig
	}
	l := m.cfg.LatentDim
	o, err := NewObserver(l, gain)
	if err != nil {
		return nil, err
	}
	return &Disturbed{
		p: m.Predictor(), o: o, d: m.cfg.ObsDim, u: m.cfg.ActDim, z: make([]float32, l),
		next: make([]float32, l),
	}, nil
}

// Name returns "koopman, observer".
func (*Disturbed) Name() string { return "koopman, observer" }

// Begin forgets the disturbance.
func (f *Disturbed) Begin() { f.o.Reset() }

// Saw updates the disturbance.
func (f *Disturbed) Saw(obs, u, next []float32) {
	f.p.LiftTo(f.z, obs)
	f.p.PredictTo(f.next, f.z, u)
	f.p.LiftTo(f.z, next)
	f.o.Update(f.z, f.next)
}

// ForecastTo lifts once and predicts z' = A z + B u + d.
func (f *Disturbed) ForecastTo(pred, obs, us []float32, steps int) {
	f.p.LiftTo(f.z, obs)
	for h := range steps {
		f.p.PredictTo(f.next, f.z, us[h*f.u:])
		for i, d := range f.o.Disturbance() {
			f.next[i] += d
		}
		f.z, f.next = f.next, f.z
		copy(pred[h*f.d:(h+1)*f.d], f.z)
	}
}
