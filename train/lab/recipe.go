package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"korr/configs"
	"korr/configs/checkpoint"
	"korr/internal/usage"
	"korr/residual"
	"korr/sim"
	"korr/train/lab/settings"
	"korr/train/pipeline"
	"korr/train/unit"
)

// Recipe is what, with the settings, decides everything that is made of a task from nothing: a unit brings it to its
// worker.
type Recipe struct {
	Task       string   `json:"task"`
	Folder     string   `json:"folder"` // as the settings in the run folders name it
	Budget     int      `json:"budget"` // simulator steps that a policy may take, those of its demonstrations included
	Methods    []string `json:"methods"`
	EvalSeed   uint64   `json:"eval_seed"`
	Recoveries int      `json:"recoveries"`
	Demos      int      `json:"demos"` // unless collect.episodes says otherwise
	Shards     int      `json:"shards"`

	Preset  string   `json:"preset"`
	Set     []string `json:"set"`
	Environ []string `json:"environ"` // variables that set a key
	Filter  string   `json:"filter"`  // residual.filter_model as the submitter names it
}

// Sizes of a recipe: what fits a budget of 300,000 simulator steps and half an hour on two cores.
const (
	DefaultBudget         = 300_000
	DefaultDemonstrations = 100
	DefaultEpisodes       = 50 // of each cell of the table
	takeOverPushes        = 1  // strength of the pushes before the expert takes over: as published
)

// recipeInput is what a unit of a recipe brings beside its settings.
const recipeInput = "recipe"

// Make makes everything of the recipe, whose Task, Folder and Shards are the laboratory's and dir, as far as it is not
// there: in this process when x is nil.
func (l *Lab) Make(ctx context.Context, r Recipe, dir string, x unit.Executor) (*pipeline.Result, error) {
	r.Task, r.Folder, r.Shards = l.Config.Sim.Task, dir, l.Workers()
	c, err := l.pipeline(&r)
	if err != nil {
		return nil, err
	}
	tell := &stages{Lab: l}
	if c.Finished = tell.finish; x == nil {
		c.Progress = tell.set
		return pipeline.Run(ctx, *c)
	}
	c.Queue = x
	if c.Inputs, err = l.recipeInputs(r); err != nil {
		return nil, err
	}
	return pipeline.Run(ctx, *c)
}

// QueueOf is the executor of a queue that recipes are made through; nil when the address is empty.
func (l *Lab) QueueOf(ctx context.Context, address string) (unit.Executor, func(), error) {
	if address == "" {
		return nil, func() {}, nil
	}
	return l.Executor(ctx, address, nil)
}

// pipeline is the configuration of a recipe under the laboratory's layers of settings.
func (l *Lab) pipeline(r *Recipe) (*pipeline.Config, error) {
	var methods []residual.Method
	for _, m := range r.Methods {
		methods = append(methods, residual.Method(m))
		if method := residual.Method(m); method != residual.MethodKORR && method != residual.MethodResiP {
			return nil, usage.Errorf("--methods %s: use %s, %s, or both", m, residual.MethodKORR, residual.MethodResiP)
		}
	}
	first, err := l.RecipeSettings(r, nil)
	if err != nil {
		return nil, err
	}
	own := l.With(first)
	w, err := own.World()
	if err != nil {
		return nil, err
	}
	c := &pipeline.Config{
		World: *w, Dir: r.Folder, Data: first.Demos, Shards: r.Shards, Methods: methods, Recoveries: r.Recoveries,
		Budget: r.Budget, First: *sections(first), Conditions: own.Conditions(), Episodes: first.Eval.Episodes,
		EvalSeed: r.EvalSeed, Equip: own.SetFilter,
	}
	if c.Identity, err = r.identity(first); err != nil {
		return nil, err
	}
	if r.Recoveries > 0 {
		pushed := *first
		pushed.Sim.Perturb = takeOverPushes
		if pushed.Sim.MaxSteps == 0 {
			pushed.Sim.MaxSteps = 2 * w.Task.MaxSteps
		}
		if c.TakeOver, err = l.With(&pushed).World(); err != nil {
			return nil, err
		}
	}
	resolved, told := first, pipeline.Derived{}
	c.Resolve = func(d pipeline.Derived) (*pipeline.Settings, error) {
		if resolved, err = l.RecipeSettings(r, &d); err != nil {
			return nil, err
		}
		if s := &resolved.Residual; d != told {
			l.Logger.Info("settings from the demonstrations (--set changes them)", "base.steps", resolved.Base.Training.Steps,
				"residual.steps", s.Steps, "residual.members", s.Members, "residual.max_steps", s.MaxSteps, "residual.stages",
				s.Stages, "residual.fail_after", s.FailAfter)
			told = d
		}
		return sections(resolved), nil
	}
	c.Describe = func(s *pipeline.Settings) ([]byte, error) { return r.describe(resolved, s) }
	return c, nil
}

