package ppo

import (
	"errors"
	"math"
	"testing"

	"korr/basepolicy"
	"korr/internal/seed"
	"korr/koopman"
	"korr/residual"
	"korr/sim"
	"korr/train/episodes"
)

// The point task: a tool that moves at most 2 cm a step must come within 1 mm of a goal. The base policy misses by 2.9
// mm.
const (
	pointObs   = sim.StateDim + sim.PoseDim
	pointReach = 0.1 // m, half the range of positions
	pointTol   = 0.001
	pointSpeed = 0.02
	pointSteps = 16
)

type pointEnv struct {
	tool, goal [3]float64
	step       int
	broken     func(step int) error // nil: never
	blind      func(step int) bool  // observes NaN
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
	dist, miss := 0.0, 0.0
	for i := range 3 {
		dist += math.Pow(float64(act[i])-e.tool[i], 2)
	}
	f := min(1, pointSpeed/(math.Sqrt(dist)+1e-12))
	for i := range 3 {
		e.tool[i] += f * (float64(act[i]) - e.tool[i])
		miss += math.Pow(e.tool[i]-e.goal[i], 2)
	}
	e.observe(obs)
	if e.blind != nil && e.blind(e.step) {
		obs[0] = float32(math.NaN())
	}
	if math.Sqrt(miss) < pointTol {
		return sim.Result{Reward: 1, Terminated: true, Success: true}, nil
	}
	return sim.Result{Truncated: e.step >= pointSteps}, nil
}

func (e *pointEnv) Close() error { return nil }

// pointBase commands the goal and 2.5 mm, -1.5 mm: relu(g) - relu(-g) carries the normalised goal through.
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
	cfg := basepolicy.MLPConfig{ObsDim: pointObs, ActDim: sim.ActDim, Horizon: 8, Hidden: []int{6}}
	m := basepolicy.NewMLP(cfg, limits(pointObs, 0, sim.StateDim), limits(sim.ActDim, 0), nil)
	p := m.Net.Params()
	for i := range 3 {
		p[0].Data[2*i*pointObs+sim.StateDim+i] = 1
		p[0].Data[(2*i+1)*pointObs+sim.StateDim+i] = -1
	}
	for h := range cfg.Horizon {
		for i := range 3 {
			row := p[2].Data[(h*sim.ActDim+i)*6:]
			row[2*i], row[2*i+1] = 1, -1
		}
		bias := p[3].Data[h*sim.ActDim:]
		bias[0], bias[1], bias[3], bias[7] = 0.0025/pointReach, -0.0015/pointReach, 1, 1
	}
	return m
}

// published is the published recipe at a size for tests.
func published() RunConfig {
	r := episodes.DefaultRecipe()
	r.Condition, r.ObserverGain, r.MaxSteps, r.Pushes = residual.Published, 0, 0, nil
	r.ActorHidden, r.CriticHidden = []int{256, 256}, []int{256, 256}
	return RunConfig{Config: DefaultConfig(), Recipe: r, Execute: 8, Seed: 1, Workers: 2, DynamicsHidden: []int{256, 256}}
}

func pointConfig(method residual.Method) RunConfig {
	c := published()
	c.Method, c.Envs, c.NumSteps, c.Iterations, c.Workers = method, 16, 32, 40, 1
	c.ActorHidden, c.CriticHidden = []int{32, 32}, []int{32, 32}
	c.UpdateEpochs, c.Gamma, c.InitLogStd, c.LearningRateActor = 12, 0.95, -2, 2e-3
	if method == residual.MethodKORR {
		c.Iterations *= 3 // sees the action only through a model that starts untrained
	}
	return c
}

func pointInputs() Inputs {
	return Inputs{Base: pointBase(), NewEnv: func(int) (sim.Env, error) { return &pointEnv{}, nil }}
}

// score plays the deterministic policy.
func score(t *testing.T, p *residual.Policy, episodes int) float64 {
	t.Helper()
	c, env := must(p.NewController(nil)), &pointEnv{}
	obs, act, solved := make([]float32, pointObs), make([]float32, sim.ActDim), 0
	for k := range episodes {
		s := seed.Stream(99, "score", uint64(k)).Uint64()
		if err := env.Reset(obs, s); err != nil {
			t.Fatal(err)
		}
		c.Reset(s)
		for range pointSteps {
			if err := c.ActTo(act, obs); err != nil {
				t.Fatal(err)
			}
			res, err := env.Step(obs, act)
			if err != nil {
				t.Fatal(err)
			}
			if res.Success {
				solved++
				break
			}
		}
	}
	return float64(solved) / float64(episodes)
}

// TestLearnsThePointTask: what the base never solves, the residual does, for both methods.
func TestLearnsThePointTask(t *testing.T) {
	in := pointInputs()
	base := &residual.Policy{Method: residual.MethodBase, Base: in.Base, Execute: 8}
	if s := score(t, base, 50); s > 0.1 {
		t.Fatalf("the base solves %g", s)
	}
	var err error
	if in.Koopman, err = koopman.New(koopman.Config{
		ObsDim: pointObs, ActDim: sim.ActDim, LatentDim: pointObs + 16, Hidden: []int{32}, StateInclusive: true,
	}, seed.Stream(1, "koopman", 0)); err != nil {
		t.Fatal(err)
	}
	for _, method := range []residual.Method{residual.MethodResiP, residual.MethodKORR} {
		p, err := Train(t.Context(), pointConfig(method), in)
		if err != nil {
			t.Fatal(err)
		}
		s := score(t, p, 50)
		t.Logf("%s solves %g", method, s)
		if s < 0.8 {
			t.Errorf("%s solves %g", method, s)
		}
		if method == residual.MethodKORR && p.Koopman.SpectralRadius() > 1+1e-5 {
			t.Errorf("spectral radius %g", p.Koopman.SpectralRadius())
		}
	}
	if in.Koopman.A.Data[0] != 1 {
		t.Error("the caller's model was trained")
	}
}

var errBroken = errors.New("broke")

// must is the value of a call that does not fail.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
