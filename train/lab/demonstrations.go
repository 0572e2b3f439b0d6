package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"korr/configs"
	"korr/internal/usage"
	"korr/residual"
	"korr/sim"
	"korr/train/collect"
	"korr/train/dataset"
	"korr/train/episodes"
	"korr/train/lab/settings"
)

// LoadFor fills settings with the task of the demonstrations in a folder, or several with commas between, for a
// default. Another task that somebody set is refused.
func LoadFor(o configs.Options, demos string) (*settings.Config, error) {
	if demos == "" {
		return settings.Load(o)
	}
	info, _, err := dataset.ReadInfo(strings.Split(demos, ",")[0])
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usage.Wrap(err)
	}
	if err != nil {
		return nil, err
	}
	c, err := settings.LoadOver(o, func(c *settings.Config) { c.Sim.Task = info.Task })
	if err == nil && c.Sim.Task != info.Task {
		err = otherTask(demos, info.Task, c.Sim.Task)
	} else if _, unknown := sim.TaskByName(info.Task); err == nil && unknown != nil {
		err = usage.Errorf("the demonstrations in %s are of task %q, which is none of %s: say which of them they show: "+
			"korr import %s --task NAME --out FOLDER", demos, info.Task, strings.Join(sim.TaskNames(), ", "), demos)
	}
	return c, err
}

// otherTask is the error for demonstrations of a task that is not the one that was set.
func otherTask(dir, is, set string) error {
	return usage.Errorf("the demonstrations in %s are of task %q, and --task, sim.task or a preset says %q: leave "+
		"that out, or "+
		"say which furniture they show: korr import %s --task %s --out FOLDER", dir, is, set, dir, set)
}

// Demonstrations reads the setting demos and checks that they are of the task, at the control loop's rate: at another a
// policy would move at the wrong speed.
func (l *Lab) Demonstrations() (*dataset.Dataset, error) {
	if l.Config.Demos == "" {
		return nil, usage.Errorf("--data is missing: name a folder that korr collect wrote")
	}
	d, err := dataset.ReadAll(strings.Split(l.Config.Demos, ",")...)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usage.Wrap(err)
	}
	if err != nil {
		return nil, err
	}
	if d.Info.Task != l.Config.Sim.Task {
		return nil, otherTask(l.Config.Demos, d.Info.Task, l.Config.Sim.Task)
	}
	if d.Info.FPS != sim.ControlHz {
		return nil, usage.Errorf("the demonstrations in %s were recorded at %g Hz, policies run at %d Hz: write them anew at "+
			"that rate: korr import %s --resample --out FOLDER", d.Path, d.Info.FPS, sim.ControlHz, d.Path)
	}
	return d, nil
}

// Demonstrated returns what the base policy reads at n observations, evenly over the demonstrations.
func (l *Lab) Demonstrated(p *residual.Policy, n int) ([]float32, error) {
	data, err := l.Demonstrations()
	if err != nil {
		return nil, err
	}
	task, err := sim.TaskByName(p.Task)
	if err != nil {
		return nil, err
	}
	enc, err := p.Encoder(task.NewFeatures())
	if err != nil {
		return nil, err
	}
	if data.Info.ObsDim() != enc.RawDim() {
		return nil, usage.Errorf("the demonstrations in %s have observations of %d values, the policy reads %d",
			l.Config.Demos, data.Info.ObsDim(), enc.RawDim())
	}
	rows, raw := data.ObsRows(), enc.RawDim()
	frames := len(rows) / raw
	if n < 1 || frames == 0 {
		return nil, fmt.Errorf("%d of %d demonstrated observations are nothing to look at", n, frames)
	}
	x, out := make([]float32, enc.Dim()), make([]float32, 0, n*enc.BaseDim())
	for i := range n {
		at := (2*i + 1) * frames / (2 * n)
		enc.EncodeTo(x, rows[at*raw:(at+1)*raw])
		out = append(out, x[:enc.BaseDim()]...)
	}
	return out, nil
}

// Collect writes the expert's episodes, or what it does when it takes over, into a dataset folder.
func (l *Lab) Collect(
	ctx context.Context, dir string, resume bool, recovery *collect.Recovery,
) (collect.Progress, error) {
	w, err := l.World()
	if err != nil {
		return collect.Progress{}, err
	}
	c := l.Config.Collect.Recording
	p := l.begin("collect", "episodes", c.Episodes)
	c.Seed, c.Recovery = l.Config.Seed, recovery
	c.Progress = func(now collect.Progress) { p.Set(now.Kept, c.Episodes, fmt.Sprintf("%d attempts", now.Attempts)) }
	done, err := w.Collect(ctx, c, l.Config.Collect.Expert, dir, resume)
	if err == nil {
		p.Finish(fmt.Sprintf("%d episodes, %d frames", done.Kept, done.Frames))
	}
	return done, err
}

// Recovery is what the expert takes over from: a policy, by its name. calm says that no pushes come once it acts.
func (l *Lab) Recovery(policy string, calm bool) (*collect.Recovery, error) {
	demos, err := l.Demonstrations()
	if err != nil {
		return nil, err
	}
	policies, err := l.Policies([]string{policy})
	if err != nil {
		return nil, err
	}
	task, err := sim.TaskByName(l.Config.Sim.Task)
	if err != nil {
		return nil, usage.Wrap(err)
	}
	stages, err := episodes.StageTimes(task, demos.Episodes)
	if err != nil {
		return nil, err
	}
	return &collect.Recovery{Policy: policies[0].Name, New: policies[0].New, Stages: stages, Task: task, Calm: calm}, nil
}
