package sim

import "slices"

// StageTime says when demonstrations passed a stage, in control steps since the reset.
type StageTime struct {
	Pair    int     `json:"pair"`
	Stage   Stage   `json:"stage"`
	Reached int     `json:"reached"` // episodes that passed it
	Mean    float64 `json:"mean"`    // of them
	P95     int     `json:"p95"`
	Longest int     `json:"longest"` // from the stage passed before it, in any pair, or from the start
}

// Times collects when episodes passed the stages of a task.
type Times struct {
	task *Task
	at   [][][]int // [pair][stage] a time for each episode
	gap  [][]int   // [pair][stage] longest wait before it
}

// NewTimes returns times of no episode.
func (t *Task) NewTimes() *Times {
	s := &Times{task: t}
	for i := range t.Pairs {
		n := len(t.Pairs[i].Stages())
		s.at, s.gap = append(s.at, make([][]int, n)), append(s.gap, make([]int, n))
	}
	return s
}

// Add takes in an episode that is over.
func (s *Times) Add(g *Progress) {
	var all []int
	for _, p := range g.passed {
		all = append(all, p...)
	}
	slices.Sort(all)
	for i, p := range g.passed {
		for k, at := range p {
			s.at[i][k] = append(s.at[i][k], at)
			before := 0
			if j, _ := slices.BinarySearch(all, at); j > 0 {
				before = all[j-1]
			}
			s.gap[i][k] = max(s.gap[i][k], at-before)
		}
	}
}

// Table lists every stage of every pair in order.
func (s *Times) Table() (out []StageTime) {
	for i := range s.at {
		for k, stage := range s.task.Pairs[i].Stages() {
			at := slices.Sorted(slices.Values(s.at[i][k]))
			row := StageTime{Pair: i, Stage: stage, Reached: len(at), Longest: s.gap[i][k]}
			for _, t := range at {
				row.Mean += float64(t) / float64(len(at))
			}
			if len(at) > 0 {
				row.P95 = at[(len(at)-1)*95/100]
			}
			out = append(out, row)
		}
	}
	return out
}
