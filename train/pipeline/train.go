package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"korr/basepolicy"
	"korr/basepolicy/acting"
	"korr/internal/tensorfile"
	"korr/internal/usage"
	"korr/koopman"
	"korr/residual"
	"korr/sim"
	"korr/train/dataset"
	"korr/train/episodes"
	"korr/train/imitation"
	"korr/train/koopmanfit"
	"korr/train/ppo"
	"korr/train/run"
	"korr/train/td3"
)

// Progress hears how far a training is; note says how well it goes. nil hears nothing.
type Progress func(done, total int, note string)

func (p Progress) tell(done, total int, note string) {
	if p != nil {
		p(done, total, note)
	}
}

// Trained is what a training left.
type Trained struct {
	Checkpoint string
	Steps      int      // of the optimiser, or of the environments
	Loss       *float64 // at the end; nil when none was measured
	Note       string   // what came out, in words
}

// Base trains a base policy in its run folder, which keeps the metrics, or with c.Resume goes on with a diffusion run
// there, and saves the policy as how says it acts. c.Run and c.Progress are the function's own.
func Base(
	ctx context.Context, d *dataset.Dataset, c imitation.Config, how acting.Config, folder *run.Folder,
	progress Progress,
) (_ Trained, err error) {
	after := 0
	if c.Resume {
		if state, err := tensorfile.Read(folder.Checkpoint(imitation.StateName)); err == nil {
			_, _ = fmt.Sscan(state.Meta["step"], &after) // a damaged state is refused by the trainer
		}
	}
	metrics, err := folder.Recorder(after)
	if err != nil {
		return Trained{}, err
	}
	defer func() { err = errors.Join(err, metrics.Close()) }()
	t := Trained{Checkpoint: folder.Checkpoint(BaseName), Steps: c.Steps, Note: fmt.Sprintf("%d optimiser steps", c.Steps)}
	steps := c.Steps
	if c.Arch == imitation.ArchCARP { // the tokeniser's, then the transformer's
		steps *= 2
	}
	var recordErr error
	c.Run = folder
	c.Progress = func(r imitation.Report) {
		values, note := measuredBase(&c, r)
		t.Loss = &r.Loss
		recordErr = errors.Join(recordErr, metrics.Record(r.Step, values))
		progress.tell(r.Step, steps, note)
	}
	policy, err := imitation.Train(ctx, d, c)
	if err = errors.Join(err, recordErr); err != nil {
		return Trained{}, err
	}
	if policy, err = how.Apply(policy); err != nil {
		return Trained{}, usage.Wrap(err)
	}
	if t.Loss != nil {
		t.Note += fmt.Sprintf(", loss %.4f", *t.Loss)
	}
	return t, basepolicy.Save(t.Checkpoint, policy)
}

// measuredBase is what a report of a training holds, for metrics.jsonl and in words.
func measuredBase(c *imitation.Config, r imitation.Report) (map[string]float64, string) {
	values := map[string]float64{"loss": r.Loss, "lr": r.LR}
	note := fmt.Sprintf("loss %.4f", r.Loss)
	carp := c.Arch == imitation.ArchCARP
	if c.ValFraction > 0 && !carp {
		values["val_loss"] = r.ValLoss
		note += fmt.Sprintf(", held out %.4f", r.ValLoss)
	}
	if carp {
		values["token_rmse_mm"] = 1e3 * r.TokenRMSE
		note += fmt.Sprintf(", tokens %.2f mm off", 1e3*r.TokenRMSE)
	}
	if c.ValFraction > 0 && (carp || c.Diffusion()) {
		values["val_l1"] = r.ValL1
		note += fmt.Sprintf(", drawn chunks %.4f off", r.ValL1)
	}
	return values, note
}

// Names of what the stages make.
const (
	DemosName      = "demos" // a folder of demonstrations
	BaseName       = "base"
	KoopmanName    = "koopman"
	PolicyName     = "policy"          // a residual with all that it acts with
	PredictionName = "prediction.json" // beside the Koopman model: its scores
)

// Predictor is a trained Koopman model and how far ahead it predicts.
type Predictor struct {
	Trained
	SpectralRadius float64
	Scores         []koopman.Score // on held-out episodes; empty without any
}

