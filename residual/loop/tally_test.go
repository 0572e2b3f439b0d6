package loop

import (
	"testing"
	"time"
)

// TestJitter: only ticks that follow one another have a period, and the first has none, whatever its number.
func TestJitter(t *testing.T) {
	period := 100 * time.Millisecond
	start := time.Now()
	c := Tally{Period: period}
	for _, r := range []struct {
		tick uint64
		at   time.Duration
	}{{1, 0}, {2, 101 * time.Millisecond}, {9, 5 * time.Second}, {10, 5*time.Second + 103*time.Millisecond}} {
		c.Add(&Record{Tick: r.tick, Start: start.Add(r.at)})
	}
	got := c.Result()
	if got.Ticks != 4 || got.Jitter == nil || got.Jitter.Max != 3 {
		t.Errorf("4 ticks, 1 and 3 ms off their period: %d ticks, jitter %v", got.Ticks, got.Jitter)
	}
	if n := c.jitter.Count(); n != 2 {
		t.Errorf("%d periods measured, want 2", n)
	}
}
