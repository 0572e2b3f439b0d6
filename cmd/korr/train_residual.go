package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/cmd/internal/robotcmd"
	"korr/cmd/internal/settings"
	"korr/koopman"
	"korr/residual"
	"korr/sim"
	"korr/train/episodes"
	"korr/train/run"
	"korr/train/td3"
)

// trainResidualOptions are the verb's flags that are no settings.
type trainResidualOptions struct {
	trainOptions
	resume bool
	engine string // of ppo
}

// Values of --engine.
const (
	engineNative   = "native"
	engineGorgonia = "gorgonia"
)

func newCmdTrainResidual(a *app) *cobra.Command {
	o := &trainResidualOptions{trainOptions: trainOptions{app: a}}
	cmd := &cobra.Command{
		Use:   "residual",
		Short: "the residual of a frozen base policy, by TD3 or PPO in the simulator",
		Long: `Trains korr (the actor reads Koopman predictions) or resip (it reads observation and base action) by off-policy
reinforcement learning on the sparse reward, with demonstrations in the replay buffer when --data names some. --algorithm td3
learns a deterministic policy and explores with noise. ppo is the published
on-policy algorithm, which needs many more steps and cannot be resumed.

With residual.members above 1 that many are trained side by side from different seeds, each with its share of the steps, and
averaged: they err in different episodes.

An interrupted run saves its state; --resume goes on from there, with the settings of the run folder.`,
		Example: `  korr train residual --method korr --data runs/demos --out runs/korr
  korr train residual --resume --out runs/korr`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runTrainResidual(cmd.Context(), o) },
	}
	o.addFlags(cmd, "runs/residual")
	f := cmd.Flags()
	f.String("algorithm", "td3", "td3 or ppo")
	f.String("method", "korr", "korr or resip")
	f.String("base", "base", "frozen base policy: a checkpoint or shipped weights")
	f.String("koopman", "korr", "where korr's model starts: a checkpoint or shipped weights")
	f.Int("steps", 300_000, "environment steps")
	for _, name := range []string{"algorithm", "method", "base", "koopman", "steps"} {
		cli.SetKey(f, name, "residual."+name)
	}
	f.String("cache", "", robotcmd.CacheUsage)
	cli.SetKey(f, "cache", "base.cache")
	f.BoolVar(&o.resume, "resume", false, "go on with the run in --out")
	f.StringVar(&o.engine, "engine", engineNative, "what differentiates ppo's losses: native (gradients by hand) or gorgonia (slower; holds every intermediate result of a batch)")
	return cmd
}

func runTrainResidual(ctx context.Context, o *trainResidualOptions) (err error) {
	if o.engine != engineNative && o.engine != engineGorgonia {
		return cli.UsageErrorf("--engine %s: want %s or %s", o.engine, engineNative, engineGorgonia)
	}
	if o.engine == engineGorgonia && o.Config.Residual.Algorithm != settings.PPOName {
		return cli.UsageErrorf("--engine %s trains with --algorithm %s only", o.engine, settings.PPOName)
	}
	var folder *run.Folder
	if o.resume {
		if folder, err = o.reopen(); err != nil {
			return err
		}
		if o.Config.Residual.Algorithm == settings.PPOName {
			return cli.UsageErrorf("--resume: a ppo run cannot be resumed")
		}
	}
	in, err := o.inputs()
	if err != nil {
		return err
	}
	if !o.resume { // only now: a wrong name leaves no folder in the way of the right one
		if folder, err = o.create(); err != nil {
			return err
		}
	}
	defer o.discardEmpty(ctx, folder, &err)
	switch {
	case o.Config.Residual.Algorithm == settings.PPOName:
		return runTrainPPO(ctx, o, folder, in)
	case o.Config.Residual.Members > 1:
		return runTrainMembers(ctx, o, folder, in)
	}
	return runTrainTD3(ctx, o, folder, in)
}

