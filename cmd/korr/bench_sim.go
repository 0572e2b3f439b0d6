package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/internal/bench"
	"korr/sim"
	"korr/sim/expert"
	"korr/sim/mujoco"
)

func newCmdBenchSim(o *benchOptions) *cobra.Command {
	return &cobra.Command{
		Use:   "sim",
		Short: "environment steps per second beside the bare engine loop, of every task",
		Long: `Records an expert's episode of every task and repeats it: with the environment, with MuJoCo's mj_step alone (the same model, states and
inputs, looped in C), with mj_step behind this simulator's broad phase, and with one environment per processor at once. A step is a
control step of 0.1 s. Then says where a step's time goes, what an environment holds in memory, and what a step allocates.`,
		Example: `  korr bench sim --rounds 9 --json`,
		Args:    cli.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runBenchSim(cmd.Context(), o) },
	}
}

func runBenchSim(ctx context.Context, o *benchOptions) error {
	var all []bench.Result
	p := o.progress("bench sim", "tasks", len(sim.TaskNames()))
	for i, task := range sim.TaskNames() {
		results, err := benchTask(ctx, task, o.rounds)
		if err != nil {
			return fmt.Errorf("%s: %w", task, err)
		}
		all = append(all, results...)
		p.set(i+1, len(sim.TaskNames()), task)
	}
	p.finish("done")
	return o.printBench(all)
}

// benchTask measures one task with one environment per processor.
func benchTask(ctx context.Context, task string, rounds int) (_ []bench.Result, err error) {
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
	results, err := bench.Alternate(ctx, rounds,
		bench.Case{Name: name, Unit: "steps/s", Peer: name + "/engine", Run: rate(one.Step)},
		bench.Case{Name: name + "/engine", Unit: "steps/s", Run: rate(func() (time.Duration, error) { return one.Bare(false) })},
		bench.Case{Name: name + "/engine and broad phase", Unit: "steps/s", Peer: name, Run: rate(func() (time.Duration, error) { return one.Bare(true) })},
		bench.Case{Name: all, Unit: "steps/s", Peer: name, Run: func() (float64, error) { return together(tapes) }},
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
		results = append(results, bench.Result{Name: name + "/" + what, Value: value, Unit: unit})
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

// allocations is how often Go's heap was asked for memory in a step. Moving between the tape's windows is taken off: it is counted
// on its own.
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
