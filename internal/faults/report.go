package faults

import (
	"fmt"
	"io"
	"strings"

	"korr/internal/report"
)

// WriteText prints the matrix as a table.
func (r *Report) WriteText(w io.Writer) error {
	t := &report.Table{Columns: []report.Column{
		{Name: "fault"},
		{Name: "over"},
		{Name: "median", Right: true},
		{Name: "max", Right: true},
		{Name: "n", Right: true},
		{Name: "state"},
		{Name: "poses", Right: true},
		{Name: ""},
		{Name: "operator sees"},
	}}
	for i := range r.Rows {
		x := &r.Rows[i]
		verdict, says := "ok", x.Message
		if !x.Passed {
			verdict = "FAILED"
			if x.Error != "" {
				says = strings.ReplaceAll(x.Error, "\n", " ")
			}
			if len(x.Broken) > 0 {
				says = x.Broken[0]
			}
		}
		t.Add(x.Fault, x.Link, fmt.Sprintf("%.2f", x.Median), fmt.Sprintf("%.2f", x.Max), fmt.Sprint(len(x.Periods)), x.State,
			fmt.Sprint(x.Poses), verdict, says)
	}
	return t.WriteText(w)
}

// Verdict counts the rows that failed; empty when none did.
func (r *Report) Verdict() string {
	failed := 0
	for i := range r.Rows {
		if !r.Rows[i].Passed {
			failed++
		}
	}
	if failed == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d rows failed", failed, len(r.Rows))
}

// WriteMarkdown prints the page docs/faults.md. command is what made it.
func (r *Report) WriteMarkdown(w io.Writer, command string) error {
	var b strings.Builder
	trials, repeated, poses, unseen := 0, 0, 0, 0
	for i := range r.Rows {
		x := &r.Rows[i]
		trials, repeated, poses, unseen = trials+len(x.Periods), repeated+x.Repeated, poses+x.Poses, unseen+x.Unseen
	}
	fmt.Fprintf(&b, `# What the control node does when something breaks

Made by `+"`%s`"+`, which exits with 3 when a row fails; do not edit. How the times are taken: `+"`go doc korr/internal/faults`"+`.

The node is `+"`korr run`"+` with the shipped policy at %g control steps per second, in a process of its own, with a toy arm in another: over ROS 1
with the embedded master or Debian's rosmaster, over ROS 2 (Cyclone DDS) on the loopback interface, and over rosbridge, with a server in a
third process and an arm of joint states. What rosbridge cannot show (who publishes and who listens, a master, simulated time, a Franka's
topics) has no row over it, nor has what ROS 2 does not know: a master, and a node that takes another's name. Every trial breaks something while the arm is being commanded, measures the time until the node holds or faults, looks for six periods at what is
sent, and then does what the last column says until the arm is commanded again. The bound is %g control periods. Nothing but
the hold's one measured pose is sent in HOLD and FAULT, and every pose published at any time is finite, inside the workspace, at most
0.10 m and 1.0 rad from where the arm truly was and at most 0.10 m and 0.6 rad from the one before. Of an arm on trajectories every point
has its joints within their limits and puts the tool inside the workspace, at most 0.105 m from where it truly was in the 0.6 s before.

%d trials, %d poses judged (%d of them only as finite, because the arm died before the watcher had heard what they answer), %d trials repeated because the machine stalled meanwhile (never the bound widened).

%s| fault | over | periods to hold: median / max of n | state | operator sees | recovery |
| --- | --- | --- | --- | --- | --- |
`, command, r.Rate, r.Bound, trials, poses, unseen, repeated, r.failures())
	for i := range r.Rows {
		x := &r.Rows[i]
		says := strings.NewReplacer("|", "\\|", "\n", " ").Replace(x.Message)
		fmt.Fprintf(&b, "| %s | %s | %.2f / %.2f of %d | %s | %s | %s |\n", x.Fault, x.Link, x.Median, x.Max, len(x.Periods),
			x.State, says, x.Recovery)
	}
	for _, m := range r.Missing {
		fmt.Fprintf(&b, "\n%s was not installed.\n", m)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// failures says which rows failed, "" if none did.
func (r *Report) failures() string {
	var b strings.Builder
	n := 0
	for i := range r.Rows {
		x := &r.Rows[i]
		if x.Passed {
			continue
		}
		n++
		why := fmt.Sprintf("%.2f periods", x.Max)
		if x.Error != "" {
			why = x.Error
		}
		if len(x.Broken) > 0 {
			why = x.Broken[0]
		}
		fmt.Fprintf(&b, "- %s, %s: %s\n", x.Fault, x.Link, strings.ReplaceAll(why, "\n", " "))
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("**%d of %d rows failed:**\n\n%s\n", n, len(r.Rows), b.String())
}
