package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/internal/plot"
	"korr/internal/regular"
	"korr/koopman"
	"korr/train/curves"
	"korr/train/eval"
	"korr/train/koopmanfit"
)

// plotOptions are the verb's flags.
type plotOptions struct {
	*app
	file   string
	metric string
	wall   bool
	watch  bool
}

func newCmdPlot(a *app) *cobra.Command {
	o := &plotOptions{app: a}
	cmd := &cobra.Command{
		Use:   "plot RUN... | RESULTS.json | prediction.json",
		Short: "learning curves of runs, success bars, prediction errors",
		Long: `Draws the metrics of one or more run folders as curves, runs of several seeds (NAME-1, NAME-2) and the members
of a run as their mean and range, the output of korr eval --json as success bars, or the prediction.json of korr train
koopman as errors over the horizon.`,
		Example: `  korr plot runs/korr runs/resip --out curves.png
  korr plot runs/base --metric loss --out loss.svg
  korr plot runs/korr --watch
  korr eval --json > results.json && korr plot results.json --out success.png`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cli.UsageErrorf("%s wants run folders or a JSON file", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runPlot(cmd.Context(), o, args) },
	}
	f := cmd.Flags()
	f.StringVar(&o.file, "out", "korr.png", "`file` to draw into, .png or .svg")
	f.StringVar(&o.metric, "metric", "", "metric of the runs to draw (default: the success rate if recorded, else the "+
		"loss)")
	f.BoolVar(&o.watch, "watch", false, "go on and draw again when the runs have new metrics, until interrupted")
	f.BoolVar(&o.wall, "wall", false, "draw over hours of training instead of steps")
	return cmd
}

func runPlot(ctx context.Context, o *plotOptions, args []string) error {
	if err := cli.CheckOutput("--out", o.file, ".png", ".svg"); err != nil {
		return err
	}
	if len(args) == 1 && strings.HasSuffix(args[0], ".json") {
		if o.watch {
			return cli.UsageErrorf("--watch is for run folders: %s does not grow", args[0])
		}
		figure, err := fileFigure(args[0])
		if err != nil {
			return err
		}
		return o.save(figure)
	}
	figure, without, err := curves.Draw(args, o.metric, o.wall)
	if err != nil && !(o.watch && curves.Empty(err)) {
		return err
	}
	for _, dir := range without {
		o.Log.Warn("a run has no curve: it did not record this metric", "run", dir)
	}
	if err == nil {
		if err := o.save(figure); err != nil {
			return err
		}
	}
	if !o.watch {
		return nil
	}
	return o.follow(ctx, args)
}

func (o *plotOptions) save(f *plot.Figure) error {
	if err := f.Save(o.file); err != nil {
		return err
	}
	return o.Printf("%s\n", o.file)
}

// watchEvery is how often --watch looks for new metrics.
const watchEvery = 2 * time.Second

// follow draws the runs again whenever they have new metrics, until ctx ends. The file is replaced at once, so that a
// viewer that looks at it sees whole pictures.
func (o *plotOptions) follow(ctx context.Context, dirs []string) error {
	o.Log.Info("watching; Ctrl-C ends it", "runs", dirs, "file", o.file)
	last := curves.Size(dirs)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil // its work is done whenever it is told to stop
		case <-tick.C:
		}
		now := curves.Size(dirs)
		if now == last {
			continue
		}
		last = now
		figure, _, err := curves.Draw(dirs, o.metric, o.wall)
		if curves.Empty(err) {
			continue
		}
		if err != nil {
			return err
		}
		if err := o.save(figure); err != nil {
			return err
		}
	}
}

// fileFigure draws a JSON file of results: an evaluation, or scores of predictions.
func fileFigure(path string) (*plot.Figure, error) {
	b, err := regular.Read(path, regular.Records)
	if err != nil {
		return nil, err
	}
	var scores []koopman.Score
	if json.Unmarshal(b, &scores) == nil {
		return koopmanfit.Figure(koopmanfit.OnDemonstrations.Of(scores))
	}
	var r eval.Report
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if r.Schema != eval.Schema {
		return nil, cli.UsageErrorf("%s has schema %q, not %q: use the output of korr eval --json", path,
			r.Schema, eval.Schema)
	}
	return eval.SuccessFigure(r.Results)
}
