package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"korr/internal/atomicfile"
	"korr/internal/regular"
	"korr/internal/usage"
	"korr/koopman"
	"korr/residual"
	"korr/sim"
	"korr/train/collect"
	"korr/train/dataset"
	"korr/train/episodes"
	"korr/train/eval"
	"korr/train/koopmanfit"
	"korr/train/run"
	"korr/train/td3"
)

// Names of the stages that are not named after what they make.
const (
	collectStage = "collect"
	recoverStage = "recoveries"
	firstStage   = "first" // base policy
)

// demonstrations collects them, reads them and derives the settings of all that follows.
func (p *pipeline) demonstrations(ctx context.Context) error {
	dir := p.Data
	if dir == "" {
		dir = p.top.Path(DemosName)
		if err := p.stage(collectStage, func() (Stage, error) {
			c := p.First.Collect
			c.Seed = p.First.Seed
			return p.gather(ctx, &p.World, collectStage, c, dir)
		}); err != nil {
			return err
		}
	}
	d, err := dataset.ReadAll(strings.Split(dir, ",")...)
	if err != nil {
		return err
	}
	if d.Info.Task != p.Task.Name {
		return usage.Errorf("the demonstrations in %s are of task %q, not %q", dir, d.Info.Task, p.Task.Name)
	}
	p.data = d
	return p.derive()
}

// derive takes the settings of what follows from all that was collected so far.
func (p *pipeline) derive() error {
	all := p.learned()
	spent := Spent{Demonstrations: max(p.took(collectStage)+p.took(recoverStage), all.Frames())}
	if slices.Contains(p.Methods, residual.MethodKORR) {
		spent.Rollouts = p.First.Koopman.Rollouts
	}
	derived, err := Derive(p.Task, all.Episodes, p.Budget, spent)
	if err != nil {
		return err
	}
	p.set, err = p.Resolve(derived)
	return err
}

// learned is what the base policy learns from.
func (p *pipeline) learned() *dataset.Dataset {
	if p.more == nil {
		return p.data
	}
	all := *p.data
	all.Episodes = append(slices.Clone(all.Episodes), p.more.Episodes...)
	return &all
}

// recoveries trains a first base policy, has the expert take over from it, and derives the settings anew.
func (p *pipeline) recoveries(ctx context.Context) error {
	if err := p.imitate(ctx, firstStage); err != nil {
		return err
	}
	first, err := p.load(firstStage)
	if err != nil {
		return err
	}
	times, err := episodes.StageTimes(p.Task, p.data.Episodes)
	if err != nil {
		return err
	}
	dir := p.top.Path(recoverStage)
	err = p.stage(recoverStage, func() (Stage, error) {
		c := p.First.Collect
		c.Episodes, c.OnlySuccess = p.Recoveries, true
		c.Seed = p.First.Seed + 1 // other episodes than the demonstrations'
		c.Recovery = &collect.Recovery{Policy: firstStage, Stages: times, Task: p.Task, Calm: true, New: func() (sim.Policy, error) {
			return first.NewController(p.Task.NewFeatures()), nil
		}}
		return p.gather(ctx, p.TakeOver, recoverStage, c, dir)
	})
	if err != nil {
		return err
	}
	if p.more, err = dataset.Read(dir); err != nil {
		return err
	}
	return p.derive()
}

