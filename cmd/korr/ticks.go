package main

import (
	"fmt"
	"strings"
	"time"

	"korr/residual/loop"
	"korr/residual/shield"
)

// ticks counts what the control loop did. Its add is a loop.Config.OnTick, for one loop at a time.
type ticks struct {
	period    time.Duration // 0 in lock step: no jitter
	sent      int
	limited   int            // commands whose motion the shield limited
	clamps    map[string]int // of those, by what was changed
	fallbacks int            // ticks on which the residual was not finite
	missed    int            // longest row of missed deadlines
	late      int            // control steps right after a missed deadline
	jitter    loop.Histogram
	latency   loop.Histogram

	tick uint64
	last time.Time
}

// cosmetic are the changes that leave the motion alone: a network's rotation is never exactly orthonormal, nor its gripper
// within [-1, 1].
const cosmetic = shield.Orthonormal | shield.Gripper

func (t *ticks) add(r *loop.Record) {
	t.sent++
	if r.Clamps&^cosmetic != 0 {
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
	if t.period > 0 && !t.last.IsZero() && r.Tick == t.tick+1 {
		t.jitter.Add(r.Start.Sub(t.last) - t.period)
	}
	t.tick, t.last = r.Tick, r.Start
}

// spread is loop.Spread in milliseconds, as results print it.
type spread struct {
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
}

func millis(s loop.Spread) spread {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
	return spread{ms(s.P50), ms(s.P99), ms(s.Max)}
}

func (s spread) String() string {
	return fmt.Sprintf("%.2f / %.2f / %.2f ms", s.P50, s.P99, s.Max)
}

// tickResult is what a run's result says about its ticks.
type tickResult struct {
	Ticks     int            `json:"ticks"`
	Limited   int            `json:"limited"` // commands whose motion the shield limited
	Clamps    map[string]int `json:"clamps"`  // commands that it changed, by what was changed
	Fallbacks int            `json:"fallbacks"`
	Missed    int            `json:"missed_deadlines"`
	InARow    int            `json:"missed_in_a_row"`  // of those, at most
	Jitter    *spread        `json:"jitter,omitempty"` // not in lock step
	Latency   spread         `json:"latency"`
}

func (t *ticks) result() tickResult {
	r := tickResult{Ticks: t.sent, Limited: t.limited, Clamps: t.clamps, Fallbacks: t.fallbacks, Missed: t.late, InARow: t.missed, Latency: millis(t.latency.Spread())}
	if t.period > 0 {
		j := millis(t.jitter.Spread())
		r.Jitter = &j
	}
	return r
}
