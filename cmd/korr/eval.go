package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"korr/basepolicy/remote"
	"korr/cmd/internal/cli"
	"korr/cmd/internal/robotcmd"
	"korr/internal/report"
	"korr/train/eval"
	"korr/train/unit"
)

// evalOptions are the verb's flags that are no settings.
type evalOptions struct {
	*app
	csv, plot, html  string
	queue            string
	ros, serve, wait bool
	resume           bool
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
	f.Float64("min-success", 0, "exit with 3 when a success rate falls below this fraction")
	for flag, key := range map[string]string{
		"task": "sim.task", "randomness": "eval.randomness", "perturb": "eval.perturb", "sensing": "eval.sensing",
		"physics": "eval.physics",
		"policy":  "eval.policies", "episodes": "eval.episodes", "min-success": "eval.min_success", "cache": "base.cache",
	} {
		cli.SetKey(f, flag, key)
	}
	f.BoolVar(&o.ros, "ros", false,
		"play through ROS nodes in lock step (embedded master, loopback) instead of in process")
	f.BoolVar(&o.resume, "resume", false, "go on with the same evaluation, which was interrupted")
	f.BoolVar(&o.serve, "serve", false, "serve evaluations as a ROS action, ~run of the node korr_eval, until interrupted")
	f.BoolVar(&o.wait, "wait", false, "with --serve: wait for a ROS master instead of giving up")
	queueFlag(f, &o.queue)
	f.StringVar(&o.csv, "csv", "", "write one line per episode to this `file`")
	f.StringVar(&o.plot, "plot", "", "draw the success rates into this .png or .svg `file`")
	f.StringVar(&o.html, "html", "", "write a report with table and picture to this `file`")
	return cmd
}

func runEval(ctx context.Context, o *evalOptions) error {
	if o.serve {
		return o.serveEval(ctx)
	}
	if len(o.ROSArgs) > 0 || o.wait {
		return cli.UsageErrorf("ROS arguments and --wait need --serve")
	}
	if err := o.checkOutputs(); err != nil {
		return err
	}
	if err := o.checkQueue(); err != nil {
		return err
	}
	policies, err := o.policies(o.Config.Eval.Policies)
	if err != nil {
		return err
	}
	plan, err := o.plan(policies)
	if err != nil {
		return err
	}
	spec := eval.Spec{Policies: policies, Workers: o.workers(), Open: eval.InProcess(o.newEnv)}
	kind := "in process"
	if o.ros {
		spec.Open, kind = o.lanes, "over ROS"
	}
	if o.queue == "" { // a queue remembers by itself
		if spec.Journal, err = o.journal(kind, o.Config.Eval.Policies); err != nil {
			return err
		}
		o.takeUp(spec.Journal, o.resume)
	}
	executor, closeIt, err := o.executor(ctx, o.queue, unit.Handlers{eval.Kind: eval.Handler(
		func(*unit.Task, *eval.Shard) (eval.Spec, error) { return spec, nil },
	)})
	if err != nil {
		return errors.Join(err, spec.Journal.Close(false))
	}
	defer closeIt()
	p := o.progress("eval", "episodes", 1)
	plan.Progress = p.setOf
	cells, err := plan.Run(ctx, "eval "+o.Config.Sim.Task, executor)
	if err != nil {
		return o.keepEval(ctx, plan, &spec, err)
	}
	p.finish(fmt.Sprintf("%d episodes", len(cells)*plan.Episodes))
	for i := range cells {
		if err := cells[i].Faults(); err != nil {
			o.Log.Warn("episodes ended by a fault count as failures", "policy", cells[i].Policy, "fault", err)
		}
	}
	if err := o.printEval(cells, policies); err != nil {
		return err
	}
	if err := o.writeEval(cells); err != nil {
		return err
	}
	if err := spec.Journal.Close(true); err != nil { // only now: its results are out
		return err
	}
	for _, r := range eval.NewReport(cells).Results {
		if r.Rate < o.Config.Eval.MinSuccess {
			return cli.GateErrorf("%s %s%s: success %.3f is below %.3f", r.Policy, r.Randomness, eval.PerturbedWord(r.Perturbed),
				r.Rate, o.Config.Eval.MinSuccess)
		}
	}
	return nil
}

// checkOutputs looks at the files to write before anything is played.
func (o *evalOptions) checkOutputs() error {
	if err := cli.CheckOutput("--csv", o.csv); err != nil {
		return err
	}
	if err := cli.CheckOutput("--plot", o.plot, ".png", ".svg"); err != nil {
		return err
	}
	return cli.CheckOutput("--html", o.html)
}

