package td3

import (
	"errors"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"

	"korr/residual"
	"korr/sim"
	"korr/train/run"
)

func newRun(t *testing.T) *run.Folder {
	t.Helper()
	f, err := run.Create(t.TempDir(), []byte("test: true\n"))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestResidualBeatsBase trains both methods from the recipe's defaults at
// small sizes: the base alone never succeeds.
func TestResidualBeatsBase(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for half a minute")
	}
	for _, name := range []string{"resip", "korr", "lookahead", "expand"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, in := pointConfig(), pointInputs(t)
			variants[name](&cfg)
			in.Run = newRun(t)
			if cfg.Method == residual.MethodKORR {
				in.Koopman = pointKoopman(t, in.Demos, in.Features)
			}
			if cfg.latent() { // sees the action only through the prediction, which it must learn too
				cfg.Steps *= 2
			}
			in.Progress = func(r Report) { t.Log(r.Step, r.Values) }
			p, err := Train(t.Context(), cfg, in)
			if err != nil {
				t.Fatal(err)
			}
			saved, err := residual.Load(in.Run.Checkpoint(BestName), nil)
			if err != nil {
				t.Fatal(err)
			}
			for name, q := range map[string]*residual.Policy{"returned": p, "saved": saved} {
				if rate := pointRate(t, q); rate < 0.9 {
					t.Errorf("the %s policy succeeds in %.2f of the episodes, want 0.9 or more; %s", name, rate, q.Meta["selection"])
				}
			}
			if rate := pointRate(t, &residual.Policy{
				Method: residual.MethodBase, Base: in.Base,
				Execute: cfg.Execute,
			}); rate > 0.1 {
				t.Errorf("the base succeeds in %.2f of the episodes: the task is too easy to test anything", rate)
			}
		})
	}
}

// pointRate plays 100 episodes on seeds that training never saw.
func pointRate(t *testing.T, p *residual.Policy) float64 {
	t.Helper()
	c := must(p.NewController(pointFeatures{}))
	env, obs, act := &pointEnv{}, make([]float32, pointObs), make([]float32, p.Base.About().ActDim())
	n := 0
	for i := range 100 {
		if err := env.Reset(obs, 1e9+uint64(i)); err != nil {
			t.Fatal(err)
		}
		c.Reset(0)
		for done := false; !done; {
			if err := c.ActTo(act, obs); err != nil {
				t.Fatal(err)
			}
			res, err := env.Step(obs, act)
			if err != nil {
				t.Fatal(err)
			}
			done = res.Terminated || res.Truncated
			if res.Success {
				n++
			}
		}
	}
	return float64(n) / 100
}

// endless never finishes an episode.
type endless struct{ *pointEnv }

func (e endless) Spec() sim.Spec {
	s := e.pointEnv.Spec()
	s.MaxSteps = 5000
	return s
}

func (e endless) Step(obs, act []float32) (sim.Result, error) {
	_, err := e.pointEnv.Step(obs, act)
	return sim.Result{}, err
}

// TestIterationsHardlyAllocate: in the steady state only sim.Batch allocates,
// once per step of all environments.
func TestIterationsHardlyAllocate(t *testing.T) {
	for _, overlap := range []bool{false, true} {
		cfg, in := shortConfig(residual.MethodResiP), pointInputs(t)
		cfg.Overlap, cfg.CriticStart, cfg.ActorStart = overlap, 0, 0
		in.NewEnv = func(int) (sim.Env, error) { return endless{&pointEnv{}}, nil }
		batch, err := cfg.NewBatch(in.NewEnv, cfg.Workers)
		if err != nil {
			t.Fatal(err)
		}
		tr, err := newTrainer(&cfg, &in, batch)
		if err != nil {
			t.Fatal(err)
		}
		if err := tr.begin(); err != nil {
			t.Fatal(err)
		}
		step := func() {
			if err := tr.iterate(); err != nil {
				t.Fatal(err)
			}
		}
		for range 50 {
			step()
		}
		before := tr.learner.actorUpdates
		if n := testing.AllocsPerRun(200, step); n > 1 {
			t.Errorf("overlap %v: %v allocations per step of %d environments", overlap, n, cfg.Envs)
		}
		if tr.learner.actorUpdates-before < 100 {
			t.Error("the actor was not updated: this is not the steady state")
		}
		if err := errors.Join(tr.close(), batch.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRateFalls: learning rates fall linearly to 0 over the last share of the run, and reach every optimiser.
func TestRateFalls(t *testing.T) {
	cfg := shortConfig(residual.MethodResiP)
	cfg.Steps, cfg.LRDecay = 1000, 0.4
	for step, want := range map[int]float64{0: 1, 600: 1, 800: 0.5, 1000: 0, 1016: 0} {
		if got := cfg.rate(step); math.Abs(got-want) > 1e-12 {
			t.Errorf("rate %v at step %d, want %v", got, step, want)
		}
	}
	cfg.LRDecay = 0
	if cfg.rate(999) != 1 {
		t.Error("the rate falls without a decay")
	}
	longer, falling := cfg, cfg
	longer.Steps, falling.LRDecay = 2000, 0.4
	if longer.identity() != cfg.identity() {
		t.Error("a run of constant rates cannot be resumed to a greater length")
	}
	longer.LRDecay = falling.LRDecay
	if longer.identity() == falling.identity() {
		t.Error("a run whose rates fell can be resumed as a longer one, whose rates would not have")
	}
	l := newSmallLearner(t, nil)
	l.setRate(0.5)
	if l.actor.headOpt.LR != float32(l.cfg.ActorLR)/2 || l.critics[1].opt.LR != float32(l.cfg.CriticLR)/2 {
		t.Errorf("rates %v and %v", l.actor.headOpt.LR, l.critics[1].opt.LR)
	}
}

// TestSchedule counts the updates of every phase.
func TestSchedule(t *testing.T) {
	cfg, in := shortConfig(residual.MethodResiP), pointInputs(t)
	cfg.Envs, cfg.UTD, cfg.PolicyDelay = 10, 0.25, 3
	cfg.CriticStart, cfg.CriticWarmUp, cfg.ActorStart, cfg.Steps, cfg.LogEvery, cfg.EvalEvery = 500, 21, 1000, 2000, 500, 0
	var got [][2]float64
	in.Progress = func(r Report) { got = append(got, [2]float64{r.Values["updates"], r.Values["actor_updates"]}) }
	var log strings.Builder
	in.Log = slog.New(slog.NewTextHandler(&log, nil))
	if _, err := Train(t.Context(), cfg, in); err != nil {
		t.Fatal(err)
	}
	if strings.Count(log.String(), "updates=21") != 1 { // many at once take seconds in which nothing else is said
		t.Errorf("no word of the first updates, or more than one:\n%s", log.String())
	}
	// 21 at once, then 500/4 of each 500 steps; of updates 147 to 396 every third is the actor's.
	want := [][2]float64{{0, 0}, {21 + 125, 0}, {21 + 250, 42}, {21 + 375, 84}}
	if !slices.Equal(got, want) {
		t.Errorf("updates of critics and actor %v, want %v", got, want)
	}
}

// must is the value of a call that does not fail.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
