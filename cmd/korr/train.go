package main

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/cmd/internal/settings"
	"korr/configs"
	"korr/sim"
	"korr/train/dataset"
	"korr/train/pipeline"
	"korr/train/run"
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
	runDir      string
	tensorboard bool
}

func (o *trainOptions) addFlags(cmd *cobra.Command, out string) {
	o.dataFlags(cmd)
	cmd.Flags().StringVar(&o.runDir, "out", out, "run `folder` to create")
	cmd.Flags().BoolVar(&o.tensorboard, "tensorboard", false, "write the metrics as a TensorBoard event file into the "+
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
		if a.Config, err = a.load(a.Layers, a.Config.Demos); err != nil {
			return err
		}
		return run(cmd, args)
	}
}

// load fills the settings with the task of the demonstrations in a folder for a default, if there is one. Another task
// that somebody set is refused.
func (a *app) load(o configs.Options, demos string) (*settings.Config, error) {
	if demos == "" {
		return settings.Load(o)
	}
	info, _, err := dataset.ReadInfo(strings.Split(demos, ",")[0])
	if errors.Is(err, fs.ErrNotExist) {
		return nil, cli.Usage(err)
	}
	if err != nil {
		return nil, err
	}
	c, err := settings.LoadOver(o, func(c *settings.Config) { c.Sim.Task = info.Task })
	if err == nil && c.Sim.Task != info.Task {
		err = otherTask(demos, info.Task, c.Sim.Task)
	} else if _, unknown := sim.TaskByName(info.Task); err == nil && unknown != nil {
		err = cli.UsageErrorf("the demonstrations in %s are of task %q, which is none of %s: say which of them they show: "+
			"korr import %s --task NAME --out FOLDER", demos, info.Task, strings.Join(sim.TaskNames(), ", "), demos)
	}
	return c, err
}

// otherTask is the error for demonstrations of a task that is not the one that was set.
func otherTask(dir, is, set string) error {
	return cli.UsageErrorf("the demonstrations in %s are of task %q, and --task, sim.task or a preset says %q: leave "+
		"that out, or "+
		"say which furniture they show: korr import %s --task %s --out FOLDER", dir, is, set, dir, set)
}

// demonstrations reads --data and checks that it is of the task.
func (o *trainOptions) demonstrations() (*dataset.Dataset, error) {
	if o.Config.Demos == "" {
		return nil, cli.UsageErrorf("--data is missing: name a folder that korr collect wrote")
	}
	d, err := dataset.ReadAll(strings.Split(o.Config.Demos, ",")...)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, cli.Usage(err)
	}
	if err != nil {
		return nil, err
	}
	if d.Info.Task != o.Config.Sim.Task {
		return nil, otherTask(o.Config.Demos, d.Info.Task, o.Config.Sim.Task)
	}
	return d, sameRate(d)
}

// sameRate refuses demonstrations of another rate than the control loop's: a policy would move at the wrong speed.
func sameRate(d *dataset.Dataset) error {
	if d.Info.FPS != sim.ControlHz {
		return cli.UsageErrorf("the demonstrations in %s were recorded at %g Hz, policies run at %d Hz: write them anew at "+
			"that rate: korr import %s --resample --out FOLDER", d.Path, d.Info.FPS, sim.ControlHz, d.Path)
	}
	return nil
}

// create makes the run folder with the resolved settings.
func (o *trainOptions) create() (*run.Folder, error) {
	config, err := configs.YAML(o.Config)
	if err != nil {
		return nil, err
	}
	f, err := run.Create(o.runDir, config)
	if errors.Is(err, fs.ErrExist) {
		return nil, cli.Usage(err)
	}
	if err != nil {
		return nil, err
	}
	f.Log, f.TensorBoard = o.Log, o.tensorboard
	return f, nil
}

// discardEmpty removes the folder of a training that ended with an error before it left anything to go on from, so that
// the corrected command can have it. err is the training's; what was measured of one that failed by itself stays.
func (o *trainOptions) discardEmpty(ctx context.Context, f *run.Folder, err *error) {
	if *err != nil && f != nil {
		*err = errors.Join(*err, f.Discard(interrupted(ctx)))
	}
}

// reopen opens the run folder and takes its settings, over which only the command line's stand.
func (o *trainOptions) reopen() (*run.Folder, error) {
	f, err := run.Open(o.runDir)
	if err != nil {
		return nil, cli.Usage(err)
	}
	f.Log, f.TensorBoard = o.Log, o.tensorboard
	if o.ConfigFile != "" || o.Preset != "" {
		return nil, cli.UsageErrorf("--resume takes the settings of %s: leave --config and --preset out", o.runDir)
	}
	o.Config, err = settings.Load(configs.Options{
		File: filepath.Join(o.runDir, run.ConfigName), Set: o.Overrides, Environ: o.Environ,
	})
	return f, err
}

// tellInterrupted says how a training that was interrupted goes on.
func (o *trainOptions) tellInterrupted(ctx context.Context, verb string) {
	f, err := run.Open(o.runDir)
	if ctx.Err() != nil && err == nil && f.Begun() {
		o.Log.Warn("interrupted: the state is saved", "resume", "korr train "+verb+" --resume --out "+o.runDir)
	}
}

// trained ends the progress of a training and describes what it left.
func (o *trainOptions) trained(kind string, folder *run.Folder, t pipeline.Trained, p *progress) trainResult {
	return trainResult{trainSchema, kind, folder.Dir(), t.Checkpoint, t.Steps, t.Loss, p.finish(t.Note).Seconds()}
}

// result prints what was trained.
func (o *trainOptions) result(r trainResult) error {
	if o.JSON {
		return o.PrintJSON(r)
	}
	return o.Printf("%s\n", r.Checkpoint)
}

// trainResult is what a training verb prints.
type trainResult struct {
	Schema     string   `json:"schema"` // korr.train/1
	Kind       string   `json:"kind"`   // base, koopman, resip or korr
	Folder     string   `json:"folder"`
	Checkpoint string   `json:"checkpoint"`
	Steps      int      `json:"steps"`
	Loss       *float64 `json:"loss"` // null when none was measured
	Seconds    float64  `json:"seconds"`
}

const trainSchema = "korr.train/1"
