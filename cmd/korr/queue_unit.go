package main

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"korr/cmd/internal/cli"
	"korr/cmd/internal/robotcmd"
	"korr/cmd/internal/settings"
	"korr/configs"
	"korr/train/eval"
	"korr/train/pipeline"
	"korr/train/sweep"
	"korr/train/unit"
)

// Inputs of the units that leave this process: the settings of whoever submitted them, and the files that these name,
// each under fileInput and its key. A unit of an evaluation brings its policy as policyInput.
const (
	configInput = "config"
	fileInput   = "file:"
	policyInput = "policy"
)

// handlers do every kind of unit that a worker may be given.
func (a *app) handlers() unit.Handlers {
	h := pipeline.Handlers(a.unitPipeline)
	h[sweep.Kind], h[eval.Kind] = sweep.Handler(a.unitTrial), eval.Handler(a.unitSpec)
	return h
}

// unitApp is the app of a unit: neither this process's settings nor its variables reach it.
func (a *app) unitApp(t *unit.Task) *cli.App {
	own, streams := *a.App, *a.Streams
	streams.Out, streams.Environ = io.Discard, nil
	own.Streams, own.Log, own.Quiet, own.JSON = &streams, t.Log, true, false
	return &own
}

// broughtFiles are the settings of a unit that name files, as it brought them.
func broughtFiles(t *unit.Task) (set []string) {
	for _, name := range slices.Sorted(maps.Keys(t.Files)) {
		if key, ok := strings.CutPrefix(name, fileInput); ok {
			set = append(set, key+"="+t.Files[name])
		}
	}
	return set
}

// unitSettings is the app under the settings of a unit, with set above them. What the settings name as a file is what
// the unit brought.
func (a *app) unitSettings(t *unit.Task, set []string) (*app, error) {
	file, err := t.Input(configInput)
	if err != nil {
		return nil, err
	}
	own := a.unitApp(t)
	own.ConfigFile, own.Preset, own.Overrides = file, "", append(slices.Clone(set), broughtFiles(t)...)
	if t.Parallel > 0 {
		own.Overrides = append(own.Overrides, fmt.Sprintf("sim.workers=%d", t.Parallel))
	}
	c, err := settings.Load(configs.Options{File: file, Set: own.Overrides})
	return &app{App: own, Config: c}, err
}

// unitTrial is a cell of a sweep that came through a queue.
func (a *app) unitTrial(t *unit.Task, s *sweep.Spec) (sweep.Trial, error) {
	set := trialSet(s.Settings, s.Seed)
	own, err := a.unitSettings(t, set)
	if err != nil {
		return nil, err
	}
	c, err := settings.Load(configs.Options{File: own.ConfigFile, Set: set})
	if err != nil {
		return nil, err
	}
	plain, err := configs.YAML(c)
	return &trial{app: own, plain: plain}, err
}

// unitSpec is a shard of an evaluation that came through a queue.
func (a *app) unitSpec(t *unit.Task, s *eval.Shard) (eval.Spec, error) {
	own, err := a.unitSettings(t, nil)
	if err != nil {
		return eval.Spec{}, err
	}
	own.Log = slog.New(slog.DiscardHandler) // whoever submitted it was warned
	names := slices.Clone(s.Policies)
	for i, name := range names {
		if path, err := t.Input(name); err == nil {
			names[i] = path
		}
	}
	policies, err := own.policies(names)
	return eval.Spec{Policies: policies, Workers: own.workers(), Open: eval.InProcess(own.newEnv)}, err
}

// unitInputs are the settings and the checkpoints that they name, as inputs of a unit.
func unitInputs(plain, resolved *settings.Config) (unit.Inputs, error) {
	text, err := configs.YAML(plain)
	if err != nil {
		return nil, err
	}
	in := unit.Inputs{configInput: {Data: text, As: "config.yaml"}}
	for key, name := range map[string]string{
		"residual.base": resolved.Residual.Base, "residual.koopman": resolved.Residual.Koopman,
		"residual.filter_model": resolved.Residual.FilterModel,
	} {
		path, err := robotcmd.CheckpointPath(name)
		if err != nil {
			return nil, err
		}
		if path != "" {
			in[fileInput+key] = unit.Input{Path: path}
		}
	}
	return in, nil
}

// evalConfig is the settings without what an evaluation does not read: equal evaluations are equal units.
func evalConfig(c *settings.Config) *settings.Config {
	d, out := settings.Defaults(), *c
	out.Seed, out.Demos, out.Eval, out.Run, out.PPO, out.Koopman, out.Sim.Workers = d.Seed, d.Demos, d.Eval, d.Run, d.PPO,
		d.Koopman, d.Sim.Workers
	out.Residual.Base, out.Residual.Koopman = d.Residual.Base, d.Residual.Koopman
	return &out
}
