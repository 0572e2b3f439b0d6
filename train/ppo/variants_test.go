package ppo

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"korr/internal/nn"
	"korr/internal/seed"
	"korr/koopman"
	"korr/residual"
	"korr/sim"
	"korr/train/dataset"
	"korr/train/episodes"
)

// demonstrated is one failure and one success, which ends at a goal of its own.
func demonstrated() []dataset.Episode {
	failed, solved := pointEnv{}, pointEnv{}
	var out []dataset.Episode
	for i, e := range []*pointEnv{&failed, &solved} {
		obs := make([]float32, 2*pointObs)
		for f := range 2 {
			_ = e.Reset(obs[f*pointObs:], uint64(2*i+f))
		}
		d := dataset.Episode{Success: i == 1, Reward: []float32{0, float32(i)}}
		for f := range 2 {
			row := obs[f*pointObs : (f+1)*pointObs]
			d.State = append(d.State, row[:sim.StateDim]...)
			d.Env = append(d.Env, row[sim.StateDim:]...)
		}
		out = append(out, d)
	}
	return out
}

// TestVariantsTrainAndAct: the published variants learn, all their parts, and the policy that is stored acts on what
// the controller sees as the actor does that was trained.
func TestVariantsTrainAndAct(t *testing.T) {
	for name, set := range map[string]func(*RunConfig){
		"resip goal":      func(c *RunConfig) { c.Condition = episodes.GoalCondition },
		"korr goal":       func(c *RunConfig) { c.Method, c.Condition = residual.MethodKORR, episodes.GoalCondition },
		"resip nonlinear": func(c *RunConfig) { c.Condition = episodes.Nonlinear },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := pointConfig(residual.MethodResiP)
			cfg.Envs, cfg.NumSteps, cfg.NumMinibatches, cfg.UpdateEpochs = 4, 40, 4, 3
			set(&cfg)
			in := pointInputs()
			in.Demos = demonstrated()
			var err error
			if in.Koopman, err = koopman.New(koopman.Config{
				ObsDim: pointObs, ActDim: sim.ActDim, LatentDim: 12,
				Hidden: []int{8},
			}, seed.Stream(1, "koopman", 0)); err != nil {
				t.Fatal(err)
			}
			tr := newTestTrainer(t, cfg, in)
			tr.agent.SetRates(1, 1)
			before := map[*nn.Param]float32{}
			for _, p := range tr.agent.Actor.Params() {
				before[p] = nn.GradNorm([]*nn.Param{{Data: p.Data, Grad: p.Data}})
			}
			for range 2 {
				if err := tr.rollout.collect(tr.agent); err != nil {
					t.Fatal(err)
				}
				if _, _, err := tr.update(); err != nil {
					t.Fatal(err)
				}
			}
			for p, norm := range before {
				if nn.GradNorm([]*nn.Param{{Data: p.Data, Grad: p.Data}}) == norm {
					t.Errorf("%s %v did not learn", p.Name, p.Shape)
				}
			}
			compareActing(t, tr)
		})
	}
}

// compareActing saves the trainer's policy, loads it and compares it with the actor on one controller's observations.
func compareActing(t *testing.T, tr *trainer) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "policy.safetensors")
	if err := tr.policy().Save(path); err != nil {
		t.Fatal(err)
	}
	p, err := residual.Load(path, tr.in.Base)
	if err != nil {
		t.Fatal(err)
	}
	c, env := must(p.NewController(nil)), &pointEnv{}
	obs, act, x := make([]float32, pointObs), make([]float32, sim.ActDim), make([]float32, tr.dims.X)
	if err := env.Reset(obs, 5); err != nil {
		t.Fatal(err)
	}
	c.Reset(5)
	largest := 0.0
	for step := range 10 {
		info, err := c.StepTo(act, obs)
		if err != nil {
			t.Fatal(err)
		}
		c.Encoder().EncodeTo(x, obs)
		c.Encoder().ActorInputTo(x, x, info.Base, obs, info.Phase)
		for j, want := range tr.agent.Actor.Forward(x, 1) {
			if diff := math.Abs(float64(info.Residual[j] - want)); diff > 1e-5*(1+math.Abs(float64(want))) {
				t.Fatalf("step %d: residual %d is %g, the actor says %g", step, j, info.Residual[j], want)
			}
			largest = math.Max(largest, math.Abs(float64(want)))
		}
		if _, err := env.Step(obs, act); err != nil {
			t.Fatal(err)
		}
	}
	if largest == 0 {
		t.Error("the residual is zero everywhere: nothing was compared")
	}
}

func TestVariantsAreRefused(t *testing.T) {
	for want, set := range map[string]func(*RunConfig){
		"method resip":  func(c *RunConfig) { c.Method, c.Condition = residual.MethodKORR, episodes.Nonlinear },
		"hidden layers": func(c *RunConfig) { c.Condition, c.DynamicsHidden = episodes.Nonlinear, nil },
		"demonstration": func(c *RunConfig) { c.Condition = episodes.GoalCondition }, // there is none
	} {
		cfg := pointConfig(residual.MethodResiP)
		set(&cfg)
		if _, err := Train(t.Context(), cfg, pointInputs()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
