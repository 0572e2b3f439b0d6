package ppo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"time"

	"korr/basepolicy"
	"korr/internal/nn"
	"korr/internal/seed"
	"korr/koopman"
	"korr/koopman/filter"
	"korr/residual"
	"korr/sim"
	"korr/train/dataset"
	"korr/train/episodes"
	"korr/train/run"
)

// Inputs is what a run works with. Everything below Base is optional, but KORR
// needs Koopman.
type Inputs struct {
	// NewEnv makes environment i; the run closes it.
	NewEnv func(i int) (sim.Env, error)
	// Base is the frozen base policy.
	Base basepolicy.Policy
	// Koopman is where KORR's model starts; it is not changed.
	Koopman *koopman.Model
	// Features makes the task's features, part of the encoded observation.
	Features func() residual.Features
	// Estimation and Filter are what NewEnv's environments are seen through; the policy carries them along.
	Estimation residual.Estimation
	Filter     *filter.Fitted
	// Demos are where a goal comes from.
	Demos []dataset.Episode
	// Engine differentiates the losses; nil uses the hand-derived gradients.
	Engine func(Networks) Engine
	// Run receives metrics and checkpoints.
	Run *run.Folder
	// Progress hears of every iteration; called by the goroutine that trains.
	Progress func(iteration int, values map[string]float64)
	// Log hears what an operator should know; nil discards it.
	Log *slog.Logger
}

func (in *Inputs) log() *slog.Logger {
	if in.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return in.Log
}

// spec says what the networks read.
func (in *Inputs) spec(cfg *RunConfig) episodes.Spec {
	s := episodes.Spec{Base: in.Base, Execute: cfg.Execute, Features: in.Features, Foresight: cfg.Ahead()}
	if cfg.Resolved() == residual.Lookahead {
		s.Koopman = in.Koopman
	}
	return s
}

// blockRows bounds the memory of a pass over a large mini-batch.
const blockRows = 4096

// Train runs the algorithm and returns the policy of the last iteration, whose
// deterministic residual is the Gaussian's mean. A cancelled run saves its
// policy and returns ctx's cause; it cannot be resumed.
func Train(ctx context.Context, cfg RunConfig, in Inputs) (policy *residual.Policy, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.Iterations = cfg.WholeIterations()
	t, err := newTrainer(&cfg, &in)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	if err := t.rollout.restart(); err != nil {
		return nil, err
	}
	for t.iteration < cfg.Iterations {
		if cause := context.Cause(ctx); cause != nil {
			return nil, errors.Join(fmt.Errorf("ppo: stopped at iteration %d: %w", t.iteration, cause), t.save())
		}
		start := time.Now()
		t.agent.SetRates(Schedule(t.iteration, cfg.ActorWarmup, cfg.Iterations), Schedule(t.iteration, 0, cfg.Iterations))
		if err := t.rollout.collect(t.agent); err != nil {
			return nil, err
		}
		simulated := time.Now()
		losses, epochs, err := t.update()
		if err != nil {
			return nil, fmt.Errorf("ppo: iteration %d: %w: lower ppo.update_epochs or look for broken observations",
				t.iteration, err)
		}
		if t.model != nil {
			t.model.Constrain()
		}
		t.iteration++
		if err := t.report(losses, epochs, simulated.Sub(start), time.Since(simulated)); err != nil {
			return nil, err
		}
		if cfg.saves(t.iteration) {
			if err := t.save(); err != nil {
				return nil, err
			}
		}
	}
	return t.policy(), nil
}

// update makes the epochs over the rollout's steps, each in mini-batches of
// shuffled rows, until the policy has moved too far. It returns the last losses
// and the epochs made.
func (t *trainer) update() (l Losses, epochs int, err error) {
	t.rows = t.rollout.valid(t.rows)
	for epochs < t.cfg.UpdateEpochs {
		if t.cfg.NumMinibatches > 1 {
			t.rng.Shuffle(len(t.rows), func(i, j int) { t.rows[i], t.rows[j] = t.rows[j], t.rows[i] })
		}
		for k := range t.cfg.NumMinibatches {
			part := t.rows[k*len(t.rows)/t.cfg.NumMinibatches : (k+1)*len(t.rows)/t.cfg.NumMinibatches]
			if len(part) < 2 { // next to everything was lost to errors
				continue
			}
			if epochs == 0 || t.cfg.NumMinibatches > 1 {
				t.rollout.gather(&t.batch, part)
			}
			if l, err = t.agent.Update(&t.batch); err != nil {
				return l, epochs, err
			}
		}
		epochs++
		if t.cfg.TargetKL > 0 && l.ApproxKL > t.cfg.TargetKL {
			break
		}
	}
	return l, epochs, nil
}

