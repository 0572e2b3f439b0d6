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

	"korr/internal/atomicfile"
	"korr/internal/regular"
	"korr/internal/usage"
	"korr/koopman"
	"korr/residual"
	"korr/sim"
	"korr/train/collect"
	"korr/train/dataset"
	"korr/train/episodes"
	"korr/train/koopmanfit"
	"korr/train/run"
	"korr/train/td3"
)

// stage is one of a pipeline's under way, in a folder that holds what it needs.
type stage struct {
	*Config
	named string           // the demonstrations' folder where everything is asked for, as what learns from them notes it
	data  *dataset.Dataset // demonstrations
	more  *dataset.Dataset // recoveries; nil without
	set   *Settings        // derived from both
}

// make makes a stage. Its name, seconds and worker are left to whoever asked for it, and Checkpoint is a name.
func (s *stage) make(ctx context.Context, name string) (out Stage, err error) {
	if name == collectStage {
		c := s.First.Collect
		c.Seed = s.First.Seed
		return s.gather(ctx, &s.World, name, c, s.path(DemosName))
	}
	if err := s.read(name); err != nil {
		return out, err
	}
	switch name {
	case recoverStage:
		return s.recoveries(ctx)
	case firstStage, BaseName:
		out, err = s.imitate(ctx, name)
	case KoopmanName:
		out, err = s.koopman(ctx)
	case string(residual.MethodKORR), string(residual.MethodResiP):
		out, err = s.residual(ctx, residual.Method(name))
	default:
		return out, fmt.Errorf("there is no such stage of a pipeline")
	}
	if err == nil {
		err = s.keepAs(name, out.Checkpoint)
	}
	out.Checkpoint = name
	return out, err
}

func (c *Config) path(elem ...string) string {
	return filepath.Join(append([]string{c.Dir}, elem...)...)
}

// read reads the episodes that a stage learns from, and derives its settings from them.
func (s *stage) read(name string) (err error) {
	dir := s.Data
	if dir == "" {
		dir = s.path(DemosName)
	}
	if s.data, err = dataset.ReadAll(strings.Split(dir, ",")...); err != nil {
		return err
	}
	if s.data.Path = s.named; s.data.Info.Task != s.Task.Name {
		return usage.Errorf("the demonstrations in %s are of task %q, not %q", s.named, s.data.Info.Task, s.Task.Name)
	}
	spent := Spent{}
	if s.Data == "" {
		if spent.Demonstrations, err = s.gathered(collectStage); err != nil {
			return err
		}
	}
	if s.Recoveries > 0 && name != firstStage && name != recoverStage {
		if s.more, err = dataset.Read(s.path(recoverStage)); err != nil {
			return err
		}
		n, err := s.gathered(recoverStage)
		if err != nil {
			return err
		}
		spent.Demonstrations += n
	}
	all := s.learned()
	spent.Demonstrations = max(spent.Demonstrations, all.Frames())
	if slices.Contains(s.Methods, residual.MethodKORR) {
		spent.Rollouts = s.First.Koopman.Rollouts
	}
	derived, err := Derive(s.Task, all.Episodes, s.Budget, spent)
	if err != nil {
		return err
	}
	s.set, err = s.Resolve(derived)
	return err
}

// gathered is how many simulator steps a stage that collects took.
func (s *stage) gathered(name string) (int, error) {
	var g gathered
	text, err := regular.Read(s.path(gatheredName(name)), regular.Text)
	if err == nil {
		err = json.Unmarshal(text, &g)
	}
	return g.SimSteps, err
}

// learned is what the base policy learns from.
func (s *stage) learned() *dataset.Dataset {
	if s.more == nil {
		return s.data
	}
	all := *s.data
	all.Episodes = append(slices.Clone(all.Episodes), s.more.Episodes...)
	return &all
}

// recoveries has the expert take over from the first base policy.
func (s *stage) recoveries(ctx context.Context) (Stage, error) {
	first, err := s.load(s.checkpoint(firstStage))
	if err != nil {
		return Stage{}, err
	}
	times, err := episodes.StageTimes(s.Task, s.data.Episodes)
	if err != nil {
		return Stage{}, err
	}
	c := s.First.Collect
	c.Episodes, c.OnlySuccess = s.Recoveries, true
	c.Seed = s.First.Seed + 1 // other episodes than the demonstrations'
	c.Recovery = &collect.Recovery{
		Policy: firstStage, Stages: times, Task: s.Task, Calm: true,
		New: func() (sim.Policy, error) {
			return first.NewController(s.Task.NewFeatures())
		},
	}
	return s.gather(ctx, s.TakeOver, recoverStage, c, s.path(recoverStage))
}

// gather collects episodes into a folder of the pipeline.
func (s *stage) gather(ctx context.Context, w *World, name string, c collect.Config, dir string) (Stage, error) {
	if n, err := s.gathered(name); err == nil { // complete: only what Run notes of it was lost
		return Stage{SimSteps: n, Note: "found complete"}, nil
	}
	if err := os.RemoveAll(dir); err != nil { // nobody knows how many steps it took: the same episodes once more
		return Stage{}, err
	}
	c.Progress = func(now collect.Progress) {
		s.progress(name, now.Kept, c.Episodes, fmt.Sprintf("%d attempts", now.Attempts))
	}
	done, err := w.Collect(ctx, c, s.First.Expert, dir, false)
	if err != nil {
		return Stage{}, err
	}
	return Stage{
		SimSteps: done.Steps,
		Note: fmt.Sprintf("%d episodes, %d frames; the expert solved %d of %d", done.Kept, done.Frames, done.Successes,
			done.Attempts),
	}, writeJSON(s.path(gatheredName(name)), gathered{done.Steps})
}

