package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/cmd/internal/settings"
	"korr/configs"
	"korr/internal/atomicfile"
	"korr/internal/regular"
	"korr/residual"
	"korr/sim"
	"korr/train/eval"
)

// sweepOptions are the verb's flags.
type sweepOptions struct {
	*app
	out, seeds, reference string
	variants, define      []string
	perturb               []float64
	evalSeed              uint64
}

// builtInVariants are settings worth comparing, by name: key=value, over the settings that the verb was given.
var builtInVariants = map[string][]string{
	"resip":         {"residual.method=resip"},
	"resip-plan":    {"residual.method=resip", "residual.condition=plan"},
	"korr":          {"residual.method=korr"},
	"korr-actor":    {"residual.method=korr", "residual.critic_only=false"},
	"korr-observer": {"residual.method=korr", "residual.observer_gain=0.02"},
	"korr-expand":   {"residual.method=korr", "residual.value_expansion=true"},
	"korr-one-step": {"residual.method=korr", "residual.foresight=[1]"},
	"korr-blind":    {"residual.method=korr", "residual.observer_gain=0"},
	"resip-all":     {"residual.method=resip", "residual.focus=false"},
	"korr-all":      {"residual.method=korr", "residual.focus=false"},
	"published":     {"residual.method=korr", "residual.condition=published", "residual.focus=false"},
	"published-stop": {
		"residual.method=korr", "residual.condition=published", "residual.focus=false", "residual.koopman_gradient=false",
	},
}

