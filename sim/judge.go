package sim

import (
	"math"

	"korr/internal/geom"
)

// Assembled reports whether the second part of pair p stands at one of its targets, given both poses in one common
// frame: within PosTolerance per axis of the first part's frame, and every row of the rotation in the joint's frame
// within the cosine RotTolerance of the target's, up to the pair's symmetry.
func (t *Task) Assembled(p *Pair, first, second geom.Pose) bool {
	rel := first.Inv().Mul(second)
	for i, target := range p.Targets {
		ok := true
		for k := range target {
			ok = ok && math.Abs(rel.P[k]-target[k]) <= t.PosTolerance
		}
		if ok {
			return p.AnyRotation || t.rotationMatches(p, i, rel.Q, t.Yaw)
		}
	}
	return false
}

// AtPublishedYaw reports whether the second part of pair p, which is assembled, stands at the one published yaw, too.
func (t *Task) AtPublishedYaw(p *Pair, first, second geom.Pose) bool {
	strict := *t
	strict.Yaw = Published
	return strict.Assembled(p, first, second)
}

func (t *Task) rotationMatches(p *Pair, target int, rel geom.Quat, yaw Yaw) bool {
	if p.MaleFirst {
		rel = rel.Inv()
	}
	r := p.Hole(target).Q.Inv().Mul(rel).Mul(p.Peg().Q).Mat()
	n := max(1, p.Symmetry)
	switch {
	case yaw == Published:
		n = 1
	case p.Symmetry == Round:
		return r[4] >= t.RotTolerance
	}
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
	task   *Task
	done   []bool
	oneYaw []bool // of each pair that is done: it stood at the published yaw then
	held   int
}

// NewJudge returns a judge for the task, with nothing assembled yet.
func NewJudge(t *Task) *Judge {
	return &Judge{task: t, done: make([]bool, len(t.Pairs)), oneYaw: make([]bool, len(t.Pairs))}
}

// Reset starts a new episode.
func (j *Judge) Reset() {
	clear(j.done)
	clear(j.oneYaw)
	j.held = 0
}

// Score looks at the part poses (one common frame, in task order) and returns the number of pairs assembled for the
// first time and whether the task is done: every pair has been assembled by now and, for a task with a Hold above one,
// all pairs have been assembled together for so many calls in a row.
func (j *Judge) Score(poses []geom.Pose) (reward float32, success bool) {
	success = true
	together := true
	for i := range j.task.Pairs {
		p := &j.task.Pairs[i]
		now := (!j.done[i] || j.task.Hold > 1) && j.task.Assembled(p, poses[p.First], poses[p.Second])
		if now && !j.done[i] {
			j.done[i] = true
			j.oneYaw[i] = j.task.AtPublishedYaw(p, poses[p.First], poses[p.Second])
			reward++
		}
		success = success && j.done[i]
		together = together && now
	}
	if j.task.Hold > 1 {
		if j.held++; !together {
			j.held = 0
		}
		success = success && j.held >= j.task.Hold
	}
	return reward, success
}

// Done returns which pairs are assembled; the slice is the judge's own.
func (j *Judge) Done() []bool { return j.done }

// OneYaw returns which pairs stood at the published yaw when they were assembled first; the slice is the judge's own.
func (j *Judge) OneYaw() []bool { return j.oneYaw }

// Held is for how many calls in a row all pairs have stood assembled; it is counted only for a Hold above one.
func (j *Judge) Held() int { return j.held }

// SetHeld restores what Held returned.
func (j *Judge) SetHeld(n int) { j.held = n }
