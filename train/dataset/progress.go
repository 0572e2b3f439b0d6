package dataset

import (
	"fmt"
	"math"
)

// sameStep is how far a step between two timestamps may be from 1/fps, as a share of it.
const sameStep = 0.1

// progress are the columns that tell of the same thing, where a frame stands in its episode and in the dataset, and
// must not contradict each other.
type progress struct {
	time                        []float64 // s
	frame, episode, index, task []int64
	done, success               []bool
}

// progress reads the columns.
func (t *table) progress() (p progress, err error) {
	if p.time, err = t.float64s(featTimestamp); err != nil {
		return p, err
	}
	for name, dst := range map[string]*[]int64{
		featFrameIndex: &p.frame, featEpisodeIndex: &p.episode, featIndex: &p.index,
		featTaskIndex: &p.task,
	} {
		if *dst, err = t.ints(name); err != nil {
			return p, err
		}
	}
	for name, dst := range map[string]*[]bool{featDone: &p.done, featSuccess: &p.success} {
		if *dst, err = t.bools(name); err != nil {
			return p, err
		}
	}
	return p, nil
}

// check looks at rows a to b of an episode: frames, times and numbers go up by one step each, the end is at the end,
// and the task is the dataset's. The error names the row of the file.
func (p *progress) check(a, b int, episode, task int64, fps float64) error {
	for k := a; k < b; k++ {
		switch {
		case p.episode[k] != episode:
			return fmt.Errorf("row %d belongs to episode %d, want %d", k, p.episode[k], episode)
		case p.task[k] != task:
			return fmt.Errorf("row %d: %s is %d, which tasks.parquet does not list: it has %d", k, featTaskIndex,
				p.task[k], task)
		case p.done[k] && k < b-1:
			return fmt.Errorf("row %d: %s before the end of episode %d: are there two attempts in it?", k, featDone, episode)
		}
		if k == a {
			continue
		}
		step := p.time[k] - p.time[k-1]
		switch {
		case p.frame[k] != p.frame[k-1]+1:
			return fmt.Errorf("row %d: %s is %d after %d: the frames of an episode follow each other", k, featFrameIndex,
				p.frame[k], p.frame[k-1])
		case p.index[k] != p.index[k-1]+1:
			return fmt.Errorf("row %d: %s is %d after %d: the frames of an episode follow each other", k, featIndex, p.index[k],
				p.index[k-1])
		case !(math.Abs(step*fps-1) <= sameStep):
			return fmt.Errorf("row %d: %s goes on by %.4g s, at %g fps of info.json a step is %.4g s: frames are missing, or "+
				"one of the two is wrong",
				k, featTimestamp, step, fps, 1/fps)
		}
	}
	return nil
}
