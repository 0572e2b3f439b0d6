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

	"korr/cmd/internal/cli"
	"korr/internal/atomicfile"
	"korr/internal/faults"
	"korr/ros/msgs"
	"korr/ros/names"
)

// faultsOptions are the verb's flags.
type faultsOptions struct {
	*app
	trials, parallel int
	rate             float64
	only, out        string
	links            []string
}

func newCmdVerifyFaults(a *app) *cobra.Command {
	o := &faultsOptions{app: a}
	cmd := &cobra.Command{
		Use:   "faults",
		Short: "the control node under every fault of docs/faults.md",
		Long: `Starts masters, a toy arm and control nodes as processes on the loopback interface, breaks something while the
arm is commanded, and measures the time until the node holds, what it sends, and whether it recovers. Over ROS 1 with
the embedded master and, where it is installed, Debian's rosmaster, over rosbridge and over ROS 2. Exits with 3 when a
fault takes more than three control periods to hold, when any command is outside the limits, or when a recovery fails.`,
		Example: `  korr verify faults
  korr verify faults --only clock --trials 1 --json`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runVerifyFaults(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.IntVar(&o.trials, "trials", 5, "of every fault over every link")
	f.IntVar(&o.parallel, "parallel", 2, "faults at once")
	f.Float64Var(&o.rate, "rate", 10, "control steps per second")
	f.StringVar(&o.only, "only", "", "faults whose name contains this `text`")
	f.StringSliceVar(&o.links, "links", nil, strings.Join(faults.AllLinks, ", ")+"; empty = all")
	f.StringVar(&o.out, "out", "", "write a page like docs/faults.md to this `file`")
	ros2 := false
	node := func(name string) (*names.Names, error) {
		if ros2 {
			return a.ROS2Names(name)
		}
		return a.rosNames(name)
	}
	arm := newCmdFaultsPart("arm", "the toy arm", func(ctx context.Context) error {
		n, err := node(msgs.SimNode)
		if err != nil {
			return err
		}
		return faults.ServeArm(ctx, n, a.Config.Seed, a.Log)
	})
	relay := newCmdFaultsPart("relay", "the arm's controller", func(ctx context.Context) error {
		n, err := node("relay")
		if err != nil {
			return err
		}
		return faults.ServeRelay(ctx, n, a.Log)
	})
	for _, c := range []*cobra.Command{arm, relay} {
		c.Flags().BoolVar(&ros2, "ros2", false, "over ROS 2")
	}
	listen := "127.0.0.1:0"
	bridge := newCmdFaultsPart("bridge", "a rosbridge server", func(ctx context.Context) error {
		n, err := a.rosNames("rosbridge_websocket")
		if err != nil {
			return err
		}
		return faults.ServeBridge(ctx, n, listen, a.Log)
	})
	bridge.Flags().StringVar(&listen, "listen", listen, "`host:port`")
	cmd.AddCommand(arm, relay, bridge)
	return cmd
}

// newCmdFaultsPart is a process of the matrix.
func newCmdFaultsPart(name, what string, run func(context.Context) error) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: what, Hidden: true, Args: cli.NoArgs, Annotations: cli.ROSAnnotation,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context()) },
	}
}

func runVerifyFaults(ctx context.Context, o *faultsOptions) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if o.trials < 1 || o.rate < 1 || o.rate > 1000 {
		return cli.UsageErrorf("--trials %d --rate %g: take at least one trial, and 1 to 1000 control steps per second",
			o.trials, o.rate)
	}
	for _, l := range o.links {
		if !slices.Contains(faults.AllLinks, l) {
			return cli.UsageErrorf("--links %s: take %s", l, strings.Join(faults.AllLinks, ", "))
		}
	}
	part := func(name string) []string { return []string{self, "verify", "faults", name, "--log-format", "json"} }
	p := o.progress("faults", "rows", 0)
	r, err := faults.Run(ctx, faults.Config{
		Korr: []string{self}, Arm: part("arm"), Relay: part("relay"), Bridge: part("bridge"), Rate: o.rate, Trials: o.trials,
		Only: o.only, Links: o.links, Parallel: o.parallel,
		Progress: func(done, of int, row *faults.Row) { p.Set(done, of, row.Fault) },
	})
	if err != nil {
		return err
	}
	p.Finish(fmt.Sprintf("%d rows", len(r.Rows)))
	if o.out != "" {
		var page bytes.Buffer
		command := fmt.Sprintf("korr verify faults --trials %d --parallel %d --out %s", o.trials, o.parallel, o.out)
		if len(o.links) > 0 {
			command += " --links " + strings.Join(o.links, ",")
		}
		err := r.WriteMarkdown(&page, command)
		if err := errors.Join(err, atomicfile.Write(o.out, page.Bytes())); err != nil {
			return err
		}
	}
	return o.Judge("verify faults", r)
}