// Koopman fits a Koopman model in its run folder, which keeps the metrics and the mean loss now and then.
func Koopman(
	ctx context.Context, k *koopmanfit.Data, c koopmanfit.Config, seed uint64, folder *run.Folder, progress Progress,
) (_ Predictor, err error) {
	metrics, err := folder.Recorder(0)
	if err != nil {
		return Predictor{}, err
	}
	defer func() { err = errors.Join(err, metrics.Close()) }()
	const every = 25
	p := Predictor{Trained: Trained{
		Checkpoint: folder.Checkpoint(KoopmanName), Steps: c.Training.Steps,
		Note: fmt.Sprintf("%d optimiser steps", c.Training.Steps),
	}}
	var mean float64
	var recordErr error
	m, scores, err := koopmanfit.Fit(ctx, k, &c, seed, func(step int, l float64) {
		mean += l / every
		if (step+1)%every == 0 {
			loss := mean
			p.Loss, mean = &loss, 0
			recordErr = errors.Join(recordErr, metrics.Record(step+1, map[string]float64{"loss": loss}))
			progress.tell(step+1, c.Training.Steps, fmt.Sprintf("loss %.5f", loss))
		}
	})
	if err = errors.Join(err, recordErr); err != nil {
		return Predictor{}, err
	}
	if p.Loss != nil {
		p.Note += fmt.Sprintf(", loss %.5f", *p.Loss)
	}
	p.SpectralRadius, p.Scores = m.SpectralRadius(), scores
	text, err := json.MarshalIndent(scores, "", "  ")
	if err != nil {
		return p, err
	}
	return p, errors.Join(folder.WriteFile(PredictionName, append(text, '\n')), m.Save(p.Checkpoint))
}

// Rollouts says how the base policy is played for a Koopman model to learn from: as in the warm-up of the residual's
// training. With r.Stages the demonstrations say when an episode has waited too long.
func (w *World) Rollouts(
	p *residual.Policy, k *koopmanfit.Config, r *td3.Config, seed uint64, demos []dataset.Episode,
) (koopmanfit.Rollouts, error) {
	var rules *episodes.StageRules
	if r.Stages {
		var err error
		if rules, err = episodes.NewStageRules(w.Task, demos); err != nil {
			return koopmanfit.Rollouts{}, err
		}
	}
	return koopmanfit.Rollouts{
		Policy: p, Features: r.Features, Open: func() (sim.Env, error) { return w.Open(w.Plain) }, Workers: w.Workers,
		Episodes: k.Rollouts, HeldOut: k.HeldOut, Seed: seed,
		Sigma: r.Alpha * r.WarmUpNoise, Rho: r.NoiseRho, FailAfter: r.FailAfter, MaxSteps: r.MaxSteps, Stages: rules,
	}, nil
}

// Inputs are what a residual's training works with: the frozen base policy, the Koopman model that korr reads (nil for
// resip), and demonstrations, which may be none.
func (w *World) Inputs(c *td3.Config, base *residual.Policy, model *koopman.Model, demos []dataset.Episode) td3.Inputs {
	in := td3.Inputs{
		Log: w.Log, NewEnv: func(i int) (sim.Env, error) { return w.TrainingEnv(c, base, i) },
		Base: base.Base, Estimation: base.Estimation, Filter: base.Filter, Koopman: model,
		Engaged: w.Task.Engaged, Task: w.Task, Demos: demos,
	}
	if c.Features {
		in.Features = func() residual.Features { return w.Task.NewFeatures() }
	}
	return in
}

// Residual trains a residual in its run folder, or with in.Resume goes on with what is there, and saves the policy.
func Residual(
	ctx context.Context, c td3.Config, in td3.Inputs, folder *run.Folder, progress Progress,
) (Trained, error) {
	var success, loss *float64
	in.Run = folder
	in.Progress = func(r td3.Report) {
		keep(&success, r.Values, "success")
		keep(&loss, r.Values, "critic_loss")
		progress.tell(r.Step, r.Steps, succeeded(success))
	}
	policy, err := td3.Train(ctx, c, in)
	if err != nil {
		return Trained{}, err
	}
	t := Trained{folder.Checkpoint(PolicyName), c.Steps, loss, fmt.Sprintf("%d simulator steps", c.Steps)}
	if success != nil {
		t.Note += fmt.Sprintf(", success %.3f in the last episodes, with exploration", *success)
	}
	return t, policy.Save(t.Checkpoint)
}

