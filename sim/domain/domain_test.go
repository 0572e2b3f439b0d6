package domain

import (
	"math"
	"slices"
	"strings"
	"testing"

	"korr/sim"
)

var all = Ranges{
	Mass: [2]float64{0.5, 2}, Friction: [2]float64{0.7, 1.3}, Gain: [2]float64{0.8, 1.2}, Position: 0.01,
	Rotation: 0.2,
}

// values lists everything a draw holds.
func values(d *Draw) []float64 {
	v := append(slices.Clone(d.Mass), d.Friction...)
	v = append(v, d.Gain)
	for _, s := range d.Shift {
		v = append(v, s[:]...)
	}
	return v
}

func draw(r Ranges, episode uint64) *Draw {
	d := r.Draw(episode, 3)
	r.ShiftTo(d, episode, 0)
	return d
}

func TestDrawsAreAFunctionOfTheSeed(t *testing.T) {
	if !slices.Equal(values(draw(all, 5)), values(draw(all, 5))) {
		t.Error("one seed drew twice differently")
	}
	if slices.Equal(values(draw(all, 5)), values(draw(all, 6))) {
		t.Error("two seeds drew the same")
	}
	d := draw(all, 5)
	first := slices.Clone(d.Shift)
	all.ShiftTo(d, 5, 1)
	if slices.Equal(first, d.Shift) {
		t.Error("the second try drew the first's displacements")
	}
}

// TestDrawsAreUniform compares mean and spread of 4000 draws with a uniform distribution's.
func TestDrawsAreUniform(t *testing.T) {
	const n = 4000
	lows := []float64{.5, .5, .5, .7, .7, .7, .7, .8}
	highs := []float64{2, 2, 2, 1.3, 1.3, 1.3, 1.3, 1.2}
	for range 3 {
		lows, highs = append(lows, -.01, -.01, -.2), append(highs, .01, .01, .2)
	}
	sum, square := make([]float64, len(lows)), make([]float64, len(lows))
	for e := range uint64(n) {
		for i, v := range values(draw(all, e)) {
			if v < lows[i] || v > highs[i] {
				t.Fatalf("value %d is %v, outside %v to %v", i, v, lows[i], highs[i])
			}
			u := (v - lows[i]) / (highs[i] - lows[i])
			sum[i] += u
			square[i] += u * u
		}
	}
	for i := range sum {
		mean := sum[i] / n
		if spread := math.Sqrt(square[i]/n - mean*mean); math.Abs(mean-0.5) > 0.02 ||
			math.Abs(spread-math.Sqrt(1./12)) > 0.01 {
			t.Errorf("value %d: mean %.3f, standard deviation %.3f of its range; uniform has 0.5 and 0.289", i, mean, spread)
		}
	}
}

// TestRangesAreIndependent: switching the others off leaves a range's draws as they were.
func TestRangesAreIndependent(t *testing.T) {
	a, b := draw(all, 9), draw(Ranges{Mass: all.Mass}, 9)
	if !slices.Equal(a.Mass, b.Mass) || b.Gain != 1 || b.Shift[0] != [3]float64{} || b.Friction[3] != 1 {
		t.Errorf("with mass alone: %+v, with everything: %+v", b, a)
	}
}

func TestOnAndCheck(t *testing.T) {
	if (Ranges{}).On() || (Ranges{Mass: [2]float64{1, 1}, Gain: [2]float64{1, 1}}).On() || !all.On() ||
		!(Ranges{Rotation: 0.1}).On() {
		t.Error("On is wrong")
	}
	for _, r := range []Ranges{{}, all} {
		if err := r.Validate(); err != nil {
			t.Error(err)
		}
	}
	nan := math.NaN()
	for want, r := range map[string]Ranges{
		"mass": {Mass: [2]float64{2, 1}}, "friction": {Friction: [2]float64{0, 1}}, "gain": {Gain: [2]float64{1, 3}},
		"position": {Position: 0.5}, "rotation": {Rotation: nan}, "mass is [NaN": {Mass: [2]float64{nan, 1}},
	} {
		if err := r.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want one about %s", r, err, want)
		}
	}
}

// fake is an environment without physics; the test only looks for its capability.
type fake struct {
	sim.Env
	draw *Draw
}

func (f *fake) Domain() *Draw { return f.draw }

type wrapper struct{ sim.Env }

func (w wrapper) Unwrap() sim.Env { return w.Env }

func TestOfLooksBelowWrappers(t *testing.T) {
	d := &Draw{Gain: 2}
	if got := Of(wrapper{wrapper{&fake{draw: d}}}); got != d {
		t.Errorf("found %v, want the draw of the innermost environment", got)
	}
	if got := Of(wrapper{nil}); got != nil {
		t.Errorf("found %v below nothing", got)
	}
}

// TestProfiles compares the named physics with the ranges that they stand for.
func TestProfiles(t *testing.T) {
	d1, err := Profile("D1")
	want := Ranges{Mass: [2]float64{0.7, 1.3}, Friction: [2]float64{0.6, 1.4}, Gain: [2]float64{0.7, 1.1}}
	if err != nil || d1 != want || d1.Validate() != nil || !d1.On() {
		t.Errorf("D1 is %+v, %v", d1, err)
	}
	if nominal, err := Profile(Nominal); err != nil || nominal.On() {
		t.Errorf("nominal is %+v, %v", nominal, err)
	}
	if _, err := Profile("D2"); err == nil {
		t.Error("physics D2 is known")
	}
}
