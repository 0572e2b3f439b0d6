package basepolicy

import (
	"errors"
	"slices"
	"testing"
)

// counting plans chunks whose action k is 100*plan + 10*obs[0] + k.
type counting struct {
	Stateless
	plans int
	seed  uint64
	err   error
}

func (c *counting) Horizon() int { return 6 }
func (c *counting) ActDim() int  { return 1 }

func (c *counting) ChunkTo(chunk, obs []float32, _ Rest) error {
	c.plans++
	for k := range chunk {
		chunk[k] = float32(100*c.plans) + 10*obs[0] + float32(k)
	}
	return c.err
}

func (c *counting) Reset(seed uint64) { c.seed = seed }

func act(t *testing.T, q *Queue, obs float32) float32 {
	t.Helper()
	var a [1]float32
	if err := q.ActTo(a[:], []float32{obs}); err != nil {
		t.Fatal(err)
	}
	return a[0]
}

func peek(t *testing.T, q *Queue, obs float32) float32 {
	t.Helper()
	var a [1]float32
	if err := q.PeekTo(a[:], []float32{obs}); err != nil {
		t.Fatal(err)
	}
	return a[0]
}

func TestQueueExecutesPrefixOfEachChunk(t *testing.T) {
	q := NewQueue(&counting{}, 3)
	q.Reset(1)
	if q.Phase() != 0 {
		t.Errorf("phase %v before the first action", q.Phase())
	}
	wantAct := []float32{110, 111, 112, 240, 241, 242, 370}
	wantPhase := []float32{1. / 3, 2. / 3, 1, 1. / 3, 2. / 3, 1, 1. / 3}
	for i, want := range wantAct {
		next := q.NextPhase()
		if got := act(t, q, float32(1+i)); got != want {
			t.Errorf("action %d is %v, want %v", i, got, want)
		}
		if q.Phase() != wantPhase[i] || next != wantPhase[i] {
			t.Errorf("action %d: phase %v, announced %v, want %v", i, q.Phase(), next, wantPhase[i])
		}
	}
}

func TestPeekDoesNotAdvance(t *testing.T) {
	p := &counting{}
	q := NewQueue(p, 2)
	q.Reset(0)
	if got := peek(t, q, 1); got != 110 {
		t.Fatalf("peek at the start: %v", got)
	}
	if got := peek(t, q, 1); got != 110 || p.plans != 1 {
		t.Fatalf("second peek: %v after %d plans", got, p.plans)
	}
	if got := act(t, q, 1); got != 110 || p.plans != 1 {
		t.Fatalf("the peeked plan was not executed: %v after %d plans", got, p.plans)
	}
	if got := peek(t, q, 9); got != 111 || p.plans != 1 {
		t.Fatalf("peek inside a chunk: %v after %d plans", got, p.plans)
	}
	if got := act(t, q, 9); got != 111 {
		t.Fatalf("action after peek: %v", got)
	}
	peek(t, q, 2)
	if got := act(t, q, 3); got != 330 || p.plans != 3 {
		t.Fatalf("a plan peeked at another observation was executed: %v after %d plans", got, p.plans)
	}
}

func TestReplanAndResetDropTheChunk(t *testing.T) {
	p := &counting{}
	q := NewQueue(p, 4)
	q.Reset(0)
	act(t, q, 0)
	q.Replan()
	if got := act(t, q, 0); got != 200 {
		t.Errorf("after Replan %v, want the start of plan 2", got)
	}
	peekedAtEnd := NewQueue(p, 4)
	peekedAtEnd.Reset(0)
	peek(t, peekedAtEnd, 0)
	peekedAtEnd.Reset(77)
	if p.seed != 77 {
		t.Errorf("the policy got seed %d, want 77", p.seed)
	}
	if got := act(t, peekedAtEnd, 0); got != 400 {
		t.Errorf("after Reset %v: a plan peeked before it survived", got)
	}
}

func TestQueuePlansAgainAfterAnError(t *testing.T) {
	p := &counting{err: errors.New("no")}
	q := NewQueue(p, 2)
	q.Reset(0)
	var a [1]float32
	if err := q.ActTo(a[:], []float32{0}); !errors.Is(err, p.err) {
		t.Fatalf("error %v", err)
	}
	if err := q.PeekTo(a[:], []float32{0}); !errors.Is(err, p.err) {
		t.Fatalf("error %v", err)
	}
	p.err = nil
	if got := act(t, q, 0); got != 300 {
		t.Errorf("action after the errors: %v, want the start of plan 3", got)
	}
}

func TestNewQueuePanicsOutsideTheHorizon(t *testing.T) {
	for _, execute := range []int{0, -1, 7} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("execute %d was accepted", execute)
				}
			}()
			NewQueue(&counting{}, execute)
		}()
	}
}

// TestPlanFollowsTheChunk: the plan begins with the action just returned or
// peeked, goes on beyond the executed part and repeats the last action.
func TestPlanFollowsTheChunk(t *testing.T) {
	q := NewQueue(&counting{}, 3)
	q.Reset(1)
	plan := make([]float32, 5)
	check := func(want ...float32) {
		t.Helper()
		if !slices.Equal(plan, want) {
			t.Errorf("plan %v, want %v", plan, want)
		}
	}
	act(t, q, 0)
	q.PlanTo(plan)
	check(100, 101, 102, 103, 104)
	act(t, q, 0)
	peek(t, q, 0)
	q.PeekPlanTo(plan)
	check(102, 103, 104, 105, 105)
	act(t, q, 0)
	q.PlanTo(plan)
	check(102, 103, 104, 105, 105)
	peek(t, q, 0)
	q.PeekPlanTo(plan)
	check(200, 201, 202, 203, 204)
	act(t, q, 0)
	q.PlanTo(plan)
	check(200, 201, 202, 203, 204)
}
