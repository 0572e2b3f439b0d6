package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"gonum.org/v1/gonum/floats"

	"korr/cmd/internal/cli"
	"korr/internal/plot"
	"korr/internal/regular"
	"korr/koopman"
	"korr/train/eval"
	"korr/train/run"
)

// plotOptions are the verb's flags.
type plotOptions struct {
	*app
	file   string
	metric string
	wall   bool
}

func newCmdPlot(a *app) *cobra.Command {
	o := &plotOptions{app: a}
	cmd := &cobra.Command{
		Use:   "plot RUN... | RESULTS.json | prediction.json",
		Short: "learning curves of runs, success bars, prediction errors",
		Long: `Draws the metrics of one or more run folders as curves, runs of several seeds (NAME-1, NAME-2) and the members of a run as their
mean and range, the output of korr eval --json as success bars, or the prediction.json of korr train koopman as errors over the horizon.`,
		Example: `  korr plot runs/korr runs/resip --out curves.png
  korr plot runs/base --metric loss --out loss.svg
  korr eval --json > results.json && korr plot results.json --out success.png`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cli.UsageErrorf("%s wants run folders or a JSON file", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return runPlot(o, args) },
	}
	f := cmd.Flags()
	f.StringVar(&o.file, "out", "korr.png", "`file` to draw into, .png or .svg")
	f.StringVar(&o.metric, "metric", "", "metric of the runs to draw (default: the success rate if recorded, else the loss)")
	f.BoolVar(&o.wall, "wall", false, "draw over hours of training instead of steps")
	return cmd
}

func runPlot(o *plotOptions, args []string) error {
	var figure *plot.Figure
	var err error
	if len(args) == 1 && strings.HasSuffix(args[0], ".json") {
		figure, err = fileFigure(args[0])
	} else {
		figure, err = o.curves(args)
	}
	if err != nil {
		return err
	}
	if err := figure.Save(o.file); err != nil {
		return err
	}
	return o.Printf("%s\n", o.file)
}

// fileFigure draws a JSON file of results: an evaluation, or scores of predictions.
func fileFigure(path string) (*plot.Figure, error) {
	b, err := regular.Read(path, regular.Records)
	if err != nil {
		return nil, err
	}
	var scores []koopman.Score
	if json.Unmarshal(b, &scores) == nil {
		return scoreFigure(onDemonstrations.of(scores))
	}
	var r eval.Report
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if r.Schema != eval.Schema {
		return nil, cli.UsageErrorf("%s has schema %q, not %q: use the output of korr eval --json", path, r.Schema, eval.Schema)
	}
	return eval.SuccessFigure(r.Results)
}

// preferred metrics, the most telling first.
var preferred = []string{"eval_success", "success", "val_loss", "loss"}

// curves draws one metric of every run.
func (o *plotOptions) curves(dirs []string) (*plot.Figure, error) {
	dirs = withMembers(dirs)
	records := make([][]run.Record, len(dirs))
	names := map[string]bool{}
	for i, dir := range dirs {
		f, err := run.Open(dir)
		if err != nil {
			return nil, err
		}
		if records[i], err = f.Metrics(); err != nil {
			return nil, err
		}
		for _, r := range records[i] {
			for name := range r.Values {
				names[name] = true
			}
		}
	}
	metric, err := chooseMetric(o.metric, names)
	if err != nil {
		return nil, err
	}
	axes := plot.Axes{X: "steps", Y: strings.ReplaceAll(metric, "_", " "), Percent: strings.HasSuffix(metric, "success")}
	if o.wall {
		axes.X = "hours"
	}
	var series []plot.Series
	for _, group := range bySeed(dirs) {
		series = append(series, o.curve(group, records, metric))
	}
	return plot.Lines("", axes, series)
}

// runGroup is the runs that one curve shows: their indices.
type runGroup struct {
	name string
	runs []int
}

var seedSuffix = regexp.MustCompile(`-\d+$`)

// withMembers puts the members of a run in its place.
func withMembers(dirs []string) (out []string) {
	for _, dir := range dirs {
		if members, _ := filepath.Glob(filepath.Join(dir, memberFolder+"*")); len(members) > 0 { // the only error is of the pattern
			out = append(out, members...)
		} else {
			out = append(out, dir)
		}
	}
	return out
}

// bySeed puts runs of several seeds, NAME-1 and NAME-2, and the members of a run together; a run without such a companion
// keeps its name.
func bySeed(dirs []string) (groups []runGroup) {
	for i, dir := range dirs {
		base, member := runName(dir)
		name := seedSuffix.ReplaceAllString(base, "")
		at := slices.IndexFunc(groups, func(g runGroup) bool { return g.name == name })
		if at < 0 || name == base && !member {
			at, groups = len(groups), append(groups, runGroup{name: name})
		}
		groups[at].runs = append(groups[at].runs, i)
	}
	for i := range groups {
		if g := &groups[i]; len(g.runs) == 1 {
			g.name, _ = runName(dirs[g.runs[0]])
		}
	}
	return groups
}

// runName is the name of a run's folder, and whether dir is one of the run's members.
func runName(dir string) (name string, member bool) {
	dir = filepath.Clean(dir)
	if strings.HasPrefix(filepath.Base(dir), memberFolder) {
		return filepath.Base(filepath.Dir(dir)), true
	}
	return filepath.Base(dir), false
}

// curve is a metric of a group's runs: their mean at the steps that all of them recorded, in the band from the least to the largest.
func (o *plotOptions) curve(g runGroup, records [][]run.Record, metric string) plot.Series {
	s := plot.Series{Name: g.name}
	for _, first := range records[g.runs[0]] {
		var x, y []float64
		for _, i := range g.runs {
			for _, r := range records[i] {
				if v, ok := r.Values[metric]; ok && r.Step == first.Step {
					x, y = append(x, float64(r.Step)), append(y, v)
					if o.wall {
						x[len(x)-1] = r.WallS / 3600
					}
					break
				}
			}
		}
		if len(y) < len(g.runs) {
			continue
		}
		s.X, s.Y = append(s.X, floats.Sum(x)/float64(len(x))), append(s.Y, floats.Sum(y)/float64(len(y)))
		if len(y) > 1 {
			s.Lo, s.Hi = append(s.Lo, slices.Min(y)), append(s.Hi, slices.Max(y))
		}
	}
	return s
}

func chooseMetric(asked string, have map[string]bool) (string, error) {
	if asked == "" {
		for _, name := range preferred {
			if have[name] {
				return name, nil
			}
		}
	} else if have[asked] {
		return asked, nil
	}
	return "", cli.UsageErrorf("no metric %q in these runs; there are: %s", asked, strings.Join(slices.Sorted(maps.Keys(have)), ", "))
}