func newCmdTrainSweep(a *app) *cobra.Command {
	o := &sweepOptions{app: a}
	cmd := &cobra.Command{
		Use:   "sweep",
		Short: "residuals of several variants and seeds, one after the other, and a table that compares them",
		Long: `Trains every variant with every seed, plays what came out under every condition on the same episodes, and prints rates with
95 % Wilson intervals over all seeds and each variant's paired difference to the reference (same training seed, same episode).
Run again it goes on where it stopped: what is finished is skipped, trainings that were interrupted resume, and conditions
or episodes that were not asked for before are played.

A variant is a name (` + strings.Join(variantNames(), ", ") + `) or is defined by --define 'NAME key=value key=value'.`,
		Example: `  korr train sweep --preset one_leg --data runs/demos --variants resip,korr,published --seeds 1-5 --set residual.steps=300000
  korr train sweep --preset one_leg --data runs/demos --variants resip,big --define 'big residual.method=resip residual.critics=5'`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runSweep(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.String("data", "", "`folder` of demonstrations, as korr collect writes it")
	cli.SetKey(f, "data", "demos")
	f.StringVar(&o.out, "out", "runs/sweep", "`folder` of the run folders and of table.txt")
	f.StringSliceVar(&o.variants, "variants", []string{"resip", "korr"}, "names of the variants")
	f.StringArrayVar(&o.define, "define", nil, "a variant: `NAME key=value ...`; may be repeated")
	f.StringVar(&o.seeds, "seeds", "1-3", "training seeds: `FROM-TO` or a list")
	f.StringVar(&o.reference, "reference", "resip", "variant to compare with")
	f.Int("steps", 200_000, "environment steps of each training")
	cli.SetKey(f, "steps", "residual.steps")
	f.Int("episodes", 20, "episodes of each condition, for each training")
	cli.SetKey(f, "episodes", "eval.episodes")
	f.StringSlice("randomness", []string{"low"}, "initial randomness of the evaluation: low, med, high, or several")
	cli.SetKey(f, "randomness", "eval.randomness")
	f.Float64SliceVar(&o.perturb, "perturb", []float64{0, 1}, "strengths of the pushes in the evaluation; 0 = none, 1 = as published")
	f.Uint64Var(&o.evalSeed, "eval-seed", 1, "seed of the evaluation's episodes")
	return cmd
}

func variantNames() []string {
	names := make([]string, 0, len(builtInVariants))
	for name := range builtInVariants {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func runSweep(ctx context.Context, o *sweepOptions) error {
	variants, err := o.resolve()
	if err != nil {
		return err
	}
	seeds, err := parseSeeds(o.seeds)
	if err != nil {
		return err
	}
	var cells []sweepCell
	for _, seed := range seeds {
		for _, v := range variants {
			c, err := o.cell(ctx, v, seed)
			if err != nil {
				return fmt.Errorf("sweep: %s, seed %d: %w", v.name, seed, err)
			}
			cells = append(cells, *c)
			o.Log.Info("finished", "variant", v.name, "seed", seed, "cells", fmt.Sprintf("%d/%d", len(cells), len(seeds)*len(variants)))
			var text strings.Builder
			if err := o.write(&text, cells); err != nil {
				return err
			}
			if err := atomicfile.Write(filepath.Join(o.out, "table.txt"), []byte(text.String())); err != nil {
				return err
			}
		}
	}
	if o.JSON {
		return o.PrintJSON(struct {
			Schema string      `json:"schema"`
			Cells  []sweepCell `json:"cells"`
		}{"korr.sweep/1", cells})
	}
	return o.write(o.app.Out, cells)
}

// variant is a name and the settings behind it.
type variant struct {
	name     string
	settings []string
}

// resolve finds the variants by name.
func (o *sweepOptions) resolve() ([]variant, error) {
	known := map[string][]string{}
	for name, s := range builtInVariants {
		known[name] = s
	}
	for _, d := range o.define {
		words := strings.Fields(d)
		if len(words) < 2 || strings.ContainsAny(words[0], "=/") {
			return nil, cli.UsageErrorf("--define %q: want NAME key=value ...", d)
		}
		known[words[0]] = words[1:]
	}
	var out []variant
	for _, name := range o.variants {
		s, ok := known[name]
		if !ok {
			return nil, cli.UsageErrorf("--variants: %q is none of %s and no --define", name, strings.Join(variantNames(), ", "))
		}
		out = append(out, variant{name, s})
	}
	return out, nil
}

// parseSeeds reads "1-5" or "1,4,7".
func parseSeeds(text string) ([]uint64, error) {
	var out []uint64
	for part := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		a, err := strconv.ParseUint(from, 10, 63)
		b, err2 := strconv.ParseUint(to, 10, 63)
		if err != nil || err2 != nil || b < a || b-a > 1000 {
			return nil, cli.UsageErrorf("--seeds %q: want FROM-TO or a list of numbers", text)
		}
		for s := a; s <= b; s++ {
			out = append(out, s)
		}
	}
	return out, nil
}

// conditions are those of the evaluation.
func (o *sweepOptions) conditions() (out []eval.Condition) {
	for _, level := range o.Config.Eval.Randomness {
		for _, strength := range o.perturb {
			out = append(out, eval.Condition{Task: o.Config.Sim.Task, Randomness: level, Perturb: strength})
		}
	}
	return out
}

// cell trains the cell and plays what came out, as far as that was not done before.
func (o *sweepOptions) cell(ctx context.Context, v variant, seed uint64) (*sweepCell, error) {
	dir := filepath.Join(o.out, fmt.Sprintf("%s-%d", v.name, seed))
	done := filepath.Join(dir, "cell.json")
	own := *o.App
	sub := &app{App: &own}
	sub.Overrides = append(slices.Clone(o.Overrides), v.settings...)
	sub.Overrides = append(sub.Overrides, fmt.Sprintf("seed=%d", seed))
	var err error
	if sub.Config, err = settings.Load(configs.Options{Preset: o.Preset, File: o.ConfigFile, Set: sub.Overrides, Environ: o.Environ}); err != nil {
		return nil, err
	}
	want := sweepCell{Variant: v.name, Settings: v.settings, Seed: seed, Steps: sub.Config.Residual.Steps, EvalSeed: o.evalSeed}
	c, err := readCell(done, want)
	if err != nil {
		return nil, err
	}
	if c == nil {
		if err := o.train(ctx, sub, dir); err != nil {
			return nil, err
		}
		want.Seconds = trainedSeconds(dir)
		c = &want
	}
	var missing []eval.Condition
	for _, cond := range o.conditions() {
		if _, played := c.result(cond, sub.Config.Eval.Episodes); !played {
			missing = append(missing, cond)
		}
	}
	if len(missing) == 0 {
		return c, nil
	}
	played, err := o.evaluate(ctx, sub, filepath.Join(dir, "checkpoints", "policy.safetensors"), missing)
	if err != nil {
		return nil, err
	}
	c.add(played)
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return nil, err
	}
	return c, atomicfile.Write(done, append(text, '\n'))
}

// readCell reads a trained cell; nil when there is none. One of other settings is an error.
func readCell(path string, want sweepCell) (*sweepCell, error) {
	text, err := regular.Read(path, regular.Text)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	c, err := parseCell(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: delete it to evaluate again", path, err)
	}
	if c.Steps != want.Steps || c.EvalSeed != want.EvalSeed || !slices.Equal(c.Settings, want.Settings) {
		return nil, cli.UsageErrorf("%s is of other settings: choose another --out, or delete the folder", path)
	}
	return c, nil
}

// parseCell reads a cell's JSON.
func parseCell(text []byte) (*sweepCell, error) {
	c := &sweepCell{}
	if err := json.Unmarshal(text, c); err != nil {
		return nil, err
	}
	if c.Steps < 0 || c.Seconds < 0 {
		return nil, fmt.Errorf("a training of %d steps in %g s", c.Steps, c.Seconds)
	}
	return c, nil
}

// train makes the cell's run, or goes on with it, unless its policy is there already.
func (o *sweepOptions) train(ctx context.Context, sub *app, dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "checkpoints", "policy.safetensors")); err == nil {
		return nil
	}
	_, err := os.Stat(filepath.Join(dir, "config.yaml"))
	t := &trainResidualOptions{trainOptions: trainOptions{app: sub, runDir: dir}, resume: err == nil, engine: engineNative}
	streams := *sub.Streams
	streams.Out = io.Discard
	sub.Streams = &streams
	if t.resume { // the settings are those of the folder
		sub.ConfigFile, sub.Preset = "", ""
	}
	return runTrainResidual(ctx, t)
}

