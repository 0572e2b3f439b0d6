package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/cmd/internal/robotcmd"
	"korr/cmd/internal/settings"
	"korr/koopman"
	"korr/residual"
	"korr/train/dataset"
	"korr/train/gorgonia"
	"korr/train/pipeline"
	"korr/train/ppo"
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
	f.BoolVar(&o.resume, "resume", false, "go on with the run in --out")
	f.StringVar(&o.engine, "engine", engineNative, "what differentiates ppo's losses: native (gradients by hand) or "+
		"gorgonia (slower; holds every intermediate result of a batch)")
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
	t, p, err := o.train(ctx, folder, in)
	if err != nil {
		return err
	}
	return o.result(o.trained(string(o.Config.Residual.Method), folder, t, p))
}

// train trains one policy, or members, off policy or on policy.
func (o *trainResidualOptions) train(ctx context.Context, folder *run.Folder, in td3.Inputs) (pipeline.Trained,
	*progress, error,
) {
	r := &o.Config.Residual
	if r.Algorithm == settings.PPOName {
		c := o.Config.PPORun()
		c.Workers = o.workers()
		var engine func(ppo.Networks) ppo.Engine
		if o.engine == engineGorgonia {
			engine = func(n ppo.Networks) ppo.Engine { return gorgonia.NewEngine(n) }
		}
		p := o.progress("train "+string(c.Method), "steps", c.WholeIterations()*c.PerIteration())
		t, err := pipeline.OnPolicy(ctx, c, in, engine, folder, p.set)
		return t, p, err
	}
	defer o.tellInterrupted(ctx, "residual")
	c := td3Config(o.Config, o.workers())
	if r.Members > 1 {
		p := o.progress(fmt.Sprintf("train %s, %d members", c.Method, r.Members), "steps", c.Steps)
		t, err := pipeline.Members(ctx, c, in, r.Members, folder, o.memberFolder, p.set)
		return t, p, err
	}
	p := o.progress("train "+string(c.Method), "steps", c.Steps)
	in.Resume = o.resume
	t, err := pipeline.Residual(ctx, c, in, folder, p.set)
	return t, p, err
}

// inputs loads the parts that training starts from.
func (o *trainResidualOptions) inputs() (in td3.Inputs, err error) {
	base, err := o.loadPolicy(o.Config.Residual.Base)
	if err != nil {
		return in, err
	}
	var model *koopman.Model
	if o.Config.Residual.Method == residual.MethodKORR {
		if model, err = o.loadKoopman(o.Config.Residual.Koopman); err != nil {
			return in, err
		}
	}
	w, err := o.world()
	if err != nil {
		return in, err
	}
	var demos []dataset.Episode
	if o.Config.Demos != "" {
		data, err := o.demonstrations()
		if err != nil {
			return in, err
		}
		demos = data.Episodes
	}
	return w.Inputs(&o.Config.Residual.Config, base, model, demos), nil
}

// memberFolder opens the run folder of member k, which trains as c says, or creates it with the settings of such a run
// alone.
func (o *trainResidualOptions) memberFolder(k int, c td3.Config) (*run.Folder, error) {
	dir := filepath.Join(o.runDir, run.MemberPrefix+strconv.Itoa(k+1))
	folder, err := run.Open(dir)
	if err == nil {
		folder.Log, folder.TensorBoard = o.Log, o.tensorboard
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return folder, err
	}
	alone := *o.Config
	alone.Seed, alone.Sim.Workers, alone.Residual.Members, alone.Residual.Steps = c.Seed, c.Workers, 1, c.Steps
	return (&trainOptions{app: o.with(&alone), runDir: dir, tensorboard: o.tensorboard}).create()
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
