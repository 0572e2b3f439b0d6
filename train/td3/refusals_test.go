package td3

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"korr/internal/tensorfile"
	"korr/residual"
	"korr/sim"
	"korr/train/run"
)

// TestNaNStopsTheRun: rewards turn NaN; the run fails and its last checkpoint
// is good.
func TestNaNStopsTheRun(t *testing.T) {
	cfg, in := shortConfig(residual.MethodResiP), shortInputs(t, residual.MethodResiP)
	cfg.CheckpointEvery = 400
	in.Run = newRun(t)
	in.NewEnv = func(i int) (sim.Env, error) {
		return &poisoned{Env: &pointEnv{}, after: 2000 / cfg.Envs}, nil
	}
	p, err := Train(t.Context(), cfg, in)
	if !errors.Is(err, ErrDiverged) || p != nil {
		t.Fatalf("error %v, want ErrDiverged", err)
	}
	if !strings.Contains(err.Error(), in.Run.Dir()) {
		t.Errorf("the error does not say where the last checkpoint is: %v", err)
	}
	if _, err := residual.Load(in.Run.Checkpoint(LastName), nil); err != nil {
		t.Errorf("last policy: %v", err)
	}
	in.NewEnv, in.Resume = func(int) (sim.Env, error) { return &pointEnv{}, nil }, true
	if _, err := Train(t.Context(), cfg, in); err != nil {
		t.Errorf("resume from before: %v", err)
	}
}

type poisoned struct {
	sim.Env
	steps, after int
}

func (p *poisoned) Step(obs, act []float32) (sim.Result, error) {
	res, err := p.Env.Step(obs, act)
	if p.steps++; p.steps > p.after {
		res.Reward = float32(math.NaN())
	}
	return res, err
}

// TestResumeWithoutReplay: the buffer is collected afresh, the networks wait.
func TestResumeWithoutReplay(t *testing.T) {
	cfg, in := shortConfig(residual.MethodResiP), shortInputs(t, residual.MethodResiP)
	cfg.SaveReplay, in.Run, in.Resume = false, newRun(t), true
	interrupt(t, cfg, in, 2000)
	var reports []Report
	in.Progress = func(r Report) {
		if _, ok := r.Values["updates"]; ok {
			reports = append(reports, r)
		}
	}
	if _, err := Train(t.Context(), cfg, in); err != nil {
		t.Fatal(err)
	}
	if first, last := reports[0].Values, reports[len(reports)-1].Values; first["buffer"] > 500 ||
		last["updates"] <= first["updates"] {
		t.Errorf("first line after resuming %v, last %v", first, last)
	}
	if info, err := os.Stat(in.Run.Checkpoint(StateName)); err != nil || info.Size() > 1<<20 {
		t.Errorf("state %v (%v), want less than a megabyte", info.Size(), err)
	}
}

// TestResumeOnAnotherSimulator: episodes that do not repeat are replaced.
func TestResumeOnAnotherSimulator(t *testing.T) {
	cfg, in := shortConfig(residual.MethodResiP), shortInputs(t, residual.MethodResiP)
	in.Run, in.Resume = newRun(t), true
	interrupt(t, cfg, in, 2000)
	var log bytes.Buffer
	in.Log = slog.New(slog.NewTextHandler(&log, nil))
	in.NewEnv = func(int) (sim.Env, error) { return &drifted{&pointEnv{}}, nil }
	if _, err := Train(t.Context(), cfg, in); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "could not be repeated") {
		t.Errorf("no warning in %s", log.String())
	}
}

type drifted struct{ *pointEnv }

func (d *drifted) Reset(obs []float32, s uint64) error { return d.pointEnv.Reset(obs, s+1) }

func TestResumeRefusals(t *testing.T) {
	cfg, in := shortConfig(residual.MethodResiP), shortInputs(t, residual.MethodResiP)
	cfg.Steps, cfg.EvalEvery = 800, 0
	in.Run, in.Resume = newRun(t), true
	if _, err := Train(t.Context(), cfg, in); err != nil { // nothing saved: from the beginning
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"gamma": func(c *Config) { c.Gamma = 0.9 },
		"envs":  func(c *Config) { c.Envs = 8 },
		"seed":  func(c *Config) { c.Seed++ },
		"width": func(c *Config) { c.CriticHidden = []int{17} },
	} {
		d := cfg
		d.Steps = 1600
		change(&d)
		if _, err := Train(t.Context(), d, in); err == nil || !strings.Contains(err.Error(), "other settings") {
			t.Errorf("%s changed: %v", name, err)
		}
	}
	cfg.Steps = 1600 // longer is allowed
	if _, err := Train(t.Context(), cfg, in); err != nil {
		t.Errorf("resume to go on: %v", err)
	}
	state := in.Run.Checkpoint(StateName)
	b, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string][]byte{"truncated": b[:len(b)/2], "empty": {}} {
		if err := os.WriteFile(state, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Train(t.Context(), cfg, in); !errors.Is(err, tensorfile.ErrMalformed) {
			t.Errorf("%s state: %v", name, err)
		}
	}
}

// TestOldStateSurvivesAFailedSave: what cannot be saved leaves the files alone.
func TestOldStateSurvivesAFailedSave(t *testing.T) {
	cfg, in := shortConfig(residual.MethodResiP), shortInputs(t, residual.MethodResiP)
	cfg.Steps, cfg.EvalEvery, in.Run = 800, 0, newRun(t)
	batch, err := cfg.NewBatch(in.NewEnv, cfg.Workers)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = batch.Close() }()
	tr, err := newTrainer(&cfg, &in, batch)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(tr.begin(), tr.loop(t.Context()), tr.close()); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(in.Run.Checkpoint(StateName))
	if err != nil {
		t.Fatal(err)
	}
	tr.learner.critics[0].target.Params()[0].Data[3] = float32(math.NaN())
	if err := tr.save(); !errors.Is(err, tensorfile.ErrNotFinite) {
		t.Errorf("error %v, want ErrNotFinite", err)
	}
	after, err := os.ReadFile(in.Run.Checkpoint(StateName))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the old state changed (%v)", err)
	}
	left, err := filepath.Glob(in.Run.Path(run.CheckpointsDir, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
	if _, err := os.Stat(in.Run.Checkpoint(BestName)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a best policy without an evaluation: %v", err)
	}
}
