package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"korr/residual"
	"korr/sim"
	"korr/train/eval"
	"korr/train/run"
	"korr/train/unit"
)

// Kind and EvalKind name the units of a pipeline: its stages, and episodes of its evaluation.
const (
	Kind     = "pipeline-stage"
	EvalKind = "pipeline-eval"
)

// Spec is what the unit of a stage does; all else that decides it is in its inputs.
type Spec struct {
	Stage string `json:"stage"`
}

// Names of the stages that are not named after what they make.
const (
	collectStage = "collect"
	recoverStage = "recoveries"
	firstStage   = "first" // base policy
)

// Names of files in a pipeline's folder.
const (
	EvaluationName = "evaluation.json"
	stagesName     = "stages.json"
)

// A unit's inputs beside Config.Inputs: what earlier stages made, by its place in the folder, and demonstrations that
// are there.
const (
	madeInput = "made/"
	dataInput = "data/"
)

// order lists the stages. Each needs nothing of those behind it.
func (c *Config) order() (out []string) {
	if c.Data == "" {
		out = append(out, collectStage)
	}
	if c.Recoveries > 0 {
		out = append(out, firstStage, recoverStage)
	}
	out = append(out, BaseName)
	if slices.Contains(c.Methods, residual.MethodKORR) {
		out = append(out, KoopmanName)
	}
	for _, m := range c.Methods {
		out = append(out, string(m))
	}
	return out
}

// gathers reports whether a stage collects episodes.
func gathers(stage string) bool { return stage == collectStage || stage == recoverStage }

// gathered is what the file of a stage that collects says of it.
type gathered struct {
	SimSteps int `json:"simulator_steps"` // of all attempts
}

func gatheredName(stage string) string { return stage + ".json" }

// checkpointName is the place of a stage's checkpoint in the folder.
func checkpointName(stage string) string { return run.CheckpointsDir + "/" + stage + ".safetensors" }

// outputs are what a stage leaves in the folder.
func outputs(stage string) []string {
	switch stage {
	case collectStage:
		return []string{DemosName, gatheredName(stage)}
	case recoverStage:
		return []string{recoverStage, gatheredName(stage)}
	}
	return []string{stage, checkpointName(stage)}
}

// needs are what a stage reads of the folder, by the stage that made it.
func (c *Config) needs(stage string) map[string][]string {
	if stage == collectStage {
		return nil
	}
	out := map[string][]string{}
	if c.Data == "" {
		out[collectStage] = outputs(collectStage)
	}
	switch stage {
	case firstStage:
		return out
	case recoverStage:
		out[firstStage] = []string{checkpointName(firstStage)}
		return out
	}
	if c.Recoveries > 0 {
		out[recoverStage] = outputs(recoverStage)
	}
	if stage != BaseName {
		out[BaseName] = []string{checkpointName(BaseName)}
	}
	if stage == string(residual.MethodKORR) {
		out[KoopmanName] = []string{checkpointName(KoopmanName)}
	}
	return out
}

// units are the stages that are to be made. Those that a queue made before are asked of it again: it has them, and what
// follows from them goes by their names.
func (p *pipeline) units() (out []unit.Unit) {
	asked := map[string]bool{}
	for _, stage := range p.order() {
		if s := p.noted(stage); s != nil && (p.Queue == nil || s.Worker == "") {
			continue
		}
		asked[stage] = true
		u := unit.Unit{
			Kind: Kind, Name: stage, Spec: unit.Encode(Spec{stage}), Inputs: unit.Inputs{}, Outputs: outputs(stage), Dir: p.Dir,
		}
		for name, in := range p.Config.Inputs {
			u.Inputs[name] = in
		}
		if p.Data != "" {
			for i, dir := range strings.Split(p.Data, ",") {
				u.Inputs[dataInput+strconv.Itoa(i)] = unit.Input{Path: dir}
			}
		}
		for from, made := range p.needs(stage) {
			for _, name := range made {
				u.Inputs[madeInput+name] = p.input(name, from, asked)
			}
		}
		out = append(out, u)
	}
	return out
}

// input is something of the folder that a stage makes or made.
func (p *pipeline) input(name, stage string, asked map[string]bool) unit.Input {
	if asked[stage] {
		return unit.Input{From: stage, Output: name}
	}
	return unit.Input{Path: filepath.Join(p.Dir, filepath.FromSlash(name))}
}

