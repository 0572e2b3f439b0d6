package td3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"sync/atomic"

	"korr/internal/seed"
	"korr/residual"
	"korr/sim"
	"korr/train/eval"
)

// trials is what the evaluations found so far.
type trials struct {
	Count    int     `json:"count"`
	BaseRate float64 `json:"base_rate"` // of the base policy, measured once
	BestRate float64 `json:"best_rate"`
	BestStep int     `json:"best_step"`
	LastStep int     `json:"last_step"` // of the last evaluation that was completed
	best     *residual.Policy
}

// evaluate measures the deterministic policy on the validation seeds and keeps
// the best; the later of two equals, which saw more.
func (t *trainer) evaluate(ctx context.Context) error {
	if t.actor.model != nil { // what is measured and kept is within the bound
		t.actor.model.Constrain()
	}
	p := t.policy()
	policies := []*residual.Policy{p}
	if t.trials.Count == 0 {
		policies = append(policies, &residual.Policy{
			Method: residual.MethodBase, Task: p.Task, Base: p.Base, Execute: p.Execute,
		})
	}
	cells, err := t.play(ctx, policies)
	if err != nil {
		return fmt.Errorf("td3: evaluation at step %d: %w", t.step, err)
	}
	res := cells[0].Result()
	if len(cells) > 1 {
		t.trials.BaseRate = cells[1].Result().Rate
	}
	t.trials.Count++
	t.trials.LastStep = t.step
	values := map[string]float64{
		"eval_success": res.Rate, "eval_low": res.CI95[0], "eval_high": res.CI95[1], "eval_base": t.trials.BaseRate,
		"eval_episodes": float64(res.Episodes),
		"eval_steps":    res.MeanSteps,
	}
	if t.trials.best == nil || res.Rate >= t.trials.BestRate {
		t.trials.BestRate, t.trials.BestStep = res.Rate, t.step
		t.trials.best = t.frozen(p)
		if t.in.Run != nil {
			if err := t.trials.best.Save(t.in.Run.Checkpoint(BestName)); err != nil {
				return err
			}
		}
	}
	values["best_success"] = t.trials.BestRate
	return t.report(values)
}

// play runs the evaluation episodes of the policies.
func (t *trainer) play(ctx context.Context, policies []*residual.Policy) ([]eval.Cell, error) {
	var made atomic.Int64
	spec := eval.Spec{
		Conditions: []eval.Condition{{Task: t.task()}}, Episodes: t.cfg.EvalEpisodes,
		Seed: seed.Hash(t.cfg.Seed, "validation", 0), Workers: t.cfg.EvalWorkers,
		Open: eval.InProcess(func(eval.Condition) (sim.Env, error) { return t.in.NewEnv(t.cfg.Envs + int(made.Add(1)) - 1) }),
	}
	if spec.Workers < 1 {
		spec.Workers = max(1, t.cfg.Workers)
	}
	for _, p := range policies {
		spec.Policies = append(spec.Policies, eval.Policy{Name: string(p.Method), New: func() (sim.Policy, error) {
			return p.NewController(t.features())
		}})
	}
	cells, err := eval.Evaluate(ctx, spec)
	for i := range cells {
		if f := cells[i].Faults(); f != nil {
			t.in.log().Warn("episodes of the evaluation failed", "policy", cells[i].Policy, "err", f)
		}
	}
	return cells, err
}

func (t *trainer) task() string { return t.rollout.batch.Spec().Task }

func (t *trainer) features() residual.Features {
	if t.in.Features == nil {
		return nil
	}
	return t.in.Features()
}

// stepsKey is the metadata that tells how many environment steps a policy was trained for.
const stepsKey = "environment_steps"

// policy wraps the networks as they are; they may go on changing.
func (t *trainer) policy() *residual.Policy {
	p := &residual.Policy{
		Method: t.cfg.Method, Task: t.task(), Base: t.in.Base, Koopman: t.actor.model,
		Actor: t.actor.head, Foresight: t.cfg.foresight(),
		Alpha: float32(t.cfg.Alpha), Squash: residual.Tanh, Execute: t.cfg.Execute, Features: t.in.Features != nil,
		Focus: t.rollout.slots[0].Encoder().Focus(), Estimation: t.in.Estimation, Filter: t.in.Filter,
		Sight: t.cfg.sight(),
	}
	if !t.cfg.latent() {
		p.Koopman = t.in.Koopman
	}
	c := t.cfg
	c.Workers, c.EvalWorkers = 0, 0 // of the machine: they never change the result, and must not change the file
	text, err := json.Marshal(c)
	if err != nil {
		panic(err) // Validate admits finite numbers only
	}
	p.Meta = map[string]string{"trainer": "td3", "config": string(text), stepsKey: strconv.Itoa(t.step)}
	return p
}

// frozen returns a copy of p whose networks no longer change, with the evaluation
// that chose it.
func (t *trainer) frozen(p *residual.Policy) *residual.Policy {
	q := *p
	q.Actor = p.Actor.Clone()
	if p.Koopman != nil {
		q.Koopman = p.Koopman.Clone()
	}
	q.Meta["selection"] = fmt.Sprintf("evaluation %d: %.4f of %d validation episodes, base %.4f; best of those so far, "+
		"hence optimistic",
		t.trials.Count, t.trials.BestRate, t.cfg.EvalEpisodes, t.trials.BaseRate)
	return &q
}

// loadBest restores the best policy of a resumed run from its own checkpoint.
func (t *trainer) loadBest() error {
	if t.trials.Count == 0 {
		return nil
	}
	best, err := residual.Load(t.in.Run.Checkpoint(BestName), t.in.Base)
	if errors.Is(err, fs.ErrNotExist) {
		t.in.log().Warn("the best policy so far is missing; the next evaluation chooses afresh", "err", err)
		return nil
	}
	t.trials.best = best
	return err
}

// finish returns what the run was for.
func (t *trainer) finish() (*residual.Policy, error) {
	if t.trials.best != nil {
		return t.trials.best, nil
	}
	if t.actor.model != nil {
		t.actor.model.Constrain()
	}
	return t.policy(), nil
}
