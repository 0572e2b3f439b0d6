package sim

import "korr/internal/geom"

// Stage is what an episode has to do next.
type Stage string

// The stages of a pair, in their order.
const (
	Grasp Stage = "grasp" // the second part has never been picked up
	// picked up, but never in its place: the thread never engaged, or a part without one never stood right
	Insert Stage = "insert"
	Fasten Stage = "fasten" // the thread engaged, but was never screwed in
	Hold   Stage = "hold"   // every pair was assembled, but not all together for as long as the task asks
	Done   Stage = "done"   // nothing
)

// pickedUp is how far (m) above its first height a part counts as picked up.
const pickedUp = 0.02

// Stages lists what has to be done for the pair, in order: a part without a thread is not fastened.
func (p *Pair) Stages() []Stage {
	if p.Thread == nil {
		return []Stage{Grasp, Insert}
	}
	return []Stage{Grasp, Insert, Fasten}
}

// Progress follows how far an episode comes, from raw observations. What was reached once counts, even if it was lost
// again. Times are control steps since the first observation.
type Progress struct {
	task   *Task
	seen   int       // observations
	height []float64 // of each pair's second part at first, m
	stages [][]Stage // of each pair
	passed [][]int   // when each pair's stages were passed: as many as were
	last   int       // when the newest of all was
}

// NewProgress returns the progress of an episode that has not begun.
func (t *Task) NewProgress() *Progress {
	g := &Progress{task: t, height: make([]float64, len(t.Pairs))}
	for i := range t.Pairs {
		s := t.Pairs[i].Stages()
		g.stages, g.passed = append(g.stages, s), append(g.passed, make([]int, 0, len(s)))
	}
	return g
}

// Reset goes back to an episode that has not begun.
func (g *Progress) Reset() {
	g.seen, g.last = 0, 0
	for i := range g.passed {
		g.passed[i] = g.passed[i][:0]
	}
}

// Observe takes in the next raw observation (length Task.ObsDim), without allocation.
func (g *Progress) Observe(obs []float32) {
	for i := range g.task.Pairs {
		p := &g.task.Pairs[i]
		first, second := geom.PoseAt(obs[StateDim+PoseDim*p.First:]), geom.PoseAt(obs[StateDim+PoseDim*p.Second:])
		height := geom.TagFrame.Apply(second.P)[2]
		if g.seen == 0 {
			g.height[i] = height
		}
		if g.at(i) == Grasp && height > g.height[i]+pickedUp {
			g.pass(i, 1)
		}
		if g.at(i) == Insert && p.engaged(first, second) {
			g.pass(i, 2)
		}
		if g.at(i) != Done && g.task.Assembled(p, first, second) {
			g.pass(i, len(g.stages[i]))
		}
	}
	g.seen++
}

// Finish takes in that the task was solved by the step after the newest observation.
func (g *Progress) Finish() {
	for i := range g.passed {
		g.pass(i, len(g.stages[i]))
	}
}

// pass notes that pair i has passed so many stages by now.
func (g *Progress) pass(i, n int) {
	for len(g.passed[i]) < n {
		g.passed[i] = append(g.passed[i], g.seen)
		g.last = g.seen
	}
}

// at is what pair i has to do next.
func (g *Progress) at(i int) Stage {
	if n := len(g.passed[i]); n < len(g.stages[i]) {
		return g.stages[i][n]
	}
	return Done
}

// Stage is that of the first pair that is not done, of an episode that has not succeeded.
func (g *Progress) Stage() Stage {
	for i := range g.passed {
		if s := g.at(i); s != Done {
			return s
		}
	}
	return Hold
}

// PairStage is what pair i has to do next; Done when nothing.
func (g *Progress) PairStage(i int) Stage { return g.at(i) }

// PassedAt is when pair i passed its stages, in the order of Pair.Stages: as many as it did. The slice is the
// progress's own.
func (g *Progress) PassedAt(i int) []int { return g.passed[i] }

// Passed is how many stages all pairs have passed.
func (g *Progress) Passed() (n int) {
	for _, p := range g.passed {
		n += len(p)
	}
	return n
}

// Waited is for how many control steps no stage has been passed.
func (g *Progress) Waited() int { return max(0, g.seen-1-g.last) }
