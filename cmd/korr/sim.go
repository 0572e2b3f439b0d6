package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"korr/cmd/internal/cli"
	"korr/cmd/internal/robotcmd"
	"korr/internal/recorder"
	"korr/internal/recording"
	"korr/sim/domain"
	"korr/train/eval"
	"korr/train/lab"
)

// simOptions are the verb's flags that are no settings.
type simOptions struct {
	*app
	policy, render       string
	foxglove             string
	episodes             int
	ros, ros2            bool
	lockStep, startsRoot bool
	wait                 bool
	hz, partsHz          float64
	record               []string
	view                 viewOptions
	episodeSeed          uint64
	oneEpisode           func() bool // --episode-seed was given
}

func newCmdSim(a *app) *cobra.Command {
	o := &simOptions{app: a}
	cmd := &cobra.Command{
		Use:   "sim [name:=value ...]",
		Short: "the simulator alone, or as a ROS node",
		Long: `Plays episodes of a policy and says how they ended; or, with --ros or --ros2, serves the simulator as a Franka
arm with a part tracker, 10 Hz on the wall clock, or in lock step with the control node, until interrupted; or, with
--view, shows the simulation live in browsers, or recorded episodes (docs/viewer.md).

--episode-seed plays the very episode whose seed korr eval, korr sim, korr demo or a page shows, under the same
--randomness, --perturb, --sensing and --physics; --seed is what the seeds of --episodes are drawn from.`,
		Example: `  korr sim --policy expert --episodes 3
  korr sim --policy korr --perturb 1 --render episode.gif
  korr sim --policy korr --episode-seed 9321294345621881363 --view 127.0.0.1:8080
  korr sim --view 127.0.0.1:8080 --policy korr --perturb 1
  korr sim --view 127.0.0.1:8080 --replay runs/demos
  korr sim --ros --master
  korr sim --ros2 --ros-args -r __ns:=/lab`,
		Args:        cli.NoArgs,
		Annotations: cli.ROSAnnotation,
		RunE:        func(cmd *cobra.Command, _ []string) error { return runSim(cmd.Context(), o) },
	}
	f := cmd.Flags()
	conditionFlags(f)
	f.StringVar(&o.policy, "policy", lab.Expert, "who acts: expert, base, resip, korr, or a checkpoint: its path or the "+
		"folder of its training")
	f.IntVar(&o.episodes, "episodes", 1, "episodes to play")
	f.Uint64Var(&o.episodeSeed, "episode-seed", 0, "play the one episode of this seed, as results and pages show it")
	o.oneEpisode = func() bool { return f.Changed("episode-seed") }
	f.StringVar(&o.render, "render", "", "draw the first episode into this `file`: a .png strip, or a .gif or .mp4 film "+
		"(ffmpeg)")
	f.BoolVar(&o.ros, "ros", false, "serve the simulator as a ROS node")
	f.BoolVar(&o.ros2, "ros2", false, "serve the simulator as a node of ROS 2, as franka_ros2 shows an arm")
	f.BoolVar(&o.startsRoot, "master", false, "with --ros: start a ROS master at ROS_MASTER_URI (default "+
		"127.0.0.1:11311) too")
	f.BoolVar(&o.lockStep, "lock-step", false, "with --ros or --ros2: advance only when commanded")
	f.BoolVar(&o.wait, "wait", false, "with --ros: wait for a ROS master instead of giving up")
	f.Float64Var(&o.hz, "hz", 50, "with --ros or --ros2: messages per second in real time: 100, 50, 25, 20 or 10")
	f.Float64Var(&o.partsHz, "parts-hz", 0, "with --ros or --ros2: frames per second of the part tracker in real time, "+
		"at most 100; 0 = as --hz")
	f.StringArrayVar(&o.record, "record", nil, "record the episodes: into an MCAP file (`FILE.mcap`), a ROS bag "+
		"(FILE.bag) or a LeRobot dataset (a folder); may be repeated")
	f.StringVar(&o.foxglove, "foxglove", "", "with --ros or --ros2: "+robotcmd.FoxgloveUsage)
	o.view.flags(f)
	cmd.AddCommand(newCmdSimServe(o.app))
	return cmd
}

// conditionFlags adds the flags of what is simulated.
func conditionFlags(f *pflag.FlagSet) {
	f.String("task", "one_leg", "furniture task")
	f.String("randomness", "low", "initial randomness: low, med, high or mixed")
	f.Float64("perturb", 0, "strength of the pushes; 0 = none, 1 = as published")
	f.String("sensing", "", "part tracker: clean, T1, T2 or T3 (default as set by disturb.*)")
	f.String("physics", "", "physics of the episodes: nominal or D1 (default as set by domain.*)")
	cli.SetKey(f, "sensing", "sim.sensing")
	cli.SetKey(f, "physics", "sim.physics")
	cli.SetKey(f, "task", "sim.task")
	cli.SetKey(f, "randomness", "sim.randomness")
	cli.SetKey(f, "perturb", "sim.perturb")
}

