package main

import (
	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/internal/bench"
)

// benchOptions are what every bench verb shares.
type benchOptions struct {
	*app
	rounds int
}

// benchVerbs lists the verbs under bench in the order of the help.
func benchVerbs(o *benchOptions) []*cobra.Command {
	return []*cobra.Command{newCmdBenchBase(o), newCmdBenchControl(o), newCmdBenchTrain(o), newCmdBenchSim(o), newCmdBenchROS(o), newCmdBenchSoak(o)}
}

func newCmdBench(a *app) *cobra.Command {
	o := &benchOptions{app: a}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "speed and size, each beside a peer in the same run",
		Long: `Measures this build. What is compared runs in turn, round after round, so that a busy machine slows all of it; values are medians
over the rounds and ratios the medians of the rounds' own ratios.`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().IntVar(&o.rounds, "rounds", 5, "times that everything is measured")
	cmd.AddCommand(benchVerbs(o)...)
	return cmd
}

// printBench prints results as a table or one JSON object.
func (o *benchOptions) printBench(results []bench.Result) error {
	r := bench.NewReport(results)
	if o.JSON {
		return o.PrintJSON(r)
	}
	return r.WriteText(o.Out)
}