// trainer is a run under way.
type trainer struct {
	cfg     *RunConfig
	in      *Inputs
	sims    *sim.Batch
	rollout *rollout
	agent   *Agent
	head    *nn.MLP
	model   *koopman.Model // nil unless the policy's gradient trains it
	goal    []float32      // encoded observation; nil unless it is read
	predict *nn.MLP        // nonlinear dynamics in the model's place; else nil
	dims    Dims
	metrics *run.Recorder // nil without a run folder
	rng     *rand.Rand    // of the shuffles

	iteration int
	rows      []int
	batch     Batch
}

func newTrainer(cfg *RunConfig, in *Inputs) (t *trainer, err error) {
	if in.Base == nil || in.NewEnv == nil {
		return nil, errors.New("ppo: a run needs a base policy and environments")
	}
	if cfg.Execute > in.Base.About().Horizon {
		return nil, fmt.Errorf("ppo: execute is %d, the base policy's chunks have %d actions", cfg.Execute,
			in.Base.About().Horizon)
	}
	view, err := episodes.NewView(in.spec(cfg))
	if err != nil {
		return nil, fmt.Errorf("ppo: %w", err)
	}
	enc, spans := view.Encoder(), view.Layout()
	d := Dims{Obs: spans.Observed().Len(), X: spans.Width(), Act: spans.Base.Len()}
	t = &trainer{cfg: cfg, in: in, dims: d, rng: seed.Stream(cfg.Seed, "shuffle", 0)}
	if cfg.goal() {
		if t.goal, err = episodes.Goal(enc, in.Demos); err != nil {
			return nil, fmt.Errorf("ppo: %w", err)
		}
	}
	if err := t.newAgent(d); err != nil {
		return nil, err
	}
	if t.sims, err = cfg.NewBatch(in.NewEnv, cfg.Workers); err != nil {
		return nil, fmt.Errorf("ppo: %w", err)
	}
	if spec := t.sims.Spec(); spec.ObsDim != enc.RawDim() || spec.ActDim != d.Act {
		return nil, errors.Join(fmt.Errorf("ppo: the base policy maps %d observations to %d actions, task %s has %d and "+
			"%d: it was trained for another task",
			enc.RawDim(), d.Act, spec.Task, spec.ObsDim, spec.ActDim), t.close())
	}
	if t.rollout, err = newRollout(cfg, in, d, t.sims); err != nil {
		return nil, errors.Join(err, t.close())
	}
	if in.Run != nil {
		if t.metrics, err = in.Run.Recorder(0); err != nil {
			return nil, errors.Join(err, t.close())
		}
	}
	return t, nil
}

// newAgent starts the networks as published: a residual of zero, and values
// near 0.25.
func (t *trainer) newAgent(d Dims) error {
	cfg, rows := t.cfg, max(t.cfg.Envs, min(blockRows, t.cfg.Envs*t.cfg.NumSteps))
	if cfg.Method == residual.MethodKORR {
		if t.in.Koopman == nil {
			return errors.New("ppo: korr needs a Koopman model: run `korr train koopman` first")
		}
		if f := cfg.Ahead(); f.Actor(residual.MethodKORR) == residual.ReadsLatent {
			t.model = t.in.Koopman.Clone()
		}
	}
	actor, err := t.newActor(d, rows)
	if err != nil {
		return err
	}
	critic := nn.NewMLP(nn.MLPConfig{
		In: d.X, Hidden: cfg.CriticHidden, Out: 1, OutputBias: true, LastStd: 0.25,
		LastBias: 0.25,
	}, seed.Stream(cfg.Seed, "critic", 0))
	logStd := make([]float32, d.Act)
	for i := range logStd {
		logStd[i] = float32(cfg.InitLogStd)
	}
	if t.agent, err = NewAgent(&cfg.Config, actor, critic, logStd, d, rows); err != nil {
		return err
	}
	if t.in.Engine != nil {
		return t.agent.Use(t.in.Engine)
	}
	// The number of parts stays, so that that of the workers changes nothing.
	return t.agent.Split(2, min(2, max(1, cfg.Workers)))
}

