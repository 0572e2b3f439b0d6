package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/cmd/internal/settings"
	"korr/configs"
	"korr/residual"
	"korr/sim"
	"korr/train/pipeline"
	"korr/train/unit"
)

// trainAllOptions are the verb's flags that are no settings.
type trainAllOptions struct {
	trainOptions
	recipe
	queue string
}

// recipe is what, with the settings of a, decides everything that korr train all makes: a unit brings it to its worker.
type recipe struct {
	Task       string   `json:"task"`
	Folder     string   `json:"folder"` // as the settings in the run folders name it
	Budget     int      `json:"budget"`
	Methods    []string `json:"methods"` // of residual.Method
	EvalSeed   uint64   `json:"eval_seed"`
	Recoveries int      `json:"recoveries"`
	Demos      int      `json:"demos"` // unless collect.episodes says otherwise
	Shards     int      `json:"shards"`

	Preset  string   `json:"preset"`
	Set     []string `json:"set"`
	Environ []string `json:"environ"` // variables that set a key
	Filter  string   `json:"filter"`  // residual.filter_model as the submitter names it
}

// Sizes of korr train all: what fits a budget of 300,000 simulator steps and half an hour on two cores.
const (
	allBudget         = 300_000
	allDemonstrations = 100
	allEpisodes       = 50 // of each cell of the table
	takeOverPushes    = 1  // strength of the pushes before the expert takes over: as published
)

func newCmdTrainAll(a *app) *cobra.Command {
	o := &trainAllOptions{trainOptions: trainOptions{app: a}, recipe: recipe{Demos: allDemonstrations}}
	cmd := &cobra.Command{
		Use:   "all",
		Short: "every policy of a task from nothing: demonstrations, base, Koopman model, residual, evaluation",
		Long: `Collects demonstrations of the scripted expert, trains a base policy, a Koopman model and a residual, plays
base and residual on the same episodes at every level, and writes a report with the table and the learning curves. Typed
again it goes on where it stopped, also after kill -9. With --queue workers make it (korr worker), stage by stage, and
the policies are the same.

What follows from the task and its demonstrations needs no setting: how long the base policy is trained, how long an
episode of the residual's training may take and how long it may wait for progress, what it is paid for, and how many
simulator steps are left for it of --steps, which counts those of the demonstrations too. --set and --config stand over
all of that.

With --data it takes demonstrations that are there, whose task is then the task.`,
		Example: `  korr train all --task lamp
  korr train all --data runs/teleop --out runs/mine --methods korr,resip`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runTrainAll(cmd.Context(), o) },
	}
	o.dataFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.runDir, "out", "", "`folder` of everything (default: runs/TASK)")
	f.IntVar(&o.Budget, "steps", allBudget, "simulator steps that a policy may take, those of its demonstrations included")
	f.StringSliceVar(&o.Methods, "methods", []string{string(residual.MethodKORR)},
		"residuals to train: korr, resip, or both")
	f.Int("demos", allDemonstrations, "demonstrations to collect")
	f.IntVar(&o.Recoveries, "recoveries", 0, "episodes in which the expert takes over from a first base policy, for the "+
		"base policy to learn from too")
	f.String("randomness", string(sim.Mixed), "initial randomness of demonstrations and training: low, med, high or mixed")
	f.Int("episodes", allEpisodes, "episodes of each policy and condition in the evaluation")
	f.Uint64Var(&o.EvalSeed, "eval-seed", 2, "seed of the evaluation's episodes")
	queueFlag(f, &o.queue)
	cli.SetKey(f, "demos", "collect.episodes")
	cli.SetKey(f, "randomness", "sim.randomness")
	cli.SetKey(f, "episodes", "eval.episodes")
	return cmd
}

func runTrainAll(ctx context.Context, o *trainAllOptions) error {
	if o.runDir == "" {
		o.runDir = filepath.Join("runs", o.Config.Sim.Task)
	}
	x, closeIt, err := o.pipelineExecutor(ctx, o.queue)
	if err != nil {
		return err
	}
	defer closeIt()
	r, err := o.run(ctx, x)
	if ctx.Err() != nil {
		o.Log.Warn("interrupted: the same command goes on from here")
	}
	switch {
	case err != nil:
		return err
	case o.JSON:
		return o.PrintJSON(r)
	}
	return r.WriteText(o.Out)
}

// run makes everything of the task of the settings in the run folder, in this process when x is nil.
func (o *trainAllOptions) run(ctx context.Context, x unit.Executor) (*pipeline.Result, error) {
	o.Task, o.recipe.Folder, o.Shards = o.Config.Sim.Task, o.runDir, o.workers()
	c, err := o.pipeline()
	if err != nil {
		return nil, err
	}
	tell := &stageProgress{app: o.app}
	if c.Finished = tell.finish; x == nil {
		c.Progress = tell.set
		return pipeline.Run(ctx, *c)
	}
	c.Queue = x
	if c.Inputs, err = o.pipelineInputs(); err != nil {
		return nil, err
	}
	return pipeline.Run(ctx, *c)
}

