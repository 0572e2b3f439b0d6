package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"korr/internal/bench"
	"korr/sim"
	"korr/train/eval"
)

func newCmdBenchSim(o *benchOptions) *cobra.Command {
	return &cobra.Command{
		Use:   "sim",
		Short: "environment steps per second of every task",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runBenchSim(cmd.Context(), o) },
	}
}

func runBenchSim(ctx context.Context, o *benchOptions) error {
	var cases []bench.Case
	for _, task := range sim.TaskNames() {
		env, err := o.newEnv(eval.Condition{Task: task, Randomness: string(sim.Low)})
		if err != nil {
			return err
		}
		defer env.Close()
		cases = append(cases, bench.Case{Name: "sim/" + task, Unit: "steps/s", Run: func() (float64, error) { return stepRate(env, 200) }})
	}
	results, err := bench.Alternate(ctx, o.rounds, cases...)
	if err != nil {
		return err
	}
	return o.printBench(results)
}

// stepRate is the steps per second of an arm that stands still.
func stepRate(env sim.Env, n int) (float64, error) {
	obs, act := make([]float32, env.Spec().ObsDim), make([]float32, sim.ActDim)
	if err := env.Reset(obs, 1); err != nil {
		return 0, err
	}
	copy(act, obs[:9])
	act[9] = -1
	start := time.Now()
	for range n {
		if _, err := env.Step(obs, act); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(start).Seconds(), nil
}
