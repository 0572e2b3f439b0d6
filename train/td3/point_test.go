package td3

import (
	"math"
	"testing"

	"korr/basepolicy"
	"korr/internal/seed"
	"korr/koopman"
	"korr/residual"
	"korr/sim"
	"korr/train/dataset"
	"korr/train/episodes"
)

// The point task: a tool that moves at most 2 cm a step must come within 1 mm
// of a goal. The base policy commands the goal plus an offset of 2.5 mm and
// more that depends on the goal, so alone it never succeeds.
const (
	pointObs   = sim.StateDim + sim.PoseDim
	pointReach = 0.1   // m, half the range of positions
	pointTol   = 0.001 // m
	pointSpeed = 0.02  // m per step
	pointSteps = 30
	offsetX    = 0.0025
	offsetY    = -0.0015
	offsetGain = 0.01 // of the goal's y on the offset in x
)

type pointEnv struct {
	tool, goal [3]float64
	step       int
	broken     func(step int) error // nil: never
	blind      bool                 // observes NaN
}

func (e *pointEnv) Spec() sim.Spec {
	return sim.Spec{
		Task: "point", ObsDim: pointObs, ActDim: sim.ActDim, MaxSteps: pointSteps, ControlHz: 10,
		PartNames: []string{"goal"},
	}
}

func (e *pointEnv) Reset(obs []float32, episodeSeed uint64) error {
	rng := seed.Stream(episodeSeed, "point", 0)
	for i := range 3 {
		e.tool[i] = 0.8 * pointReach * (2*rng.Float64() - 1)
		e.goal[i] = 0.8 * pointReach * (2*rng.Float64() - 1)
	}
	e.step = 0
	e.observe(obs)
	return nil
}

func (e *pointEnv) observe(obs []float32) {
	clear(obs)
	for i := range 3 {
		obs[i], obs[sim.StateDim+i] = float32(e.tool[i]), float32(e.goal[i])
	}
	obs[3], obs[7], obs[sim.StateDim+6] = 1, 1, 1
}

func (e *pointEnv) Step(obs, act []float32) (sim.Result, error) {
	if err := sim.CheckAction(act); err != nil {
		return sim.Result{}, err
	}
	e.step++
	if e.broken != nil {
		if err := e.broken(e.step); err != nil {
			return sim.Result{}, err
		}
	}
	var d [3]float64
	dist := 0.0
	for i := range 3 {
		d[i] = float64(act[i]) - e.tool[i]
		dist += d[i] * d[i]
	}
	f := min(1, pointSpeed/(math.Sqrt(dist)+1e-12))
	miss := 0.0
	for i := range 3 {
		e.tool[i] += f * d[i]
		miss += (e.tool[i] - e.goal[i]) * (e.tool[i] - e.goal[i])
	}
	e.observe(obs)
	if e.blind {
		obs[0] = float32(math.NaN())
	}
	res := sim.Result{Truncated: e.step >= pointSteps}
	if math.Sqrt(miss) < pointTol {
		res = sim.Result{Reward: 1, Terminated: true, Success: true}
	}
	return res, nil
}

func (e *pointEnv) Close() error { return nil }

// pointBase is exact: relu(g) - relu(-g) carries the normalised goal through.
func pointBase() *basepolicy.MLP {
	limits := func(n int, wide ...int) *basepolicy.Normalizer {
		norm := &basepolicy.Normalizer{Min: make([]float32, n), Max: make([]float32, n)}
		for i := range n {
			norm.Min[i], norm.Max[i] = -1, 1
		}
		for _, at := range wide {
			for i := at; i < at+3; i++ {
				norm.Min[i], norm.Max[i] = -pointReach, pointReach
			}
		}
		return norm
	}
	obs := limits(pointObs+2, 0, sim.StateDim) // the goal's rotation is read as 6D
	obs.Poses = 1
	cfg := basepolicy.MLPConfig{ObsDim: obs.Dim(), ActDim: sim.ActDim, Horizon: 8, Hidden: []int{6}}
	m := basepolicy.NewMLP(cfg, obs, limits(sim.ActDim, 0), nil)
	p := m.Net.Params()
	for i := range 3 {
		p[0].Data[2*i*cfg.ObsDim+sim.StateDim+i] = 1
		p[0].Data[(2*i+1)*cfg.ObsDim+sim.StateDim+i] = -1
	}
	for h := range cfg.Horizon {
		for i := range 3 {
			row := p[2].Data[(h*sim.ActDim+i)*6:]
			row[2*i], row[2*i+1] = 1, -1
		}
		x := p[2].Data[h*sim.ActDim*6:]
		x[2], x[3] = offsetGain, -offsetGain
		bias := p[3].Data[h*sim.ActDim:]
		bias[0], bias[1], bias[3], bias[7] = offsetX/pointReach, offsetY/pointReach, 1, 1
	}
	return m
}

