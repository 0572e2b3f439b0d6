package plot

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// ErrNoData means that there was nothing finite to draw.
var ErrNoData = errors.New("no data to draw")

// Series is one line. Points that are not finite are left out, and so are those <= 0 on a logarithmic axis.
type Series struct {
	Name   string
	X, Y   []float64
	Lo, Hi []float64 // optional band around Y, of Y's length
	Main   bool      // what the figure is about: a broad line, which shows under those that it runs together with
}

// Axes names the axes (with units) and says how to draw them.
type Axes struct {
	X, Y       string
	LogX, LogY bool
	Percent    bool // Y is a fraction, drawn from 0 to 100 %
	Markers    bool // dots at the points
}

// Lines draws the series over common axes. The error is ErrNoData, wrapped, when no series has a point.
func Lines(title string, axes Axes, series []Series) (*Figure, error) {
	f := &Figure{Title: title, plot: newPlot(axes.X, axes.Y)}
	for _, s := range series {
		if len(s.X) != len(s.Y) || (s.Lo != nil && (len(s.Lo) != len(s.Y) || len(s.Hi) != len(s.Y))) {
			return nil, fmt.Errorf("plot: series %s: %d x, %d y, %d and %d bounds", s.Name, len(s.X), len(s.Y), len(s.Lo),
				len(s.Hi))
		}
		f.names = append(f.names, s.Name)
	}
	f.colours = colours(f.names)
	f.plot.X.Tick.Marker = shortTicks{}
	f.plot.Y.Tick.Marker = shortTicks{}
	drawn := false
	for _, main := range []bool{true, false} { // what comes later lies on top
		for i, s := range series {
			if s.Main != main {
				continue
			}
			ok, err := f.addSeries(s, axes, i)
			if err != nil {
				return nil, err
			}
			drawn = drawn || ok
		}
	}
	if !drawn {
		return nil, fmt.Errorf("plot: %s: %w", title, ErrNoData)
	}
	f.scale(axes)
	return f, nil
}

// glyphs tell the points of series apart without colour.
var glyphs = []draw.GlyphDrawer{
	draw.CircleGlyph{},
	draw.BoxGlyph{},
	draw.PyramidGlyph{},
	draw.CrossGlyph{},
	draw.RingGlyph{},
}

func (f *Figure) addSeries(s Series, axes Axes, index int) (bool, error) {
	drawable := func(x, y float64) bool {
		return !math.IsNaN(x+y) && !math.IsInf(x+y, 0) && (!axes.LogX || x > 0) && (!axes.LogY || y > 0)
	}
	var line plotter.XYs
	var band, back plotter.XYs
	for k := range s.Y {
		if !drawable(s.X[k], s.Y[k]) {
			continue
		}
		line = append(line, plotter.XY{X: s.X[k], Y: s.Y[k]})
		if s.Lo != nil && drawable(s.X[k], s.Lo[k]) && drawable(s.X[k], s.Hi[k]) {
			band = append(band, plotter.XY{X: s.X[k], Y: s.Lo[k]})
			back = append(back, plotter.XY{X: s.X[k], Y: s.Hi[k]})
		}
	}
	if len(line) == 0 {
		return false, nil
	}
	colour := f.colours[index]
	if len(band) > 1 {
		for k := len(back) - 1; k >= 0; k-- {
			band = append(band, back[k])
		}
		poly, err := plotter.NewPolygon(band)
		if err != nil {
			return false, fmt.Errorf("plot: series %s: %w", s.Name, err)
		}
		shade := colour
		shade.A = 0x30
		poly.Color, poly.LineStyle = shade, draw.LineStyle{}
		f.plot.Add(poly)
	}
	l, points, err := plotter.NewLinePoints(line)
	if err != nil {
		return false, fmt.Errorf("plot: series %s: %w", s.Name, err)
	}
	l.Color, l.Width = colour, vg.Points(1.8)
	size := vg.Points(3)
	if s.Main {
		l.Width, size = vg.Points(4.5), vg.Points(5)
	}
	f.plot.Add(l)
	if axes.Markers || len(line) == 1 {
		points.GlyphStyle = draw.GlyphStyle{Color: colour, Radius: size, Shape: glyphs[index%len(glyphs)]}
		f.plot.Add(points)
	}
	return true, nil
}

// scale sets ranges and ticks once all data is in.
func (f *Figure) scale(axes Axes) {
	x, y := &f.plot.X, &f.plot.Y
	if axes.LogX {
		x.Scale, x.Tick.Marker = plot.LogScale{}, logTicks{}
	}
	switch {
	case axes.Percent:
		y.Min, y.Max, y.Tick.Marker = 0, 1, percentTicks{}
	case axes.LogY:
		y.Scale, y.Tick.Marker = plot.LogScale{}, logTicks{}
		y.Min, y.Max = y.Min/1.1, y.Max*1.1
	case y.Min > 0:
		y.Min = 0
	}
}
