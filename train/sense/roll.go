package sense

import (
	"context"
	"fmt"
	"slices"

	"korr/internal/geom"
	"korr/internal/layout"
	"korr/koopman/filter"
	"korr/residual"
	"korr/sim"
	"korr/train/episodes"
)

// Roll is an episode as it was: raw observations without noise, and the raw actions that followed them.
type Roll struct {
	Obs [][]float32
	Act [][]float32
}

// Record plays the episode of a seed.
func Record(ctx context.Context, env sim.Env, p sim.Policy, seed uint64) (Roll, error) {
	spec := env.Spec()
	var r Roll
	obs, act := make([]float32, spec.ObsDim), make([]float32, spec.ActDim)
	if err := env.Reset(obs, seed); err != nil {
		return r, fmt.Errorf("sense: %w", err)
	}
	p.Reset(seed)
	for {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		r.Obs = append(r.Obs, slices.Clone(obs))
		if err := p.ActTo(act, obs); err != nil {
			return r, fmt.Errorf("sense: %w", err)
		}
		r.Act = append(r.Act, slices.Clone(act))
		res, err := env.Step(obs, act)
		if err != nil {
			return r, fmt.Errorf("sense: %w", err)
		}
		if res.Terminated || res.Truncated || res.Success {
			return r, nil
		}
	}
}

// Episode is the roll as a filter's episode.
func (r *Roll) Episode() filter.Episode {
	var e filter.Episode
	for t, obs := range r.Obs {
		e.Arm = append(e.Arm, residual.ArmOf(obs))
		e.Command = append(e.Command, residual.CommandOf(r.Act[t]))
		var parts []geom.Pose
		poses, _ := layout.Poses(len(obs))
		for i := range poses {
			parts = append(parts, residual.PartOf(obs, i))
		}
		e.Parts = append(e.Parts, parts)
	}
	return e
}

// tape is the roll as an environment, so that the sensors of sim/disturb see it.
func (r *Roll) tape(task *sim.Task) *episodes.Recorded {
	spec := sim.Spec{Task: task.Name, ObsDim: task.ObsDim(), ActDim: sim.ActDim, PartNames: task.PartNames()}
	return &episodes.Recorded{What: spec, Len: len(r.Obs), At: func(obs []float32, t int) { copy(obs, r.Obs[t]) }}
}