// Members trains n residuals side by side and saves their average in the run folder; open is td3.Members'. What members
// there have finished is kept.
func Members(
	ctx context.Context, c td3.Config, in td3.Inputs, n int, folder *run.Folder,
	open func(int, td3.Config) (*run.Folder, error),
	progress Progress,
) (t Trained, err error) {
	record, err := folder.Recorder(0)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, record.Close()) }()
	done, steps, success, loss := 0, make([]int, n), make([]*float64, n), make([]*float64, n)
	average, err := td3.Members(ctx, c, in, n, open, func(k int, r td3.Report) {
		done, steps[k] = done+r.Step-steps[k], r.Step
		keep(&success[k], r.Values, "success")
		keep(&loss[k], r.Values, "critic_loss")
		progress.tell(done, c.Steps, succeeded(success...))
	})
	if err != nil {
		return t, err
	}
	t = Trained{folder.Checkpoint(PolicyName), c.Steps, mean(loss), fmt.Sprintf("%d simulator steps", c.Steps)}
	return t, errors.Join(average.Save(t.Checkpoint), record.Record(c.Steps, map[string]float64{"members": float64(n)}))
}

// OnPolicy trains a residual by PPO from the inputs that TD3 starts from, and saves the policy. engine is ppo.Inputs'.
func OnPolicy(
	ctx context.Context, c ppo.RunConfig, in td3.Inputs, engine func(ppo.Networks) ppo.Engine, folder *run.Folder,
	progress Progress,
) (Trained, error) {
	t := Trained{Checkpoint: folder.Checkpoint(PolicyName), Steps: c.WholeIterations() * c.PerIteration()}
	note := ""
	policy, err := ppo.Train(ctx, c, ppo.Inputs{
		Engine: engine,
		NewEnv: in.NewEnv, Base: in.Base, Koopman: in.Koopman, Features: in.Features, Demos: in.Demos,
		Estimation: in.Estimation, Filter: in.Filter, Run: folder, Log: in.Log,
		Progress: func(iteration int, values map[string]float64) {
			t.Loss = nil
			keep(&t.Loss, values, "value_loss")
			if v, ok := values["success"]; ok {
				note = fmt.Sprintf("success %.2f with exploration noise", v)
			}
			progress.tell(iteration*c.PerIteration(), t.Steps, note)
		},
	})
	if err != nil {
		return t, err
	}
	t.Note = strings.TrimSuffix(fmt.Sprintf("%d simulator steps, %s", t.Steps, note), ", ")
	return t, policy.Save(t.Checkpoint)
}

// keep takes a value that a report has.
func keep(dst **float64, values map[string]float64, key string) {
	if v, ok := values[key]; ok {
		*dst = &v
	}
}

// succeeded lists rates of success, with a dash where no episode has ended yet; empty as long as none has at all.
func succeeded(rates ...*float64) string {
	words, none := make([]string, len(rates)), true
	for i, r := range rates {
		words[i] = "-"
		if r != nil {
			words[i], none = fmt.Sprintf("%.2f", *r), false
		}
	}
	if none {
		return ""
	}
	return "success " + strings.Join(words, " ")
}

// mean is the mean of values; nil unless all of them were measured.
func mean(values []*float64) *float64 {
	var sum float64
	for _, v := range values {
		if v == nil {
			return nil
		}
		sum += *v / float64(len(values))
	}
	return &sum
}

// Load reads a residual policy, or a base policy as one that acts alone, and has it act as how says.
func Load(path string, how acting.Config) (*residual.Policy, error) {
	f, err := tensorfile.Read(path)
	if err != nil {
		return nil, fmt.Errorf("policy %s: %w", path, err)
	}
	p, err := residual.LoadEither(f, how.Execute)
	if err != nil {
		return nil, fmt.Errorf("policy %s: %w", path, err)
	}
	p.Base, err = how.Apply(p.Base)
	return p, err
}
