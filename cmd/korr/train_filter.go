package main

import (
	"context"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/sim/disturb"
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
	r, err := o.FitFilter(ctx, o.out, o.episodes, o.heldOut, o.profiles)
	if err != nil {
		return err
	}
	return o.Print(r)
}
