package plot

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Bar is one success rate with its interval, all fractions.
type Bar struct {
	Rate, Lo, Hi float64
}

// BarSeries is one policy: a bar for each group, in the groups' order. A NaN rate leaves a gap.
type BarSeries struct {
	Name string
	Bars []Bar
}

// Bars draws success rates in groups (one per condition), a bar for each series, with its interval and its value in
// percent.
func Bars(title string, groups []string, series []BarSeries) (*Figure, error) {
	f := &Figure{Title: title, plot: newPlot("", "success rate")}
	for _, s := range series {
		if len(s.Bars) != len(groups) {
			return nil, fmt.Errorf("plot: series %s has %d bars for %d groups", s.Name, len(s.Bars), len(groups))
		}
		f.names = append(f.names, s.Name)
	}
	if len(groups) == 0 || len(series) == 0 {
		return nil, fmt.Errorf("plot: %s: %w", title, ErrNoData)
	}
	f.Width = max(7*vg.Inch, vg.Length(len(groups)*len(series))*barRoom+vg.Inch)
	f.colours = colours(f.names)
	f.plot.Add(barPlotter{series: series, figure: f})
	f.plot.Y.Min, f.plot.Y.Max, f.plot.Y.Tick.Marker = 0, 1, percentTicks{}
	f.plot.X.Min, f.plot.X.Max = -0.5, float64(len(groups))-0.5
	f.plot.X.Tick.Length = 0
	f.plot.X.Tick.Marker = plot.TickerFunc(func(_, _ float64) []plot.Tick {
		ticks := make([]plot.Tick, len(groups))
		for i, g := range groups {
			ticks[i] = plot.Tick{Value: float64(i), Label: g}
		}
		return ticks
	})
	f.plot.X.Padding = 0
	return f, nil
}

// percentLabel is a rate in per cent to a tenth: 199 of 200 is not 100 %.
func percentLabel(rate float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(100*rate, 'f', 1, 64), ".0") + " %"
}

// barRoom is the width that a bar with its value above needs, its share of the space between groups included.
const barRoom = 0.62 * vg.Inch

// barPlotter draws in data coordinates: group g is centred at x = g and takes four fifths of its unit.
type barPlotter struct {
	series []BarSeries
	figure *Figure
}

// Plot implements plot.Plotter.
func (b barPlotter) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	// Few bars would be as wide as doors: cap the width and keep the group centred.
	unit := tx(1) - tx(0)
	width := min(unit*vg.Length(0.8/float64(len(b.series))), vg.Points(54))
	label := textStyle(9.5, true, ink)
	label.XAlign, label.YAlign = text.XCenter, text.YBottom
	line := draw.LineStyle{Color: ink, Width: vg.Points(1.1)}
	for i, s := range b.series {
		for g, bar := range s.Bars {
			if math.IsNaN(bar.Rate) {
				continue
			}
			mid := tx(float64(g)) + width*vg.Length(float64(i)-float64(len(b.series)-1)/2)
			half := width * 0.44
			fill(c, vg.Rectangle{Min: vg.Point{X: mid - half, Y: ty(0)}, Max: vg.Point{
				X: mid + half,
				Y: max(ty(bar.Rate), ty(0)+vg.Points(1)),
			}}, b.figure.colours[i])
			lo, hi, arm := ty(bar.Lo), ty(bar.Hi), min(vg.Points(4), half)
			c.StrokeLine2(line, mid, lo, mid, hi)
			c.StrokeLine2(line, mid-arm, lo, mid+arm, lo)
			c.StrokeLine2(line, mid-arm, hi, mid+arm, hi)
			c.FillText(label, vg.Point{X: mid, Y: hi + vg.Points(3)}, percentLabel(bar.Rate))
		}
	}
}
