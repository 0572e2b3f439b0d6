package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/internal/report"
)

// doctorOptions are the verb's flags.
type doctorOptions struct {
	*app
	robot  bool
	checks []check
}

// check looks at one thing that korr needs or profits from.
type check struct {
	name   string
	needed bool // its absence makes the verb exit with 3
	robot  bool // matters where only the control loop runs
	run    func(context.Context, *app) finding
}

// finding is what a check saw.
type finding struct {
	ok     bool
	detail string
	fix    string // what to do about it when not ok
}

func newCmdDoctor(a *app) *cobra.Command {
	o := &doctorOptions{app: a, checks: checks()}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "what is missing on this machine and how to fix it",
		Long: `Checks the simulator, the fast linear algebra, the pictures, the shipped weights, the cores, the clock's wake-ups, and
the permissions korr needs; says how to fix what is missing. Exits with 3 when something needed is missing.`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDoctor(cmd.Context(), o) },
	}
	cmd.Flags().BoolVar(&o.robot, "robot", false, "check only what the control loop on a robot needs")
	return cmd
}

// doctorSchema names the JSON form of the result.
const doctorSchema = "korr.doctor/1"

type doctorCheck struct {
	Name   string `json:"name"`
	Needed bool   `json:"needed"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"`
}

type doctorResult struct {
	Schema string        `json:"schema"`
	OK     bool          `json:"ok"`
	Checks []doctorCheck `json:"checks"`
}

func runDoctor(ctx context.Context, o *doctorOptions) error {
	r := doctorResult{Schema: doctorSchema, OK: true}
	var missing []string
	for _, c := range o.checks {
		if o.robot && !c.robot {
			continue
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		f := c.run(ctx, o.app)
		if f.ok {
			f.fix = ""
		} else if c.needed {
			r.OK = false
			missing = append(missing, c.name)
		}
		r.Checks = append(r.Checks, doctorCheck{c.name, c.needed, f.ok, f.detail, f.fix})
	}
	if err := o.printDoctor(r); err != nil {
		return err
	}
	if !r.OK {
		return cli.GateErrorf("missing: %s", strings.Join(missing, ", "))
	}
	return nil
}

func (o *doctorOptions) printDoctor(r doctorResult) error {
	if o.JSON {
		return o.PrintJSON(r)
	}
	t := &report.Table{Columns: []report.Column{{Name: "check"}, {Name: "state"}, {Name: "found"}}}
	for _, c := range r.Checks {
		state := "ok"
		switch {
		case !c.OK && c.Needed:
			state = "MISSING"
		case !c.OK:
			state = "advice"
		}
		t.Add(c.Name, state, c.Detail)
	}
	if err := t.WriteText(o.Out); err != nil {
		return err
	}
	for _, c := range r.Checks {
		if c.Fix == "" {
			continue
		}
		if err := o.Printf("\n%s: %s\n", c.Name, c.Fix); err != nil {
			return err
		}
	}
	return nil
}