// trainedSeconds is the wall time in the last line of a run's metrics.
func trainedSeconds(dir string) float64 {
	text, err := regular.Read(filepath.Join(dir, "metrics.jsonl"), regular.Records)
	if err != nil {
		return 0
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	var last struct {
		WallS float64 `json:"wall_s"`
	}
	if json.Unmarshal([]byte(lines[len(lines)-1]), &last) != nil {
		return 0
	}
	return last.WallS
}

// evaluate plays the policy under the conditions.
func (o *sweepOptions) evaluate(ctx context.Context, sub *app, path string, conditions []eval.Condition) ([]sweepCondition, error) {
	p, err := sub.loadPolicy(path)
	if err != nil {
		return nil, err
	}
	task, err := sim.TaskByName(p.Task)
	if err != nil {
		return nil, err
	}
	spec := eval.Spec{
		Conditions: conditions, Episodes: sub.Config.Eval.Episodes, Seed: o.evalSeed, Workers: sub.workers(), Open: eval.InProcess(sub.newEnv),
		Policies: []eval.Policy{{Name: string(p.Method), New: func() (sim.Policy, error) { return newController(p, task) }}},
	}
	played, err := eval.Evaluate(ctx, spec)
	if err != nil {
		return nil, err
	}
	out := make([]sweepCondition, len(played))
	for i, c := range played {
		out[i] = sweepCondition{c.Randomness, c.Perturb, c.Outcomes()}
	}
	return out, nil
}

func newController(p *residual.Policy, task *sim.Task) (sim.Policy, error) {
	return p.NewController(task.NewFeatures()), nil
}