// gather collects episodes into a folder of the pipeline.
func (p *pipeline) gather(ctx context.Context, w *World, stage string, c collect.Config, dir string) (Stage, error) {
	if _, err := os.Stat(dir); err == nil { // complete, since it bears its name: only the note was lost
		return Stage{Note: "found complete"}, nil
	}
	c.Progress = func(now collect.Progress) {
		p.progress(stage, now.Kept, c.Episodes, fmt.Sprintf("%d attempts", now.Attempts))
	}
	done, err := w.Collect(ctx, c, p.First.Expert, dir, false)
	if err != nil && done.Kept > 0 { // too few are none: the folder would be taken for complete
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return Stage{
		SimSteps: done.Steps,
		Note:     fmt.Sprintf("%d episodes, %d frames; the expert solved %d of %d", done.Kept, done.Frames, done.Successes, done.Attempts),
	}, err
}

// folder makes the run folder of a stage, or opens what an interrupted one left there.
func (p *pipeline) folder(s *Settings, elem ...string) (*run.Folder, error) {
	text, err := p.Describe(s)
	if err != nil {
		return nil, err
	}
	dir := p.top.Path(elem...)
	f, err := run.Create(dir, text)
	if errors.Is(err, fs.ErrExist) {
		f, err = run.Open(dir)
	}
	if err == nil {
		f.Log = p.Log
	}
	return f, err
}

// Checkpoint is where Run keeps a stage's outcome: base, koopman, korr or resip.
func Checkpoint(dir, name string) string {
	return filepath.Join(dir, run.CheckpointsDir, name+".safetensors")
}

func (p *pipeline) checkpoint(name string) string { return Checkpoint(p.Dir, name) }

// keepAs copies a run's checkpoint to the place of all.
func (p *pipeline) keepAs(name string, t Trained) (string, error) {
	text, err := os.ReadFile(t.Checkpoint)
	if err != nil {
		return "", err
	}
	return p.checkpoint(name), atomicfile.Write(p.checkpoint(name), text)
}

func (p *pipeline) trainBase(ctx context.Context) (err error) {
	if err := p.imitate(ctx, BaseName); err != nil {
		return err
	}
	p.base, err = p.load(BaseName)
	return err
}

// imitate trains a base policy on what there is so far.
func (p *pipeline) imitate(ctx context.Context, name string) error {
	return p.stage(name, func() (s Stage, err error) {
		folder, err := p.folder(p.set, name)
		if err != nil {
			return s, err
		}
		metrics, err := folder.Recorder(0)
		if err != nil {
			return s, err
		}
		defer func() { err = errors.Join(err, metrics.Close()) }()
		c := p.set.Base
		c.Seed, c.Shards = p.set.Seed, min(p.Workers, c.Batch)
		if err := c.Validate(); err != nil {
			return s, err
		}
		t, err := Base(ctx, p.learned(), c, p.set.Acting, folder, metrics, p.told("train "+name))
		if err != nil {
			return s, err
		}
		s.Note = t.Note
		s.Checkpoint, err = p.keepAs(name, t)
		return s, err
	})
}

// load reads what a stage left, ready to act.
func (p *pipeline) load(name string) (*residual.Policy, error) {
	policy, err := Load(p.checkpoint(name), p.set.Acting)
	if err == nil && p.Equip != nil {
		err = p.Equip(policy)
	}
	return policy, err
}

func (p *pipeline) trainKoopman(ctx context.Context) error {
	const name = KoopmanName
	err := p.stage(name, func() (s Stage, err error) {
		folder, err := p.folder(p.set, name)
		if err != nil {
			return s, err
		}
		metrics, err := folder.Recorder(0)
		if err != nil {
			return s, err
		}
		defer func() { err = errors.Join(err, metrics.Close()) }()
		c := p.set.Koopman
		k, err := koopmanfit.NewData(p.data, p.base, p.set.Residual.Features, &c, p.set.Seed)
		if err != nil {
			return s, err
		}
		rolls, err := p.Rollouts(p.base, &c, &p.set.Residual, p.set.Seed, p.data.Episodes)
		if err != nil {
			return s, err
		}
		rolls.Progress = func(done, of int) { p.progress("play the base policy", done, of, "") }
		if err := k.AddRollouts(ctx, rolls); err != nil {
			return s, err
		}
		t, err := Koopman(ctx, k, c, p.set.Seed, folder, metrics, p.told("train koopman"))
		if err != nil {
			return s, err
		}
		s.SimSteps = k.RolloutSteps()
		s.Note = fmt.Sprintf("%s, spectral radius %.5f", t.Note, t.SpectralRadius)
		s.Checkpoint, err = p.keepAs(KoopmanName, t.Trained)
		return s, err
	})
	if err != nil {
		return err
	}
	text, err := regular.Read(p.top.Path(name, PredictionName), regular.Records)
	if err == nil {
		err = json.Unmarshal(text, &p.result.Prediction)
	}
	if err != nil {
		return err
	}
	p.model, err = koopman.Load(p.checkpoint(KoopmanName))
	return err
}

func (p *pipeline) trainResidual(ctx context.Context, method residual.Method) error {
	p.result.runs = append(p.result.runs, p.top.Path(string(method)))
	err := p.stage(string(method), func() (s Stage, err error) {
		set := *p.set
		set.Residual.Method = method
		c := set.Residual
		c.Seed, c.Workers, c.Execute = set.Seed, p.Workers, set.Acting.Execute
		folder, err := p.folder(&set, string(method))
		if err != nil {
			return s, err
		}
		in := p.Inputs(&c, p.base, nil, p.data.Episodes)
		if method == residual.MethodKORR {
			in.Koopman = p.model
		}
		t, err := p.train(ctx, c, in, folder, &set)
		if err != nil {
			return s, err
		}
		s.SimSteps, s.Note = t.Steps, t.Note
		s.Checkpoint, err = p.keepAs(string(method), t)
		return s, err
	})
	if err != nil {
		return err
	}
	took := p.took(collectStage) + p.took(recoverStage) + p.took(string(method))
	if method == residual.MethodKORR {
		took += p.took(KoopmanName)
	}
	p.result.SimSteps = max(p.result.SimSteps, took)
	return nil
}

// train trains one residual, or members and their average.
func (p *pipeline) train(ctx context.Context, c td3.Config, in td3.Inputs, folder *run.Folder, set *Settings) (Trained, error) {
	if set.Members > 1 {
		open := func(k int, own td3.Config) (*run.Folder, error) {
			alone := *set
			alone.Seed, alone.Residual.Steps, alone.Members = own.Seed, own.Steps, 1
			return p.folder(&alone, string(c.Method), run.MemberPrefix+strconv.Itoa(k+1))
		}
		return Members(ctx, c, in, set.Members, folder, open, p.told("train "+string(c.Method)))
	}
	in.Resume = true // from nothing where there is no state yet
	return Residual(ctx, c, in, folder, p.told("train "+string(c.Method)))
}

// evaluate plays the base policy and what was made of it on the same episodes.
func (p *pipeline) evaluate(ctx context.Context) error {
	spec := eval.Spec{
		Conditions: p.Conditions, Episodes: p.Episodes, Seed: p.EvalSeed, Workers: p.Workers, Open: eval.InProcess(p.Open),
		Progress: func(done, total int) { p.progress("evaluate", done, total, "") },
	}
	names := []string{BaseName}
	for _, m := range p.Methods {
		names = append(names, string(m))
	}
	for _, name := range names {
		policy, err := p.load(name)
		if err != nil {
			return err
		}
		spec.Policies = append(spec.Policies, eval.Policy{Name: name, New: func() (sim.Policy, error) {
			return policy.NewController(p.Task.NewFeatures()), nil
		}})
	}
	start := time.Now()
	played, err := Evaluate(ctx, spec, filepath.Join(p.Dir, "evaluation.json"))
	if err != nil {
		return fmt.Errorf("evaluate: %w", err)
	}
	p.result.Results, p.result.Versus = Results(played), Compare(played, BaseName)
	p.tell(Stage{Name: "evaluate", Seconds: time.Since(start).Seconds(), Note: fmt.Sprintf("%d episodes", len(played)*p.Episodes)})
	for i := range played {
		if played[i].Faults > 0 {
			p.Log.Warn("episodes ended by a fault count as failures", "policy", played[i].Policy, "episodes", played[i].Faults)
		}
	}
	return nil
}
