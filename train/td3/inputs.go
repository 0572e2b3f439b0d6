package td3

import (
	"errors"
	"fmt"
	"log/slog"

	"korr/basepolicy"
	"korr/internal/layout"
	"korr/koopman"
	"korr/koopman/filter"
	"korr/residual"
	"korr/sim"
	"korr/sim/disturb"
	"korr/train/dataset"
	"korr/train/episodes"
	"korr/train/run"
)

// Inputs is what a run works with. Everything below Base is optional, but KORR
// needs Koopman.
type Inputs struct {
	// NewEnv makes environment i; the run closes it. Numbers from Config.Envs
	// on are for evaluations.
	NewEnv func(i int) (sim.Env, error)
	// Base is the frozen base policy.
	Base basepolicy.Policy
	// Koopman is where KORR's model starts, learned from demonstrations; it
	// is not changed.
	Koopman *koopman.Model
	// Features makes the task's features, which then are part of the encoded
	// observation; a Koopman model must have been fitted with the same.
	Features func() residual.Features
	// Estimation and Filter are what the environments that collect are seen through (NewEnv sees to that); the policy
	// carries them along.
	Estimation residual.Estimation
	Filter     *filter.Fitted
	// Demos fill Config.DemoFraction of every batch.
	Demos []dataset.Episode
	// Engaged reports progress in a raw observation that saves an episode
	// from Config.FailAfter. A reward counts as progress anyway.
	Engaged func(obsRaw []float32) bool
	// Task is what Config.Stages needs, with Demos.
	Task   *sim.Task
	stages *episodes.StageRules // of Task; nil without Config.Stages
	// Run receives metrics and checkpoints.
	Run *run.Folder
	// Resume goes on from the checkpoint of Run, if there is one.
	Resume bool
	// Progress hears of every line of the metrics; called by the goroutine
	// that trains.
	Progress func(Report)
	// Log hears what an operator should know; nil discards it.
	Log *slog.Logger
}

// Report is a line of the metrics. Averages are over the steps since the last
// line; a key is missing when there is nothing to average.
//
//	success             share of the last 100 training episodes, with exploration
//	episodes, ended*    ended since the run began; since the last line, by outcome
//	episode_steps       control steps per episode
//	engaged             share of those episodes in which a pair engaged
//	pairN_STAGE         with Config.Stages: share of those episodes in which pair N, from 1, passed the stage
//	updates, actor_updates, buffer, sim_errors
//	noise               its standard deviation
//	critic_loss, q_mean, q_demo, q_online, target_mean
//	q_spread            mean distance of the first critic's values from the last one's
//	actor_loss, grad_norm (before clipping), residual_rms (of the actor, in [-1, 1])
//	expansion_shift     root mean square by which value expansion moves an observed value, before its limit
//	koopman_loss, spectral_radius (before it was bounded)
//	steps_per_s, update_ms, sim_share, learn_share (of the wall time; they overlap)
//	eval_*, best_success   on lines of their own, see Train; eval_low and eval_high are Wilson's 95 %
type Report struct {
	Step, Steps int // environment steps made and to be made
	Values      map[string]float64
}

func (in *Inputs) log() *slog.Logger {
	if in.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return in.Log
}

// spec says what the networks read of what seen estimates, nil for nothing.
func (in *Inputs) spec(cfg *Config, seen *episodes.Estimated) episodes.Spec {
	s := episodes.Spec{
		Base: in.Base, Execute: cfg.Execute, Features: in.Features, Foresight: cfg.foresight(), Focus: cfg.focus(),
		Sight: cfg.sight(), Seen: seen,
	}
	if in.Filter != nil {
		s.Parts = in.Filter.Scene.Jointed()
	}
	if !cfg.latent() {
		s.Koopman = in.Koopman
	}
	return s
}

// findStages takes the rules of the stages from the demonstrations, if the run pays stages.
func (in *Inputs) findStages(cfg *Config, spec sim.Spec) (err error) {
	switch {
	case !cfg.Stages:
		return nil
	case in.Task == nil || len(in.Demos) == 0:
		return errors.New("td3: residual.stages takes its times from demonstrations of the task: name some with --data")
	}
	task := *in.Task
	task.Yaw = spec.Yaw
	if in.stages, err = episodes.NewStageRules(&task, in.Demos); err != nil {
		return fmt.Errorf("td3: residual.stages: %w", err)
	}
	return nil
}

