package plot

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func successBars(t *testing.T) *Figure {
	t.Helper()
	f, err := Bars("Success by policy", []string{"one_leg low\nno perturbation", "one_leg low\nperturbed"}, []BarSeries{
		{"base", []Bar{{0.45, 0.26, 0.66}, {0.2, 0.08, 0.42}}},
		{"resip", []Bar{{0.9, 0.7, 0.97}, {math.NaN(), 0, 1}}},
		{"korr", []Bar{{1, 0.84, 1}, {0.85, 0.64, 0.95}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func learningCurves(t *testing.T) *Figure {
	t.Helper()
	x := []float64{0, 50e3, 100e3, 150e3, 200e3}
	f, err := Lines("Success over training", Axes{X: "environment steps", Y: "success rate", Percent: true}, []Series{
		{
			Name: "korr", X: x, Y: []float64{0.4, 0.5, 0.8, 0.95, 0.98}, Lo: []float64{0.3, 0.4, 0.7, 0.9, 0.95},
			Hi: []float64{0.5, 0.6, 0.9, 1, 1},
		},
		{Name: "resip", X: x, Y: []float64{0.4, 0.45, math.NaN(), 0.9, 0.97}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestKeepForALook writes the figures where KORR_PLOT_OUT says, to be looked at.
func TestKeepForALook(t *testing.T) {
	dir := os.Getenv("KORR_PLOT_OUT")
	if dir == "" {
		t.Skip("KORR_PLOT_OUT is not set")
	}
	errors, err := Lines("n-step prediction error on held-out episodes", Axes{
		X: "horizon (control steps)",
		Y: "RMSE (normalised)", LogX: true, LogY: true, Markers: true,
	}, []Series{
		{Name: "koopman", X: []float64{1, 5, 10, 50}, Y: []float64{0.069, 0.08, 0.094, 0.117}},
		{Name: "mlp", X: []float64{1, 5, 10, 50}, Y: []float64{0.067, 0.079, 0.092, 0.117}},
		{Name: "dmdc", X: []float64{1, 5, 10, 50}, Y: []float64{0.066, 0.085, 0.104, 0.807}},
		{Name: "persistence", X: []float64{1, 5, 10, 50}, Y: []float64{0.09, 0.25, 0.339, 0.666}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]*Figure{"bars": successBars(t), "curves": learningCurves(t), "errors": errors} {
		for _, ext := range []string{".png", ".svg"} {
			if err := f.Save(filepath.Join(dir, name+ext)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestBarsAreAsHighAsTheRates measures the coloured columns in the picture.
func TestBarsAreAsHighAsTheRates(t *testing.T) {
	b, err := successBars(t).Encode("png")
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	full := area(img, fixed["korr"])
	if full == 0 {
		t.Fatal("no korr bar in the picture")
	}
	// korr has bars of 1 and 0.85, base of 0.45 and 0.2, resip one of 0.9; swatches and interval lines blur this a little.
	for name, want := range map[string]float64{"base": 0.65 / 1.85, "resip": 0.9 / 1.85} {
		if got := area(img, fixed[name]) / full; math.Abs(got-want) > 0.03 {
			t.Errorf("%s covers %.3f of korr's area, want %.3f", name, got, want)
		}
	}
}

func area(img image.Image, c color.NRGBA) float64 {
	n := 0
	b := img.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			if color.NRGBAModel.Convert(img.At(x, y)) == c {
				n++
			}
		}
	}
	return float64(n)
}

func TestSVGHoldsTheWords(t *testing.T) {
	b, err := learningCurves(t).Encode("svg")
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []string{"Success over training", "environment steps", "korr", "resip", "100 %", "200k"} {
		if !strings.Contains(string(b), w) {
			t.Errorf("the SVG lacks %q", w)
		}
	}
	if strings.Contains(string(b), "NaN") {
		t.Error("a NaN reached the SVG")
	}
}

func TestRefusals(t *testing.T) {
	nan := math.NaN()
	if _, err := Lines("x", Axes{}, []Series{{Name: "a", X: []float64{1}, Y: []float64{nan}}}); !errors.Is(err,
		ErrNoData) {
		t.Errorf("only NaN: %v", err)
	}
	if _, err := Lines("x", Axes{LogY: true}, []Series{{Name: "a", X: []float64{1}, Y: []float64{0}}}); !errors.Is(err,
		ErrNoData) {
		t.Errorf("zero on a logarithmic axis: %v", err)
	}
	if _, err := Lines("x", Axes{}, []Series{{Name: "a", X: []float64{1, 2}, Y: []float64{1}}}); err == nil {
		t.Error("lengths differ: no error")
	}
	if _, err := Bars("x", []string{"g"}, []BarSeries{{Name: "a"}}); err == nil {
		t.Error("missing bars: no error")
	}
	if _, err := Bars("x", nil, nil); !errors.Is(err, ErrNoData) {
		t.Errorf("nothing: %v", err)
	}
	dir := t.TempDir()
	if err := successBars(t).Save(filepath.Join(dir, "x.gif")); !errors.Is(err, ErrFormat) {
		t.Errorf("gif: %v", err)
	}
	if err := successBars(t).Save(filepath.Join(dir, "none", "x.png")); err == nil {
		t.Error("a folder that is not there: no error")
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestColoursAreDistinct(t *testing.T) {
	names := []string{"korr", "a", "b", "base", "c", "resip"}
	seen := map[color.NRGBA]string{}
	for i, c := range colours(names) {
		if other, ok := seen[c]; ok {
			t.Errorf("%s and %s share a colour", names[i], other)
		}
		seen[c] = names[i]
	}
}
