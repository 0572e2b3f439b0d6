package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/spf13/cobra"

	"korr/basepolicy"
	"korr/cmd/internal/cli"
	"korr/internal/report"
	"korr/internal/seed"
	"korr/internal/tensorfile"
	"korr/koopman/filter"
	"korr/residual"
	"korr/sim"
	"korr/sim/disturb"
	"korr/sim/expert"
	"korr/train/eval"
	"korr/train/sense"
)

// trainFilterOptions are the verb's flags.
type trainFilterOptions struct {
	*app
	out               string
	episodes, heldOut int
	profiles          []string
}

// filterErrors are the errors of one profile.
type filterErrors struct {
	Sensing string         `json:"sensing"`
	Errors  []sense.Errors `json:"errors"`
}

func newCmdTrainFilter(a *app) *cobra.Command {
	o := &trainFilterOptions{app: a}
	cmd := &cobra.Command{
		Use:   "filter",
		Short: "the filter of late and noisy part poses, and its errors beside its rivals'",
		Long: `Plays episodes of the scripted expert and of the base policy with true poses, fits the errors of the kinematic rule, and
the learned model with its errors, and writes them into one file, which residual.filter_model names. Then shows other
episodes to the filters and their rivals through the trackers of --sensing and prints the errors of the poses against the
truth: of the part that is inserted, the median and the 95th percentile, by what happens to it. No policy is trained or
tested: the episodes are the same for all.`,
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
	file, err := fitted.File(task.Name)
	if err == nil {
		err = tensorfile.Write(o.out, file)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", o.out, err)
	}
	var all []filterErrors
	for i, c := range trackers {
		e, err := sense.Compare(task, rolls[o.episodes:], c, sense.Methods(fitted))
		if err != nil {
			return err
		}
		all = append(all, filterErrors{o.profiles[i], e})
	}
	return o.printFilter(all)
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

// filterRolls plays the episodes to fit to and those to measure on.
func (o *trainFilterOptions) filterRolls(
	ctx context.Context, task *sim.Task, base *residual.Policy,
) ([]sense.Roll, error) {
	n := o.episodes + o.heldOut
	rolls, errs := make([]sense.Roll, n), make([]error, o.workers())
	p := o.progress("train filter", "episodes", n)
	var mu sync.Mutex
	next, done := 0, 0
	take := func() int {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1
	}
	var wg sync.WaitGroup
	for w := range errs {
		wg.Go(func() {
			env, err := o.newEnv(eval.Condition{Task: task.Name, Randomness: string(sim.Mixed)})
			if err != nil {
				errs[w] = err
				return
			}
			defer env.Close()
			script, err := expert.New(task, expert.Config{})
			if err != nil {
				errs[w] = err
				return
			}
			defer script.Close()
			controller := base.NewController(task.NewFeatures())
			for i := take(); i < n; i = take() {
				var policy sim.Policy = script
				if i%3 == 0 {
					policy = controller
				}
				episode := seed.Stream(o.Config.Seed, "filter", uint64(i)).Uint64()
				if rolls[i], err = sense.Record(ctx, env, policy, episode); err != nil {
					errs[w] = fmt.Errorf("episode %d: %w", i, err)
					return
				}
				mu.Lock()
				done++
				p.setOf(done, n)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	p.finish(fmt.Sprintf("%d episodes", n))
	return rolls, errors.Join(errs...)
}

func (o *trainFilterOptions) printFilter(all []filterErrors) error {
	if o.JSON {
		return o.PrintJSON(struct {
			Schema  string         `json:"schema"`
			File    string         `json:"file"`
			Sensing []filterErrors `json:"sensing"`
		}{"korr/train-filter/1", o.out, all})
	}
	t := &report.Table{Columns: []report.Column{
		{Name: "sensing"},
		{Name: "phase"},
		{Name: "method"},
		{Name: "mm", Right: true},
		{Name: "95 %", Right: true},
		{Name: "rad", Right: true},
		{Name: "95 %", Right: true},
		{Name: "tip mm", Right: true},
		{Name: "95 %", Right: true},
		{Name: "steps", Right: true},
	}}
	for _, a := range all {
		for _, phase := range sense.Phases() {
			for _, e := range a.Errors {
				if e.Phase != phase || math.IsNaN(e.Position[0]) {
					continue
				}
				f := func(v float64, digits int) string { return fmt.Sprintf("%.*f", digits, v) }
				t.Add(a.Sensing, string(phase), e.Method, f(e.Position[0], 2), f(e.Position[1], 2),
					f(e.Rotation[0], 4), f(e.Rotation[1], 4), f(e.Tip[0], 2), f(e.Tip[1], 2), fmt.Sprint(e.Steps))
			}
		}
	}
	if err := t.WriteText(o.Out); err != nil {
		return err
	}
	return o.Printf("\n%s\n", o.out)
}