// runTrainTD3 trains one policy off policy.
func runTrainTD3(ctx context.Context, o *trainResidualOptions, folder *run.Folder, in td3.Inputs) error {
	c := o.Config.Residual
	p := o.progress("train "+string(c.Method), "steps", c.Steps)
	last := map[string]float64{}
	in.Progress = func(r td3.Report) {
		note := ""
		for key, v := range r.Values {
			last[key] = v
		}
		if v, ok := last["success"]; ok {
			note = fmt.Sprintf("success %.2f", v)
		}
		p.set(r.Step, r.Steps, note)
	}
	in.Run, in.Resume = folder, o.resume
	policy, err := td3.Train(ctx, td3Config(o.Config, o.workers()), in)
	o.tellInterrupted(ctx, "residual")
	if err != nil {
		return err
	}
	path := folder.Checkpoint("policy")
	if err := policy.Save(path); err != nil {
		return err
	}
	done := fmt.Sprintf("%d steps", c.Steps)
	if v, ok := last["success"]; ok {
		done += fmt.Sprintf(", success %.3f in the last episodes, with exploration", v)
	}
	took := p.finish(done)
	return o.result(trainResult{trainSchema, string(c.Method), folder.Dir(), path, c.Steps, measured(last, "critic_loss"), took.Seconds()})
}

// inputs loads the parts that training starts from.
func (o *trainResidualOptions) inputs() (td3.Inputs, error) {
	in := td3.Inputs{Log: o.Log}
	base, err := o.loadPolicy(o.Config.Residual.Base)
	if err != nil {
		return in, err
	}
	in.Base, in.Estimation, in.Filter = base.Base, base.Estimation, base.Filter
	in.NewEnv = func(i int) (sim.Env, error) { return o.trainingEnv(i, base) }
	if o.Config.Residual.Method == residual.MethodKORR {
		if in.Koopman, err = o.loadKoopman(o.Config.Residual.Koopman); err != nil {
			return in, err
		}
	}
	task, err := sim.TaskByName(o.Config.Sim.Task)
	if err != nil {
		return in, cli.Usage(err)
	}
	in.Engaged, in.Task = task.Engaged, task
	if o.Config.Residual.Features {
		in.Features = func() residual.Features { return task.NewFeatures() }
	}
	if o.Config.Demos == "" {
		return in, nil
	}
	data, err := o.demonstrations()
	if err != nil {
		return in, err
	}
	in.Demos = data.Episodes
	return in, nil
}

// trainingEnv makes environment i of a run. Those that collect are dealt pushes and trackers and are seen through the
// policy's filter; those that evaluate are of sim.*, and the policy that plays there brings its filter.
func (o *trainResidualOptions) trainingEnv(i int, p *residual.Policy) (sim.Env, error) {
	c, r := o.condition(), &o.Config.Residual.Recipe
	if i >= r.Envs {
		return o.newEnv(c)
	}
	c.Perturb, c.Sensing = r.Deal(i, c.Perturb, c.Sensing)
	env, err := o.newEnv(c)
	if err != nil {
		return nil, err
	}
	est, err := p.NewEstimator()
	if err != nil {
		return nil, errors.Join(err, env.Close())
	}
	if est == nil {
		return env, nil
	}
	return episodes.NewEstimated(env, est), nil
}

// loadKoopman reads a model's checkpoint, or takes the model out of a policy's.
func (a *app) loadKoopman(name string) (*koopman.Model, error) {
	f, err := a.openWeights(name)
	if err != nil {
		return nil, fmt.Errorf("koopman model %s: %w", name, err)
	}
	m, err := koopman.LoadFrom(f, "koopman.")
	if err != nil {
		return nil, fmt.Errorf("koopman model %s: %w", name, err)
	}
	return m, nil
}

// td3Config is the settings with what the trainer is given beside them.
func td3Config(c *settings.Config, workers int) td3.Config {
	t := c.Residual.Config
	t.Seed, t.Workers, t.Execute = c.Seed, workers, c.Base.Acting.Execute
	return t
}
