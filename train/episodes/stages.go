package episodes

import (
	"fmt"

	"korr/sim"
	"korr/train/dataset"
)

// StageTimes says when demonstrations of a task passed its stages. A learner takes its patience from them: an episode
// that waits longer for a new stage than any demonstration did has failed. Recoveries, which begin in the middle, are
// left out.
func StageTimes(task *sim.Task, demos []dataset.Episode) ([]sim.StageTime, error) {
	times, progress, obs := task.NewTimes(), task.NewProgress(), make([]float32, task.ObsDim())
	for i := range demos {
		e := &demos[i]
		if e.Len() == 0 || len(e.State)+len(e.Env) != e.Len()*len(obs) {
			return nil, fmt.Errorf("episode %d: %d frames do not hold observations of %s (%d values)", i, e.Len(), task.Name,
				len(obs))
		}
		if e.Recovery != "" {
			continue
		}
		progress.Reset()
		for t := range e.Len() {
			e.ObsTo(obs, t)
			progress.Observe(obs)
		}
		if e.Success {
			progress.Finish()
		}
		times.Add(progress)
	}
	return times.Table(), nil
}