// pipeline is the configuration of the recipe under the app's layers of settings.
func (o *trainAllOptions) pipeline() (*pipeline.Config, error) {
	var methods []residual.Method
	for _, m := range o.Methods {
		methods = append(methods, residual.Method(m))
		if method := residual.Method(m); method != residual.MethodKORR && method != residual.MethodResiP {
			return nil, cli.UsageErrorf("--methods %s: use %s, %s, or both", m, residual.MethodKORR, residual.MethodResiP)
		}
	}
	first, err := o.allSettings(o.Task, nil)
	if err != nil {
		return nil, err
	}
	o.app = o.with(first)
	w, err := o.world()
	if err != nil {
		return nil, err
	}
	c := &pipeline.Config{
		World: *w, Dir: o.recipe.Folder, Data: first.Demos, Shards: o.Shards, Methods: methods, Recoveries: o.Recoveries,
		Budget: o.Budget,
		First:  *o.pipelineSettings(first), Conditions: o.conditions(), Episodes: first.Eval.Episodes, EvalSeed: o.EvalSeed,
		Equip: o.setFilter,
	}
	if c.Identity, err = o.identity(first); err != nil {
		return nil, err
	}
	if o.Recoveries > 0 {
		own := *first
		own.Sim.Perturb = takeOverPushes
		if own.Sim.MaxSteps == 0 {
			own.Sim.MaxSteps = 2 * w.Task.MaxSteps
		}
		if c.TakeOver, err = o.with(&own).world(); err != nil {
			return nil, err
		}
	}
	resolved, told := first, pipeline.Derived{}
	c.Resolve = func(d pipeline.Derived) (*pipeline.Settings, error) {
		if resolved, err = o.allSettings(o.Task, &d); err != nil {
			return nil, err
		}
		if r := &resolved.Residual; d != told {
			o.Log.Info("settings from the demonstrations (--set changes them)", "base.steps", resolved.Base.Training.Steps,
				"residual.steps", r.Steps,
				"residual.members", r.Members, "residual.max_steps", r.MaxSteps, "residual.stages", r.Stages, "residual.fail_after",
				r.FailAfter)
			told = d
		}
		return o.pipelineSettings(resolved), nil
	}
	c.Describe = func(s *pipeline.Settings) ([]byte, error) { return o.describe(resolved, s) }
	return c, nil
}

// describe is the text of a stage's settings for its run folder, with the paths that they have where everything is
// asked for.
func (o *trainAllOptions) describe(resolved *settings.Config, s *pipeline.Settings) ([]byte, error) {
	own := *resolved
	own.Seed, own.Residual.Members, own.Residual.Config = s.Seed, s.Members, s.Residual
	if o.Filter != "" {
		own.Residual.FilterModel = o.Filter
	}
	if own.Demos == "" {
		own.Demos = filepath.Join(o.recipe.Folder, pipeline.DemosName)
	}
	own.Residual.Base = pipeline.Checkpoint(o.recipe.Folder, pipeline.BaseName)
	own.Koopman.Base, own.Residual.Koopman = own.Residual.Base, pipeline.Checkpoint(o.recipe.Folder, pipeline.KoopmanName)
	return configs.YAML(&own)
}

// allSettings are the settings of a task over the defaults of this verb and, once there are demonstrations, over what
// follows from them.
func (o *trainAllOptions) allSettings(task string, d *pipeline.Derived) (*settings.Config, error) {
	return settings.LoadOver(o.Layers, func(c *settings.Config) {
		c.Sim.Task, c.Sim.Randomness = task, sim.Mixed
		c.Collect.Recording.Episodes, c.Eval.Episodes = o.Demos, allEpisodes
		c.Eval.Randomness = nil
		for _, level := range sim.Levels() {
			c.Eval.Randomness = append(c.Eval.Randomness, string(level))
		}
		if d == nil {
			return
		}
		c.Base.Training.Steps = d.BaseSteps
		r := &c.Residual
		r.MaxSteps, r.Stages, r.FailAfter, r.Steps, r.Members = d.MaxSteps, d.Stages, d.FailAfter, d.Steps, d.Members
	})
}

// pipelineSettings are the sections that the stages read.
func (o *trainAllOptions) pipelineSettings(c *settings.Config) *pipeline.Settings {
	return &pipeline.Settings{
		Seed: c.Seed, Collect: c.Collect.Recording, Expert: c.Collect.Expert, Base: c.Base.Training, Acting: c.Base.Acting,
		Koopman: c.Koopman, Residual: c.Residual.Config, Members: c.Residual.Members,
	}
}

// identity is the text of what decides what is trained: the settings without the evaluation's, and the flags beside
// them.
func (o *trainAllOptions) identity(c *settings.Config) ([]byte, error) {
	own := *c
	own.Eval, own.Sim.Workers = settings.Defaults().Eval, 0
	text, err := configs.YAML(&own)
	return append([]byte(fmt.Sprintf("# korr train all --steps %d --methods %s --recoveries %d\n", o.Budget,
		strings.Join(o.Methods, ","), o.Recoveries)), text...), err
}

// stageProgress tells how far the stages of a pipeline are.
type stageProgress struct {
	*app
	stage string
	now   *progress
}

// set implements pipeline.Config.Progress.
func (s *stageProgress) set(stage string, done, total int, note string) {
	if s.now == nil || s.stage != stage {
		s.stage, s.now = stage, s.progress(stage, "steps", total)
	}
	s.now.set(done, total, note)
}

// finish implements pipeline.Config.Finished.
func (s *stageProgress) finish(st pipeline.Stage) {
	if st.Earlier {
		s.Log.Info("finished earlier", "stage", st.Name, "what", st.Note)
		return
	}
	if s.now == nil {
		s.now = s.progress(st.Name, "steps", 1)
	}
	s.now.finish(st.Note)
	s.now = nil
}
