package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"

	"korr/basepolicy/diffusion"
	"korr/configs"
	"korr/internal/usage"
	"korr/koopman"
	"korr/residual"
	"korr/train/dataset"
	"korr/train/gorgonia"
	"korr/train/imitation"
	"korr/train/koopmanfit"
	"korr/train/lab/settings"
	"korr/train/pipeline"
	"korr/train/ppo"
	"korr/train/run"
	"korr/train/td3"
)

// Folder is where a training goes.
type Folder struct {
	Dir         string
	TensorBoard bool // write the metrics as a TensorBoard event file, too
	Resume      bool // go on with the training there, under its settings
}

// Trained is what a training left.
type Trained struct {
	Schema     string   `json:"schema"` // korr.train/1
	Kind       string   `json:"kind"`   // base, koopman, resip or korr
	Folder     string   `json:"folder"`
	Checkpoint string   `json:"checkpoint"`
	Steps      int      `json:"steps"`
	Loss       *float64 `json:"loss"` // null when none was measured
	Seconds    float64  `json:"seconds"`
}

// WriteText prints where the checkpoint is.
func (t *Trained) WriteText(w io.Writer) error {
	_, err := fmt.Fprintln(w, t.Checkpoint)
	return err
}

// trained ends the progress of a training and describes what it left.
func trained(kind string, f *run.Folder, t pipeline.Trained, p Progress) *Trained {
	return &Trained{"korr.train/1", kind, f.Dir(), t.Checkpoint, t.Steps, t.Loss, p.Finish(t.Note).Seconds()}
}

// create makes the run folder with the resolved settings.
func (l *Lab) create(f Folder) (*run.Folder, error) {
	config, err := configs.YAML(l.Config)
	if err != nil {
		return nil, err
	}
	made, err := run.Create(f.Dir, config)
	if errors.Is(err, fs.ErrExist) {
		return nil, usage.Wrap(err)
	}
	if err != nil {
		return nil, err
	}
	made.Log, made.TensorBoard = l.Logger, f.TensorBoard
	return made, nil
}

// reopen opens the run folder and is the laboratory of its settings, over which only single keys stand.
func (l *Lab) reopen(f Folder) (*Lab, *run.Folder, error) {
	there, err := run.Open(f.Dir)
	if err != nil {
		return nil, nil, usage.Wrap(err)
	}
	there.Log, there.TensorBoard = l.Logger, f.TensorBoard
	if l.From.File != "" || l.From.Preset != "" {
		return nil, nil, usage.Errorf("--resume takes the settings of %s: leave --config and --preset out", f.Dir)
	}
	c, err := settings.Load(configs.Options{
		File: there.Path(run.ConfigName), Set: l.From.Set, Environ: l.From.Environ,
	})
	return l.With(c), there, err
}

// discardEmpty removes the folder of a training that ended with an error before it left anything to go on from, so that
// the corrected command can have it. err is the training's; what was measured of one that failed by itself stays.
func discardEmpty(ctx context.Context, f *run.Folder, err *error) {
	if *err != nil && f != nil {
		*err = errors.Join(*err, f.Discard(ctx.Err() != nil))
	}
}

// tellInterrupted says how a training that was interrupted goes on.
func (l *Lab) tellInterrupted(ctx context.Context, verb, dir string) {
	f, err := run.Open(dir)
	if ctx.Err() != nil && err == nil && f.Begun() {
		l.Logger.Warn("interrupted: the state is saved", "resume", "korr train "+verb+" --resume --out "+dir)
	}
}

// TrainBase trains a base policy on the demonstrations.
func (l *Lab) TrainBase(ctx context.Context, to Folder) (_ *Trained, err error) {
	var folder *run.Folder
	if to.Resume {
		if l, folder, err = l.reopen(to); err != nil {
			return nil, err
		}
		if c := &l.Config.Base.Training; !c.Diffusion() {
			return nil, usage.Errorf("--resume: a run of %s keeps no state: start it again", c.Arch)
		}
	}
	c, err := l.imitation(to.Resume)
	if err != nil {
		return nil, usage.Wrap(err)
	}
	data, err := l.Demonstrations()
	if err != nil {
		return nil, err
	}
	if !to.Resume {
		if folder, err = l.create(to); err != nil {
			return nil, err
		}
	}
	defer discardEmpty(ctx, folder, &err)
	p := l.begin("train base", "steps", c.Steps)
	t, err := pipeline.Base(ctx, data, c, l.Config.Base.Acting, folder, p.Set)
	if c.Diffusion() {
		l.tellInterrupted(ctx, "base", to.Dir)
	}
	if err != nil {
		return nil, err
	}
	return trained(pipeline.BaseName, folder, t, p), nil
}

