package main

import (
	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/train/lab"
)

func newCmdTrain(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "train",
		Short: "train a base policy, a Koopman model, a filter or a residual",
		Long: `Training runs offline into a folder: config.yaml (the resolved settings), metrics.jsonl and checkpoints. The
order is collect, train base, train koopman, train residual; korr train all does them all.`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newCmdTrainAll(a), newCmdTrainBase(a), newCmdTrainCache(a), newCmdTrainKoopman(a), newCmdTrainFilter(a),
		newCmdTrainResidual(a), newCmdTrainSweep(a),
	)
	return cmd
}

// trainOptions are the flags that every training verb has.
type trainOptions struct {
	*app
	to lab.Folder
}

func (o *trainOptions) addFlags(cmd *cobra.Command, out string) {
	o.dataFlags(cmd)
	cmd.Flags().StringVar(&o.to.Dir, "out", out, "run `folder` to create")
	cmd.Flags().BoolVar(&o.to.TensorBoard, "tensorboard", false, "write the metrics as a TensorBoard event file into the "+
		"run folder, too")
}

// dataFlags adds --data and --task to a verb. The demonstrations know their task: it is the default where they are
// given.
func (a *app) dataFlags(cmd *cobra.Command) {
	cmd.Flags().String("data", "",
		"`folder` of demonstrations, as korr collect writes it, or several, with commas between")
	cli.SetKey(cmd.Flags(), "data", "demos")
	cmd.Flags().String("task", "one_leg", "furniture task (default: that of --data)")
	cli.SetKey(cmd.Flags(), "task", "sim.task")
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if a.Config, err = lab.LoadFor(a.Layers, a.Config.Demos); err != nil {
			return err
		}
		return run(cmd, args)
	}
}
