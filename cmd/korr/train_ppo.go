package main

import (
	"context"
	"fmt"
	"strings"

	"korr/cmd/internal/settings"
	"korr/train/gorgonia"
	"korr/train/ppo"
	"korr/train/run"
	"korr/train/td3"
)

// ppoName is the setting residual.algorithm of PPO.
const ppoName = "ppo"

// Values of residual.condition that PPO alone knows.
const (
	goalCondition      = "goal"
	nonlinearCondition = "nonlinear"
)

// runTrainPPO trains the residual on policy, from the inputs that TD3 starts from.
func runTrainPPO(ctx context.Context, o *trainResidualOptions, folder *run.Folder, in td3.Inputs) error {
	c := ppoConfig(o.Config, o.workers())
	perIteration := c.Envs * c.NumSteps
	p := o.progress("train "+c.Method, "steps", c.Iterations*perIteration)
	var last map[string]float64
	note := ""
	var engine func(ppo.Networks) ppo.Engine
	if o.engine == engineGorgonia {
		engine = func(n ppo.Networks) ppo.Engine { return gorgonia.NewEngine(n) }
	}
	policy, err := ppo.Train(ctx, c, ppo.Inputs{
		Engine: engine,
		NewEnv: in.NewEnv, Base: in.Base, Koopman: in.Koopman, Features: in.Features, Demos: in.Demos, Run: folder, Log: o.Log,
		Progress: func(iteration int, values map[string]float64) {
			last = values
			if v, ok := values["success"]; ok {
				note = fmt.Sprintf("success %.2f with exploration noise", v)
			}
			p.set(iteration*perIteration, c.Iterations*perIteration, note)
		},
	})
	if err != nil {
		return err
	}
	path := folder.Checkpoint("policy")
	if err := policy.Save(path); err != nil {
		return err
	}
	took := p.finish(strings.TrimSuffix(fmt.Sprintf("%d steps, %s", c.Iterations*perIteration, note), ", "))
	r := trainResult{trainSchema, c.Method, folder.Dir(), path, c.Iterations * perIteration, last["value_loss"], took.Seconds()}
	if o.JSON {
		return o.PrintJSON(r)
	}
	return o.Printf("%s\n", path)
}

// ppoConfig is the trainer's form of the settings: whole iterations, at least one.
func ppoConfig(c *settings.Config, workers int) ppo.RunConfig {
	r, p := c.Residual, c.PPO
	perIteration := r.Envs * p.NumSteps
	return ppo.RunConfig{
		Config: ppo.Config{
			ClipCoef: p.ClipCoef, UpdateEpochs: p.UpdateEpochs, NumMinibatches: p.NumMinibatches, TargetKL: p.TargetKL, NormAdv: p.NormAdv,
			VFCoef: p.VFCoef, EntCoef: p.EntCoef, ModelCoef: r.KoopmanWeight, MaxGradNorm: p.MaxGradNorm,
			LearningRateActor: p.LearningRateActor, LearningRateCritic: p.LearningRateCritic, ActorWarmup: p.ActorWarmup,
			AdamEps: p.AdamEps, WeightDecay: p.WeightDecay, Gamma: p.Gamma, GAELambda: p.GAELambda,
			NormalizeReward: p.NormalizeReward, ClipReward: p.ClipReward, BootstrapTimeouts: r.BootstrapTimeouts,
		},
		Method: r.Method, Foresight: foresight(r), Goal: r.Condition == goalCondition,
		Nonlinear: r.Condition == nonlinearCondition, DynamicsHidden: c.Koopman.Model.Hidden, Seed: c.Seed, Iterations: max(1, (r.Steps+perIteration-1)/perIteration), NumSteps: p.NumSteps, Envs: r.Envs, Workers: workers,
		MaxSteps: c.Sim.MaxSteps, Alpha: r.Alpha, Execute: c.Base.Acting.Execute, InitLogStd: p.InitLogStd, ActorHidden: r.ActorHidden, CriticHidden: r.CriticHidden,
		KoopmanGradient: r.KoopmanGradient, CheckpointEvery: (r.CheckpointEvery + perIteration - 1) / perIteration,
	}
}
