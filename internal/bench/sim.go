package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"korr/sim"
	"korr/sim/expert"
	"korr/sim/mujoco"
)

// Simulator measures the environment steps per second of the tasks beside MuJoCo's mj_step alone and with one
// environment per processor, where a step's time goes, what an environment holds in memory, and what a step allocates.
// progress may be nil.
func Simulator(
	ctx context.Context, tasks []string, rounds int, progress func(done, of int, task string),
) ([]Result, error) {
	var all []Result
	for i, task := range tasks {
		results, err := simulateTask(ctx, task, rounds)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", task, err)
		}
		all = append(all, results...)
		if progress != nil {
			progress(i+1, len(tasks), task)
		}
	}
	return all, nil
}

// simulateTask measures one task with one environment per processor.
func simulateTask(ctx context.Context, task string, rounds int) (_ []Result, err error) {
	workers := runtime.GOMAXPROCS(0)
	tapes := make([]*mujoco.Tape, workers)
	var envs []*mujoco.Env
	defer func() {
		for _, e := range envs {
			err = errors.Join(err, e.Close())
		}
	}()
	for i := range tapes {
		env, err := mujoco.New(mujoco.Config{Task: task})
		if err != nil {
			return nil, err
		}
		envs = append(envs, env)
		if tapes[i], err = recordExpert(env, task); err != nil {
			return nil, err
		}
	}
	one := tapes[0]
	rate := func(run func() (time.Duration, error)) func() (float64, error) {
		return func() (float64, error) {
			took, err := run()
			return float64(one.Steps()) / took.Seconds(), err
		}
	}
	name := "sim/" + task
	all := fmt.Sprintf("%s/%d workers", name, workers)
	results, err := Alternate(ctx, rounds,
		Case{Name: name, Unit: "steps/s", Peer: name + "/engine", Run: rate(one.Step)},
		Case{Name: name + "/engine", Unit: "steps/s", Run: rate(func() (time.Duration, error) { return one.Bare(false) })},
		Case{Name: name + "/engine and broad phase", Unit: "steps/s", Peer: name, Run: rate(func() (time.Duration,
			error,
		) {
			return one.Bare(true)
		})},
		Case{Name: all, Unit: "steps/s", Peer: name, Run: func() (float64, error) { return together(tapes) }},
	)
	if err != nil {
		return nil, err
	}
	phases, err := one.Phases()
	if err != nil {
		return nil, err
	}
	allocs, err := allocations(one)
	if err != nil {
		return nil, err
	}
	add := func(what string, value float64, unit string) {
		results = append(results, Result{Name: name + "/" + what, Value: value, Unit: unit})
	}
	share := func(what string, seconds float64) { add(what, 100*seconds/phases.Total, "% of a step") }
	share("engine: contacts found", phases.Collision)
	share("engine: forces solved", phases.Solver)
	share("engine: the rest", phases.Engine-phases.Collision-phases.Solver)
	share("control", phases.Control)
	share("threads and broad phase", phases.Threads)
	share("outputs", phases.Outputs)
	share("Go", phases.Go)
	add("memory", float64(envs[0].Memory())/1024, "KiB")
	add("allocations", allocs, "per step")
	return results, nil
}

// recordExpert keeps the expert's episode of seed 1.
func recordExpert(env *mujoco.Env, task string) (*mujoco.Tape, error) {
	t, err := sim.TaskByName(task)
	if err != nil {
		return nil, err
	}
	x, err := expert.New(t, expert.Config{})
	if err != nil {
		return nil, err
	}
	defer x.Close()
	return mujoco.Record(env, x, 1)
}

// together repeats every tape on a goroutine of its own and returns the steps per second of all.
func together(tapes []*mujoco.Tape) (float64, error) {
	var wg sync.WaitGroup
	errs := make([]error, len(tapes))
	start, steps := time.Now(), 0
	for i, t := range tapes {
		steps += t.Steps()
		wg.Go(func() { _, errs[i] = t.Step() })
	}
	wg.Wait()
	return float64(steps) / time.Since(start).Seconds(), errors.Join(errs...)
}

// allocations is how often Go's heap was asked for memory in a step. Moving between the tape's windows is taken off: it
// is counted on its own.
func allocations(t *mujoco.Tape) (float64, error) {
	count := func(run func() (time.Duration, error)) (uint64, error) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := run()
		runtime.ReadMemStats(&after)
		return after.Mallocs - before.Mallocs, err
	}
	with, err := count(t.Step)
	if err != nil {
		return 0, err
	}
	without, err := count(func() (time.Duration, error) { return t.Bare(true) })
	if err != nil {
		return 0, err
	}
	return max(0, float64(with)-float64(without)) / float64(t.Steps()), nil
}
