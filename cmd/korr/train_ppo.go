package main

import (
	"context"
	"fmt"
	"strings"

	"korr/train/gorgonia"
	"korr/train/ppo"
	"korr/train/run"
	"korr/train/td3"
)

// runTrainPPO trains the residual on policy, from the inputs that TD3 starts from.
func runTrainPPO(ctx context.Context, o *trainResidualOptions, folder *run.Folder, in td3.Inputs) error {
	c := o.Config.PPORun()
	c.Workers = o.workers()
	perIteration := c.PerIteration()
	steps := c.WholeIterations() * perIteration
	p := o.progress("train "+string(c.Method), "steps", steps)
	var last map[string]float64
	note := ""
	var engine func(ppo.Networks) ppo.Engine
	if o.engine == engineGorgonia {
		engine = func(n ppo.Networks) ppo.Engine { return gorgonia.NewEngine(n) }
	}
	policy, err := ppo.Train(ctx, c, ppo.Inputs{
		Engine: engine,
		NewEnv: in.NewEnv, Base: in.Base, Koopman: in.Koopman, Features: in.Features, Demos: in.Demos,
		Estimation: in.Estimation, Filter: in.Filter, Run: folder, Log: o.Log,
		Progress: func(iteration int, values map[string]float64) {
			last = values
			if v, ok := values["success"]; ok {
				note = fmt.Sprintf("success %.2f with exploration noise", v)
			}
			p.set(iteration*perIteration, steps, note)
		},
	})
	if err != nil {
		return err
	}
	path := folder.Checkpoint("policy")
	if err := policy.Save(path); err != nil {
		return err
	}
	took := p.finish(strings.TrimSuffix(fmt.Sprintf("%d steps, %s", steps, note), ", "))
	return o.result(trainResult{trainSchema, string(c.Method), folder.Dir(), path, steps, measured(last, "value_loss"), took.Seconds()})
}
