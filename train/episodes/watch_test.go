package episodes

import (
	"math"
	"strings"
	"testing"

	"korr/sim"
	"korr/train/dataset"
)

// TestStagesPayOnce: a grasp pays 0.3 and an insertion 1 in the step that passes it, whatever is lost and passed again.
func TestStagesPayOnce(t *testing.T) {
	task, e := solved(t)
	rules, err := NewStageRules(task, []dataset.Episode{e})
	if err != nil {
		t.Fatal(err)
	}
	w, obs := rules.NewWatch(), make([]float32, task.ObsDim())
	for range 2 { // another episode is another one's
		e.ObsTo(obs, 0)
		w.Reset(obs)
		for step, frame := range []int{1, 2, 3, 4, 0, 3, 6, 7, 0, 8} {
			want := map[int]float64{2: 0.3, 6: 1}[step]
			e.ObsTo(obs, frame)
			if got := w.Observe(obs); got != want {
				t.Errorf("step %d earns %v, want %v", step, got, want)
			}
		}
		if w.Passed(0) != 2 {
			t.Errorf("%d stages passed, want 2", w.Passed(0))
		}
	}
}

// TestMostOfStages: a threaded pair pays its grasp, its insertion and itself; a placed one has no insertion beside
// itself.
func TestMostOfStages(t *testing.T) {
	for name, want := range map[string]float64{"one_leg": 2.3, "round_table": 4.6, "lamp": 3.6} {
		task, err := sim.TaskByName(name)
		if err != nil {
			t.Fatal(err)
		}
		r := &StageRules{task: task}
		for i := range task.Pairs {
			r.patience = append(r.patience, make([]int, len(task.Pairs[i].Stages())))
		}
		if got := r.Most(); math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: an episode earns %v at most, want %v", name, got, want)
		}
	}
}

// TestPatience: an episode is given up when it has waited twice as long for a stage as the demonstrations did, 100
// steps at least, and every stage begins anew.
func TestPatience(t *testing.T) {
	task, e := solved(t)
	rules, err := NewStageRules(task, []dataset.Episode{e})
	if err != nil {
		t.Fatal(err)
	}
	rules.patience[0] = []int{100, 120, 130}
	w, obs := rules.NewWatch(), make([]float32, task.ObsDim())
	e.ObsTo(obs, 0)
	w.Reset(obs)
	wait := func(frame, patience int) {
		t.Helper()
		e.ObsTo(obs, frame)
		for step := 1; step <= patience; step++ {
			w.Observe(obs)
			if got := w.Stalled(); got != (step == patience) {
				t.Fatalf("step %d of %d: stalled %v", step, patience, got)
			}
		}
	}
	wait(0, 100)
	w.Observe(lift(&e, obs))
	wait(3, 120)
	failed := e
	failed.Success = false
	if _, err := NewStageRules(task, []dataset.Episode{failed}); err == nil || !strings.Contains(err.Error(), "fasten") {
		t.Errorf("demonstrations that never succeed: %v", err)
	}
	fresh, err := NewStageRules(task, []dataset.Episode{e})
	if err != nil || fresh.Patience(0, 0) != 100 {
		t.Errorf("the least patience is %d, %v", fresh.Patience(0, 0), err)
	}
}

// lift is the observation in which the leg is picked up.
func lift(e *dataset.Episode, obs []float32) []float32 {
	e.ObsTo(obs, 3)
	return obs
}
