package episodes

import (
	"fmt"

	"korr/sim"
	"korr/train/dataset"
)

// What a stage pays when an episode passes it for the first time. The task's own reward of 1 comes with the last stage
// of every pair. A grasp pays less than what it is for: a learner that holds on to the part forever earns little.
const (
	graspReward = 0.3
	// of a thread, which is then screwed in: hundreds of steps lie between an insertion and the task's reward
	insertReward = 1
)

// How long an episode may wait for its next stage: twice as long as the slowest demonstration did. Less than
// leastPatience steps would cut off what a first attempt that misses has left.
const (
	patienceFactor = 2
	leastPatience  = 100 // control steps
)

// StageRules say what the stages of a task's episodes pay, and how long an episode may wait for the next one.
type StageRules struct {
	task     *sim.Task
	patience [][]int // of each pair and stage, control steps
}

// NewStageRules takes the patience from demonstrations of the task. A stage that no demonstration passed is an error.
func NewStageRules(task *sim.Task, demos []dataset.Episode) (*StageRules, error) {
	times, err := StageTimes(task, demos)
	if err != nil {
		return nil, err
	}
	r := &StageRules{task: task, patience: make([][]int, len(task.Pairs))}
	for _, t := range times {
		if t.Reached == 0 {
			return nil, fmt.Errorf("no demonstration of %s passes %s of pair %d: its time is not known", task.Name, t.Stage,
				t.Pair+1)
		}
		r.patience[t.Pair] = append(r.patience[t.Pair], max(leastPatience, patienceFactor*t.Longest))
	}
	return r, nil
}

// Patience is for how many control steps an episode may wait for a stage of a pair.
func (r *StageRules) Patience(pair, stage int) int { return r.patience[pair][stage] }

// Most is what an episode can earn: all stages and the task's own rewards.
func (r *StageRules) Most() float64 {
	most := 0.0
	for i := range r.patience {
		most++
		for k := range r.patience[i] {
			most += r.pays(i, k)
		}
	}
	return most
}

// pays is what passing stage k of pair i earns beside the task's own reward.
func (r *StageRules) pays(i, k int) float64 {
	switch stages := r.task.Pairs[i].Stages(); {
	case stages[k] == sim.Grasp:
		return graspReward
	case k < len(stages)-1:
		return insertReward
	}
	return 0 // the last: the task pays
}

// NewWatch returns the watch of an episode that has not begun.
func (r *StageRules) NewWatch() *StageWatch {
	return &StageWatch{rules: r, progress: r.task.NewProgress(), paid: make([]int, len(r.task.Pairs))}
}

// StageWatch follows an episode: what its stages earn, and whether it waits too long. It belongs to one goroutine.
type StageWatch struct {
	rules    *StageRules
	progress *sim.Progress
	paid     []int // stages of each pair
}

// Reset starts an episode at its first raw observation.
func (w *StageWatch) Reset(obs []float32) {
	w.progress.Reset()
	clear(w.paid)
	w.progress.Observe(obs)
}

// Observe takes in the raw observation after a control step and returns what the step earned, without allocation. Every
// stage pays once an episode, also when it is lost and passed again.
func (w *StageWatch) Observe(obs []float32) (earned float64) {
	w.progress.Observe(obs)
	for i := range w.paid {
		for ; w.paid[i] < len(w.progress.PassedAt(i)); w.paid[i]++ {
			earned += w.rules.pays(i, w.paid[i])
		}
	}
	return earned
}

// Stalled reports whether the first pair that is not done has waited too long for its next stage.
func (w *StageWatch) Stalled() bool {
	for i, next := range w.rules.patience {
		if k := len(w.progress.PassedAt(i)); k < len(next) {
			return w.progress.Waited() >= next[k]
		}
	}
	return false
}

// Passed is how many stages of a pair the episode has passed.
func (w *StageWatch) Passed(pair int) int { return len(w.progress.PassedAt(pair)) }
