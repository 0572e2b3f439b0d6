package dataset

import (
	"fmt"
	"math"

	"korr/sim"
)

// Ratio is how many frames of the dataset make one at the rate hz; the error says that they do not fit.
func (i Info) Ratio(hz float64) (int, error) {
	r := i.FPS / hz
	n := math.Round(r)
	if n < 1 || math.Abs(r-n) > 1e-6*n {
		return 0, fmt.Errorf("frames at %g Hz do not make frames at %g Hz: one rate must be a whole multiple of the other",
			i.FPS, hz)
	}
	return int(n), nil
}

// Every makes one frame of every n: what was observed at the first, where the last commanded to be, and the rewards of
// all. It is what a control loop that is n times slower would have seen and meant.
func (e *Episode) Every(n int, info Info) *Episode {
	out := *e
	out.State, out.Env, out.Action, out.Executed, out.Reward = nil, nil, nil, nil, nil
	for t := 0; t < e.Len(); t += n {
		last := min(t+n, e.Len()) - 1
		out.State = append(out.State, e.State[t*sim.StateDim:(t+1)*sim.StateDim]...)
		out.Env = append(out.Env, e.Env[t*info.EnvDim():(t+1)*info.EnvDim()]...)
		out.Action = append(out.Action, e.ActionAt(last)...)
		out.Executed = append(out.Executed, e.ExecutedAt(last)...)
		var reward float32
		for _, r := range e.Reward[t : last+1] {
			reward += r
		}
		out.Reward = append(out.Reward, reward)
	}
	return &out
}
