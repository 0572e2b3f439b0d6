package bench

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

// TestAlternate: cases take turns, values are medians, and a ratio is the median of the rounds' ratios, not the ratio
// of medians.
func TestAlternate(t *testing.T) {
	var order []string
	series := func(name, peer string, values ...float64) Case {
		i := 0
		return Case{Name: name, Unit: "1/s", Peer: peer, Run: func() (float64, error) {
			order = append(order, name)
			i++
			return values[i-1], nil
		}}
	}
	got, err := Alternate(context.Background(), 3, series("ours", "theirs", 10, 1, 100), series("theirs", "", 20, 1, 50))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"ours", "theirs", "ours", "theirs", "ours", "theirs"}; !slices.Equal(order, want) {
		t.Errorf("ran %v, want turns", order)
	}
	if got[0].Value != 10 || *got[0].Peer != 20 || *got[0].Ratio != 1 || got[1].Ratio != nil {
		t.Errorf("got %+v, peer %v, ratio %v", got[0], *got[0].Peer, *got[0].Ratio)
	}
	var b strings.Builder
	if err := NewReport(got).WriteText(&b); err != nil || !strings.Contains(b.String(), "ours") ||
		!strings.Contains(b.String(), "1.000") {
		t.Errorf("table %q, %v", b.String(), err)
	}
}

func TestAlternateRefuses(t *testing.T) {
	one := Case{Name: "a", Run: func() (float64, error) { return 1, nil }}
	broken := errors.New("broken")
	stopped, cancel := context.WithCancel(context.Background())
	cancel()
	for name, try := range map[string]func() ([]Result, error){
		"no rounds": func() ([]Result, error) { return Alternate(context.Background(), 0, one) },
		"unknown peer": func() ([]Result, error) {
			return Alternate(context.Background(), 1, Case{Name: "a", Peer: "b", Run: one.Run})
		},
		"cancelled": func() ([]Result, error) { return Alternate(stopped, 1, one) },
		"not finite": func() ([]Result, error) {
			return Alternate(context.Background(), 1, Case{Run: func() (float64, error) { return math.NaN(), nil }})
		},
	} {
		if _, err := try(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := Alternate(context.Background(), 1, Case{Run: func() (float64, error) {
		return 0,
			broken
	}}); !errors.Is(err, broken) {
		t.Errorf("a case's error is lost: %v", err)
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{
		0.01234: "0.012", 1.5: "1.500", 12.34: "12.34", 1234.5: "1234",
		123456: "123456",
	} {
		if got := number(v); got != want {
			t.Errorf("%v prints as %s, want %s", v, got, want)
		}
	}
}
