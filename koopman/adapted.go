package koopman

// Follower is a Forecaster that learns from the episode it forecasts in.
type Follower interface {
	Forecaster
	// Begin starts an episode.
	Begin()
	// Saw is told every transition: u led from obs to next.
	Saw(obs, u, next []float32)
}

// Adapted forecasts observations with a state-inclusive Model that an Adapter
// refines as the episode goes on.
type Adapted struct {
	a       *Adapter
	d       int
	z, next []float32
}

// NewAdapted returns a forecaster of m under adaptation. The error wraps
// ErrConfig: the lift must hold the state.
func NewAdapted(m *Model, cfg AdapterConfig) (*Adapted, error) {
	if !m.cfg.StateInclusive {
		return nil, ErrConfig
	}
	a, err := m.NewAdapter(cfg)
	if err != nil {
		return nil, err
	}
	l := m.cfg.LatentDim
	return &Adapted{a: a, d: m.cfg.ObsDim, z: make([]float32, l), next: make([]float32, l)}, nil
}

// Name returns "koopman, rls".
func (*Adapted) Name() string { return "koopman, rls" }

// Begin goes back to the trained model.
func (f *Adapted) Begin() { f.a.Reset() }

// Saw adapts.
func (f *Adapted) Saw(obs, u, next []float32) {
	f.a.LiftTo(f.z, obs)
	f.a.LiftTo(f.next, next)
	f.a.Update(f.z, u, f.next)
}

// ForecastTo lifts once and predicts linearly with the present matrices.
func (f *Adapted) ForecastTo(pred, obs, us []float32, steps int) {
	f.a.LiftTo(f.z, obs)
	for h := range steps {
		f.a.PredictTo(f.next, f.z, us[h*f.a.u:])
		f.z, f.next = f.next, f.z
		copy(pred[h*f.d:(h+1)*f.d], f.z)
	}
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
