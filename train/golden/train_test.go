package golden

import (
	"testing"

	"korr/internal/tensorfile"
	"korr/residual"
	"korr/sim"
	"korr/train/episodes"
	"korr/train/ppo"
	"korr/train/run"
	"korr/train/td3"
)

// tdConfig is a short training in the toy that goes through everything the long ones do.
func tdConfig(steps int) td3.Config {
	c := td3.DefaultConfig()
	c.Method, c.Condition, c.CriticOnly, c.Focus, c.ObserverGain = residual.MethodResiP, residual.Published, false, false,
		0
	c.MaxSteps, c.Pushes, c.UTD, c.Penalty, c.NoiseStart, c.NoiseEnd = 0, nil, 0.125, 0.2, 0.15, 0.08
	c.Steps, c.Envs, c.Workers, c.Overlap = steps, 8, 1, false
	c.ActorHidden, c.CriticHidden, c.Critics, c.Batch = []int{24, 24}, []int{24, 24}, 3, 32
	c.CriticStart, c.CriticWarmUp, c.ActorStart, c.NoiseSteps, c.LRDecay = 200, 20, 400, 600, 0.5
	c.Buffer, c.Gamma, c.TargetMax, c.Milestone, c.FailAfter, c.NoiseFree = 4000, 0.95, 2, 1, 30, 0.25
	c.ConstrainEvery, c.LogEvery, c.CheckpointEvery, c.EvalEvery = 20, 0, 0, 0
	return c
}

// tdWeights trains the residual of p anew and hashes everything that the trainer would go on from.
func tdWeights(t *testing.T, cfg td3.Config, p *residual.Policy) string {
	t.Helper()
	folder, err := run.Create(t.TempDir(), []byte("test: true\n"))
	if err != nil {
		t.Fatal(err)
	}
	in := td3.Inputs{
		NewEnv: func(int) (sim.Env, error) { return &world{}, nil }, Base: p.Base, Koopman: p.Koopman,
		Demos: demonstrations(t, 6), Engaged: engaged, Run: folder,
	}
	if p.Features {
		in.Features = func() residual.Features { return features(t) }
	}
	policy, err := td3.Train(t.Context(), cfg, in)
	if err != nil {
		t.Fatal(err)
	}
	state, err := tensorfile.Read(folder.Checkpoint(td3.StateName))
	if err != nil {
		t.Fatal(err)
	}
	file, err := policy.File()
	if err != nil {
		t.Fatal(err)
	}
	return tensors(state) + " " + tensors(file)
}

// published is the published recipe at a size for tests.
func published() ppo.RunConfig {
	r := episodes.DefaultRecipe()
	r.Condition, r.ObserverGain, r.MaxSteps, r.Pushes = residual.Published, 0, 0, nil
	r.ActorHidden, r.CriticHidden = []int{256, 256}, []int{256, 256}
	return ppo.RunConfig{
		Config: ppo.DefaultConfig(), Recipe: r, Execute: 8, Seed: 1, Workers: 2,
		DynamicsHidden: []int{256, 256},
	}
}

// TestTD3: serial trainings arrive at the weights, buffers and states they did.
func TestTD3(t *testing.T) {
	reproducible(t)
	all := policies(t)
	for key, c := range map[string]struct {
		policy string
		change func(*td3.Config)
	}{
		"resip":       {"resip", func(*td3.Config) {}},
		"resip focus": {"resip_focus", func(c *td3.Config) { c.Focus = true }},
		"resip plan": {"resip_plan", func(c *td3.Config) {
			c.Condition, c.Foresight = residual.Plan, []int{1, 4}
		}},
		"resip diffusion": {"resip_diffusion", func(c *td3.Config) { c.Steps = 600 }},
		"korr published": {"korr_published", func(c *td3.Config) {
			c.Method = residual.MethodKORR
		}},
		"korr ahead": {"korr_ahead", func(c *td3.Config) {
			c.Method, c.Condition, c.ObserverGain = residual.MethodKORR, residual.Lookahead, 0.1
		}},
		"korr critics": {"korr_critics", func(c *td3.Config) {
			c.Method, c.Condition, c.ObserverGain, c.CriticOnly, c.Focus = residual.MethodKORR, residual.Lookahead, 0.02, true,
				true
		}},
		"korr expansion": {"korr_critics", func(c *td3.Config) {
			c.Method, c.Condition, c.CriticOnly, c.Focus, c.ValueExpansion = residual.MethodKORR, residual.Lookahead, true, true,
				true
		}},
	} {
		t.Run(key, func(t *testing.T) {
			cfg := tdConfig(1600)
			c.change(&cfg)
			check(t, "training", "td3 "+key, tdWeights(t, cfg, all[c.policy]))
		})
	}
}

// TestSerialTraining is a longer run of what ships: 5,000 steps.
func TestSerialTraining(t *testing.T) {
	reproducible(t)
	cfg := tdConfig(5000)
	cfg.Method, cfg.Condition, cfg.ObserverGain, cfg.CriticOnly, cfg.Focus = residual.MethodKORR, residual.Lookahead, 0.02,
		true, true
	check(t, "training", "td3 5000 steps", tdWeights(t, cfg, policies(t)["korr_critics"]))
}

// TestPPO: so do the published algorithm's.
func TestPPO(t *testing.T) {
	reproducible(t)
	all := policies(t)
	for key, c := range map[string]struct {
		policy string
		change func(*ppo.RunConfig)
	}{
		"resip":     {"resip", func(c *ppo.RunConfig) { c.Method = "resip" }},
		"resip raw": {"resip_published", func(c *ppo.RunConfig) { c.Method = "resip" }},
		"resip goal": {"resip", func(c *ppo.RunConfig) {
			c.Method, c.Condition = "resip", episodes.GoalCondition
		}},
		"resip nonlinear": {"resip", func(c *ppo.RunConfig) {
			c.Method, c.Condition, c.DynamicsHidden = "resip", episodes.Nonlinear, []int{16}
		}},
		"resip plan": {"resip_plan", func(c *ppo.RunConfig) {
			c.Method, c.Condition, c.Foresight = "resip", residual.Plan, []int{1, 4}
		}},
		"korr":      {"korr_published", func(*ppo.RunConfig) {}},
		"korr lift": {"korr_lift", func(*ppo.RunConfig) {}},
		"korr goal": {"korr_published", func(c *ppo.RunConfig) { c.Condition = episodes.GoalCondition }},
		"korr ahead": {"korr_ahead", func(c *ppo.RunConfig) {
			c.Condition, c.Foresight, c.ObserverGain = residual.Lookahead, []int{1, 4, 8}, 0.1
		}},
	} {
		t.Run(key, func(t *testing.T) {
			cfg := published()
			cfg.Envs, cfg.NumSteps, cfg.Iterations, cfg.Workers, cfg.UpdateEpochs, cfg.NumMinibatches = 4, 50, 3, 1, 3, 2
			cfg.ActorHidden, cfg.CriticHidden = []int{24, 24}, []int{24, 24}
			c.change(&cfg)
			p := all[c.policy]
			in := ppo.Inputs{
				NewEnv: func(int) (sim.Env, error) { return &world{}, nil }, Base: p.Base, Koopman: p.Koopman,
				Demos: demonstrations(t, 6),
			}
			if p.Features {
				in.Features = func() residual.Features { return features(t) }
			}
			policy, err := ppo.Train(t.Context(), cfg, in)
			if err != nil {
				t.Fatal(err)
			}
			file, err := policy.File()
			if err != nil {
				t.Fatal(err)
			}
			check(t, "training", "ppo "+key, tensors(file))
		})
	}
}
