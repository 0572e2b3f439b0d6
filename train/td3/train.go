package td3

import (
	"context"
	"errors"
	"fmt"
	"time"

	"korr/internal/memory"
	"korr/koopman"
	"korr/residual"
	"korr/sim"
	"korr/train/replay"
	"korr/train/run"
)

// Names of the checkpoints in a run folder.
const (
	StateName = "state" // everything a resumed run needs
	LastName  = "last"  // the policy at the last checkpoint
	BestName  = "best"  // the policy with the best evaluation so far
)

// Train runs the whole recipe and returns the policy with the best evaluation,
// or the last one if there was no evaluation. Evaluations use seeds of their
// own ("validation"); the best of several is chosen by them, so its rate there
// is optimistic: report the rate on other seeds.
//
// A cancelled run saves its state and returns ctx's error. ErrDiverged leaves
// the last checkpoint as it was. Neither returns a policy.
func Train(ctx context.Context, cfg Config, in Inputs) (policy *residual.Policy, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if in.Base == nil || in.NewEnv == nil {
		return nil, errors.New("td3: a run needs a base policy and environments")
	}
	if in.Run != nil { // nobody else trains there, from before the state is read
		if err := in.Run.Lock(); err != nil {
			return nil, err
		}
		defer in.Run.Unlock()
	}
	batch, err := cfg.NewBatch(in.NewEnv, cfg.Workers)
	if err != nil {
		return nil, fmt.Errorf("td3: %w", err)
	}
	defer func() { err = errors.Join(err, batch.Close()) }()
	t, err := newTrainer(&cfg, &in, batch)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	if err := t.begin(); err != nil {
		return nil, err
	}
	if err := t.loop(ctx); err != nil {
		return nil, err
	}
	return t.finish()
}

// trainer is a run under way.
type trainer struct {
	cfg     *Config
	in      *Inputs
	actor   *actor
	learner *learner
	rollout *rollout
	metrics *run.Recorder // nil without a run folder
	outside float64       // share of demonstrated actions out of the residual's reach

	step    int     // environment steps
	owed    float64 // critic updates due
	warmed  bool    // the critics' warm-up is done
	minimum int     // transitions in the buffer before updates
	trials  trials

	learned    chan error
	learnAsync func()
	clock      clock
}

// clock adds up where the time of a report's interval went.
type clock struct {
	since      time.Time
	steps      int // at since
	sim, learn time.Duration
	updates    int
}

func newTrainer(cfg *Config, in *Inputs, batch *sim.Batch) (*trainer, error) {
	d, err := in.check(cfg, batch.Spec())
	if err != nil {
		return nil, err
	}
	if err := memory.Check(
		memory.Need{
			Setting: "residual.batch", Value: cfg.Batch,
			Bytes: memory.Batch(cfg.Batch, 2*d.x, cfg.ActorHidden) +
				float64(cfg.Critics)*memory.Batch(cfg.Batch, d.x, cfg.CriticHidden),
		},
		memory.Need{Setting: "residual.buffer", Value: cfg.Buffer, Bytes: 4 * float64(cfg.Buffer) * float64(d.x+d.act+5)},
	); err != nil {
		return nil, err
	}
	var model *koopman.Model
	if cfg.latent() {
		model = in.Koopman.Clone()
	}
	online := replay.New(cfg.Buffer, d.x, d.act)
	demos, err := newDemonstrations(cfg, in, d, in.Demos)
	if err != nil {
		return nil, err
	}
	acting, err := newRollout(cfg, in, d, batch, online)
	if err != nil {
		return nil, err
	}
	t := &trainer{
		cfg: cfg, in: in, actor: newActor(cfg, d, model, max(cfg.Batch, cfg.Envs)),
		rollout: acting, outside: demos.outside,
		minimum: cfg.Batch, learned: make(chan error),
	}
	t.learner = newLearner(cfg, d, t.actor, online, demos.buffer)
	t.learner.bound = cfg.targetMax(in.stages)
	if cfg.ValueExpansion {
		shift, err := residual.NewShift(acting.slots[0].Encoder(), in.Koopman, cfg.foresight())
		if err != nil {
			return nil, errors.Join(fmt.Errorf("td3: value_expansion: %w", err), t.close())
		}
		t.learner.expand = newExpansion(cfg, d, in.Koopman, shift)
	}
	t.learnAsync = func() { t.learned <- t.learn() }
	return t, nil
}

// begin resumes or starts the run, and opens the metrics.
func (t *trainer) begin() error {
	resumed, err := t.resume()
	if err != nil {
		return err
	}
	if !resumed {
		if err := t.rollout.begin(); err != nil {
			return err
		}
	}
	if n := t.learner.demos.Transitions(); n > 0 {
		t.in.log().Info("demonstrations are in the replay buffer", "transitions", n, "outside_residual", t.outside)
	}
	t.clock = clock{since: time.Now(), steps: t.step}
	if t.in.Run != nil {
		t.metrics, err = t.in.Run.Recorder(t.step)
	}
	return err
}

func (t *trainer) close() error {
	t.learner.close()
	if t.metrics != nil {
		return t.metrics.Close()
	}
	return nil
}

