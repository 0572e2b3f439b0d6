package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/internal/atomicfile"
	"korr/sim"
	"korr/sim/domain"
	"korr/sim/mujoco"
	"korr/sim/soak"
)

// mostGrowth is how much memory may grow over a soak before it counts as a leak, a fraction.
const mostGrowth = 0.1

// soakDomain is what a soak draws when domain.* draws nothing.
var soakDomain = domain.Ranges{
	Mass: [2]float64{0.5, 2}, Friction: [2]float64{0.5, 2}, Gain: [2]float64{0.7, 1.4},
	Position: 0.005, Rotation: 0.1,
}

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

// soakResult is what the verb prints.
type soakResult struct {
	*soak.State
	Growth float64 `json:"memory_growth"` // fraction, last third over first
	Rate   float64 `json:"steps_per_second"`
	Passed bool    `json:"passed"`
}

func runBenchSoak(ctx context.Context, o *soakOptions) error {
	cfg, err := o.config()
	if err != nil {
		return err
	}
	if o.episode != "" {
		return o.replay(cfg)
	}
	p := o.progress("soak", "steps", int(o.steps))
	cfg.Progress = func(steps, of int64, note string) { p.set(int(steps), int(of), note) }
	state, err := soak.Run(ctx, cfg)
	if err != nil {
		return err
	}
	p.finish(fmt.Sprintf("%d steps", state.Steps))
	return o.judge(state)
}

// replay plays one episode alone.
func (o *soakOptions) replay(cfg soak.Config) error {
	task, number, _ := strings.Cut(o.episode, ":")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || !slices.Contains(sim.TaskNames(), task) {
		return cli.UsageErrorf("--episode %s: want task:number, as a soak reports them, with a task of %s", o.episode,
			strings.Join(sim.TaskNames(), ", "))
	}
	state, err := soak.Replay(cfg, task, n)
	if err != nil {
		return err
	}
	return o.judge(state)
}

// judge prints what came of it; the error is that of a soak that failed.
func (o *soakOptions) judge(state *soak.State) error {
	r := soakResult{State: state, Growth: soak.Growth(state.Memory)}
	if state.Seconds > 0 {
		r.Rate = float64(state.Steps) / state.Seconds
	}
	r.Passed = state.Broken == 0 && r.Growth <= mostGrowth
	if err := o.printSoak(&r); err != nil || r.Passed {
		return err
	}
	return cli.GateErrorf("soak: %d broken episodes, memory grew by %.0f %%", state.Broken, 100*r.Growth)
}

func (o *soakOptions) config() (soak.Config, error) {
	if o.steps < 1 {
		return soak.Config{}, cli.UsageErrorf("--steps %d: play at least one", o.steps)
	}
	tasks := o.tasks
	if len(tasks) == 1 && tasks[0] == "all" {
		tasks = sim.TaskNames()
	}
	c := o.condition()
	ranges, err := o.physics(c)
	if err != nil {
		return soak.Config{}, err
	}
	if !ranges.On() {
		ranges = soakDomain
	}
	cfg := soak.Config{Tasks: tasks, Steps: o.steps, Workers: o.workers, Seed: o.Config.Seed}
	if cfg.Workers < 1 {
		cfg.Workers = o.app.workers()
	}
	cfg.Open = func(task string) (sim.Env, error) {
		env, err := mujoco.New(mujoco.Config{Task: task, Randomness: sim.High, Perturb: o.perturb, Domain: ranges})
		if err != nil {
			return nil, err
		}
		return o.sensed(env, c)
	}
	if o.checkpoint == "" {
		return cfg, nil
	}
	data, err := os.ReadFile(o.checkpoint)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return cfg, err
	default:
		cfg.Resume = new(soak.State)
		if err := json.Unmarshal(data, cfg.Resume); err != nil {
			return cfg, fmt.Errorf("%s is no checkpoint of a soak (delete it to start anew): %w", o.checkpoint, err)
		}
		o.Log.Info("soak goes on", "from", cfg.Resume.Steps, "file", o.checkpoint)
	}
	cfg.Save = func(s *soak.State) error {
		data, err := json.Marshal(s)
		if err != nil {
			return err
		}
		return atomicfile.Write(o.checkpoint, data)
	}
	return cfg, nil
}

func (o *soakOptions) printSoak(r *soakResult) error {
	if o.JSON {
		return o.PrintJSON(r)
	}
	last := r.Memory[len(r.Memory)-1].Bytes
	if err := o.Printf("%d steps, %d episodes, %.0f steps/s; %d environments opened; %d bad actions refused\n", r.Steps,
		r.Episodes, r.Rate, r.Opened, r.Refused); err != nil {
		return err
	}
	for _, f := range r.Faults {
		if err := o.Printf("  %s, episode %d, step %d: %s\n", f.Task, f.Episode, f.Step, f.Error); err != nil {
			return err
		}
	}
	return o.Printf("%d episodes ended as unstable, %d broken; %d MiB resident, growth %.1f %%\n", r.Unstable, r.Broken,
		last>>20, 100*r.Growth)
}
