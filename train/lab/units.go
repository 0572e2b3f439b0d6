package lab

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"korr/configs"
	"korr/configs/checkpoint"
	"korr/train/eval"
	"korr/train/lab/settings"
	"korr/train/pipeline"
	"korr/train/queue"
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

// Executor does a job's units in this process by h when address is empty, else through the queue there, where workers
// do them by Handlers. The function ends what was begun, not the work.
func (l *Lab) Executor(ctx context.Context, address string, h unit.Handlers) (unit.Executor, func(), error) {
	if address == "" {
		return l.local(h), func() {}, nil
	}
	p, err := Platform()
	if err != nil {
		return nil, nil, err
	}
	client, closeIt, err := queue.Open(ctx, address, queue.Opening{
		Platform: p, Handlers: l.Handlers(), Cores: l.Workers(), Log: l.Logger,
	})
	if err != nil {
		return nil, nil, err // not client: a nil *queue.Client in the interface would not be nil
	}
	return client, closeIt, nil
}

// Handlers do every kind of unit that a worker may be given. None of this laboratory's settings reach a unit.
func (l *Lab) Handlers() unit.Handlers {
	h := pipeline.Handlers(unitPipeline)
	h[sweep.Kind], h[eval.Kind] = sweep.Handler(unitTrial), eval.Handler(unitSpec)
	return h
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

// ofUnit is the laboratory of a unit's settings, with set above them. What the settings name as a file is what the unit
// brought.
func ofUnit(t *unit.Task, set []string) (*Lab, error) {
	file, err := t.Input(configInput)
	if err != nil {
		return nil, err
	}
	from := configs.Options{File: file, Set: append(slices.Clone(set), broughtFiles(t)...)}
	if t.Parallel > 0 {
		from.Set = append(from.Set, fmt.Sprintf("sim.workers=%d", t.Parallel))
	}
	c, err := settings.Load(from)
	return &Lab{Config: c, From: from, Logger: t.Log}, err
}

// unitTrial is a cell of a sweep that came through a queue.
func unitTrial(t *unit.Task, s *sweep.Spec) (sweep.Trial, error) {
	set := trialSet(s.Settings, s.Seed)
	own, err := ofUnit(t, set)
	if err != nil {
		return nil, err
	}
	c, err := settings.Load(configs.Options{File: own.From.File, Set: set})
	if err != nil {
		return nil, err
	}
	plain, err := configs.YAML(c)
	return &trial{Lab: own, plain: plain}, err
}

// unitSpec is a shard of an evaluation that came through a queue.
func unitSpec(t *unit.Task, s *eval.Shard) (eval.Spec, error) {
	own, err := ofUnit(t, nil)
	if err != nil {
		return eval.Spec{}, err
	}
	own.Logger = slog.New(slog.DiscardHandler) // whoever submitted it was warned
	names := slices.Clone(s.Policies)
	for i, name := range names {
		if path, err := t.Input(name); err == nil {
			names[i] = path
		}
	}
	policies, err := own.Policies(names)
	return eval.Spec{Policies: policies, Workers: own.Workers(), Open: eval.InProcess(own.Env)}, err
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
		path, err := checkpoint.Path(name)
		if err != nil {
			return nil, err
		}
		if path != "" {
			in[fileInput+key] = unit.Input{Path: path}
		}
	}
	return in, nil
}

// evalInputs are the inputs of an evaluation's units: the settings without what an evaluation does not read, so that
// equal evaluations are equal units.
func (l *Lab) evalInputs() (unit.Inputs, error) {
	d, out := settings.Defaults(), *l.Config
	out.Seed, out.Demos, out.Eval, out.Run, out.PPO, out.Koopman, out.Sim.Workers = d.Seed, d.Demos, d.Eval, d.Run, d.PPO,
		d.Koopman, d.Sim.Workers
	out.Residual.Base, out.Residual.Koopman = d.Residual.Base, d.Residual.Koopman
	return unitInputs(&out, &out)
}
