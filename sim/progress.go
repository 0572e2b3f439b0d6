package sim

import "korr/internal/geom"

// Stage is what an episode has to do next.
type Stage string

// The stages of a pair, in their order.
const (
	Grasp  Stage = "grasp"  // the second part has never been picked up
	Insert Stage = "insert" // picked up, but never in its place: the thread never engaged, or a part without one never stood right
	Fasten Stage = "fasten" // the thread engaged, but was never screwed in
	Hold   Stage = "hold"   // every pair was assembled, but not all together for as long as the task asks
	Done   Stage = "done"   // nothing
)

// pickedUp is how far (m) above its first height a part counts as picked up.
const pickedUp = 0.02

// Progress follows how far an episode comes, from raw observations. What was reached once counts, even if it was lost again.
type Progress struct {
	task   *Task
	begun  bool
	height []float64 // of each pair's second part at first, m
	stage  []Stage   // of each pair
}

// NewProgress returns the progress of an episode that has not begun.
func (t *Task) NewProgress() *Progress {
	return &Progress{task: t, height: make([]float64, len(t.Pairs)), stage: make([]Stage, len(t.Pairs))}
}

// Observe takes in the next raw observation (length Task.ObsDim).
func (g *Progress) Observe(obs []float32) {
	for i := range g.task.Pairs {
		p := &g.task.Pairs[i]
		first, second := geom.PoseAt(obs[StateDim+PoseDim*p.First:]), geom.PoseAt(obs[StateDim+PoseDim*p.Second:])
		height := geom.TagFrame.Apply(second.P)[2]
		if !g.begun {
			g.height[i], g.stage[i] = height, Grasp
		}
		if g.stage[i] == Grasp && height > g.height[i]+pickedUp {
			g.stage[i] = Insert
		}
		if g.stage[i] == Insert && p.engaged(first, second) {
			g.stage[i] = Fasten
		}
		if g.task.Assembled(p, first, second) {
			g.stage[i] = Done
		}
	}
	g.begun = true
}

// Stage is that of the first pair that is not done, of an episode that has not succeeded.
func (g *Progress) Stage() Stage {
	for _, s := range g.stage {
		if s != Done {
			return s
		}
	}
	return Hold
}
