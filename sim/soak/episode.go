package soak

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"korr/internal/geom"
	"korr/internal/layout"
	"korr/internal/seed"
	"korr/sim"
)

// refuse is the chance of a step to hand in an action that must be refused, which ends the episode.
const refuse = 1.0 / 2000

// farthest is how far anything in an observation may be from zero: metres, metres per second, radians per second.
const farthest = 1e3

// episode is what came of one.
type episode struct {
	task    string
	steps   int
	refused int
	success bool
	err     error
}

// work plays episodes until there are no more, on environments of its own.
func (r *run) work(ctx context.Context) (err error) {
	envs := map[string]sim.Env{}
	closeAll := func() error {
		var errs []error
		for name, e := range envs {
			errs = append(errs, e.Close())
			delete(envs, name)
		}
		return errors.Join(errs...)
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	for played := int64(1); ctx.Err() == nil; played++ {
		n, ok := r.take()
		if !ok {
			return nil
		}
		task := r.cfg.Tasks[n%int64(len(r.cfg.Tasks))]
		if envs[task] == nil {
			env, err := r.cfg.Open(task)
			if err != nil {
				return fmt.Errorf("soak: %w", err)
			}
			envs[task] = env
			r.mu.Lock()
			r.state.Opened++
			r.mu.Unlock()
		}
		e := play(envs[task], task, r.cfg.Seed, n, r.cfg.Episode)
		r.finish(n, e)
		if played%r.cfg.Reopen == 0 {
			if err := closeAll(); err != nil {
				return fmt.Errorf("soak: %w", err)
			}
		}
	}
	return nil
}

// play is episode n. A panic is one of its faults.
func play(env sim.Env, task string, root uint64, n int64, limit int) (e *episode) {
	e = &episode{task: task}
	defer func() {
		if p := recover(); p != nil {
			e.err = fmt.Errorf("panic: %v", p)
		}
	}()
	rng := seed.Stream(root, "soak/"+task, uint64(n))
	spec := env.Spec()
	obs, act := make([]float32, spec.ObsDim), make([]float32, spec.ActDim)
	if e.err = env.Reset(obs, rng.Uint64()); e.err != nil {
		return e
	}
	a := &actor{rng: rng, style: rng.IntN(styles), parts: len(spec.PartNames)}
	for e.steps < limit {
		if e.err = finite(obs); e.err != nil {
			return e
		}
		a.actTo(act, obs)
		if rng.Float64() < refuse {
			e.refused, e.err = 1, refused(env, obs, act, rng)
			return e
		}
		e.steps++
		result, err := env.Step(obs, act)
		if a.style == wild && errors.Is(err, sim.ErrAction) { // finite and absurd: no rotation, say
			e.refused = 1
			return e
		}
		if err != nil {
			e.err = err
			return e
		}
		e.success = e.success || result.Success
		if result.Terminated || result.Truncated {
			break
		}
	}
	e.err = finite(obs)
	return e
}

// finite finds what no observation may hold.
func finite(obs []float32) error {
	for i, v := range obs {
		if f := float64(v); math.IsNaN(f) || math.Abs(f) > farthest {
			return fmt.Errorf("observation %d is %v", i, v)
		}
	}
	return nil
}

// refused hands in a bad action; nil when the environment refuses it and the episode is over.
func refused(env sim.Env, obs, act []float32, rng *rand.Rand) error {
	bad := act
	switch k := rng.IntN(len(act)); rng.IntN(4) {
	case 0:
		bad[k] = float32(math.NaN())
	case 1:
		bad[k] = float32(math.Inf(1))
	case 2:
		bad[k] = float32(math.Inf(-1))
	default:
		bad = act[:k]
	}
	if _, err := env.Step(obs, bad); !errors.Is(err, sim.ErrAction) {
		return fmt.Errorf("a bad action %v was answered with %v, want sim.ErrAction", bad, err)
	}
	if _, err := env.Step(obs, act); !errors.Is(err, sim.ErrNotReset) && !errors.Is(err, sim.ErrAction) {
		return fmt.Errorf("after a bad action a step was answered with %v, want sim.ErrNotReset", err)
	}
	return nil
}

// The actor's styles.
const (
	wild   = iota // targets anywhere, some of them absurd
	near          // targets at parts, so that the hand rams, grasps and throws them
	jitter        // small steps from where the tool is
	styles
)

// actor draws actions.
type actor struct {
	rng    *rand.Rand
	style  int
	parts  int
	left   int
	target geom.Pose
	grip   float32
}

func (a *actor) actTo(act, obs []float32) {
	if a.left--; a.left < 0 {
		a.left = 1 + a.rng.IntN(15)
		a.grip = float32(2*a.rng.IntN(2) - 1)
		a.target = a.draw(obs)
	}
	layout.ToolTo(act, a.target)
	act[layout.Gripper] = a.grip
	if a.style == wild && a.rng.IntN(100) == 0 {
		act[a.rng.IntN(len(act))] = float32(math.Pow(10, 30*a.rng.Float64()))
	}
}

func (a *actor) draw(obs []float32) geom.Pose {
	normal := func(s float64) geom.Vec3 {
		return geom.Vec3{s * a.rng.NormFloat64(), s * a.rng.NormFloat64(), s * a.rng.NormFloat64()}
	}
	turn := geom.Quat{a.rng.NormFloat64(), a.rng.NormFloat64(), a.rng.NormFloat64(), a.rng.NormFloat64()}.Normalize()
	down := geom.AxisAngle(geom.Vec3{0, 0, 1}, 2*math.Pi*a.rng.Float64()).Mul(geom.Quat{1, 0, 0, 0})
	switch a.style {
	case near:
		part := geom.TagFrame.Mul(geom.PoseAt(obs[sim.StateDim+sim.PoseDim*a.rng.IntN(a.parts):]))
		return geom.Pose{P: part.P.Add(normal(0.03)), Q: down}
	case jitter:
		return geom.Pose{P: geom.VecAt(obs).Add(normal(0.02)), Q: geom.Rot6DAt(layout.Rotation.Of(obs)).Quat()}
	}
	return geom.Pose{P: geom.Vec3{0.5, 0, 0.2}.Add(normal(0.4)), Q: turn}
}