// pointFeatures is the millimetre between tool and goal.
type pointFeatures struct{}

func (pointFeatures) Dim() int { return 3 }

func (pointFeatures) DetailDim() int { return 1 }

func (pointFeatures) DetailTo(dst, obs []float32) {
	dst[0] = float32(math.Tanh(float64(obs[0]-obs[sim.StateDim]) / 0.001))
}

func (pointFeatures) FeaturesTo(dst, obs []float32) {
	for i := range 3 {
		dst[i] = float32(math.Tanh(float64(obs[i]-obs[sim.StateDim+i]) / 0.005))
	}
}

// pointDemos go straight to the goal.
func pointDemos(t testing.TB, n int) []dataset.Episode {
	t.Helper()
	var out []dataset.Episode
	for k := range n {
		env, obs, act := &pointEnv{}, make([]float32, pointObs), make([]float32, sim.ActDim)
		e := dataset.Episode{Seed: seed.Stream(7, "demo", uint64(k)).Uint64(), Success: true}
		if err := env.Reset(obs, e.Seed); err != nil {
			t.Fatal(err)
		}
		for done := false; !done; {
			e.State = append(e.State, obs[:sim.StateDim]...)
			e.Env = append(e.Env, obs[sim.StateDim:]...)
			copy(act, obs[sim.StateDim:sim.StateDim+3])
			act[3], act[7] = 1, 1
			e.Action = append(e.Action, act...)
			res, err := env.Step(obs, act)
			if err != nil {
				t.Fatal(err)
			}
			e.Reward = append(e.Reward, res.Reward)
			done = res.Terminated
		}
		e.Executed = e.Action
		out = append(out, e)
	}
	return out
}

// pointKoopman is fitted to the demonstrations.
func pointKoopman(t testing.TB, demos []dataset.Episode, feats func() residual.Features) *koopman.Model {
	t.Helper()
	enc, err := episodes.NewEncoder(pointBase(), feats)
	if err != nil {
		t.Fatal(err)
	}
	var eps []koopman.Episode
	obs := make([]float32, pointObs)
	for i := range demos {
		d := &demos[i]
		e := koopman.Episode{T: d.Len(), Obs: make([]float32, d.Len()*enc.Dim()), Act: make([]float32, d.Len()*sim.ActDim)}
		for k := range d.Len() {
			d.ObsTo(obs, k)
			enc.EncodeTo(e.Obs[k*enc.Dim():(k+1)*enc.Dim()], obs)
			enc.NormalizeActionTo(e.Act[k*sim.ActDim:(k+1)*sim.ActDim], d.ExecutedAt(k))
		}
		eps = append(eps, e)
	}
	m, err := koopman.New(koopman.Config{
		ObsDim: enc.Dim(), ActDim: sim.ActDim, LatentDim: enc.Dim() + 16,
		Hidden: []int{32}, StateInclusive: true,
	}, seed.Stream(1, "koopman", 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := koopman.Train(t.Context(), m, eps, koopman.TrainConfig{Steps: 100, Batch: 32, Horizon: 3}); err != nil {
		t.Fatal(err)
	}
	return m
}

// pointInputs are those of a run on the point task.
func pointInputs(t testing.TB) Inputs {
	t.Helper()
	return Inputs{
		NewEnv: func(int) (sim.Env, error) { return &pointEnv{}, nil }, Base: pointBase(),
		Features: func() residual.Features { return pointFeatures{} }, Demos: pointDemos(t, 20),
	}
}

// plain is ResiP with a small recipe, without what the shipped one adds: what the tests build on.
func plain() Config {
	c := DefaultConfig()
	c.Method, c.Condition, c.CriticOnly, c.Focus, c.ObserverGain = residual.MethodResiP, residual.Published, false, false,
		0
	c.Steps, c.MaxSteps, c.FailAfter, c.Milestone, c.Pushes, c.NoiseFree = 200_000, 0, 0, 0, nil, 0
	c.Critics, c.Gamma, c.UTD, c.Penalty, c.LRDecay, c.CriticWarmUp = 2, 0.99, 0.125, 0.2, 0, 500
	c.NoiseStart, c.NoiseEnd, c.NoiseSteps, c.EvalEvery = 0.15, 0.08, 100_000, 50_000
	return c
}

// pointConfig is the recipe at a size for tests.
func pointConfig() Config {
	c := plain()
	c.Overlap, c.Workers = false, 1
	c.ActorHidden, c.CriticHidden, c.Batch = []int{64, 64}, []int{64, 64}, 64
	c.Steps, c.CriticStart, c.CriticWarmUp, c.ActorStart, c.NoiseSteps = 32_000, 2000, 200, 4000, 10_000
	c.Gamma, c.Buffer = 0.95, 30_000
	c.LogEvery, c.CheckpointEvery, c.EvalEvery, c.EvalEpisodes = 4000, 0, 8000, 64
	return c
}
