package main

import (
	"context"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/train/lab"
)

// demoOptions are the verb's flags that are no settings.
type demoOptions struct {
	*app
	quick bool
	dir   string
}

func newCmdDemo(a *app) *cobra.Command {
	o := &demoOptions{app: a}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "the whole story in a few minutes: demonstrations, Koopman model, base vs ResiP vs KORR over ROS",
		Long: `Collects demonstrations from the scripted expert, trains a Koopman model on them and measures how far ahead it
predicts; then plays the base policy, ResiP and KORR with the shipped weights on the same seeded episodes, without and
with perturbation, through the control loop over ROS (an embedded master, loopback, lock step), and one episode in real
time. Writes a report with pictures, and keeps the demonstrations (demos) and the model (koopman.safetensors) beside it,
to train with.

Interrupted, it prints what it has; the same command goes on where it stopped.`,
		Example: `  korr demo
  korr demo --quick --out quick-demo
  korr demo --set eval.randomness=[low,med] --seed 3`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDemo(cmd.Context(), o) },
	}
	cmd.Flags().BoolVar(&o.quick, cli.QuickPreset, false, "under a minute: fewer episodes, no real-time episode (the "+
		"preset quick)")
	cmd.Flags().StringVar(&o.dir, "out", "korr-demo", "`folder` for the report, the demonstrations and the model")
	return cmd
}

func runDemo(ctx context.Context, o *demoOptions) error {
	if err := cli.CheckFolder("--out", o.dir); err != nil {
		return err
	}
	story := lab.Story{Lab: o.Lab, Dir: o.dir, Quick: o.quick, Command: o.Repeat("eval --ros"), Partial: o.Out}
	r, err := story.Tell(ctx)
	if err != nil {
		return err
	}
	return o.Print(&r.Result)
}
