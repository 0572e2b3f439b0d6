package robot

import (
	"testing"
	"time"

	"korr/residual/loop"
)

// TestTickQueue: ticks come out as they went in, in order; a full queue drops the newest; push allocates nothing.
func TestTickQueue(t *testing.T) {
	var q tickQueue
	q.init()
	rec := loop.Record{
		Stamp: time.Unix(7, 0), Observation: make(loop.Floats, 58), Base: make(loop.Floats, 10),
		Residual: make(loop.Floats, 10),
		Action:   make(loop.Floats, 10), Command: make(loop.Floats, 10), Sent: true, State: loop.StateRun,
	}
	for i := range queuedTicks + 3 {
		rec.Tick, rec.Seq = uint64(i+1), uint64(10+i)
		rec.Base[0], rec.Residual[1], rec.Action[2], rec.Command[9] = float32(i), float32(i+1), float32(i+2), float32(i+3)
		q.push(&rec)
	}
	if q.dropped.Load() != 3 {
		t.Errorf("%d dropped", q.dropped.Load())
	}
	for i := range queuedTicks {
		m := q.pop()
		f := float32(i)
		if m == nil || m.Tick != uint64(i) || m.Sequence != uint64(10+i) || m.Base[0] != f || m.Residual[1] != f+1 ||
			m.Sum[2] != f+2 || m.Command[9] != f+3 || !m.Sent || !m.Header.Stamp.Equal(rec.Stamp) {
			t.Fatalf("tick %d: %+v", i, m)
		}
	}
	if q.pop() != nil {
		t.Error("an empty queue gave a tick")
	}
	if n := testing.AllocsPerRun(1000, func() { q.push(&rec) }); n != 0 {
		t.Errorf("%v allocations per push", n)
	}
}

// TestClockWatch: simulated time that goes on is fine, one that jumps is reported once, one that stands still as
// long as it does.
func TestClockWatch(t *testing.T) {
	var c clockWatch
	mono, at := time.Unix(0, 0), time.Unix(1000, 0)
	step := func(sim, real time.Duration) (bool, bool) {
		at, mono = at.Add(sim), mono.Add(real)
		jump, back, stands := c.look(at, mono)
		why := jump + stands
		return why != "", back
	}
	for i, tc := range []struct {
		sim, real  time.Duration
		hold, back bool
	}{
		{0, 0, false, false},
		{500 * time.Millisecond, 50 * time.Millisecond, false, false},
		{0, 400 * time.Millisecond, false, false},
		{0, 200 * time.Millisecond, true, false},
		{0, 200 * time.Millisecond, true, false},
		{time.Millisecond, 50 * time.Millisecond, false, false},
		{-time.Second, 50 * time.Millisecond, true, true},
		{time.Second, 50 * time.Millisecond, true, false},
		{2 * time.Second, 2 * time.Second, false, false}, // a machine that stood still
		{time.Millisecond, 50 * time.Millisecond, false, false},
	} {
		if hold, back := step(tc.sim, tc.real); hold != tc.hold || back != tc.back {
			t.Errorf("step %d: hold %v, back %v", i, hold, back)
		}
	}
}