// RecipeSettings are the settings of a recipe: over its own defaults and, once there are demonstrations, over what
// follows from them.
func (l *Lab) RecipeSettings(r *Recipe, d *pipeline.Derived) (*settings.Config, error) {
	return settings.LoadOver(l.From, func(c *settings.Config) {
		c.Sim.Task, c.Sim.Randomness = r.Task, sim.Mixed
		c.Collect.Recording.Episodes, c.Eval.Episodes = r.Demos, DefaultEpisodes
		c.Eval.Randomness = nil
		for _, level := range sim.Levels() {
			c.Eval.Randomness = append(c.Eval.Randomness, string(level))
		}
		if d == nil {
			return
		}
		c.Base.Training.Steps = d.BaseSteps
		s := &c.Residual
		s.MaxSteps, s.Stages, s.FailAfter, s.Steps, s.Members = d.MaxSteps, d.Stages, d.FailAfter, d.Steps, d.Members
	})
}

// sections are the settings that the stages read.
func sections(c *settings.Config) *pipeline.Settings {
	return &pipeline.Settings{
		Seed: c.Seed, Collect: c.Collect.Recording, Expert: c.Collect.Expert, Base: c.Base.Training, Acting: c.Base.Acting,
		Koopman: c.Koopman, Residual: c.Residual.Config, Members: c.Residual.Members,
	}
}

// describe is the text of a stage's settings for its run folder, with the paths that they have where everything is
// asked for.
func (r *Recipe) describe(resolved *settings.Config, s *pipeline.Settings) ([]byte, error) {
	own := *resolved
	own.Seed, own.Residual.Members, own.Residual.Config = s.Seed, s.Members, s.Residual
	if r.Filter != "" {
		own.Residual.FilterModel = r.Filter
	}
	if own.Demos == "" {
		own.Demos = filepath.Join(r.Folder, pipeline.DemosName)
	}
	own.Residual.Base = pipeline.Checkpoint(r.Folder, pipeline.BaseName)
	own.Residual.Koopman = pipeline.Checkpoint(r.Folder, pipeline.KoopmanName)
	return configs.YAML(&own)
}

// identity is the text of what decides what is trained: the settings without the evaluation's, and the recipe's.
func (r *Recipe) identity(c *settings.Config) ([]byte, error) {
	own := *c
	own.Eval, own.Sim.Workers = settings.Defaults().Eval, 0
	text, err := configs.YAML(&own)
	return append([]byte(fmt.Sprintf("# korr train all --steps %d --methods %s --recoveries %d\n", r.Budget,
		strings.Join(r.Methods, ","), r.Recoveries)), text...), err
}

// recipeInputs are the recipe with its layers of settings, and the files that these name.
func (l *Lab) recipeInputs(r Recipe) (unit.Inputs, error) {
	r.Preset, r.Set, r.Environ = l.From.Preset, l.From.Set, configs.Variables(l.From.Environ)
	r.Filter = l.Config.Residual.FilterModel
	path, err := checkpoint.Path(r.Filter)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	in := unit.Inputs{recipeInput: {Data: text}}
	if path != "" {
		in[fileInput+"residual.filter_model"] = unit.Input{Path: path}
	}
	if l.From.File != "" {
		in[configInput] = unit.Input{Path: l.From.File, As: "config.yaml"}
	}
	return in, nil
}

// unitPipeline is the configuration of the pipeline that a unit belongs to.
func unitPipeline(t *unit.Task) (*pipeline.Config, error) {
	path, err := t.Input(recipeInput)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &Recipe{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, err
	}
	own := &Lab{Logger: t.Log, From: configs.Options{
		Preset: r.Preset, File: t.Files[configInput], Set: append(r.Set, broughtFiles(t)...), Environ: r.Environ,
	}}
	c, err := own.pipeline(r)
	if err == nil && t.Parallel > 0 {
		if c.Workers = t.Parallel; c.TakeOver != nil {
			c.TakeOver.Workers = t.Parallel
		}
	}
	return c, err
}

// stages tells how far the stages of a pipeline are.
type stages struct {
	*Lab
	stage string
	now   Progress
}

// set implements pipeline.Config.Progress.
func (s *stages) set(stage string, done, total int, note string) {
	if s.now == nil || s.stage != stage {
		s.stage, s.now = stage, s.begin(stage, "steps", total)
	}
	s.now.Set(done, total, note)
}

// finish implements pipeline.Config.Finished.
func (s *stages) finish(st pipeline.Stage) {
	if st.Earlier {
		s.Logger.Info("finished earlier", "stage", st.Name, "what", st.Note)
		return
	}
	if s.now == nil {
		s.now = s.begin(st.Name, "steps", 1)
	}
	s.now.Finish(st.Note)
	s.now = nil
}