// newActor starts head and, in the nonlinear variant, dynamics.
func (t *trainer) newActor(d Dims, rows int) (Actor, error) {
	cfg := t.cfg
	in := d.X + len(t.goal)
	switch {
	case t.model != nil && t.goal != nil:
		in = 2 * t.model.LatentDim()
	case t.model != nil:
		in = t.model.LatentDim()
	case cfg.nonlinear():
		in = d.Obs
		t.predict = nn.NewMLP(nn.MLPConfig{
			In: d.Obs + d.Act, Hidden: cfg.DynamicsHidden, Out: d.Obs, OutputBias: true,
			LastStd: 1,
		}, seed.Stream(cfg.Seed, "dynamics", 0))
	}
	t.head = nn.NewMLP(nn.MLPConfig{In: in, Hidden: cfg.ActorHidden, Out: d.Act}, seed.Stream(cfg.Seed, "actor", 0))
	switch {
	case t.model != nil:
		return NewKORR(t.model, t.head, d, rows, KORROptions{Goal: t.goal, StopGradient: !cfg.KoopmanGradient})
	case cfg.nonlinear():
		return NewDynamics(t.predict, t.head, d, rows)
	}
	return NewResiP(t.head, d, rows, t.goal)
}

// acting is the network that a policy acts with (see absorb).
func (t *trainer) acting() *nn.MLP {
	switch {
	case t.predict != nil:
		return join(t.predict, t.head, t.dims.X)
	case t.goal == nil:
		return t.head
	case t.model == nil:
		return absorb(t.head, t.goal)
	}
	z := make([]float32, t.model.LatentDim())
	t.model.Predictor().LiftTo(z, t.goal)
	return absorb(t.head, z)
}

func (t *trainer) close() error {
	err := errors.Join(t.agent.Close(), t.sims.Close())
	if t.metrics != nil {
		err = errors.Join(err, t.metrics.Close())
	}
	return err
}

// report writes a line of the metrics.
func (t *trainer) report(l Losses, epochs int, simulating, learning time.Duration) error {
	s, steps := t.rollout.stats, t.iteration*t.cfg.Envs*t.cfg.NumSteps
	values := map[string]float64{
		"policy_loss": l.Policy, "value_loss": l.Value, "approx_kl": l.ApproxKL, "clip_fraction": l.ClipFraction,
		"grad_norm": l.GradNorm, "epochs": float64(epochs),
		"ended": float64(s.ended), "ended_success": float64(s.successes), "ended_timeout": float64(s.timeouts),
		"sim_errors": float64(s.errors),
		"sim_s":      simulating.Seconds(), "learn_s": learning.Seconds(), "iteration": float64(t.iteration),
	}
	if t.model != nil || t.predict != nil {
		values["koopman_loss"] = l.Model
	}
	if v := t.rollout.success(); v == v {
		values["success"] = v
	}
	if t.in.Progress != nil {
		t.in.Progress(t.iteration, values)
	}
	if t.metrics == nil {
		return nil
	}
	return t.metrics.Record(steps, values)
}

// policy wraps the networks as they are.
func (t *trainer) policy() *residual.Policy {
	text, err := json.Marshal(t.cfg)
	if err != nil {
		panic(err) // Validate admits finite numbers only
	}
	model := t.model
	if t.cfg.Resolved() == residual.Lookahead {
		model = t.in.Koopman
	}
	return &residual.Policy{
		Method: t.cfg.Method, Task: t.sims.Spec().Task, Base: t.in.Base, Koopman: model, Actor: t.acting(),
		Foresight: t.cfg.Ahead(),
		Alpha:     float32(t.cfg.Alpha), Squash: residual.Linear, Execute: t.cfg.Execute, Features: t.in.Features != nil,
		Estimation: t.in.Estimation, Filter: t.in.Filter,
		Meta: map[string]string{
			"trainer": "ppo", "config": string(text),
			"environment_steps": strconv.Itoa(t.iteration * t.cfg.Envs * t.cfg.NumSteps),
		},
	}
}

// save writes the present policy into the run folder.
func (t *trainer) save() error {
	if t.in.Run == nil {
		return nil
	}
	return t.policy().Save(t.in.Run.Checkpoint("last"))
}
