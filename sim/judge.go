package sim

import (
	"math"

	"korr/internal/geom"
)

// Assembled reports whether the second part of pair p stands at one of its targets, given both poses in one common
// frame: within PosTolerance per axis of the first part's frame, and every row of the relative rotation within the
// cosine RotTolerance of the target's, up to the second part's symmetry about its own y axis.
func (t *Task) Assembled(p *Pair, first, second geom.Pose) bool {
	rel := first.Inv().Mul(second)
	if !t.rotationMatches(p, rel.Q.Mat()) {
		return false
	}
	for _, target := range p.Targets {
		ok := true
		for k := range target {
			ok = ok && math.Abs(rel.P[k]-target[k]) <= t.PosTolerance
		}
		if ok {
			return true
		}
	}
	return false
}

func (t *Task) rotationMatches(p *Pair, r geom.Mat3) bool {
	n := max(1, p.Symmetry)
	for s := range n {
		want := geom.RotY(2 * math.Pi * float64(s) / float64(n))
		ok := true
		for i := range 3 {
			ok = ok && r.Row(i).Dot(want.Row(i)) >= t.RotTolerance
		}
		if ok {
			return true
		}
	}
	return false
}

// Judge keeps which pairs of an episode have been assembled. Pairs count once, in any order that physics allows.
type Judge struct {
	task *Task
	done []bool
}

// NewJudge returns a judge for the task, with nothing assembled yet.
func NewJudge(t *Task) *Judge { return &Judge{task: t, done: make([]bool, len(t.Pairs))} }

// Reset starts a new episode.
func (j *Judge) Reset() { clear(j.done) }

// Score looks at the part poses (one common frame, in task order) and returns the number of pairs assembled for the
// first time and whether every pair of the task is assembled by now.
func (j *Judge) Score(poses []geom.Pose) (reward float32, success bool) {
	success = true
	for i := range j.task.Pairs {
		p := &j.task.Pairs[i]
		if !j.done[i] && j.task.Assembled(p, poses[p.First], poses[p.Second]) {
			j.done[i] = true
			reward++
		}
		success = success && j.done[i]
	}
	return reward, success
}

// Done returns which pairs are assembled; the slice is the judge's own.
func (j *Judge) Done() []bool { return j.done }