// evaluation is that of the base policy and of what was made of it, on the same episodes.
func (p *pipeline) evaluation() eval.Plan {
	plan := eval.Plan{
		Kind: EvalKind, Conditions: p.Conditions, Episodes: p.Episodes, Seed: p.EvalSeed, Inputs: p.Config.Inputs,
		Progress: func(done, total int) { p.progress("evaluate", done, total, "") },
	}
	if p.Queue != nil {
		plan.Size = eval.ShardEpisodes
	}
	asked := map[string]bool{}
	for _, u := range p.units() {
		asked[u.Name] = true
	}
	names := []string{BaseName}
	for _, m := range p.Methods {
		names = append(names, string(m))
	}
	for _, name := range names {
		in := unit.Inputs{madeInput + checkpointName(name): p.input(checkpointName(name), name, asked)}
		plan.Policies = append(plan.Policies, eval.Entry{Label: name, Name: name, Inputs: in})
	}
	return plan
}

// Handlers do the units of pipelines. open gives the configuration that a unit belongs to; its Dir and Data are the
// handlers'.
func Handlers(open func(*unit.Task) (*Config, error)) unit.Handlers {
	state := run.CheckpointsDir + "/state.safetensors"
	return unit.Handlers{
		Kind: {
			Do: func(ctx context.Context, t *unit.Task) (any, error) {
				var spec Spec
				if err := t.Decode(&spec); err != nil {
					return nil, err
				}
				s, err := begin(t, open)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", spec.Stage, err)
				}
				out, err := s.make(ctx, spec.Stage)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", spec.Stage, err)
				}
				return out, nil
			},
			Checkpoints: []string{"*/" + state, "*/" + run.MemberPrefix + "*/" + state, "*/" + checkpointName(PolicyName)},
		},
		EvalKind: eval.Handler(func(t *unit.Task, s *eval.Shard) (eval.Spec, error) { return evalSpec(t, s, open) }),
	}
}

// begin puts what a stage reads into its place in the unit's folder, unless it is there, as in the process that asks
// for it.
func begin(t *unit.Task, open func(*unit.Task) (*Config, error)) (*stage, error) {
	c, err := open(t)
	if err != nil {
		return nil, err
	}
	own := *c
	own.Dir = t.Dir
	if own.Progress == nil {
		own.Progress = func(_ string, done, total int, _ string) { t.Report(done, total) }
	}
	var data []string
	for {
		dir, err := t.Input(dataInput + strconv.Itoa(len(data)))
		if err != nil {
			break
		}
		data = append(data, dir)
	}
	own.Data = strings.Join(data, ",")
	for name, path := range t.Files {
		place, made := strings.CutPrefix(name, madeInput)
		if place = filepath.Join(t.Dir, filepath.FromSlash(place)); !made || place == path {
			continue
		}
		if path, err = filepath.Abs(path); err == nil {
			// a link is no part of a checkpoint
			err = errors.Join(os.MkdirAll(filepath.Dir(place), 0o755), os.Symlink(path, place))
		}
		if err != nil {
			return nil, err
		}
	}
	named := cmp.Or(c.Data, filepath.Join(c.Dir, DemosName))
	return &stage{Config: &own, named: named}, os.MkdirAll(filepath.Join(t.Dir, run.CheckpointsDir), 0o755)
}

// evalSpec is what a unit of the evaluation plays its policies in.
func evalSpec(t *unit.Task, s *eval.Shard, open func(*unit.Task) (*Config, error)) (eval.Spec, error) {
	c, err := open(t)
	if err != nil {
		return eval.Spec{}, err
	}
	out := eval.Spec{Workers: c.Workers, Open: eval.InProcess(c.Open)}
	for _, name := range s.Policies {
		path, err := t.Input(madeInput + checkpointName(name))
		if err != nil {
			return out, err
		}
		policy, err := c.load(path)
		if err != nil {
			return out, err
		}
		out.Policies = append(out.Policies, eval.Policy{Name: name, New: func() (sim.Policy, error) {
			return policy.NewController(c.Task.NewFeatures())
		}})
	}
	return out, nil
}
