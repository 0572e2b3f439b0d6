package plot

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// TestShortTicks: labels are round numbers that read back as the values that they stand at, three to eight of them,
// all different, whatever the range.
func TestShortTicks(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	check := func(lo, hi float64) {
		labels := map[string]bool{}
		for _, tick := range (shortTicks{}).Ticks(lo, hi) {
			if slack := 1e-5 * (hi - lo); tick.Value < lo-slack || tick.Value > hi+slack {
				t.Errorf("%g..%g: a tick at %g", lo, hi, tick.Value)
			}
			if tick.Label == "" {
				continue
			}
			number, scale := tick.Label, 1.0
			if n, ok := strings.CutSuffix(number, "k"); ok {
				number, scale = n, 1e3
			} else if n, ok := strings.CutSuffix(number, "M"); ok {
				number, scale = n, 1e6
			}
			v, err := strconv.ParseFloat(number, 64)
			if err != nil || math.Abs(v*scale-tick.Value) > 1e-6*(hi-lo) || labels[tick.Label] {
				t.Errorf("%g..%g: %q at %g (%v)", lo, hi, tick.Label, tick.Value, err)
			}
			labels[tick.Label] = true
		}
		if n := len(labels); n < 3 || n > 8 {
			t.Errorf("%g..%g: %d labels %v", lo, hi, n, labels)
		}
	}
	check(100, 1500)
	check(0, 1)
	check(0, 200e3)
	check(-0.3, 0.3)
	for range 500 {
		lo := rng.NormFloat64() * math.Pow(10, float64(rng.IntN(7)-2))
		check(lo, lo+math.Pow(10, 9*rng.Float64()-3))
	}
	for _, none := range [][2]float64{{1, 1}, {2, 1}, {math.Inf(-1), 1}, {math.NaN(), 1}} {
		if got := (shortTicks{}).Ticks(none[0], none[1]); got != nil {
			t.Errorf("%v: %v", none, got)
		}
	}
}
