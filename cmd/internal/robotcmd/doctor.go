package robotcmd

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/internal/report"
)

// doctorOptions are the verb's flags.
type doctorOptions struct {
	*App
	robot  bool
	checks []Check
}

// Check looks at one thing that a command needs or profits from.
type Check struct {
	Name   string
	Needed bool // its absence makes the verb exit with 3
	Robot  bool // matters where only the control loop runs
	Run    func(context.Context) Finding
}

// Finding is what a check saw.
type Finding struct {
	OK     bool
	Detail string
	Fix    string // what to do about it when not OK
}

// Found is the finding that all is well.
func Found(detail string) Finding { return Finding{OK: true, Detail: detail} }

// Missing is the finding that something lacks, and what to do about it.
func Missing(detail, fix string) Finding { return Finding{Detail: detail, Fix: fix} }

// NewDoctor is the verb doctor, with more checks than those of the control loop before them.
func NewDoctor(a *App, more ...Check) *cobra.Command {
	o := &doctorOptions{App: a, checks: append(more, a.checks()...)}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "what is missing on this machine and how to fix it",
		Long: `Checks the simulator, the fast linear algebra, the pictures, the shipped weights, the cores, the clock's
wake-ups, and the permissions korr needs; says how to fix what is missing. Exits with 3 when something needed is
missing.`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDoctor(cmd.Context(), o) },
	}
	cmd.Flags().BoolVar(&o.robot, "robot", false, "check only what the control loop on a robot needs")
	return cmd
}

// doctorSchema names the JSON form of the result.
const doctorSchema = "korr.doctor/1"

// CheckResult is one check of a DoctorResult.
type CheckResult struct {
	Name   string `json:"name"`
	Needed bool   `json:"needed"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"`
}

// DoctorResult is what the verb prints.
type DoctorResult struct {
	Schema string        `json:"schema"`
	OK     bool          `json:"ok"`
	Checks []CheckResult `json:"checks"`
}

func runDoctor(ctx context.Context, o *doctorOptions) error {
	r := DoctorResult{Schema: doctorSchema, OK: true}
	var missing []string
	for _, c := range o.checks {
		if o.robot && !c.Robot {
			continue
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		f := c.Run(ctx)
		if f.OK {
			f.Fix = ""
		} else if c.Needed {
			r.OK = false
			missing = append(missing, c.Name)
		}
		r.Checks = append(r.Checks, CheckResult{c.Name, c.Needed, f.OK, f.Detail, f.Fix})
	}
	if err := o.printDoctor(r); err != nil {
		return err
	}
	if !r.OK {
		return cli.GateErrorf("missing: %s", strings.Join(missing, ", "))
	}
	return nil
}

func (o *doctorOptions) printDoctor(r DoctorResult) error {
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