// simResult is what the verb prints.
type simResult struct {
	Schema   string       `json:"schema"` // korr.sim/1
	Task     string       `json:"task"`
	Policy   string       `json:"policy"`
	Episodes []simEpisode `json:"episodes"`
}

type simEpisode struct {
	Seed    uint64       `json:"seed"`
	Steps   int          `json:"steps"`
	Success bool         `json:"success"`
	Fault   string       `json:"fault,omitempty"`
	Domain  *domain.Draw `json:"domain,omitempty"` // of its physics
}

func runSim(ctx context.Context, o *simOptions) error {
	if o.ros || o.ros2 {
		return o.serve(ctx)
	}
	if o.foxglove != "" {
		return cli.UsageErrorf("--foxglove shows topics: it needs --ros or --ros2; --view shows a simulation without them")
	}
	if len(o.ROSArgs)+len(o.ROS2Args) > 0 || o.lockStep || o.startsRoot || o.wait {
		return cli.UsageErrorf("ROS arguments, --lock-step, --master and --wait need --ros, the first two --ros or --ros2")
	}
	if err := o.check(); err != nil {
		return err
	}
	if o.view.given() {
		return o.watch(ctx)
	}
	found, err := o.Policies([]string{o.policy})
	if err != nil {
		return err
	}
	rec, err := o.newRecorder()
	if err != nil {
		return err
	}
	spec := eval.Spec{
		Conditions: []eval.Condition{o.Condition()}, Policies: found, Episodes: o.episodes, Seed: o.Config.Seed,
		Workers: rec.Workers(o.Workers()), Open: eval.InProcess(rec.Wrap(o.Env)),
	}
	if o.oneEpisode() {
		spec.Seeds = []uint64{o.episodeSeed}
	}
	p := o.progress("sim", "episodes", o.episodes)
	spec.Progress = p.SetOf
	cells, err := eval.Evaluate(ctx, spec)
	recorded := rec.Finish()
	if err != nil {
		return errors.Join(err, recorded)
	}
	if o.render != "" {
		if err := o.FilmTo(ctx, o.render, o.Condition(), found[0], cells[0].Episodes[0]); err != nil {
			return err
		}
	}
	r := simResult{Schema: "korr.sim/1", Task: o.Config.Sim.Task, Policy: o.policy}
	for _, e := range cells[0].Episodes {
		out := simEpisode{Seed: e.Seed, Steps: e.Steps, Success: e.Success, Domain: e.Domain}
		if e.Fault != nil {
			out.Fault = e.Fault.Error()
		}
		r.Episodes = append(r.Episodes, out)
	}
	return errors.Join(recorded, o.printSim(r))
}

// check looks at the flags before anything is simulated.
func (o *simOptions) check() error {
	switch {
	case o.episodes < 1:
		return cli.UsageErrorf("--episodes %d: play at least one", o.episodes)
	case o.oneEpisode() && o.episodes > 1:
		return cli.UsageErrorf("--episode-seed names one episode: leave --episodes out")
	}
	for _, to := range o.record {
		check := cli.CheckFolder
		if strings.HasSuffix(to, ".bag") {
			check = func(flag, path string) error { return cli.CheckOutput(flag, path) }
		}
		if err := check("--record", to); err != nil {
			return err
		}
	}
	if err := cli.CheckOutput("--render", o.render, ".png", ".gif", ".mp4"); err != nil {
		return err
	}
	if o.render != "" {
		if err := lab.CheckFilm(o.render); err != nil {
			return fmt.Errorf("--render %s: %w", o.render, err)
		}
	}
	return o.view.check()
}

// newRecorder opens what --record names; nil when it names nothing.
func (o *simOptions) newRecorder() (*recorder.Recorder, error) {
	if len(o.record) == 0 {
		return nil, nil
	}
	w, err := o.World()
	if err != nil {
		return nil, err
	}
	info, err := w.Info()
	if err != nil {
		return nil, err
	}
	note := recording.Note{
		Task: info.Task, Policy: o.policy, Randomness: string(o.Config.Sim.Randomness), Perturb: o.Config.Sim.Perturb,
		Simulator: w.Simulator,
	}
	return recorder.New(recorder.Config{To: o.record, Info: info, Note: note, Logger: o.Log})
}

func (o *simOptions) printSim(r simResult) error {
	if o.JSON {
		return o.PrintJSON(r)
	}
	for _, e := range r.Episodes {
		what := "not assembled"
		if e.Success {
			what = "assembled"
		}
		if e.Fault != "" {
			what = "failed: " + e.Fault
		}
		if err := o.Printf("%s, %s, seed %d: %s after %d steps (%.1f s)\n", r.Task, r.Policy, e.Seed, what, e.Steps,
			float64(e.Steps)/10); err != nil {
			return err
		}
	}
	return nil
}