func (t *trainer) loop(ctx context.Context) error {
	if t.step > 0 && t.evaluationDue() && t.trials.LastStep != t.step { // the run was stopped in it
		if err := t.evaluate(ctx); err != nil {
			return err
		}
	}
	for t.step < t.cfg.Steps {
		if err := context.Cause(ctx); err != nil {
			return errors.Join(fmt.Errorf("td3: stopped at step %d: %w", t.step, err), t.save())
		}
		if err := t.iterate(); errors.Is(err, errPlanning) {
			return errors.Join(fmt.Errorf("td3: stopped at step %d, from where a resumed run goes on: %w", t.step, err),
				t.save())
		} else if err != nil {
			return t.hint(err)
		}
		if err := t.reports(ctx); err != nil {
			return err
		}
	}
	return nil
}

// iterate makes one step in every environment and the updates due meanwhile.
func (t *trainer) iterate() error {
	var r []float32
	if t.step >= t.cfg.ActorStart {
		r = t.actor.forward(t.rollout.x, t.cfg.Envs)
	}
	t.rollout.choose(r, t.cfg.sigma(t.step))
	var err error
	if t.cfg.Overlap {
		go t.learnAsync()
		t.simulate()
		err = <-t.learned
	} else {
		err = t.learn()
		t.simulate()
	}
	if err != nil {
		return err
	}
	t.step += t.cfg.Envs
	err = t.rollout.record()
	if t.rollout.undone {
		t.step -= t.cfg.Envs
	}
	return err
}

func (t *trainer) simulate() {
	start := time.Now()
	t.rollout.simulate()
	t.clock.sim += time.Since(start)
}

// learn makes the updates that are due. It reads the buffer as it was before
// the present step, whether it overlaps the simulation or not.
func (t *trainer) learn() error {
	if t.step < t.cfg.CriticStart || t.learner.online.Transitions() < t.minimum {
		return nil
	}
	start, before := time.Now(), t.learner.updates
	t.learner.setRate(t.cfg.rate(t.step))
	if !t.warmed {
		t.warmed = true
		if t.cfg.CriticWarmUp > 0 {
			t.in.log().Info("the critics learn from what is there first", "updates", t.cfg.CriticWarmUp)
		}
		for range t.cfg.CriticWarmUp {
			if err := t.learner.update(false); err != nil {
				return err
			}
		}
	}
	for t.owed += t.cfg.UTD * float64(t.cfg.Envs); t.owed >= 1; t.owed-- {
		withActor := t.step >= t.cfg.ActorStart && (t.learner.updates+1)%t.cfg.PolicyDelay == 0
		if err := t.learner.update(withActor); err != nil {
			return err
		}
	}
	t.clock.learn += time.Since(start)
	t.clock.updates += t.learner.updates - before
	return nil
}

// hint adds to a diverged run's error what to do.
func (t *trainer) hint(err error) error {
	if !errors.Is(err, ErrDiverged) {
		return err
	}
	where := "nothing was saved"
	if t.in.Run != nil {
		where = "the last checkpoint in " + t.in.Run.Dir() + " is from before"
	}
	return fmt.Errorf("td3: step %d: %w; %s: lower residual.utd or look for broken observations", t.step,
		err, where)
}

// due reports whether the last iteration passed a multiple of every.
func (t *trainer) due(every int) bool {
	return every > 0 && t.step/every > (t.step-t.cfg.Envs)/every
}

func (t *trainer) evaluationDue() bool {
	return t.cfg.EvalEvery > 0 && (t.due(t.cfg.EvalEvery) || t.step >= t.cfg.Steps)
}

// reports writes metrics, evaluates and saves where that is due.
func (t *trainer) reports(ctx context.Context) error {
	last := t.step >= t.cfg.Steps
	if t.due(t.cfg.LogEvery) || last {
		if err := t.report(t.values()); err != nil {
			return err
		}
	}
	if t.evaluationDue() {
		if err := t.evaluate(ctx); err != nil {
			return errors.Join(err, t.save())
		}
	}
	if t.due(t.cfg.CheckpointEvery) || last {
		return t.save()
	}
	return nil
}

func (t *trainer) report(values map[string]float64) error {
	if t.in.Progress != nil {
		t.in.Progress(Report{Step: t.step, Steps: t.cfg.Steps, Values: values})
	}
	if t.metrics == nil {
		return nil
	}
	return t.metrics.Record(t.step, values)
}

// values collects a line of the metrics, averaged since the last one.
func (t *trainer) values() map[string]float64 {
	v := map[string]float64{
		"episodes": float64(t.rollout.ended), "updates": float64(t.learner.updates),
		"actor_updates": float64(t.learner.actorUpdates), "buffer": float64(t.learner.online.Transitions()),
		"noise": t.cfg.sigma(t.step),
	}
	if len(t.rollout.recent.outcomes) > 0 {
		v["success"] = t.rollout.recent.rate()
	}
	t.rollout.stats.put(v)
	t.learner.stats.put(v, t.actor.model != nil)
	c := &t.clock
	if s := time.Since(c.since).Seconds(); s > 0 {
		v["steps_per_s"] = float64(t.step-c.steps) / s
		v["sim_share"] = c.sim.Seconds() / s
		v["learn_share"] = c.learn.Seconds() / s
	}
	if c.updates > 0 {
		v["update_ms"] = 1e3 * c.learn.Seconds() / float64(c.updates)
	}
	*c = clock{since: time.Now(), steps: t.step}
	return v
}
