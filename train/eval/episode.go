package eval

import (
	"context"

	"korr/sim"
	"korr/sim/domain"
)

// InProcess makes players that step an environment directly.
func InProcess(newEnv func(Condition) (sim.Env, error)) func(context.Context, Condition) (Player, error) {
	return func(_ context.Context, c Condition) (Player, error) {
		env, err := newEnv(c)
		if err != nil {
			return nil, err
		}
		return inProcess{env}, nil
	}
}

type inProcess struct{ env sim.Env }

func (p inProcess) Play(ctx context.Context, pol sim.Policy, episodeSeed uint64) (Episode, error) {
	return RunEpisode(ctx, p.env, pol, episodeSeed, nil)
}

func (p inProcess) Close() error { return p.env.Close() }

// Step is what an observer of an episode sees: the observation (raw) acted on, the action (raw) and its result. The
// slices are reused.
type Step struct {
	Index    int // 0-based control step
	Obs, Act []float32
	Result   sim.Result
}

// RunEpisode plays one episode from the seed. observe, when not nil, is called after every control step. A failing
// policy or simulator ends the episode with its Fault; the error is only ever that of ctx.
func RunEpisode(
	ctx context.Context, env sim.Env, pol sim.Policy, episodeSeed uint64, observe func(Step),
) (Episode, error) {
	spec := env.Spec()
	obs := make([]float32, spec.ObsDim)
	ep := Episode{Seed: episodeSeed}
	if ep.Fault = env.Reset(obs, episodeSeed); ep.Fault != nil {
		return ep, nil
	}
	ep.Domain = domain.Of(env)
	pol.Reset(episodeSeed)
	progress := NewProgress(spec)
	err := ep.run(ctx, env, pol, obs, func(s Step) {
		progress.Observe(s.Obs)
		if observe != nil {
			observe(s)
		}
	})
	ep.Stage = progress.Stage(ep.Success)
	return ep, err
}

// run plays from the observation obs to the end.
func (ep *Episode) run(ctx context.Context, env sim.Env, pol sim.Policy, obs []float32, observe func(Step)) error {
	next, act := make([]float32, len(obs)), make([]float32, env.Spec().ActDim)
	ages := sim.NewAges(pol, env)
	for {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		ages.Tell()
		if ep.Fault = pol.ActTo(act, obs); ep.Fault != nil {
			return nil
		}
		res, err := env.Step(next, act)
		if err != nil {
			ep.Fault = err
			return nil
		}
		observe(Step{Index: ep.Steps, Obs: obs, Act: act, Result: res})
		ep.Steps++
		obs, next = next, obs
		if res.Terminated || res.Truncated || res.Success {
			ep.Success = res.Success
			if y, ok := sim.As[interface{ OneYaw() bool }](env); ok {
				one := res.Success && y.OneYaw()
				ep.OneYaw = &one
			}
			return nil
		}
	}
}

// Progress follows how far an episode comes. The zero value, for a task that this program does not know, tells nothing.
type Progress struct{ task *sim.Progress }

// NewProgress returns the progress of an episode in an environment.
func NewProgress(spec sim.Spec) Progress {
	task, err := sim.TaskByName(spec.Task)
	if err == nil {
		task.Yaw = spec.Yaw
	}
	if err != nil || task.ObsDim() != spec.ObsDim {
		return Progress{}
	}
	return Progress{task.NewProgress()}
}

// Observe takes in an observation that the policy acted on.
func (p Progress) Observe(obs []float32) {
	if p.task != nil {
		p.task.Observe(obs)
	}
}

// Stage is what was still to be done when the episode ended.
func (p Progress) Stage(success bool) sim.Stage {
	switch {
	case success:
		return sim.Done
	case p.task == nil:
		return ""
	}
	return p.task.Stage()
}
