package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/sim"
	"korr/sim/mujoco"
	"korr/sim/soak"
)

// soakOptions are the verb's flags.
type soakOptions struct {
	*benchOptions
	steps      int64
	tasks      []string
	workers    int
	checkpoint string
	perturb    float64
	episode    string
}

func newCmdBenchSoak(b *benchOptions) *cobra.Command {
	o := &soakOptions{benchOptions: b}
	cmd := &cobra.Command{
		Use:   "soak",
		Short: "very many random steps, in search of crashes, NaN and leaks",
		Long: `Plays random actions, some of which have to be refused, pushes and drawn physics (domain.*, or ranges of its
own when those are off) over the tasks at high randomness, and counts what must not happen. Exits with 3 when anything
did, or when memory grew by more than a tenth. With --checkpoint an interrupted soak goes on where it stopped. With
--episode it plays again one of the episodes that a soak of the same seed reported.`,
		Example: `  korr bench soak --steps 100000
  korr bench soak --steps 10000000 --checkpoint soak.json --json
  korr bench soak --episode one_leg:2317`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runBenchSoak(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.Int64Var(&o.steps, "steps", 100000, "control steps over all tasks")
	f.StringSliceVar(&o.tasks, "tasks", []string{"all"}, "furniture tasks, or all")
	f.IntVar(&o.workers, "workers", 0, "simulations at once; 0 = sim.workers, or one per processor")
	f.StringVar(&o.checkpoint, "checkpoint", "", "keep the state in this `file` and go on from it")
	f.Float64Var(&o.perturb, "perturb", 3, "strength of the pushes; 1 = as published")
	f.StringVar(&o.episode, "episode", "", "play only this episode of a soak, `task:number`")
	return cmd
}

func runBenchSoak(ctx context.Context, o *soakOptions) error {
	cfg, err := o.config()
	if err != nil {
		return err
	}
	var state *soak.State
	if o.episode != "" {
		task, number, err := soak.ParseEpisode(o.episode)
		if err != nil {
			return err
		}
		if state, err = soak.Replay(cfg, task, number); err != nil {
			return err
		}
		return o.Judge("soak", state.Report())
	}
	p := o.progress("soak", "steps", int(o.steps))
	cfg.Progress = func(steps, of int64, note string) { p.Set(int(steps), int(of), note) }
	if state, err = soak.Run(ctx, cfg); err != nil {
		return err
	}
	p.Finish(fmt.Sprintf("%d steps", state.Steps))
	return o.Judge("soak", state.Report())
}

func (o *soakOptions) config() (cfg soak.Config, err error) {
	if o.steps < 1 {
		return cfg, cli.UsageErrorf("--steps %d: play at least one", o.steps)
	}
	c := o.Condition()
	ranges, err := o.Physics(c)
	if err != nil {
		return cfg, err
	}
	if !ranges.On() {
		ranges = soak.Physics()
	}
	cfg = soak.Config{Tasks: o.tasks, Steps: o.steps, Workers: o.workers, Seed: o.Config.Seed}
	if len(o.tasks) == 1 && o.tasks[0] == "all" {
		cfg.Tasks = sim.TaskNames()
	}
	if cfg.Workers < 1 {
		cfg.Workers = o.Lab.Workers()
	}
	cfg.Open = func(task string) (sim.Env, error) {
		env, err := mujoco.New(mujoco.Config{Task: task, Randomness: sim.High, Perturb: o.perturb, Domain: ranges})
		if err != nil {
			return nil, err
		}
		return o.Sensed(env, c)
	}
	if o.checkpoint == "" {
		return cfg, nil
	}
	if err = cfg.KeepIn(o.checkpoint); err == nil && cfg.Resume != nil {
		o.Log.Info("soak goes on", "from", cfg.Resume.Steps, "file", o.checkpoint)
	}
	return cfg, err
}
