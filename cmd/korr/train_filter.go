package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"korr/basepolicy"
	"korr/cmd/internal/cli"
	"korr/internal/tensorfile"
	"korr/koopman/filter"
	"korr/residual"
	"korr/sim"
	"korr/sim/disturb"
	"korr/sim/expert"
	"korr/train/sense"
)

// trainFilterOptions are the verb's flags.
type trainFilterOptions struct {
	*app
	out               string
	episodes, heldOut int
	profiles          []string
}

func newCmdTrainFilter(a *app) *cobra.Command {
	o := &trainFilterOptions{app: a}
	cmd := &cobra.Command{
		Use:   "filter",
		Short: "the filter of late and noisy part poses, and its errors beside its rivals'",
		Long: `Plays episodes of the scripted expert and of the base policy with true poses, fits the errors of the kinematic
rule, and the learned model with its errors, and writes them into one file, which residual.filter_model names. Then
shows other episodes to the filters and their rivals through the trackers of --sensing and prints the errors of the
poses against the truth: of the part that is inserted, the median and the 95th percentile, by what happens to it. No
policy is trained or tested: the episodes are the same for all.`,
		Example: `  korr train filter --seed 7 --out filter.safetensors
  korr train filter --episodes 30 --held-out 10 --sensing T2 --json`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runTrainFilter(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.out, "out", "filter.safetensors", "`file` to write")
	f.IntVar(&o.episodes, "episodes", 60, "episodes to fit to, every third of them the base policy's")
	f.IntVar(&o.heldOut, "held-out", 18, "further episodes to measure on")
	f.StringSliceVar(&o.profiles, "sensing", disturb.Profiles()[1:], "trackers to measure with")
	return cmd
}

func runTrainFilter(ctx context.Context, o *trainFilterOptions) error {
	if o.episodes < 1 || o.heldOut < 1 {
		return cli.UsageErrorf("--episodes %d and --held-out %d: use at least 1", o.episodes, o.heldOut)
	}
	if err := cli.CheckOutput("--out", o.out, ".safetensors"); err != nil {
		return err
	}
	var trackers []disturb.Config
	for _, name := range o.profiles {
		c, err := disturb.Profile(name)
		if err != nil {
			return cli.Usage(err)
		}
		trackers = append(trackers, c)
	}
	task, err := sim.TaskByName(o.Config.Sim.Task)
	if err != nil {
		return cli.Usage(err)
	}
	base, err := o.filterBase()
	if err != nil {
		return err
	}
	rolls, err := o.filterRolls(ctx, task, base)
	if err != nil {
		return err
	}
	episodes := make([]filter.Episode, o.episodes)
	for i := range episodes {
		episodes[i] = rolls[i].Episode()
	}
	fitted, err := filter.Fit(sense.SceneOf(task), episodes)
	if err != nil {
		return err
	}
	var file tensorfile.File
	err = fitted.SaveTo(&file, "", task.Name)
	if err == nil {
		err = tensorfile.Write(o.out, &file)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", o.out, err)
	}
	r := &sense.Report{Schema: sense.Schema, File: o.out}
	for i, c := range trackers {
		e, err := sense.Compare(task, rolls[o.episodes:], c, sense.Methods(fitted))
		if err != nil {
			return err
		}
		r.Sensing = append(r.Sensing, sense.Tracked{Sensing: o.profiles[i], Errors: e})
	}
	if o.JSON {
		return o.PrintJSON(r)
	}
	if err := r.WriteText(o.Out); err != nil {
		return err
	}
	return o.Printf("\n%s\n", o.out)
}

// filterBase is the policy that plays every third episode.
func (o *trainFilterOptions) filterBase() (*residual.Policy, error) {
	f, err := o.openWeights(o.Config.Residual.Base)
	if err != nil {
		return nil, fmt.Errorf("base policy %s: %w", o.Config.Residual.Base, err)
	}
	base, err := basepolicy.LoadFrom(f, "")
	if err != nil {
		return nil, fmt.Errorf("base policy %s: %w", o.Config.Residual.Base, err)
	}
	p := &residual.Policy{
		Method: residual.MethodBase, Task: base.About().Origin.Task, Base: base,
		Execute: min(o.Config.Base.Acting.Execute, base.About().Horizon),
	}
	return p, p.Validate()
}

// filterRolls plays the episodes to fit to and those to measure on, with true poses whatever sensors the settings name.
func (o *trainFilterOptions) filterRolls(
	ctx context.Context, task *sim.Task, base *residual.Policy,
) ([]sense.Roll, error) {
	n := o.episodes + o.heldOut
	p := o.progress("train filter", "episodes", n)
	c := o.condition()
	c.Randomness, c.Perturb, c.Sensing = string(sim.Mixed), 0, disturb.Clean
	rolls, err := sense.Play(ctx, sense.Plays{
		Episodes: n, Seed: o.Config.Seed, Workers: o.workers(), Open: func() (sim.Env, error) { return o.newEnv(c) },
		Expert:   func() (sim.Policy, error) { return expert.New(task, expert.Config{}) },
		Base:     func() (sim.Policy, error) { return base.NewController(task.NewFeatures()) },
		Progress: p.setOf,
	})
	if err == nil {
		p.finish(fmt.Sprintf("%d episodes", n))
	}
	return rolls, err
}