// keepEval prints and writes what an evaluation has that did not come to its end.
func (o *evalOptions) keepEval(ctx context.Context, plan *eval.Plan, spec *eval.Spec, err error) error {
	cells := spec.Journal.Cells(plan.Conditions, labels(spec.Policies), plan.Seed, plan.Episodes)
	if len(cells) > 0 {
		err = errors.Join(err, o.printEval(cells, spec.Policies), o.writeEval(cells))
	}
	if spec.Journal.Len() > 0 && interrupted(ctx) {
		o.Log.Warn("the evaluation is not complete; the same command with --resume goes on", "played", spec.Journal.Len(),
			"episodes", len(plan.Conditions)*len(plan.Policies)*plan.Episodes)
	}
	return errors.Join(err, spec.Journal.Close(false))
}

// checkQueue refuses what workers elsewhere cannot do.
func (o *evalOptions) checkQueue() error {
	switch {
	case o.queue == "":
	case o.ros:
		return cli.UsageErrorf("--ros and --queue exclude each other: workers play in process")
	case o.resume:
		return cli.UsageErrorf("--resume and --queue exclude each other: a queue knows by itself what was played")
	case slices.ContainsFunc(o.Config.Eval.Policies, func(name string) bool {
		return strings.HasPrefix(name,
			remote.Prefix)
	}):
		return cli.UsageErrorf("--queue: a policy behind a server (%s) has no content that workers could be given",
			remote.Prefix)
	}
	return nil
}

// plan is the evaluation: one unit in this process, small ones that bring what they need through a queue.
func (o *evalOptions) plan(policies []eval.Policy) (*eval.Plan, error) {
	p := &eval.Plan{Conditions: o.conditions(), Episodes: o.Config.Eval.Episodes, Seed: o.Config.Seed}
	for i, name := range o.Config.Eval.Policies {
		e := eval.Entry{Label: policies[i].Name, Name: name}
		if o.queue != "" && name != expertName {
			path, err := robotcmd.CheckpointPath(name)
			if err != nil {
				return nil, err
			}
			if path != "" {
				e.Name, e.Inputs = policyInput, unit.Inputs{policyInput: {Path: path, As: "policy.safetensors"}}
			}
		}
		p.Policies = append(p.Policies, e)
	}
	if o.queue == "" {
		return p, nil
	}
	p.Size = eval.ShardEpisodes
	var err error
	c := evalConfig(o.Config)
	p.Inputs, err = unitInputs(c, c)
	return p, err
}

// conditions are the settings to measure.
func (a *app) conditions() []eval.Condition { return a.Config.Eval.Conditions(a.condition()) }

// evalResult is what the verb prints as JSON.
type evalResult struct {
	eval.Report
	Simulator string       `json:"simulator"` // fingerprint of this build's; empty without one
	Policies  []evalPolicy `json:"policies"`
}

type evalPolicy struct {
	Name        string `json:"name"`
	Fingerprint string `json:"fingerprint"`         // of the simulator it was trained in; empty when it does not say, or was not trained
	Differs     bool   `json:"fingerprint_differs"` // from this build's
}

func (o *evalOptions) printEval(cells []eval.Cell, policies []eval.Policy) error {
	if o.JSON {
		r := evalResult{Report: eval.NewReport(cells), Simulator: o.buildSimulator(), Policies: make([]evalPolicy, 0,
			len(policies))}
		for _, p := range policies {
			r.Policies = append(r.Policies, evalPolicy{p.Name, p.Simulator, otherSimulator(p.Simulator, r.Simulator)})
		}
		return o.PrintJSON(r)
	}
	if err := eval.SuccessTable(eval.NewReport(cells).Results).WriteText(o.Out); err != nil {
		return err
	}
	if cmp := eval.Compare(cells, eval.Reference); len(cmp) > 0 {
		if err := o.Printf("\nPaired difference to %s\n\n", eval.Reference); err != nil {
			return err
		}
		if err := eval.DifferenceTable(cmp).WriteText(o.Out); err != nil {
			return err
		}
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
		if label(name, o.Config.Eval.Policies) == policy {
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

func (o *evalOptions) writeEval(cells []eval.Cell) error {
	if o.csv != "" {
		var b bytes.Buffer
		if err := eval.WriteCSV(&b, cells); err != nil {
			return err
		}
		if err := os.WriteFile(o.csv, b.Bytes(), 0o644); err != nil {
			return err
		}
	}
	if o.plot == "" && o.html == "" {
		return nil
	}
	figure, err := eval.SuccessFigure(eval.NewReport(cells).Results)
	if err != nil {
		return err
	}
	if o.plot != "" {
		if err := figure.Save(o.plot); err != nil {
			return err
		}
	}
	if o.html == "" {
		return nil
	}
	svg, err := figure.Encode("svg")
	if err != nil {
		return err
	}
	section := eval.SuccessSection(cells, svg)
	verb := "eval"
	if o.ros {
		verb += " --ros"
	}
	section.Code = o.Repeat(verb)
	page := report.Page{
		Title: "Success rates", Lead: "korr eval, " + o.Config.Sim.Task,
		Sections: []report.Section{section},
	}
	return page.Save(o.html)
}
