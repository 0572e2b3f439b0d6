package loop

import (
	"fmt"
	"strings"
	"time"

	"korr/residual/shield"
)

// Tally counts what a loop did. Its Add is a Config.OnTick, for one loop at a time.
type Tally struct {
	Period    time.Duration // 0 in lock step: no jitter
	sent      int
	limited   int            // commands whose motion the shield limited
	clamps    map[string]int // of those, by what was changed
	fallbacks int            // ticks on which the residual was not finite
	missed    int            // longest row of missed deadlines
	late      int            // control steps right after a missed deadline
	jitter    Histogram
	latency   Histogram

	tick uint64
	last time.Time
}

// cosmetic are the changes that leave the motion alone: a network's rotation is never exactly orthonormal, nor its
// gripper within [-1, 1].
const cosmetic = shield.Orthonormal | shield.Gripper

// Limited reports whether the shield limited the command's motion.
func (r *Record) Limited() bool { return r.Clamps&^cosmetic != 0 }

// Add counts a tick.
func (t *Tally) Add(r *Record) {
	t.sent++
	if r.Limited() {
		t.limited++
	}
	if r.Clamps != 0 {
		if t.clamps == nil {
			t.clamps = map[string]int{}
		}
		for name := range strings.SplitSeq(r.Clamps.String(), ",") {
			t.clamps[strings.TrimSpace(name)]++
		}
	}
	if r.FellBack {
		t.fallbacks++
	}
	t.missed = max(t.missed, r.Missed)
	if r.Missed > 0 {
		t.late++
	}
	t.latency.Add(r.Latency)
	if t.Period > 0 && !t.last.IsZero() && r.Tick == t.tick+1 {
		t.jitter.Add(r.Start.Sub(t.last) - t.Period)
	}
	t.tick, t.last = r.Tick, r.Start
}

// Millis is a Spread in milliseconds, as results print it.
type Millis struct {
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
}

func millis(s Spread) Millis {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
	return Millis{ms(s.P50), ms(s.P99), ms(s.Max)}
}

func (s Millis) String() string {
	return fmt.Sprintf("%.2f / %.2f / %.2f ms", s.P50, s.P99, s.Max)
}

// TallyResult is what a run's result says about its ticks.
type TallyResult struct {
	Ticks     int            `json:"ticks"`
	Limited   int            `json:"limited"` // commands whose motion the shield limited
	Clamps    map[string]int `json:"clamps"`  // commands that it changed, by what was changed
	Fallbacks int            `json:"fallbacks"`
	Missed    int            `json:"missed_deadlines"`
	InARow    int            `json:"missed_in_a_row"`  // of those, at most
	Jitter    *Millis        `json:"jitter,omitempty"` // not in lock step
	Latency   Millis         `json:"latency"`
}

// Result is what was counted so far.
func (t *Tally) Result() TallyResult {
	r := TallyResult{
		Ticks: t.sent, Limited: t.limited, Clamps: t.clamps, Fallbacks: t.fallbacks, Missed: t.late, InARow: t.missed,
		Latency: millis(t.latency.Spread()),
	}
	if t.Period > 0 {
		j := millis(t.jitter.Spread())
		r.Jitter = &j
	}
	return r
}
