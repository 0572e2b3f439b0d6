package cache

import (
	"math"
	"slices"
	"testing"
)

// TestHyCaChooses: still, straight and jumping dimensions get rules that suit them.
func TestHyCaChooses(t *testing.T) {
	f := func(i, j int) float64 {
		switch j % 3 {
		case 0:
			return 2 + float64(j)
		case 1:
			return 1 + float64(i)/2
		}
		return []float64{3, 1, 1, 4, 2, 1, 4, 3, 1, 1, 3, 2, 4, 1, 2, 2}[i] // no rule follows this
	}
	net := newCurve(f)
	cfg := parse(t, "hyca:clusters=3,n=3,feature=output")
	r, err := NewRecorder(net, cfg, 16)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Calibration("s"); err == nil {
		t.Error("a calibration without runs")
	}
	for range 2 {
		r.Begin(countdown(16), 1)
		y := make([]float32, 12)
		for i := range 16 {
			r.PredictTo(y, nil, nil, i)
		}
	}
	k, err := r.Calibration("s")
	if err != nil {
		t.Fatal(err)
	}
	if k.Runs != 2 || k.Cluster[0] == k.Cluster[1] || k.Cluster[1] == k.Cluster[2] || k.Names[0] != "reuse" ||
		k.Names[1] != "taylor1" || k.Error[0] != 0 || k.Error[1] > 1e-9 {
		t.Errorf("%+v", k)
	}
	if !k.Fits(parse(t, "hyca:clusters=3,n=3,feature=output,doubt=2"), "s") || k.Fits(parse(t, "hyca:n=4,feature=output"),
		"s") || k.Fits(cfg, "other") {
		t.Error("fits what it was not made for, or not what it was")
	}
	if k.Validate(3, 0, 16) != nil || k.Validate(4, 0, 16) == nil {
		t.Error("validation")
	}
	c := New(net, cfg, &k)
	for i, y := range drive(c, 16) {
		for j := range y {
			if want := f(i, j%12); j%3 < 2 && math.Abs(float64(y[j])-want) > 1e-4 {
				t.Fatalf("step %d, value %d: %g, want %g", i, j, y[j], want)
			}
		}
	}
}

// TestSchedule: the dynamic programme finds the best of all choices.
func TestSchedule(t *testing.T) {
	const n = 9
	gain := square(n)
	for i := range gain {
		for j := i; j < n; j++ {
			gain[i][j] = math.Cos(float64(3*i*i+j)) - 0.1*float64((j-i)*(j-i))
		}
	}
	value := func(chosen []bool) (sum float64) {
		last := 0
		for i, c := range chosen {
			if c {
				last = i
			}
			sum += gain[last][i]
		}
		return sum
	}
	for updates := 1; updates <= n; updates++ {
		best := math.Inf(-1)
		for bits := 1; bits < 1<<n; bits += 2 { // the first is always chosen
			chosen, count := make([]bool, n), 0
			for i := range chosen {
				if chosen[i] = bits>>i&1 == 1; chosen[i] {
					count++
				}
			}
			if count == updates {
				best = math.Max(best, value(chosen))
			}
		}
		got := MostAlike(gain, updates)
		count := 0
		for _, c := range got {
			if c {
				count++
			}
		}
		if !got[0] || count != updates || math.Abs(value(got)-best) > 1e-9 {
			t.Errorf("%d updates: %v of value %g, want %g", updates, got, value(got), best)
		}
	}
}

// TestBubblingUnion: a heavy unit is computed with every feed-forward of its own and deeper layers, the others are as
// they were. What was added does not bubble on.
func TestBubblingUnion(t *testing.T) {
	units := []Unit{{0, false}, {0, true}, {1, false}, {1, true}, {2, false}, {2, true}}
	steps := func() [][]bool {
		return [][]bool{
			{true, false, false, false},
			{true, false, true, false},
			{true, false, false, false},
			{true, true, false, false},
			{true, false, false, false},
			{true, false, false, true},
		}
	}
	fresh := steps()
	BubblingUnion(fresh, units, []int{2, 1})
	want := steps()
	want[1] = []bool{true, true, true, true} // its own, layer 1's and layer 2's
	want[2] = []bool{true, true, false, true}
	for u := range want {
		if !slices.Equal(fresh[u], want[u]) {
			t.Errorf("unit %d: %v, want %v", u, fresh[u], want[u])
		}
	}
	fresh = steps()
	if BubblingUnion(fresh, units, []int{0}); !slices.Equal(fresh[0], steps()[0]) {
		t.Errorf("one heavy unit alone is computed at %v", fresh[0])
	}
	if got := MostChanging([]float64{2, 5, 1, 5}, 3); !slices.Equal(got, []int{1, 3, 0}) {
		t.Errorf("the units that change most are %v", got)
	}
}

func TestRecorderRefuses(t *testing.T) {
	net := newCurve(func(int, int) float64 { return 0 })
	for _, text := range []string{"reuse", "bac"} { // needs none; needs blocks
		if _, err := NewRecorder(net, parse(t, text), 16); err == nil {
			t.Errorf("%s was accepted", text)
		}
	}
	for _, k := range []Calibration{
		{Cache: "x"},
		{Cache: "reuse"},
		{Cache: "hyca", Solvers: []int{0, 99}},
		{Cache: "bac", Fresh: [][]bool{{true}}},
	} {
		if k.Validate(2, 4, 16) == nil {
			t.Errorf("%+v was accepted", k)
		}
	}
}
