package main

import "github.com/spf13/cobra"

// verbs lists the commands in the order of the help.
func verbs(a *app) []*cobra.Command {
	return []*cobra.Command{newCmdDemo(a), newCmdCollect(a), newCmdTrain(a), newCmdEval(a), newCmdSim(a), newCmdRun(a), newCmdPlot(a), newCmdBench(a), newCmdVerify(a), newCmdImport(a), newCmdExport(a), newCmdInspect(a), newCmdDoctor(a)}
}
