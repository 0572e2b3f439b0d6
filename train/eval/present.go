package eval

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"korr/internal/plot"
	"korr/internal/report"
	"korr/sim"
	"korr/sim/disturb"
	"korr/sim/domain"
)

// Reference is the policy that others are compared with.
const Reference = "base"

func percent(f float64) string { return fmt.Sprintf("%.1f %%", 100*f) }

// Percent prints a rate in per cent to a tenth, without a tenth that is none.
func Percent(f float64) string { return strings.Replace(percent(f), ".0 %", " %", 1) }

// Interval prints a confidence interval of a rate in per cent.
func Interval(ci [2]float64) string { return fmt.Sprintf("%.1f – %.1f %%", 100*ci[0], 100*ci[1]) }

func onOff(perturbed bool) string {
	if perturbed {
		return "on"
	}
	return "off"
}

// SuccessTable lists rates with their Wilson intervals. Sensing and physics have a column where they are not the plain
// ones everywhere. Of the solved episodes, at one yaw counts those that a judge of the published yaw alone would have
// called solved.
func SuccessTable(results []Result) *report.Table {
	extra := newSpecials(results, func(r Result) (string, string) { return r.Sensing, r.Physics })
	extra.oneYaw = slices.ContainsFunc(results, func(r Result) bool { return r.OneYaw != nil })
	t := &report.Table{Columns: append(extra.columns([]report.Column{
		{Name: "task"},
		{Name: "randomness"},
		{Name: "perturbation"},
	}), []report.Column{
		{Name: "policy"},
		{Name: "solved", Right: true},
		{Name: "success", Right: true},
		{Name: "95 % interval", Right: true},
	}...)}
	if extra.oneYaw {
		t.Columns = append(t.Columns, report.Column{Name: "at one yaw", Right: true})
	}
	t.Columns = append(t.Columns, report.Column{Name: "mean steps", Right: true}, report.Column{Name: "failed to"})
	for _, r := range results {
		row := extra.cells([]string{r.Task, r.Randomness, onOff(r.Perturbed)}, r.Sensing, r.Physics)
		row = append(row, r.Policy, fmt.Sprintf("%d/%d", r.Successes, r.Episodes), percent(r.Rate), Interval(r.CI95))
		if extra.oneYaw {
			row = append(row, oneYaw(r.OneYaw))
		}
		t.Add(append(row, fmt.Sprintf("%.0f", r.MeanSteps), Stages(r.FailedAt))...)
	}
	return t
}

// specials says which columns are worth it: sensing, physics, the count at one yaw.
type specials struct{ sensing, physics, oneYaw bool }

func newSpecials[T any](rows []T, of func(T) (sensing, physics string)) (s specials) {
	for _, r := range rows {
		sensing, physics := of(r)
		s.sensing = s.sensing || sensing != "" && sensing != disturb.Clean
		s.physics = s.physics || physics != "" && physics != domain.Nominal
	}
	return s
}

func (s specials) columns(c []report.Column) []report.Column {
	if s.sensing {
		c = append(c, report.Column{Name: "sensing"})
	}
	if s.physics {
		c = append(c, report.Column{Name: "physics"})
	}
	return c
}

func (s specials) cells(row []string, sensing, physics string) []string {
	if s.sensing {
		row = append(row, sensing)
	}
	if s.physics {
		row = append(row, physics)
	}
	return row
}

// oneYaw is a count, or nothing where it is not known.
func oneYaw(n *int) string {
	if n == nil {
		return ""
	}
	return fmt.Sprint(*n)
}

// Stages lists what failed episodes did not come to, in the order of the task.
func Stages(failed map[sim.Stage]int) string {
	var words []string
	for _, s := range []sim.Stage{sim.Grasp, sim.Insert, sim.Fasten, sim.Hold} {
		if n := failed[s]; n > 0 {
			words = append(words, fmt.Sprintf("%s %d", s, n))
		}
	}
	return strings.Join(words, ", ")
}

