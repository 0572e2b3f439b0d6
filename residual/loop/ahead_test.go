package loop

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"korr/basepolicy"
)

// breath is a real time in which the planning goroutine gets its chunk done (0.2 ms): a fake clock gives it none.
const breath = 2 * time.Millisecond

// TestPlanningAheadInTheLoop: a whole KORR policy whose chunks are planned beside the loop waits in READY for the
// first, then sends one command per tick; its first chunk is the one that planning in the tick gives.
func TestPlanningAheadInTheLoop(t *testing.T) {
	p := korrPolicy(t)
	run := func(s Stepper) *rig {
		g := newRig(t, nil)
		g.stepper, g.Loop.stepper = nil, s
		g.robot.read = func(_ int, s *Sample) error {
			time.Sleep(breath)
			g.robot.fresh(s)
			if len(g.robot.writes) == 100 {
				g.cancel()
			}
			return nil
		}
		if err := g.Run(g.ctx); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		return g
	}
	sync := run(must(p.NewController(nil)))
	for try := 1; ; try++ {
		c, ahead, err := p.NewAheadController(nil, basepolicy.AheadConfig{Lead: 2, Bridge: 100})
		if err != nil {
			t.Fatal(err)
		}
		g := run(c)
		stats := ahead.Stats()
		ahead.Close()
		if stats.Bridged > 0 && try < 5 { // a busy machine
			continue
		}
		if !slices.Equal(g.states()[:2], []State{StateReady, StateRun}) || len(g.states()) != 3 || stats.Planned != 13 ||
			stats.Longest <= 0 || stats.Bridged > 0 {
			t.Errorf("states %v, %+v", g.states(), stats)
		}
		for i := range 8 {
			if !slices.Equal(g.robot.writes[i], sync.robot.writes[i]) {
				t.Fatalf("command %d of the first chunk differs", i)
			}
		}
		return
	}
}

// TestPlanningAheadAllocatesNothing: in the tick, with chunks planned beside it.
func TestPlanningAheadAllocatesNothing(t *testing.T) {
	c, ahead, err := korrPolicy(t).NewAheadController(nil, basepolicy.AheadConfig{Lead: 2, Bridge: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer ahead.Close()
	g := newRig(t, func(c *Config) { c.Resume = true })
	g.Loop.robot, g.Loop.stepper = &quietRobot{clock: g.clock, obs: pose()}, c
	g.begin()
	tick := func() {
		time.Sleep(breath)
		if fault := g.tick(g.ctx); fault != nil {
			t.Fatal(fault)
		}
		g.schedule()
		g.clock.now = g.next
	}
	for g.State() != StateRun {
		tick()
	}
	for try := 1; ; try++ {
		late, planned := g.Status().Late, ahead.Stats().Planned
		n := testing.AllocsPerRun(100, tick)
		if g.Status().Late > late && try < 5 { // holding for a late chunk allocates its cause
			continue
		}
		if n != 0 || ahead.Stats().Planned < planned+10 {
			t.Errorf("%v allocations per tick, %d chunks", n, ahead.Stats().Planned-planned)
		}
		return
	}
}
