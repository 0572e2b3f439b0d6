package main

import (
	"context"
	"encoding/json"
	"os"

	"korr/cmd/internal/robotcmd"
	"korr/configs"
	"korr/train/pipeline"
	"korr/train/unit"
)

// recipeInput is what a unit of korr train all brings beside its settings.
const recipeInput = "recipe"

// pipelineExecutor does pipelines through the queue at an address; nil when it is empty.
func (a *app) pipelineExecutor(ctx context.Context, address string) (x unit.Executor, closeIt func(), err error) {
	if address == "" {
		return nil, func() {}, nil
	}
	return a.executor(ctx, address, nil)
}

// pipelineInputs are the recipe with its layers of settings, and the files that these name.
func (o *trainAllOptions) pipelineInputs() (unit.Inputs, error) {
	r := o.recipe
	r.Preset, r.Set, r.Environ = o.Layers.Preset, o.Layers.Set, configs.Variables(o.Layers.Environ)
	r.Filter = o.Config.Residual.FilterModel
	path, err := robotcmd.CheckpointPath(r.Filter)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	in := unit.Inputs{recipeInput: {Data: text}}
	if path != "" {
		in[fileInput+"residual.filter_model"] = unit.Input{Path: path}
	}
	if o.Layers.File != "" {
		in[configInput] = unit.Input{Path: o.Layers.File, As: "config.yaml"}
	}
	return in, nil
}

// unitPipeline is the configuration of the pipeline that a unit belongs to.
func (a *app) unitPipeline(t *unit.Task) (*pipeline.Config, error) {
	path, err := t.Input(recipeInput)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	own := a.unitApp(t)
	o := &trainAllOptions{trainOptions: trainOptions{app: &app{App: own}}}
	if err := json.Unmarshal(text, &o.recipe); err != nil {
		return nil, err
	}
	own.Layers = configs.Options{
		Preset: o.Preset, File: t.Files[configInput], Set: append(o.Set, broughtFiles(t)...), Environ: o.Environ,
	}
	c, err := o.pipeline()
	if err == nil && t.Parallel > 0 {
		if c.Workers = t.Parallel; c.TakeOver != nil {
			c.TakeOver.Workers = t.Parallel
		}
	}
	return c, err
}
