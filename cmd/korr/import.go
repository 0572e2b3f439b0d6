package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/train/published"
)

func newCmdImport(a *app) *cobra.Command {
	o := &published.Import{}
	cmd := &cobra.Command{
		Use:   "import CHECKPOINT.pt|DEMONSTRATIONS",
		Short: "published PyTorch checkpoints, zarr demonstrations and others' datasets, as this program's",
		Long: `Recognises what it is given. A PyTorch checkpoint of KORR, ResiP or their diffusion policy becomes a checkpoint
for eval, run and train (docs/interop.md); nothing in the file is executed. A zarr directory of the published
demonstrations becomes a LeRobot v3.0 dataset; a LeRobot dataset of other software becomes one of a furniture task
(--task), at the control loop's rate (--resample). What is damaged or of another kind is refused, and nothing is left at
the destination. robomimic's HDF5 files are converted to zarr first, by examples/python/robomimic_to_zarr.py.`,
		Example: `  korr import actor_chkpt.pt --out runs/published.safetensors
  korr import one_leg_low.zarr --out runs/demos
  korr import lab_30hz --task one_leg --resample --out runs/demos
  python3 examples/python/robomimic_to_zarr.py square.hdf5 square.zarr --parts object:0 &&
      korr import square.zarr --out runs/square`,
		Args: cli.OneArg("a checkpoint or a folder of demonstrations"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Path = args[0]
			return runImport(cmd.Context(), a, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Out, "out", "", "`path` to create: a .safetensors file for a checkpoint, a folder for demonstrations")
	f.StringVar(&o.Task, "task", "", "furniture task, where the file does not say it or says another")
	f.StringVar(&o.Goal, "goal", "", "for a policy that reads a goal: safetensors `FILE` with the normalised goal "+
		"observation as goal_obs")
	f.BoolVar(&o.Resample, "resample", false, "make demonstrations of a multiple of the control loop's rate, 10 Hz, "+
		"demonstrations at that rate")
	f.BoolVar(&o.OnlySuccess, "only-success", false, "leave out demonstrations that failed")
	return cmd
}

func runImport(ctx context.Context, a *app, o *published.Import) error {
	if o.Out == "" {
		return cli.UsageErrorf("import: --out is missing: where shall it go?")
	}
	if err := cli.CheckFolder("--out", filepath.Dir(o.Out)); err != nil {
		return err
	}
	o.Log = a.Log
	p := a.progress("import", "episodes", 1)
	o.Progress = p.SetOf
	r, err := o.Run(ctx)
	if err != nil {
		return err
	}
	if d, ok := r.(*published.ImportedDemonstrations); ok {
		p.Finish(fmt.Sprintf("%d episodes, %d frames", d.Episodes, d.Frames))
	}
	return a.Print(r)
}
