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

// RunEpisode plays one episode from the seed. observe, when not nil, is called after every control step. A failing policy or
// simulator ends the episode with its Fault; the error is only ever that of ctx.
func RunEpisode(ctx context.Context, env sim.Env, pol sim.Policy, episodeSeed uint64, observe func(Step)) (Episode, error) {
	spec := env.Spec()
	obs, next, act := make([]float32, spec.ObsDim), make([]float32, spec.ObsDim), make([]float32, spec.ActDim)
	ep := Episode{Seed: episodeSeed}
	if ep.Fault = env.Reset(obs, episodeSeed); ep.Fault != nil {
		return ep, nil
	}
	ep.Domain = domain.Of(env)
	pol.Reset(episodeSeed)
	for {
		if err := context.Cause(ctx); err != nil {
			return ep, err
		}
		if ep.Fault = pol.ActTo(act, obs); ep.Fault != nil {
			return ep, nil
		}
		res, err := env.Step(next, act)
		if err != nil {
			ep.Fault = err
			return ep, nil
		}
		if observe != nil {
			observe(Step{Index: ep.Steps, Obs: obs, Act: act, Result: res})
		}
		ep.Steps++
		obs, next = next, obs
		if res.Terminated || res.Truncated || res.Success {
			ep.Success = res.Success
			return ep, nil
		}
	}
}
