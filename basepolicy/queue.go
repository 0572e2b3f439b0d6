package basepolicy

import (
	"fmt"
	"slices"
)

// Queue executes the first actions of each planned chunk, one per control
// step, and plans again when they are used up. It belongs to one goroutine.
type Queue struct {
	policy  ChunkPolicy
	execute int
	chunk   []float32 // [H*U]
	next    int       // row of chunk that ActTo returns next; end when used up
	end     int       // execute, or less for a chunk that asks for that
	phase   float32
	info    ChunkInfo // of chunk

	begun bool      // an action of chunk was executed
	rest  []float32 // what was not executed of the chunk begun last

	peeked  bool      // chunk was planned by PeekTo and not yet begun
	planObs []float32 // the observation it was planned at
}

// NewQueue returns a Queue that executes the first execute actions of every
// chunk of p. It panics unless 1 <= execute <= p.Horizon().
func NewQueue(p ChunkPolicy, execute int) *Queue {
	if execute < 1 || execute > p.Horizon() {
		panic(fmt.Sprintf("basepolicy: execute %d of a chunk of %d actions", execute, p.Horizon()))
	}
	return &Queue{policy: p, execute: execute, next: execute, end: execute, chunk: make([]float32, p.Horizon()*p.ActDim())}
}

// Reset starts an episode: nothing of the previous one survives.
func (q *Queue) Reset(seed uint64) {
	q.Replan()
	q.phase = 0
	q.policy.Reset(seed)
}

// Replan drops the rest of the chunk, so that the next ActTo plans at its
// observation.
func (q *Queue) Replan() {
	q.next = q.end
	q.peeked, q.begun = false, false
	q.rest = q.rest[:0]
}

// ActTo writes the next action (normalised, [U]) and advances; it plans at the
// normalised observation obs when the chunk is used up. After an error the
// queue is empty and the next call plans again.
func (q *Queue) ActTo(act, obs []float32) error {
	if q.next == q.end {
		if err := q.plan(obs); err != nil {
			return err
		}
		q.next, q.peeked, q.begun = 0, false, true
		q.info = q.policy.ChunkInfo()
		q.end = q.info.limit(1, q.execute)
	}
	copy(act, q.row(q.next))
	q.next++
	q.phase = float32(q.next) / float32(q.execute)
	return nil
}

// PeekTo writes the action that ActTo would return at obs, without advancing.
// When it has to plan, an ActTo at the same observation executes that very
// plan; at another observation it plans afresh.
func (q *Queue) PeekTo(act, obs []float32) error {
	if q.next == q.end {
		if err := q.plan(obs); err != nil {
			return err
		}
	}
	copy(act, q.row(q.upcoming()))
	return nil
}

// upcoming is the row that the next ActTo executes.
func (q *Queue) upcoming() int { return q.next % q.end }

// ChunkInfo is what the chunk being executed took.
func (q *Queue) ChunkInfo() ChunkInfo { return q.info }

// PlanTo writes what the queue means to do from the action that ActTo returned
// last: as many actions as plan [n, U] has room for, the rest of the chunk beyond
// the executed part included and its last action repeated. It must follow an
// ActTo.
func (q *Queue) PlanTo(plan []float32) { q.planFrom(plan, max(0, q.next-1)) }

// PeekPlanTo is PlanTo from the action that PeekTo returned last, which it must
// follow.
func (q *Queue) PeekPlanTo(plan []float32) { q.planFrom(plan, q.upcoming()) }

func (q *Queue) planFrom(plan []float32, row int) {
	u, last := q.policy.ActDim(), q.policy.Horizon()-1
	for i := 0; i < len(plan); i += u {
		copy(plan[i:i+u], q.row(min(row, last)))
		row++
	}
}

// Phase is how far the chunk was executed with the action ActTo returned last,
// in (0, 1]; 0 before the first action of an episode.
func (q *Queue) Phase() float32 { return q.phase }

// NextPhase is what Phase will be after the next ActTo: the phase that belongs
// to the action of PeekTo.
func (q *Queue) NextPhase() float32 {
	return float32(q.upcoming()+1) / float32(q.execute)
}

func (q *Queue) plan(obs []float32) error {
	if q.peeked && slices.Equal(q.planObs, obs) {
		return nil
	}
	q.peeked = false
	if q.begun {
		q.rest = append(q.rest[:0], q.chunk[q.next*q.policy.ActDim():]...)
		q.begun = false
	}
	if err := q.policy.ChunkTo(q.chunk, obs, Rest{Actions: q.rest}); err != nil {
		return err
	}
	q.peeked = true
	q.planObs = append(q.planObs[:0], obs...)
	return nil
}

func (q *Queue) row(i int) []float32 {
	u := q.policy.ActDim()
	return q.chunk[i*u : (i+1)*u]
}
