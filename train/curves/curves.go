package curves

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gonum.org/v1/gonum/floats"

	"korr/internal/plot"
	"korr/internal/usage"
	"korr/train/run"
)

// preferred metrics, the most telling first.
var preferred = []string{"eval_success", "success", "val_loss", "loss"}

// Draw draws one metric of every run over its steps, or with wall over its hours: runs of several seeds (NAME-1,
// NAME-2) and the members of a run as their mean and range. Without a metric it draws the success rate if that is
// recorded, else the loss. Runs that did not record the metric, and have no curve, are listed.
func Draw(dirs []string, metric string, wall bool) (f *plot.Figure, without []string, err error) {
	dirs = withMembers(dirs)
	records := make([][]run.Record, len(dirs))
	names := map[string]bool{}
	for i, dir := range dirs {
		f, err := run.Open(dir)
		if err != nil {
			return nil, nil, usage.Wrap(err)
		}
		if records[i], err = f.Metrics(); err != nil {
			return nil, nil, err
		}
		for _, r := range records[i] {
			for name := range r.Values {
				names[name] = true
			}
		}
	}
	if metric, err = chooseMetric(metric, names); err != nil {
		return nil, nil, err
	}
	axes := plot.Axes{X: "steps", Y: strings.ReplaceAll(metric, "_", " "), Percent: strings.HasSuffix(metric, "success")}
	if wall {
		axes.X = "hours"
	}
	var series []plot.Series
	band := false
	for _, group := range bySeed(dirs) {
		c := curve(group, records, metric, wall)
		if len(c.X) == 0 {
			for _, i := range group.runs {
				without = append(without, dirs[i])
			}
			continue
		}
		if n := len(group.runs); n > 1 {
			band = true
			c.Name = fmt.Sprintf("%s (%d runs)", c.Name, n)
		}
		series = append(series, c)
	}
	if f, err = plot.Lines(title(metric), axes, series); err == nil && band {
		f.Note = "Lines are means over runs, bands reach from the least to the largest of them."
	}
	return f, without, err
}

// title says what a metric is.
func title(metric string) string {
	switch metric {
	case "eval_success":
		return "Success in evaluations during training"
	case "success":
		return "Success in training episodes, with exploration"
	case "val_loss":
		return "Loss on held-out data during training"
	case "loss":
		return "Training loss"
	}
	return strings.ReplaceAll(metric, "_", " ") + " during training"
}

// runGroup is the runs that one curve shows: their indices.
type runGroup struct {
	name string
	runs []int
}

var seedSuffix = regexp.MustCompile(`-\d+$`)

// withMembers puts the members of a run in its place, and the runs of a sweep in the place of its folder.
func withMembers(dirs []string) (out []string) {
	for _, dir := range dirs {
		if runs := within(dir, "*/"+run.ConfigName); len(runs) > 0 && len(within(dir, run.ConfigName)) == 0 {
			for _, r := range runs {
				out = append(out, withMembers([]string{filepath.Dir(r)})...)
			}
		} else if members := within(dir, run.MemberPrefix+"*"); len(members) > 0 {
			out = append(out, members...)
		} else {
			out = append(out, dir)
		}
	}
	return out
}

// within is what a folder holds by a pattern; the folder's own name is none.
func within(dir, pattern string) []string {
	found, _ := fs.Glob(os.DirFS(dir), pattern) // the only error is of the pattern
	for i, name := range found {
		found[i] = filepath.Join(dir, filepath.FromSlash(name))
	}
	return found
}

// bySeed puts runs of several seeds, NAME-1 and NAME-2, and the members of a run together; a run without such a
// companion keeps its name.
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
	if strings.HasPrefix(filepath.Base(dir), run.MemberPrefix) {
		return filepath.Base(filepath.Dir(dir)), true
	}
	return filepath.Base(dir), false
}

// curve is a metric of a group's runs: their mean at the steps that all of them recorded, in the band from the least to
// the largest.
func curve(g runGroup, records [][]run.Record, metric string, wall bool) plot.Series {
	s := plot.Series{Name: g.name}
	for _, first := range records[g.runs[0]] {
		var x, y []float64
		for _, i := range g.runs {
			for _, r := range records[i] {
				if v, ok := r.Values[metric]; ok && r.Step == first.Step {
					x, y = append(x, float64(r.Step)), append(y, v)
					if wall {
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

// ErrNoMetrics says that the runs have recorded nothing yet, or not the metric that was asked for.
var ErrNoMetrics = errors.New("no such metric")

// Empty reports whether Draw had nothing to draw yet.
func Empty(err error) bool { return errors.Is(err, ErrNoMetrics) || errors.Is(err, plot.ErrNoData) }

// Size is how many bytes of metrics the runs and their members have recorded.
func Size(dirs []string) (n int64) {
	for _, dir := range withMembers(dirs) {
		if st, err := os.Stat(filepath.Join(dir, run.MetricsName)); err == nil {
			n += st.Size()
		}
	}
	return n
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
	if len(have) == 0 {
		return "", usage.Errorf("%w: these runs have recorded none yet", ErrNoMetrics)
	}
	there := strings.Join(slices.Sorted(maps.Keys(have)), ", ")
	if asked == "" {
		return "", usage.Errorf("%w: these runs recorded neither success nor loss; --metric draws another: %s", ErrNoMetrics,
			there)
	}
	return "", usage.Errorf("%w %q in these runs; there are: %s", ErrNoMetrics, asked, there)
}
