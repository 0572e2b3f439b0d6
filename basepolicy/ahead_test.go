package basepolicy

import (
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// slowPlan plans rows obs[0]*100 + row when it is released; U is 1.
type slowPlan struct {
	Stateless
	horizon  int
	release  chan error // nil: at once
	begun    chan struct{}
	resets   []uint64
	panicked bool
}

func (p *slowPlan) Horizon() int      { return p.horizon }
func (p *slowPlan) ActDim() int       { return 1 }
func (p *slowPlan) Reset(seed uint64) { p.resets = append(p.resets, seed) }

func (p *slowPlan) ChunkTo(chunk, obs []float32, _ Rest) error {
	if p.begun != nil {
		p.begun <- struct{}{}
	}
	if p.panicked {
		panic("broken")
	}
	if p.release != nil {
		if err := <-p.release; err != nil {
			return err
		}
	}
	for i := range chunk {
		chunk[i] = 100*obs[0] + float32(i)
	}
	return nil
}

// continued is a slowPlan that is told what is executed meanwhile.
type continued struct {
	slowPlan
	committed, plans [][]float32
}

func (p *continued) ChunkTo(chunk, obs []float32, rest Rest) error {
	p.committed = append(p.committed, append([]float32(nil), rest.Actions[:rest.Committed]...))
	p.plans = append(p.plans, append([]float32(nil), rest.Actions...))
	return p.slowPlan.ChunkTo(chunk, obs, rest)
}

func newAhead(t *testing.T, p ChunkPolicy, cfg AheadConfig) *Ahead {
	t.Helper()
	q, err := NewAhead(p, 1, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	return q
}

// settle waits until the plan under way is finished.
func (q *Ahead) settle(t *testing.T) {
	t.Helper()
	for range 2000 {
		if !q.busy || len(q.answer) == 1 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("the plan never came")
}

func prepare(t *testing.T, q *Ahead, obs float32) {
	t.Helper()
	for range 2000 {
		if ready, err := q.Prepare([]float32{obs}); err != nil {
			t.Fatal(err)
		} else if ready {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("never prepared")
}

// TestAheadSkipsWhatIsPast: with planning faster than the lead, each chunk begins at the row that belongs to its step.
func TestAheadSkipsWhatIsPast(t *testing.T) {
	p := &continued{slowPlan: slowPlan{horizon: 8}}
	q := newAhead(t, p, AheadConfig{Execute: 4, Lead: 2})
	prepare(t, q, 0)
	var got []float32
	act, plan := make([]float32, 1), make([]float32, 8)
	for step := range 12 {
		if err := q.ActTo(act, []float32{float32(step)}); err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
		got = append(got, act[0])
		q.PlanTo(plan)
		if plan[0] != act[0] || plan[7] != 100*float32(int(act[0])/100)+7 {
			t.Fatalf("step %d: action %g, plan %v", step, act[0], plan)
		}
		q.settle(t)
	}
	// the chunk planned at step 2 is executed from step 4 on, at row 2
	want := []float32{0, 1, 2, 3, 202, 203, 204, 205, 602, 603, 604, 605}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("got %v\nwant %v", got, want)
		}
	}
	if len(p.committed) < 3 || len(p.committed[0]) != 0 || p.committed[1][0] != 2 || p.committed[1][1] != 3 ||
		p.committed[2][0] != 204 {
		t.Errorf("told of %v", p.committed)
	}
	if plan := p.plans[2]; len(plan) != 4 || plan[3] != 207 {
		t.Errorf("told of the plan %v, want rows 4 to 7 of the chunk", plan)
	}
	if s := q.Stats(); s.Planned != 3 || s.Bridged != 0 || s.Late != 0 {
		t.Errorf("%+v", s)
	}
}

// TestAheadBridges: a late chunk is bridged with the old one's tail as far as allowed, then ErrLate, and when it comes
// it is entered at the row of the present.
func TestAheadBridges(t *testing.T) {
	for _, tc := range []struct {
		bridge  int
		bridged int
	}{{0, 0}, {2, 2}, {100, 4}} {
		p := &slowPlan{horizon: 8, release: make(chan error, 1)}
		q := newAhead(t, p, AheadConfig{Execute: 4, Lead: 1, Bridge: tc.bridge})
		p.release <- nil
		prepare(t, q, 0)
		act := make([]float32, 1)
		steps := 0
		var err error
		for ; err == nil && steps < 50; steps++ {
			err = q.ActTo(act, []float32{float32(steps)})
		}
		if !errors.Is(err, ErrLate) || steps != 4+tc.bridged+1 {
			t.Fatalf("bridge %d: %v after %d steps", tc.bridge, err, steps)
		}
		p.release <- nil // the plan of step 3
		q.settle(t)
		if err := q.ActTo(act, []float32{99}); err != nil || act[0] != 300+float32(1+tc.bridged) {
			t.Errorf("bridge %d: %v, action %g", tc.bridge, err, act[0])
		}
		if s := q.Stats(); int(s.Bridged) != tc.bridged || s.Late != 1 {
			t.Errorf("bridge %d: %+v", tc.bridge, s)
		}
		close(p.release)
		q.settle(t)
	}
}

// TestAheadReplan: nothing that was planned before a Replan is executed after it, whether finished or under way.
func TestAheadReplan(t *testing.T) {
	p := &slowPlan{horizon: 8, release: make(chan error, 4)}
	q := newAhead(t, p, AheadConfig{Execute: 4, Lead: 2})
	act := make([]float32, 1)
	if err := q.ActTo(act, []float32{1}); !errors.Is(err, ErrLate) {
		t.Fatalf("without a plan: %v", err)
	}
	q.Replan()
	if ready, _ := q.Prepare([]float32{2}); ready {
		t.Fatal("ready while planning for the past")
	}
	p.release <- nil
	q.settle(t)
	p.release <- nil
	prepare(t, q, 3)
	if err := q.ActTo(act, []float32{4}); err != nil || act[0] != 300 || q.Phase() != 0.25 {
		t.Errorf("%v, action %g, phase %g", err, act[0], q.Phase())
	}
	q.Reset(7)
	if len(p.resets) != 1 || q.Phase() != 0 {
		t.Errorf("resets %v", p.resets)
	}
	close(p.release)
}

// TestAheadErrors: the policy's error and its panic come out of the next call; the one after plans again.
func TestAheadErrors(t *testing.T) {
	broken := errors.New("broken")
	p := &slowPlan{horizon: 8, release: make(chan error, 1)}
	q := newAhead(t, p, AheadConfig{Execute: 4, Lead: 2})
	p.release <- broken
	_, _ = q.Prepare([]float32{0})
	q.settle(t)
	if err := q.ActTo(make([]float32, 1), []float32{0}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	p.panicked = true
	_, _ = q.Prepare([]float32{0})
	q.settle(t)
	if _, err := q.Prepare([]float32{0}); err == nil || !strings.Contains(err.Error(), "panicked") {
		t.Errorf("got %v", err)
	}
	for _, cfg := range []AheadConfig{
		{},
		{Execute: 8, Lead: 1},
		{Execute: 2, Lead: 3},
		{Execute: 2},
		{Execute: 2, Lead: 1, Bridge: -1},
	} {
		if _, err := NewAhead(p, 1, cfg); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
}

// TestAheadAllocatesNothing: in the control step.
func TestAheadAllocatesNothing(t *testing.T) {
	q := newAhead(t, &slowPlan{horizon: 32}, AheadConfig{Execute: 8, Lead: 2, Bridge: 100})
	prepare(t, q, 0)
	act, obs := make([]float32, 1), []float32{1}
	if n := testing.AllocsPerRun(500, func() { _ = q.ActTo(act, obs) }); n != 0 {
		t.Errorf("%v allocations per step", n)
	}
}
