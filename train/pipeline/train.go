package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"gonum.org/v1/gonum/floats"

	"korr/basepolicy"
	"korr/basepolicy/acting"
	"korr/internal/tensorfile"
	"korr/koopman"
	"korr/residual"
	"korr/sim"
	"korr/train/dataset"
	"korr/train/episodes"
	"korr/train/imitation"
	"korr/train/koopmanfit"
	"korr/train/run"
	"korr/train/td3"
)

// Trained is what a training left.
type Trained struct {
	Checkpoint string
	Steps      int     // of the optimiser, or of the environments
	Loss       float64 // at the end
}

// Base trains a base policy in its run folder, which keeps the metrics, and saves it there as how says it acts. c.Run and
// c.Progress are the function's own; progress may be nil.
func Base(
	ctx context.Context, d *dataset.Dataset, c imitation.Config, how acting.Config, folder *run.Folder, metrics *run.Recorder,
	progress func(imitation.Report),
) (Trained, error) {
	var last imitation.Report
	var recordErr error
	c.Run = folder
	c.Progress = func(r imitation.Report) {
		last = r
		values := map[string]float64{"loss": r.Loss, "lr": r.LR}
		if c.ValFraction > 0 {
			values["val_loss"] = r.ValLoss
		}
		if c.ValFraction > 0 && c.Diffusion() {
			values["val_l1"] = r.ValL1
		}
		recordErr = errors.Join(recordErr, metrics.Record(r.Step, values))
		if progress != nil {
			progress(r)
		}
	}
	policy, err := imitation.Train(ctx, d, c)
	if err = errors.Join(err, recordErr); err != nil {
		return Trained{}, err
	}
	if policy, err = how.Apply(policy); err != nil {
		return Trained{}, err
	}
	path := folder.Checkpoint(BaseName)
	return Trained{path, c.Steps, last.Loss}, basepolicy.Save(path, policy)
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

// Koopman fits a Koopman model in its run folder, which keeps the metrics. progress may be nil; it is told the mean loss now and
// then.
func Koopman(
	ctx context.Context, k *koopmanfit.Data, c koopmanfit.Config, seed uint64, folder *run.Folder, metrics *run.Recorder,
	progress func(step int, loss float64),
) (Predictor, error) {
	const every = 25
	var mean, loss float64
	var recordErr error
	m, scores, err := koopmanfit.Fit(ctx, k, &c, seed, func(step int, l float64) {
		mean += l / every
		if (step+1)%every == 0 {
			loss, mean = mean, 0
			recordErr = errors.Join(recordErr, metrics.Record(step+1, map[string]float64{"loss": loss}))
			if progress != nil {
				progress(step+1, loss)
			}
		}
	})
	if err = errors.Join(err, recordErr); err != nil {
		return Predictor{}, err
	}
	p := Predictor{Trained{folder.Checkpoint(KoopmanName), c.Training.Steps, loss}, m.SpectralRadius(), scores}
	text, err := json.MarshalIndent(scores, "", "  ")
	if err != nil {
		return p, err
	}
	return p, errors.Join(folder.WriteFile(PredictionName, append(text, '\n')), m.Save(p.Checkpoint))
}

// Rollouts says how the base policy is played for a Koopman model to learn from: as in the warm-up of the residual's training.
// With r.Stages the demonstrations say when an episode has waited too long.
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

// Inputs are what a residual's training works with: the frozen base policy, the Koopman model that korr reads (nil for resip), and
// demonstrations, which may be none.
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

// Residual trains a residual in its run folder or goes on with what is there, and saves the policy.
func Residual(ctx context.Context, c td3.Config, in td3.Inputs, folder *run.Folder, progress func(td3.Report)) (Trained, map[string]float64, error) {
	last := map[string]float64{}
	in.Run = folder
	in.Progress = func(r td3.Report) {
		maps.Copy(last, r.Values)
		if progress != nil {
			progress(td3.Report{Step: r.Step, Steps: r.Steps, Values: last})
		}
	}
	policy, err := td3.Train(ctx, c, in)
	if err != nil {
		return Trained{}, last, err
	}
	t := Trained{folder.Checkpoint(PolicyName), c.Steps, last["critic_loss"]}
	return t, last, policy.Save(t.Checkpoint)
}

// Members trains n residuals side by side and saves their average in the run folder; open is td3.Members'. What members there have
// finished is kept. progress may be nil; it is told the steps of all together and the success of each.
func Members(
	ctx context.Context, c td3.Config, in td3.Inputs, n int, folder *run.Folder, open func(int, td3.Config) (*run.Folder, error),
	progress func(steps int, success []float64),
) (t Trained, err error) {
	record, err := folder.Recorder(0)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, record.Close()) }()
	done, steps, success, loss := 0, make([]int, n), make([]float64, n), make([]float64, n)
	mean, err := td3.Members(ctx, c, in, n, open, func(k int, r td3.Report) {
		done, steps[k] = done+r.Step-steps[k], r.Step
		keep(&success[k], r.Values, "success")
		keep(&loss[k], r.Values, "critic_loss")
		if progress != nil {
			progress(done, success)
		}
	})
	if err != nil {
		return t, err
	}
	t = Trained{folder.Checkpoint(PolicyName), c.Steps, floats.Sum(loss) / float64(n)}
	return t, errors.Join(mean.Save(t.Checkpoint), record.Record(c.Steps, map[string]float64{"members": float64(n)}))
}

// keep takes a value that a report has.
func keep(dst *float64, values map[string]float64, key string) {
	if v, ok := values[key]; ok {
		*dst = v
	}
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
