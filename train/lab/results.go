package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"korr/configs"
	"korr/residual"
	"korr/train/eval"
	"korr/train/pipeline"
	"korr/train/results"
	"korr/train/unit"
)

// Results says how large the jobs of package results are.
type Results struct {
	*Lab
	Budget   int      // simulator steps that a policy may take, everything counted
	Episodes int      // of each policy, condition and seed
	EvalSeed uint64   // of the evaluation's episodes
	Sensing  []string // part trackers to evaluate with
	Quick    bool     // few recoveries

	Queue unit.Executor // makes and plays all of it; nil: this process does
}

// Sizes of the results.
const (
	ResultsEpisodes  = 334 // of a cell and seed: 1,000 over three seeds
	ordinaryDemos    = 50  // as published
	robustDemos      = 100
	robustRecoveries = 100
	quickRecoveries  = 10
)

// layered is a laboratory whose settings are this one's with more above them.
func (r *Results) layered(set ...string) *Lab {
	own := *r.Lab
	own.From.Set = append(slices.Clone(own.From.Set), set...)
	return &own
}

// sensing is the setting of the trackers.
func (r *Results) sensing() string { return "eval.sensing=[" + strings.Join(r.Sensing, ",") + "]" }

// Train makes a job: it is results.Config's.
func (r *Results) Train(ctx context.Context, j results.Job) (*pipeline.Result, error) {
	recipe := Recipe{
		Task: j.Task, Budget: r.Budget, EvalSeed: r.EvalSeed, Demos: ordinaryDemos,
		Methods: []string{string(residual.MethodResiP), string(residual.MethodKORR)},
	}
	if j.Base == results.Robust {
		if recipe.Demos, recipe.Recoveries = robustDemos, robustRecoveries; r.Quick {
			recipe.Recoveries = quickRecoveries
		}
	}
	own := r.layered("sim.task="+j.Task, fmt.Sprintf("seed=%d", j.Seed), r.sensing(),
		fmt.Sprintf("eval.episodes=%d", r.Episodes))
	var err error
	if own.Config, err = own.RecipeSettings(&recipe, nil); err != nil {
		return nil, err
	}
	return own.Make(ctx, recipe, j.Dir, r.Queue)
}

// Beside plays the expert and the shipped weights of a task: it is results.Config's.
func (r *Results) Beside(ctx context.Context, task, path string) ([]eval.Result, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	own := r.layered("sim.task="+task, r.sensing())
	var err error
	if own.Config, err = own.RecipeSettings(&Recipe{Task: task, Demos: ordinaryDemos}, nil); err != nil {
		return nil, err
	}
	names := []string{Expert}
	for _, name := range configs.ShippedWeights() {
		if t, policy, _ := strings.Cut(name, "/"); t == task && slices.Contains([]string{"base", "resip", "korr"}, policy) {
			names = append(names, policy)
		}
	}
	policies, err := own.Policies(names)
	if err != nil {
		return nil, err
	}
	plan := eval.Plan{Conditions: own.Conditions(), Episodes: r.Episodes, Seed: r.EvalSeed}
	for _, name := range names {
		label := name
		if name != Expert {
			label = "shipped " + name
		}
		plan.Policies = append(plan.Policies, eval.Entry{Label: label, Name: name})
	}
	x, what := r.Queue, "expert and shipped weights of "+task
	if x == nil {
		p := own.begin(what, "episodes", 1)
		plan.Progress = p.SetOf
		x = own.local(unit.Handlers{eval.Kind: eval.Handler(func(_ *unit.Task, s *eval.Shard) (eval.Spec, error) {
			named, err := eval.Named(policies, s.Policies)
			return eval.Spec{Policies: named, Workers: own.Workers(), Open: eval.InProcess(own.Env)}, err
		})})
		defer func() { p.Finish(fmt.Sprintf("%d conditions", len(plan.Conditions)*len(names))) }()
	} else {
		plan.Size = eval.ShardEpisodes
		if plan.Inputs, err = own.evalInputs(); err != nil {
			return nil, err
		}
	}
	played, err := pipeline.Evaluate(ctx, plan, path, what, x)
	return pipeline.Results(played), err
}
