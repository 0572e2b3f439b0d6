package main

import (
	"context"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/cmd/internal/robotcmd"
	"korr/train/lab"
	"korr/train/lab/settings"
)

// trainResidualOptions are the verb's flags that are no settings.
type trainResidualOptions struct {
	trainOptions
	engine string // of ppo
}

func newCmdTrainResidual(a *app) *cobra.Command {
	o := &trainResidualOptions{trainOptions: trainOptions{app: a}}
	cmd := &cobra.Command{
		Use:   "residual",
		Short: "the residual of a frozen base policy, by TD3 or PPO in the simulator",
		Long: `Trains korr (the actor reads Koopman predictions) or resip (it reads observation and base action) by off-policy
reinforcement learning on the sparse reward, with demonstrations in the replay buffer when --data names some.
--algorithm td3 learns a deterministic policy and explores with noise. ppo is the published on-policy algorithm, which
needs many more steps and cannot be resumed.

With residual.members above 1 that many are trained side by side from different seeds, each with its share of the steps,
and averaged: they err in different episodes.

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
	f.BoolVar(&o.to.Resume, "resume", false, "go on with the run in --out")
	f.StringVar(&o.engine, "engine", lab.EngineNative, "what differentiates ppo's losses: native (gradients by hand) or "+
		"gorgonia (slower; holds every intermediate result of a batch)")
	return cmd
}

func runTrainResidual(ctx context.Context, o *trainResidualOptions) error {
	if o.engine != lab.EngineNative && o.engine != lab.EngineGorgonia {
		return cli.UsageErrorf("--engine %s: want %s or %s", o.engine, lab.EngineNative, lab.EngineGorgonia)
	}
	if o.engine == lab.EngineGorgonia && o.Config.Residual.Algorithm != settings.PPOName {
		return cli.UsageErrorf("--engine %s trains with --algorithm %s only", o.engine, settings.PPOName)
	}
	t, err := o.TrainResidual(ctx, o.to, o.engine)
	if err != nil {
		return err
	}
	return o.Print(t)
}
