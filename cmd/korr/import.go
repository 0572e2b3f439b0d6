package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/internal/regular"
	"korr/internal/tensorfile"
	"korr/sim"
	"korr/train/published"
)

// importOptions are the verb's argument and flags.
type importOptions struct {
	*app
	path, out, goal, task string
	onlySuccess, resample bool
}

func newCmdImport(a *app) *cobra.Command {
	o := &importOptions{app: a}
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
			o.path = args[0]
			return runImport(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.out, "out", "", "`path` to create: a .safetensors file for a checkpoint, a folder for demonstrations")
	f.StringVar(&o.task, "task", "", "furniture task, where the file does not say it or says another")
	f.StringVar(&o.goal, "goal", "", "for a policy that reads a goal: safetensors `FILE` with the normalised goal "+
		"observation as goal_obs")
	f.BoolVar(&o.resample, "resample", false, "make demonstrations of a multiple of the control loop's rate, 10 Hz, "+
		"demonstrations at that rate")
	f.BoolVar(&o.onlySuccess, "only-success", false, "leave out demonstrations that failed")
	return cmd
}

// importKind is what a path holds.
type importKind int

// The kinds.
const (
	importCheckpoint importKind = iota
	importZarr
	importLeRobot
)

// hdf5Magic begins every HDF5 file.
const hdf5Magic = "\x89HDF\r\n\x1a\n"

// importKindOf recognises what lies at path.
func importKindOf(path string) (importKind, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, fmt.Errorf("import: %w", err)
	}
	if info.IsDir() {
		if published.IsDemonstrations(path) {
			return importZarr, nil
		}
		if _, err := os.Stat(filepath.Join(path, "meta", "info.json")); err == nil {
			return importLeRobot, nil
		}
		return 0, fmt.Errorf("import %s: the folder is no zarr v2 store (it has no .zgroup) and no LeRobot dataset "+
			"(meta/info.json)", path)
	}
	f, _, err := regular.Open(path)
	if err != nil {
		return 0, fmt.Errorf("import: %w", err)
	}
	defer f.Close()
	head := make([]byte, len(hdf5Magic))
	if n, err := io.ReadFull(f, head); err == nil && string(head[:n]) == hdf5Magic {
		return 0, cli.UsageErrorf("%s is HDF5: convert it with examples/python/robomimic_to_zarr.py and import the result",
			path)
	}
	if published.IsZipStore(path) {
		return 0, cli.UsageErrorf("%s is a zarr store in a zip archive: unpack it (unzip %s -d STORE.zarr) and import the "+
			"folder", path, path)
	}
	return importCheckpoint, nil
}

func runImport(ctx context.Context, o *importOptions) error {
	if o.out == "" {
		return cli.UsageErrorf("import: --out is missing: where shall it go?")
	}
	if err := cli.CheckFolder("--out", filepath.Dir(o.out)); err != nil {
		return err
	}
	kind, err := importKindOf(o.path)
	if err != nil {
		return err
	}
	switch kind {
	case importZarr:
		return o.importStore(ctx)
	case importLeRobot:
		return o.importDataset(ctx)
	}
	return o.importCheckpoint()
}

// importResult is what the verb prints for a checkpoint.
type importResult struct {
	Schema  string   `json:"schema"` // korr.import/1
	File    string   `json:"file"`
	Class   string   `json:"class"`
	Task    string   `json:"task"`
	Obs     int      `json:"obs_dim"`
	Horizon int      `json:"horizon"`
	Sampler any      `json:"sampler"`
	Kept    []string `json:"kept"` // tensors that acting does not need
}

func (o *importOptions) importCheckpoint() error {
	if !strings.HasSuffix(o.out, ".safetensors") {
		return cli.UsageErrorf("import: --out %s: a checkpoint's name ends in .safetensors", o.out)
	}
	goal, err := readGoal(o.goal)
	if err != nil {
		return err
	}
	c, err := published.ReadCheckpoint(o.path, published.Options{Task: o.task, Goal: goal})
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	task, err := sim.TaskByName(c.Policy.Task)
	if err != nil {
		return cli.UsageErrorf("import %s: %v (--task)", o.path, err)
	}
	about := c.Policy.Base.About()
	if about.Obs.RawDim() != task.ObsDim() {
		return fmt.Errorf("import %s: the policy reads observations of %d values, task %s has %d (--task names another)",
			o.path, about.Obs.RawDim(), task.Name, task.ObsDim())
	}
	f, err := c.File()
	if err != nil {
		return fmt.Errorf("import %s: %w", o.path, err)
	}
	if err := os.MkdirAll(filepath.Dir(o.out), 0o755); err != nil {
		return err
	}
	if err := tensorfile.Write(o.out, f); err != nil {
		return err
	}
	r := importResult{
		"korr.import/1", o.out, string(c.Class), task.Name, about.ObsDim(), about.Horizon, c.Sampler(),
		c.Kept,
	}
	if o.JSON {
		return o.PrintJSON(r)
	}
	return o.Printf("%s: %s for task %s, observations of %d values, chunks of %d actions; %s; %d tensors that acting "+
		"does not need are kept\n",
		r.File, r.Class, r.Task, r.Obs, r.Horizon, c.Sampler(), len(r.Kept))
}

// readGoal reads the observation that --goal names.
func readGoal(path string) ([]float32, error) {
	if path == "" {
		return nil, nil
	}
	f, err := tensorfile.Read(path)
	if err != nil {
		return nil, fmt.Errorf("--goal: %w", err)
	}
	goal, err := f.Get("goal_obs")
	if err != nil {
		return nil, fmt.Errorf("--goal %s: %w", path, err)
	}
	return goal, nil
}