// recorded shows a recorded episode, the i-th, to the networks: as it was, or where they read more of the senses than
// the present, as the tracker that is dealt to it and the filter make of it.
func (in *Inputs) recorded(cfg *Config, e *dataset.Episode, i int) (sim.Env, error) {
	base := in.Base.About()
	env := sim.Env(&episodes.Recorded{
		What: sim.Spec{ObsDim: base.Obs.RawDim(), ActDim: base.ActDim()}, Len: e.Len(), At: e.ObsTo,
	})
	if cfg.sight() == (residual.Sight{}) || in.Filter == nil {
		return env, nil
	}
	if poses, ok := layout.Poses(base.Obs.RawDim()); ok {
		env.(*episodes.Recorded).What.PartNames = make([]string, poses)
	}
	_, tracker := cfg.Deal(i, 0, disturb.Clean)
	sensors, err := disturb.Profile(tracker)
	if err != nil {
		return nil, err
	}
	if env, err = disturb.Wrap(env, sensors); err != nil {
		return nil, err
	}
	est, err := residual.NewPoseEstimator(in.Estimation, in.Filter, base.Obs.RawDim(), filter.Noise{})
	if err != nil {
		return nil, err
	}
	return episodes.NewEstimated(env, est), nil
}

// watch returns the watch of an environment's episodes; nil when stages do not pay.
func (in *Inputs) watch() *episodes.StageWatch {
	if in.stages == nil {
		return nil
	}
	return in.stages.NewWatch()
}

// check compares the parts with each other and with the environments.
func (in *Inputs) check(cfg *Config, spec sim.Spec) (dims, error) {
	base := in.Base.About()
	enc, err := episodes.NewEncoder(in.Base, in.Features)
	if err != nil {
		return dims{}, fmt.Errorf("td3: %w", err)
	}
	focus := cfg.focus()
	if focus > enc.ObsDim() || focus > 0 && in.Features == nil {
		return dims{}, fmt.Errorf("td3: focus on %d of %d observed values needs that many and the task's features", focus,
			enc.ObsDim())
	}
	enc = enc.Focused(focus)
	var d dims
	if raw := base.Obs.RawDim(); spec.ObsDim != raw || spec.ActDim != base.ActDim() {
		return d, fmt.Errorf("td3: the base policy maps %d observations to %d actions, task %s has %d and %d: it was "+
			"trained for another task",
			raw, base.ActDim(), spec.Task, spec.ObsDim, spec.ActDim)
	}
	if cfg.Execute > base.Horizon {
		return d, fmt.Errorf("td3: execute is %d, the base policy's chunks have %d actions", cfg.Execute, base.Horizon)
	}
	if cfg.Method == residual.MethodKORR || in.Koopman != nil {
		if err := in.checkKoopman(cfg, enc); err != nil {
			return d, err
		}
	}
	if err := in.findStages(cfg, spec); err != nil {
		return d, err
	}
	if (cfg.Belief || cfg.CriticTruth) && in.Filter == nil {
		return d, errors.New("td3: residual.belief is what the filter of the parts knows, and residual.critic_truth what " +
			"it does not: set residual.filter")
	}
	v, err := episodes.NewView(in.spec(cfg, nil))
	if err != nil {
		return d, fmt.Errorf("td3: %w", err)
	}
	return newDims(v.Layout(), cfg.reads() == residual.ReadsPlain), nil
}

func (in *Inputs) checkKoopman(cfg *Config, enc *residual.Encoder) error {
	if in.Koopman == nil {
		return errors.New("td3: korr needs a Koopman model: run `korr train koopman` first")
	}
	k := in.Koopman.Config()
	if want := enc.PartDim(k.State); k.ObsDim != want || k.ActDim != enc.ActDim() {
		return fmt.Errorf("td3: the Koopman model reads %d observed and %d action values, this run has %d and %d: fit it "+
			"with the same features setting",
			k.ObsDim, k.ActDim, want, enc.ActDim())
	}
	if (k.State > 0 || k.Bilinear) && cfg.latent() {
		return errors.New("td3: a published korr reads the latent of a linear model of the whole observation: fit one with " +
			"koopman.focus=false and koopman.bilinear=false")
	}
	return nil
}