// folder makes the run folder of a stage, or opens what an interrupted one left there.
func (s *stage) folder(set *Settings, elem ...string) (*run.Folder, error) {
	text, err := s.Describe(set)
	if err != nil {
		return nil, err
	}
	dir := s.path(elem...)
	f, err := run.Create(dir, text)
	if errors.Is(err, fs.ErrExist) {
		f, err = run.Open(dir)
	}
	if err == nil {
		f.Log = s.Log
	}
	return f, err
}

// Checkpoint is where Run keeps a stage's outcome: base, koopman, korr or resip.
func Checkpoint(dir, name string) string {
	return filepath.Join(dir, filepath.FromSlash(checkpointName(name)))
}

func (c *Config) checkpoint(name string) string { return Checkpoint(c.Dir, name) }

// keepAs copies a run's checkpoint to the place of all.
func (s *stage) keepAs(name, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return atomicfile.Write(s.checkpoint(name), text)
}

// load reads what a stage left, ready to act.
func (c *Config) load(path string) (*residual.Policy, error) {
	policy, err := Load(path, c.First.Acting)
	if err == nil && c.Equip != nil {
		err = c.Equip(policy)
	}
	return policy, err
}

func (c *Config) progress(stage string, done, total int, note string) {
	if c.Progress != nil {
		c.Progress(stage, done, total, note)
	}
}

// told is the progress of a training in a stage.
func (c *Config) told(stage string) Progress {
	return func(done, total int, note string) { c.progress(stage, done, total, note) }
}

// imitate trains a base policy on what there is so far.
func (s *stage) imitate(ctx context.Context, name string) (out Stage, err error) {
	folder, err := s.folder(s.set, name)
	if err != nil {
		return out, err
	}
	c := s.set.Base
	c.Seed, c.Shards = s.set.Seed, min(s.Shards, c.Batch)
	if err := c.Validate(); err != nil {
		return out, err
	}
	t, err := Base(ctx, s.learned(), c, s.set.Acting, folder, s.told("train "+name))
	return Stage{Checkpoint: t.Checkpoint, Note: t.Note}, err
}

// koopman fits the Koopman model.
func (s *stage) koopman(ctx context.Context) (out Stage, err error) {
	base, err := s.load(s.checkpoint(BaseName))
	if err != nil {
		return out, err
	}
	folder, err := s.folder(s.set, KoopmanName)
	if err != nil {
		return out, err
	}
	c := s.set.Koopman
	k, err := koopmanfit.NewData(s.data, base, s.set.Residual.Features, &c, s.set.Seed)
	if err != nil {
		return out, err
	}
	rolls, err := s.Rollouts(base, &c, &s.set.Residual, s.set.Seed, s.data.Episodes)
	if err != nil {
		return out, err
	}
	rolls.Progress = func(done, of int) { s.progress("play the base policy", done, of, "") }
	if err := k.AddRollouts(ctx, rolls); err != nil {
		return out, err
	}
	t, err := Koopman(ctx, k, c, s.set.Seed, folder, s.told("train koopman"))
	return Stage{
		SimSteps: k.RolloutSteps(), Checkpoint: t.Checkpoint,
		Note: fmt.Sprintf("%s, spectral radius %.5f", t.Note, t.SpectralRadius),
	}, err
}

// residual trains a residual on the base policy.
func (s *stage) residual(ctx context.Context, method residual.Method) (out Stage, err error) {
	base, err := s.load(s.checkpoint(BaseName))
	if err != nil {
		return out, err
	}
	set := *s.set
	set.Residual.Method = method
	c := set.Residual
	c.Seed, c.Workers, c.Execute = set.Seed, s.Workers, set.Acting.Execute
	folder, err := s.folder(&set, string(method))
	if err != nil {
		return out, err
	}
	in := s.World.Inputs(&c, base, nil, s.data.Episodes)
	if method == residual.MethodKORR {
		if in.Koopman, err = koopman.Load(s.checkpoint(KoopmanName)); err != nil {
			return out, err
		}
	}
	t, err := s.train(ctx, c, in, folder, &set)
	return Stage{SimSteps: t.Steps, Checkpoint: t.Checkpoint, Note: t.Note}, err
}

// train trains one residual, or members and their average.
func (s *stage) train(
	ctx context.Context, c td3.Config, in td3.Inputs, folder *run.Folder, set *Settings,
) (Trained, error) {
	if set.Members > 1 {
		open := func(k int, own td3.Config) (*run.Folder, error) {
			alone := *set
			alone.Seed, alone.Residual.Steps, alone.Members = own.Seed, own.Steps, 1
			return s.folder(&alone, string(c.Method), run.MemberPrefix+strconv.Itoa(k+1))
		}
		return Members(ctx, c, in, set.Members, folder, open, s.told("train "+string(c.Method)))
	}
	in.Resume = true // from nothing where there is no state yet
	return Residual(ctx, c, in, folder, s.told("train "+string(c.Method)))
}