// imitation is the settings with what the trainer is given beside them.
func (l *Lab) imitation(resume bool) (c imitation.Config, err error) {
	c = l.Config.Base.Training
	c.Seed, c.Shards, c.Resume = l.Config.Seed, min(l.Workers(), c.Batch), resume
	if c.Diffusion() || c.Arch == imitation.ArchCARP {
		c.ReportEvery = 500
	}
	if text := l.Config.Base.Acting.Sampler; text != "" {
		if c.Sampler, err = diffusion.ParseSampler(text, c.Sampler); err != nil {
			return c, err
		}
	}
	return c, c.Validate()
}

// Predictor is a trained Koopman model and how far ahead it predicts.
type Predictor struct {
	Trained
	SpectralRadius float64         `json:"spectral_radius"`
	Scores         []koopman.Score `json:"scores"` // on the held-out episodes; empty without any
}

// WriteText prints the errors of prediction as tables, and where the checkpoint is.
func (p *Predictor) WriteText(w io.Writer) error {
	for _, on := range koopmanfit.Scorings {
		scores := on.Of(p.Scores)
		if len(scores) == 0 {
			continue
		}
		if _, err := fmt.Fprintf(w, "\n%s\n\n", on.Caption); err != nil {
			return err
		}
		if err := koopmanfit.Table(scores).WriteText(w); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\nspectral radius %.6f\n%s\n", p.SpectralRadius, p.Checkpoint)
	return err
}

// TrainKoopman fits a Koopman model to the demonstrations and, with koopman.rollouts, to episodes of the base policy.
func (l *Lab) TrainKoopman(ctx context.Context, to Folder) (_ *Predictor, err error) {
	data, err := l.Demonstrations()
	if err != nil {
		return nil, err
	}
	k, err := l.koopmanData(data)
	if err != nil {
		return nil, err
	}
	if err := l.addRollouts(ctx, k, data.Episodes); err != nil {
		return nil, err
	}
	folder, err := l.create(to)
	if err != nil {
		return nil, err
	}
	defer discardEmpty(ctx, folder, &err)
	c := l.Config.Koopman
	p := l.begin("train koopman", "steps", c.Training.Steps)
	t, err := pipeline.Koopman(ctx, k, c, l.Config.Seed, folder, p.Set)
	if err != nil {
		return nil, err
	}
	return &Predictor{*trained(pipeline.KoopmanName, folder, t.Trained, p), t.SpectralRadius, t.Scores}, nil
}

// koopmanData encodes demonstrations with the base policy of residual.base.
func (l *Lab) koopmanData(d *dataset.Dataset) (*koopmanfit.Data, error) {
	base, err := l.LoadPolicy(l.Config.Residual.Base)
	if err != nil {
		return nil, err
	}
	return koopmanfit.NewData(d, base, l.Config.Residual.Features, &l.Config.Koopman, l.Config.Seed)
}

// addRollouts plays koopman.rollouts episodes of the base policy and adds them to the data.
func (l *Lab) addRollouts(ctx context.Context, k *koopmanfit.Data, demos []dataset.Episode) error {
	c := &l.Config.Koopman
	if c.Rollouts == 0 {
		return nil
	}
	p, err := l.LoadPolicy(l.Config.Residual.Base)
	if err != nil {
		return err
	}
	w, err := l.World()
	if err != nil {
		return err
	}
	rolls, err := w.Rollouts(p, c, &l.Config.Residual.Config, l.Config.Seed, demos)
	if err != nil {
		return err
	}
	bar := l.begin("play the base policy", "episodes", c.Rollouts)
	rolls.Progress = bar.SetOf
	if err := k.AddRollouts(ctx, rolls); err != nil {
		return err
	}
	bar.Finish(fmt.Sprintf("%d episodes", c.Rollouts))
	return nil
}

// Engines of PPO: gradients by hand, or gorgonia's.
const (
	EngineNative   = "native"
	EngineGorgonia = "gorgonia"
)

// TrainResidual trains the residual of a frozen base policy, or members and their average. engine is of PPO.
func (l *Lab) TrainResidual(ctx context.Context, to Folder, engine string) (_ *Trained, err error) {
	var folder *run.Folder
	if to.Resume {
		if l, folder, err = l.reopen(to); err != nil {
			return nil, err
		}
		if l.Config.Residual.Algorithm == settings.PPOName {
			return nil, usage.Errorf("--resume: a ppo run cannot be resumed")
		}
	}
	in, err := l.inputs()
	if err != nil {
		return nil, err
	}
	if !to.Resume { // only now: a wrong name leaves no folder in the way of the right one
		if folder, err = l.create(to); err != nil {
			return nil, err
		}
	}
	defer discardEmpty(ctx, folder, &err)
	t, p, err := l.trainResidual(ctx, to, folder, in, engine)
	if err != nil {
		return nil, err
	}
	return trained(string(l.Config.Residual.Method), folder, t, p), nil
}

// trainResidual trains one policy, or members, off policy or on policy.
func (l *Lab) trainResidual(
	ctx context.Context, to Folder, folder *run.Folder, in td3.Inputs, engine string,
) (pipeline.Trained, Progress, error) {
	r := &l.Config.Residual
	if r.Algorithm == settings.PPOName {
		c := l.Config.PPORun()
		c.Workers = l.Workers()
		var differentiate func(ppo.Networks) ppo.Engine
		if engine == EngineGorgonia {
			differentiate = func(n ppo.Networks) ppo.Engine { return gorgonia.NewEngine(n) }
		}
		p := l.begin("train "+string(c.Method), "steps", c.WholeIterations()*c.PerIteration())
		t, err := pipeline.OnPolicy(ctx, c, in, differentiate, folder, p.Set)
		return t, p, err
	}
	defer l.tellInterrupted(ctx, "residual", to.Dir)
	c := l.Config.TD3Run()
	c.Workers = l.Workers()
	if r.Members > 1 {
		p := l.begin(fmt.Sprintf("train %s, %d members", c.Method, r.Members), "steps", c.Steps)
		t, err := pipeline.Members(ctx, c, in, r.Members, folder, func(k int, own td3.Config) (*run.Folder, error) {
			return l.memberFolder(to, k, own)
		}, p.Set)
		return t, p, err
	}
	p := l.begin("train "+string(c.Method), "steps", c.Steps)
	in.Resume = to.Resume
	t, err := pipeline.Residual(ctx, c, in, folder, p.Set)
	return t, p, err
}

// inputs loads the parts that a residual's training starts from.
func (l *Lab) inputs() (in td3.Inputs, err error) {
	base, err := l.LoadPolicy(l.Config.Residual.Base)
	if err != nil {
		return in, err
	}
	var model *koopman.Model
	if l.Config.Residual.Method == residual.MethodKORR {
		if model, err = l.loadKoopman(l.Config.Residual.Koopman); err != nil {
			return in, err
		}
	}
	w, err := l.World()
	if err != nil {
		return in, err
	}
	var demos []dataset.Episode
	if l.Config.Demos != "" {
		data, err := l.Demonstrations()
		if err != nil {
			return in, err
		}
		demos = data.Episodes
	}
	return w.Inputs(&l.Config.Residual.Config, base, model, demos), nil
}

// loadKoopman reads a model's checkpoint, or takes the model out of a policy's.
func (l *Lab) loadKoopman(name string) (*koopman.Model, error) {
	f, err := l.OpenWeights(name)
	if err != nil {
		return nil, fmt.Errorf("koopman model %s: %w", name, err)
	}
	m, err := koopman.LoadFrom(f, "koopman.")
	if err != nil {
		return nil, fmt.Errorf("koopman model %s: %w", name, err)
	}
	return m, nil
}

// memberFolder opens the run folder of member k, which trains as c says, or creates it with the settings of such a run
// alone.
func (l *Lab) memberFolder(to Folder, k int, c td3.Config) (*run.Folder, error) {
	to.Dir = filepath.Join(to.Dir, run.MemberPrefix+strconv.Itoa(k+1))
	folder, err := run.Open(to.Dir)
	if err == nil {
		folder.Log, folder.TensorBoard = l.Logger, to.TensorBoard
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return folder, err
	}
	alone := *l.Config
	alone.Seed, alone.Sim.Workers, alone.Residual.Members, alone.Residual.Steps = c.Seed, c.Workers, 1, c.Steps
	return l.With(&alone).create(to)
}