// DifferenceTable lists paired differences with Newcombe's intervals, in percentage points.
func DifferenceTable(cmp []Comparison) *report.Table {
	extra := newSpecials(cmp, func(c Comparison) (string, string) { return c.Sensing, c.Physics })
	t := &report.Table{Columns: append(extra.columns([]report.Column{
		{Name: "randomness"},
		{Name: "perturbation"},
	}), []report.Column{
		{Name: "comparison"},
		{Name: "difference", Right: true},
		{Name: "95 % interval", Right: true},
		{Name: "only it", Right: true},
		{Name: "only " + Reference, Right: true},
	}...)}
	for _, c := range cmp {
		row := extra.cells([]string{c.Randomness, onOff(c.Perturbed)}, c.Sensing, c.Physics)
		t.Add(append(row, c.Policy+" – "+c.Reference, fmt.Sprintf("%+.1f", 100*c.Rate),
			fmt.Sprintf("%+.1f … %+.1f", 100*c.CI95[0], 100*c.CI95[1]), fmt.Sprint(c.Better), fmt.Sprint(c.Worse))...)
	}
	return t
}

// SuccessFigure draws the rates, a group for each condition, a colour for each policy.
func SuccessFigure(results []Result) (*plot.Figure, error) {
	var groups, policies []string
	at := map[[2]string]plot.Bar{}
	extra := newSpecials(results, func(r Result) (string, string) { return r.Sensing, r.Physics })
	add := func(list []string, s string) []string {
		for _, have := range list {
			if have == s {
				return list
			}
		}
		return append(list, s)
	}
	for _, r := range results {
		group := r.Task + ", " + r.Randomness + "\n" + map[bool]string{
			false: "no perturbation",
			true:  "perturbed",
		}[r.Perturbed]
		for _, word := range extra.cells(nil, r.Sensing, r.Physics) {
			group += ", " + word
		}
		groups, policies = add(groups, group), add(policies, r.Policy)
		at[[2]string{group, r.Policy}] = plot.Bar{Rate: r.Rate, Lo: r.CI95[0], Hi: r.CI95[1]}
	}
	series := make([]plot.BarSeries, len(policies))
	for i, p := range policies {
		series[i].Name = p
		for _, g := range groups {
			bar, ok := at[[2]string{g, p}]
			if !ok {
				bar.Rate = math.NaN()
			}
			series[i].Bars = append(series[i].Bars, bar)
		}
	}
	title := ""
	if len(results) > 0 {
		title = fmt.Sprintf("Success over %d episodes, 95 %% Wilson intervals", results[0].Episodes)
	}
	return plot.Bars(title, groups, series)
}

// SuccessSection is the report's part on success rates.
func SuccessSection(cells []Cell, figure []byte) report.Section {
	results := NewReport(cells).Results
	s := report.Section{
		Title: "Success rates",
		Text: []string{"Every policy plays the same seeded episodes. Intervals of rates are Wilson's, those of differences " +
			"Newcombe's for paired " +
			"proportions (1998, method 10); an interval that holds 0 means that these episodes do not tell the policies apart."},
		Tables:   []report.CaptionedTable{{Table: *SuccessTable(results), Caption: "Episodes solved before the time limit."}},
		Pictures: []report.Picture{{Data: figure, Alt: "bars of success rates: " + rateWords(results)}},
	}
	if cmp := Compare(cells, Reference); len(cmp) > 0 {
		s.Tables = append(s.Tables, report.CaptionedTable{
			Table: *DifferenceTable(cmp),
			Caption: "Paired difference in percentage points; the last two columns count episodes that only one of the two " +
				"solved.",
		})
	}
	return s
}

func rateWords(results []Result) string {
	words := make([]string, len(results))
	for i, r := range results {
		words[i] = r.Policy + PerturbedWord(r.Perturbed) + " " + percent(r.Rate)
	}
	return strings.Join(words, ", ")
}

// PerturbedWord follows a policy in a sentence.
func PerturbedWord(perturbed bool) string {
	if perturbed {
		return " perturbed"
	}
	return ""
}
