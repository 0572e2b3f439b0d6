package record

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"korr/residual/loop"
	"korr/residual/shield"
	"korr/ros/bag"
	"korr/ros/msgs"
	"korr/ros/node"
)

// tick is a record of the loop.
func tick(i int) loop.Record {
	r := loop.Record{
		Tick: uint64(i), State: loop.StateRun, Start: at(100*i + 2), Stamp: at(100 * i), Seq: uint64(i + 1),
		Latency:     time.Millisecond,
		Observation: make(loop.Floats, 16+7*3), Base: make(loop.Floats, 10), Residual: make(loop.Floats, 10),
		Action:  make(loop.Floats, 10),
		Command: loop.Floats{0.5, 0.1, float32(i), 0, 1, 0, -1, 0, 0, 1}, Clamps: shield.Rate, Innovation: 0.5, Sent: true,
	}
	copy(r.Observation, []float32{0.4, 0, 0.2, 1, 0, 0, 0, -1, 0, 7, 0, 0, 0, 0, 0, 0.06})
	for p := range 3 {
		r.Observation[16+7*p], r.Observation[16+7*p+6] = float32(p), 1
	}
	return r
}

// TestFlightsAsBag: the bag reads like any recording of the arm, and holds what only the loop knows.
func TestFlightsAsBag(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fault.bag")
	f := loop.Flight{Error: "the policy failed", State: loop.StateRun, Tick: 4}
	for i := range 4 {
		f.Records = append(f.Records, tick(i))
	}
	last := tick(4)
	last.Sent, last.Observation[3] = false, float32(math.NaN())
	f.Records = append(f.Records, last)
	if err := Flights(path, []loop.Flight{f}); err != nil {
		t.Fatal(err)
	}
	c := config()
	c.Parts, c.Twist = []string{"a", "b", "obstacle"}, TwistReported
	rec, err := Read([]string{path}, c)
	if err != nil {
		t.Fatal(err)
	}
	if rec.State.Len() != 5 || rec.Commands.Len() != 4 || rec.Commands.Stamps[2] != at(200).UnixNano() {
		t.Errorf("%d states, %d commands", rec.State.Len(), rec.Commands.Len())
	}
	same := func(a float64, b float32) bool { return float32(a) == b }
	if s := rec.State.At(0); !slices.EqualFunc(s, f.Records[0].Observation[:15], same) {
		t.Errorf("state %v", s)
	}
	if s := rec.Commands.At(2); math.Abs(s[2]-2) > 1e-6 || math.Abs(s[4]-1) > 1e-6 || math.Abs(s[6]+1) > 1e-6 ||
		rec.Poses.At(1)[14] != 2 {
		t.Errorf("command %v, parts %v", s, rec.Poses.At(1))
	}
	b, err := bag.Open(path, bag.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	n := 0
	for m, err := range b.Messages(ActionTopic, FaultTopic) {
		if err != nil {
			t.Fatal(err)
		}
		if m.Conn.Topic == FaultTopic {
			var s msgs.String
			if err := node.Decode(m.Data, &s); err != nil || s.Data != f.Error || !m.Time.Equal(last.Start) {
				t.Errorf("%+v at %v, %v", s, m.Time, err)
			}
			continue
		}
		var a msgs.Action
		if err := node.Decode(m.Data, &a); err != nil || a.Tick != uint64(n) || a.Clamps != uint32(shield.Rate) ||
			a.Innovation != 0.5 || a.Sent != (n < 4) || a.Latency != 0.001 {
			t.Errorf("%+v, %v", a, err)
		}
		n++
	}
	if n != 5 {
		t.Errorf("%d actions", n)
	}
	odd := tick(0)
	odd.Observation = odd.Observation[:20]
	if err := Flights(filepath.Join(t.TempDir(), "x.bag"), []loop.Flight{{Records: []loop.Record{odd}}}); err == nil ||
		!strings.Contains(err.Error(), "20 values") {
		t.Errorf("an odd observation: %v", err)
	}
}
