package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/cmd/internal/robotcmd"
	"korr/train/eval"
	"korr/train/lab"
)

// evalOptions are the verb's flags that are no settings.
type evalOptions struct {
	*app
	lab.How
	files       eval.Files
	least       float64 // rate of success
	serve, wait bool
}

func newCmdEval(a *app) *cobra.Command {
	o := &evalOptions{app: a}
	cmd := &cobra.Command{
		Use:   "eval [name:=value ...]",
		Short: "success rates of policies on paired seeds, with intervals",
		Long: `Plays every policy on the same seeded episodes under every condition and prints success rates with 95 % Wilson
intervals, and each policy's paired difference to the base with Newcombe's interval.

A policy is expert, base, resip or korr (the shipped weights), a checkpoint (its path or the folder of its training), or
remote:ws://HOST:PORT, a policy server in openpi's protocol (docs/base-policies.md).

Interrupted, it prints what it has, and the same command with --resume goes on where it stopped: the result is that of
an evaluation that was never interrupted.

With --queue the episodes are played by workers (korr worker), on this machine or others, and the results are the same.

With --serve it is a ROS node instead: ~run is an action (korr_msgs/Evaluate) that plays what its goals ask for.`,
		Example: `  korr eval --policy base,korr --episodes 50
  korr eval --policy korr --randomness low,med --perturb on --json --min-success 0.8
  korr eval --policy base,resip,korr --sensing clean,T1,T2,T3 --physics nominal,D1
  korr eval --policy base,runs/korr --csv episodes.csv --plot success.png
  korr eval --episodes 200 --randomness low,med,high --resume
  korr eval --policy base,korr --episodes 1000 --queue runs/queue
  korr eval --serve`,
		Args:        cli.NoArgs,
		Annotations: cli.ROSAnnotation,
		RunE:        func(cmd *cobra.Command, _ []string) error { return runEval(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.String("task", "one_leg", "furniture task")
	f.StringSlice("randomness", []string{"low"}, "initial randomness: low, med, high, or several")
	f.String("perturb", "both", "pushes during the episode: off, on or both")
	f.StringSlice("sensing", nil, "part trackers: clean, T1, T2, T3, or several (default as set by sim.sensing)")
	f.StringSlice("physics", nil, "physics of the episodes: nominal, D1, or both (default as set by sim.physics)")
	f.StringSlice("policy", []string{"base", "resip", "korr"}, "policies to compare; may be repeated")
	f.Int("episodes", 20, "episodes for each policy and condition")
	f.String("cache", "", robotcmd.CacheUsage)
	f.Float64Var(&o.least, "min-success", 0, "exit with 3 when a success rate falls below this fraction")
	for flag, key := range map[string]string{
		"task": "sim.task", "randomness": "eval.randomness", "perturb": "eval.perturb", "sensing": "eval.sensing",
		"physics": "eval.physics",
		"policy":  "eval.policies", "episodes": "eval.episodes", "cache": "base.cache",
	} {
		cli.SetKey(f, flag, key)
	}
	f.BoolVar(&o.ROS, "ros", false,
		"play through ROS nodes in lock step (embedded master, loopback) instead of in process")
	f.BoolVar(&o.Resume, "resume", false, "go on with the same evaluation, which was interrupted")
	f.BoolVar(&o.serve, "serve", false, "serve evaluations as a ROS action, ~run of the node korr_eval, until interrupted")
	f.BoolVar(&o.wait, "wait", false, "with --serve: wait for a ROS master instead of giving up")
	queueFlag(f, &o.Queue)
	f.StringVar(&o.files.CSV, "csv", "", "write one line per episode to this `file`")
	f.StringVar(&o.files.Plot, "plot", "", "draw the success rates into this .png or .svg `file`")
	f.StringVar(&o.files.HTML, "html", "", "write a report with table and picture to this `file`")
	return cmd
}

func runEval(ctx context.Context, o *evalOptions) error {
	if o.serve {
		return o.serveEval(ctx)
	}
	if len(o.ROSArgs) > 0 || o.wait {
		return cli.UsageErrorf("ROS arguments and --wait need --serve")
	}
	if o.least < 0 || o.least > 1 {
		return cli.UsageErrorf("--min-success %g: want a fraction from 0 to 1", o.least)
	}
	if err := o.checkOutputs(); err != nil {
		return err
	}
	if err := o.checkQueue(); err != nil {
		return err
	}
	e, err := o.NewEvaluation(o.How)
	if err != nil {
		return err
	}
	e.TakeUp()
	p := o.progress("eval", "episodes", 1)
	cells, err := e.Run(ctx, p)
	if err != nil {
		return o.keepEval(ctx, e, cells, err)
	}
	p.Finish(fmt.Sprintf("%d episodes", e.Episodes()))
	for i := range cells {
		if err := cells[i].Faults(); err != nil {
			o.Log.Warn("episodes ended by a fault count as failures", "policy", cells[i].Policy, "fault", err)
		}
	}
	if err := o.printEval(e, cells); err != nil {
		return err
	}
	if err := o.saveEval(cells); err != nil {
		return err
	}
	if err := e.Journal.Close(true); err != nil { // only now: its results are out
		return err
	}
	r := eval.NewReport(cells)
	if below := r.Below(o.least); below != "" {
		return cli.GateErrorf("%s", below)
	}
	return nil
}

// checkOutputs looks at the files to write before anything is played.
func (o *evalOptions) checkOutputs() error {
	if err := cli.CheckOutput("--csv", o.files.CSV); err != nil {
		return err
	}
	if err := cli.CheckOutput("--plot", o.files.Plot, ".png", ".svg"); err != nil {
		return err
	}
	return cli.CheckOutput("--html", o.files.HTML)
}

// keepEval prints and writes what an evaluation has that did not come to its end.
func (o *evalOptions) keepEval(ctx context.Context, e *lab.Evaluation, cells []eval.Cell, err error) error {
	if len(cells) > 0 {
		err = errors.Join(err, o.printEval(e, cells), o.saveEval(cells))
	}
	if n := e.Journal.Len(); n > 0 && interrupted(ctx) {
		o.Log.Warn("the evaluation is not complete; the same command with --resume goes on", "played", n, "episodes",
			e.Episodes())
	}
	return errors.Join(err, e.Journal.Close(false))
}

// checkQueue refuses what workers elsewhere cannot do.
func (o *evalOptions) checkQueue() error {
	switch {
	case o.Queue == "":
	case o.ROS:
		return cli.UsageErrorf("--ros and --queue exclude each other: workers play in process")
	case o.Resume:
		return cli.UsageErrorf("--resume and --queue exclude each other: a queue knows by itself what was played")
	}
	return nil
}

func (o *evalOptions) printEval(e *lab.Evaluation, cells []eval.Cell) error {
	if o.JSON {
		return o.PrintJSON(e.Report(cells))
	}
	if err := eval.WriteTables(o.Out, cells); err != nil {
		return err
	}
	return o.printFailure(cells)
}

// printFailure names the command that shows a failed episode: the last policy's first one.
func (o *evalOptions) printFailure(cells []eval.Cell) error {
	for i := len(cells) - 1; i >= 0; i-- {
		for _, e := range cells[i].Episodes {
			if !e.Success {
				return o.Printf("\nWatch a failure:  %s\n", o.watchCommand(&cells[i], e.Seed))
			}
		}
	}
	return nil
}

// watchCommand plays an episode of a cell in a browser.
func (o *evalOptions) watchCommand(c *eval.Cell, seed uint64) string {
	policy := c.Policy
	for _, name := range o.Config.Eval.Policies {
		if lab.Label(name, o.Config.Eval.Policies) == policy {
			policy = name
		}
	}
	verb := fmt.Sprintf("sim --view 127.0.0.1:8080 --task %s --policy %s --randomness %s --perturb %g", c.Task, policy,
		c.Randomness, c.Perturb)
	if len(o.Config.Eval.Sensing) > 0 {
		verb += " --sensing " + c.Sensing
	}
	if len(o.Config.Eval.Physics) > 0 {
		verb += " --physics " + c.Physics
	}
	return o.Repeat(fmt.Sprintf("%s --episode-seed %d", verb, seed), "eval.", "seed=", "sim.task=")
}

func (o *evalOptions) saveEval(cells []eval.Cell) error {
	verb := "eval"
	if o.ROS {
		verb += " --ros"
	}
	return o.files.Save(cells, o.Config.Sim.Task, o.Repeat(verb))
}
