package plot

import (
	"image/color"
	"math"
	"strconv"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

var (
	ink   = color.NRGBA{0x22, 0x26, 0x2b, 0xff}
	muted = color.NRGBA{0x6b, 0x72, 0x7d, 0xff}
	rule  = color.NRGBA{0xe3, 0xe6, 0xea, 0xff}
)

// cycle is the order in which series without a colour of their own get one.
var cycle = []color.NRGBA{
	{0x00, 0x72, 0xb2, 0xff},
	{0xe6, 0x9f, 0x00, 0xff},
	{0x00, 0x9e, 0x73, 0xff},
	{0xcc, 0x79, 0xa7, 0xff},
	{0xd5, 0x5e, 0x00, 0xff},
	{0x56, 0xb4, 0xe9, 0xff},
	{0x9a, 0xa1, 0xab, 0xff},
}

// fixed gives the names that recur one colour everywhere.
var fixed = map[string]color.NRGBA{
	"base": {0x9a, 0xa1, 0xab, 0xff}, "persistence": {0x9a, 0xa1, 0xab, 0xff},
	"resip": {0xe6, 0x9f, 0x00, 0xff}, "dmdc": {0xe6, 0x9f, 0x00, 0xff},
	"korr": {0x00, 0x72, 0xb2, 0xff}, "koopman": {0x00, 0x72, 0xb2, 0xff},
	"expert": {0x00, 0x9e, 0x73, 0xff}, "mlp": {0x00, 0x9e, 0x73, 0xff},
}

// colours assigns every name its fixed colour or the next of the cycle that no fixed one uses.
func colours(names []string) []color.NRGBA {
	out := make([]color.NRGBA, len(names))
	used := map[color.NRGBA]bool{}
	for i, n := range names {
		if c, ok := fixed[n]; ok {
			out[i] = c
			used[c] = true
		}
	}
	next := 0
	for i, n := range names {
		if _, ok := fixed[n]; ok {
			continue
		}
		for range cycle {
			if !used[cycle[next%len(cycle)]] {
				break
			}
			next++
		}
		out[i] = cycle[next%len(cycle)]
		next++
	}
	return out
}

func sans(size float64, bold bool) font.Font {
	f := font.Font{Typeface: "Liberation", Variant: "Sans", Size: vg.Points(size)}
	if bold {
		f.Weight = xfont.WeightBold
	}
	return f
}

func textStyle(size float64, bold bool, c color.Color) text.Style {
	return text.Style{Color: c, Font: sans(size, bold), Handler: plot.DefaultTextHandler}
}

// newPlot is an empty plot in the house style: horizontal rules only, no frame.
func newPlot(xLabel, yLabel string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Color = muted
		a.LineStyle.Color = muted
		a.LineStyle.Width = vg.Points(0.6)
		a.Label.TextStyle = centred(textStyle(10, false, muted))
		a.Tick.LineStyle.Color = muted
		a.Tick.LineStyle.Width = vg.Points(0.6)
		a.Tick.Length = vg.Points(4)
		a.Tick.Label.Font, a.Tick.Label.Color = sans(9.5, false), ink
		a.Padding = vg.Points(4)
	}
	p.X.Label.Text, p.Y.Label.Text = xLabel, yLabel
	p.Add(rules{})
	return p
}

func centred(s text.Style) text.Style {
	s.XAlign, s.YAlign = text.XCenter, text.YBottom
	return s
}

// rules draws a faint line at every labelled tick of the vertical axis.
type rules struct{}

func (rules) Plot(c draw.Canvas, p *plot.Plot) {
	_, ty := p.Transforms(&c)
	for _, t := range p.Y.Tick.Marker.Ticks(p.Y.Min, p.Y.Max) {
		if y := ty(t.Value); t.Label != "" && y >= c.Min.Y && y <= c.Max.Y {
			c.StrokeLine2(draw.LineStyle{Color: rule, Width: vg.Points(0.6)}, c.Min.X, y, c.Max.X, y)
		}
	}
}

// percentTicks labels 0..1 in steps of a quarter.
type percentTicks struct{}

func (percentTicks) Ticks(_, _ float64) []plot.Tick {
	var out []plot.Tick
	for _, v := range []float64{0, 0.25, 0.5, 0.75, 1} {
		out = append(out, plot.Tick{Value: v, Label: strconv.Itoa(int(100*v)) + " %"})
	}
	return out
}

// shortTicks stand at round numbers, 1, 2 or 5 times a power of ten apart, with thousands written as k and millions as M.
type shortTicks struct{}

func (shortTicks) Ticks(lo, hi float64) (out []plot.Tick) {
	if !(hi > lo) || math.IsInf(hi-lo, 0) {
		return nil
	}
	step, small := roundStep(lo, hi)
	first := math.Ceil(lo/small - 1e-6)
	for i := range int((hi-lo)/small+2e-6) + 1 {
		t := plot.Tick{Value: (first + float64(i)) * small}
		if t.Value > hi+1e-6*small {
			break
		}
		if n := math.Round(t.Value / step); math.Abs(t.Value-n*step) < small/2 {
			t.Value = n * step
			t.Label = short(t.Value, step)
		}
		out = append(out, t)
	}
	return out
}

// roundStep is how far labels and small ticks are apart, for three to seven labels.
func roundStep(lo, hi float64) (step, small float64) {
	power := math.Pow(10, math.Floor(math.Log10((hi-lo)/3)))
	for _, m := range []float64{5, 2, 1} {
		if step = m * power; step <= (hi-lo)/3 {
			break
		}
	}
	return step, step / 5
}

// short writes a multiple of step with the digits that tell it from the next one.
func short(v, step float64) string {
	if v == 0 {
		return "0"
	}
	for _, unit := range []struct {
		least, size float64
		name        string
	}{{1e6, 1e6, "M"}, {1e4, 1e3, "k"}, {0, 1, ""}} {
		if math.Abs(v) >= unit.least {
			digits := int(max(0, math.Ceil(-math.Log10(step/unit.size)-1e-9)))
			return strconv.FormatFloat(v/unit.size, 'f', digits, 64) + unit.name
		}
	}
	return ""
}

// logTicks labels 1, 2 and 5 times each power of ten.
type logTicks struct{}

func (logTicks) Ticks(lo, hi float64) []plot.Tick {
	var out []plot.Tick
	for e := math.Floor(math.Log10(lo)); e <= math.Ceil(math.Log10(hi)); e++ {
		for m := 1.0; m < 10; m++ {
			v := m * math.Pow(10, e)
			if v < lo*0.999 || v > hi*1.001 {
				continue
			}
			t := plot.Tick{Value: v}
			if m == 1 || m == 2 || m == 5 {
				t.Label = strconv.FormatFloat(v, 'g', 3, 64)
			}
			out = append(out, t)
		}
	}
	return out
}
