package basepolicy

// Planner is a base policy in an episode: it plans chunks and gives their actions, one for each control step. A Queue
// plans in the step that needs a chunk, an Ahead beside it. A value belongs to one goroutine.
type Planner interface {
	// Reset starts an episode: nothing of the previous one survives. It may wait for a plan under way, so it is not for a
	// control step.
	Reset(seed uint64)
	// Replan drops the rest of the chunk: the next action comes from a plan made afterwards.
	Replan()
	// Prepare begins a first chunk at the normalised observation obs if that takes time, and reports whether ActTo has an
	// action. It never waits.
	Prepare(obs []float32) (ready bool, err error)
	// ActTo writes the next normalised action [U] for the normalised observation obs, and advances. The error wraps
	// ErrLate when only time is missing.
	ActTo(act, obs []float32) error
	// Phase is how far the chunk was executed with the action that ActTo returned last, in (0, 1]; 0 before the first.
	Phase() float32
	// PlanTo writes what it means to do from the action that ActTo returned last: as many actions as plan [n, U] has room
	// for, the last one of the chunk repeated. It must follow an ActTo.
	PlanTo(plan []float32)
	// ChunkInfo is what planning the chunk took that the last action is from.
	ChunkInfo() ChunkInfo
}

var (
	_ Planner = (*Queue)(nil)
	_ Planner = (*Ahead)(nil)
	_ Planner = peeking{}
)

// Stepwise answers for a Planner without chunks what it has no answer of its own to. Embed it.
type Stepwise struct{}

// Reset forgets nothing.
func (Stepwise) Reset(uint64) {}

// Replan drops nothing.
func (Stepwise) Replan() {}

// Prepare is always ready.
func (Stepwise) Prepare([]float32) (bool, error) { return true, nil }

// Phase is 0: there is no chunk.
func (Stepwise) Phase() float32 { return 0 }

// PlanTo writes zeros: nothing is planned.
func (Stepwise) PlanTo(plan []float32) { clear(plan) }

// ChunkInfo is empty.
func (Stepwise) ChunkInfo() ChunkInfo { return ChunkInfo{} }

// Prepare is always ready: a Queue plans in the control step.
func (q *Queue) Prepare([]float32) (bool, error) { return true, nil }

// Peeking returns q as a Planner that tells the next action and its plan without advancing (see PeekTo).
func (q *Queue) Peeking() Planner { return peeking{q} }

// peeking is a Queue that only looks.
type peeking struct{ *Queue }

// ActTo is PeekTo.
func (p peeking) ActTo(act, obs []float32) error { return p.PeekTo(act, obs) }

// Phase is the phase of the action that ActTo told.
func (p peeking) Phase() float32 { return p.NextPhase() }

// PlanTo is the plan from that action on.
func (p peeking) PlanTo(plan []float32) { p.PeekPlanTo(plan) }
