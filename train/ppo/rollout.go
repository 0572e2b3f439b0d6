package ppo

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"korr/internal/memory"
	"korr/internal/seed"
	"korr/residual/shield"
	"korr/sim"
	"korr/train/episodes"
)

// slot is one environment's episode under way.
type slot struct {
	episodes.View
	seed  uint64
	steps int
	begun float32   // 1 when x is an episode's first
	x     []float32 // present network input [X]
}

// rollout acts in all environments and holds one iteration's steps, time-major.
type rollout struct {
	cfg    *RunConfig
	in     *Inputs
	dims   Dims
	batch  *sim.Batch
	slots  []slot
	rng    *rand.Rand
	reward *RewardNormalizer

	x                       []float32 // [T, N, X]
	r, u                    []float32 // [T, N, Act] sampled residual, executed action
	next                    []float32 // [T, N, Obs] encoded observation after the step
	logProb, value, done    []float32 // [T, N]
	rewards, adv, ret       []float32
	lost                    []bool // steps whose outcome is unknown
	nextValue, nextDone     []float32
	obs, act, present, last []float32
	raw, scaled             []float32
	results                 []sim.Result
	errs                    []error
	again                   []bool

	starter       *episodes.Starter
	stats         rolloutStats
	recentOutcome []bool // of the last 100 episodes, oldest first
}

// rolloutStats counts the episodes that ended in one iteration.
type rolloutStats struct{ ended, successes, timeouts, errors int }

func newRollout(cfg *RunConfig, in *Inputs, d Dims, batch *sim.Batch) (*rollout, error) {
	n, spec := batch.Len(), batch.Spec()
	rows := n * cfg.NumSteps
	if err := memory.Check(memory.Need{
		Setting: "ppo.num_steps", Value: cfg.NumSteps,
		Bytes: 4 * float64(n) * float64(cfg.NumSteps) * float64(d.X+2*d.Act+d.Obs+8),
	}); err != nil {
		return nil, err
	}
	f := func(n int) []float32 { return make([]float32, n) }
	ro := &rollout{
		cfg: cfg, in: in, dims: d, batch: batch, slots: make([]slot, n),
		rng: seed.Stream(cfg.Seed, "exploration", 0), reward: NewRewardNormalizer(cfg.ClipReward),
		starter: episodes.NewStarter(batch, cfg.Seed, in.log()),
		x:       f(rows * d.X), r: f(rows * d.Act), u: f(rows * d.Act), next: f(rows * d.Obs),
		logProb: f(rows), value: f(rows), done: f(rows), rewards: f(rows), adv: f(rows), ret: f(rows),
		lost:      make([]bool, rows),
		nextValue: f(n), nextDone: f(n), obs: f(n * spec.ObsDim), act: f(n * spec.ActDim), present: f(n * d.X), last: f(d.X),
		raw: f(n)[:0], scaled: f(n), results: make([]sim.Result, n), errs: make([]error, n), again: make([]bool, n),
	}
	for i := range ro.slots {
		view, err := episodes.NewView(in.spec(cfg))
		if err != nil {
			return nil, fmt.Errorf("ppo: %w", err)
		}
		ro.slots[i] = slot{View: view, x: ro.present[i*d.X : (i+1)*d.X]}
		ro.again[i] = true
	}
	return ro, nil
}

// collect makes NumSteps steps in every environment and computes advantages.
func (ro *rollout) collect(agent *Agent) error {
	n := len(ro.slots)
	ro.stats = rolloutStats{}
	clear(ro.lost)
	for t := range ro.cfg.NumSteps {
		ro.choose(agent, t*n)
		ro.batch.Step(ro.obs, ro.act, nil, ro.results, ro.errs)
		if err := ro.record(agent, t*n); err != nil {
			return err
		}
		if err := ro.restart(); err != nil {
			return err
		}
	}
	copy(ro.nextValue, agent.Values(ro.present, n))
	for i := range ro.slots {
		ro.nextDone[i] = ro.slots[i].begun
	}
	GAE(ro.adv, ro.ret, ro.rewards, ro.value, ro.done, ro.nextValue, ro.nextDone, n, ro.cfg.Gamma, ro.cfg.GAELambda)
	return nil
}

// choose samples the residuals of the rows from `row` on and fills the actions.
func (ro *rollout) choose(agent *Agent, row int) {
	d, n := ro.dims, len(ro.slots)
	copy(ro.x[row*d.X:], ro.present)
	copy(ro.value[row:], agent.Values(ro.present, n))
	mean := agent.Actor.Forward(ro.present, n)
	alpha := float32(ro.cfg.Alpha)
	for i := range ro.slots {
		s, k := &ro.slots[i], row+i
		mu, r := mean[i*d.Act:(i+1)*d.Act], ro.r[k*d.Act:(k+1)*d.Act]
		for j, m := range mu {
			r[j] = m + float32(math.Exp(float64(agent.LogStd[j]))*ro.rng.NormFloat64())
		}
		ro.logProb[k] = float32(LogProb(r, mu, agent.LogStd))
		ro.done[k] = s.begun
		act := ro.act[i*d.Act : (i+1)*d.Act]
		s.ComposeTo(act, ro.u[k*d.Act:(k+1)*d.Act], r, alpha)
		s.Executed(act)
	}
}

// record takes in what the step led to, in the rows from `row` on.
func (ro *rollout) record(agent *Agent, row int) error {
	ro.raw = ro.raw[:0]
	for i := range ro.slots {
		k := row + i
		if ro.errs[i] == nil { // kept out of the networks, where it would spread
			ro.errs[i] = shield.CheckFinite("observation", ro.rawObs(i))
		}
		if err := ro.errs[i]; err != nil {
			s := &ro.slots[i]
			ro.lost[k], ro.again[i] = true, true
			ro.stats.errors++
			ro.in.log().Warn("an episode was given up", "env", i, "episode_seed", s.seed, "step", s.steps, "err", err)
			continue
		}
		ro.raw = append(ro.raw, ro.results[i].Reward)
	}
	scaled := ro.scaled[:len(ro.raw)]
	copy(scaled, ro.raw)
	if ro.cfg.NormalizeReward {
		ro.reward.NormalizeTo(scaled, ro.raw)
	}
	for i := range ro.slots {
		k := row + i
		if ro.lost[k] {
			// An advantage of zero: what led here bootstraps on its value.
			ro.rewards[k] = ro.value[k]
			continue
		}
		ro.rewards[k], scaled = scaled[0], scaled[1:]
		if err := ro.advance(agent, i, k); err != nil {
			return err
		}
	}
	return nil
}

// advance encodes the observation that slot i came to in row k.
func (ro *rollout) advance(agent *Agent, i, k int) error {
	s, res, d := &ro.slots[i], ro.results[i], ro.dims
	s.steps++
	s.begun = 0
	timeout := res.Truncated || ro.cfg.MaxSteps > 0 && s.steps >= ro.cfg.MaxSteps
	if !res.Terminated && !timeout {
		err := s.observe(ro.rawObs(i))
		copy(ro.next[k*d.Obs:(k+1)*d.Obs], s.x)
		return err
	}
	if err := s.PeekTo(ro.last, ro.rawObs(i)); err != nil {
		return fmt.Errorf("ppo: %w", err)
	}
	copy(ro.next[k*d.Obs:(k+1)*d.Obs], ro.last)
	ro.again[i] = true
	ro.stats.ended++
	ro.recentOutcome = append(ro.recentOutcome, res.Success)
	if res.Success {
		ro.stats.successes++
	}
	if !res.Terminated {
		ro.stats.timeouts++
		if ro.cfg.BootstrapTimeouts {
			ro.rewards[k] += float32(ro.cfg.Gamma) * agent.Values(ro.last, 1)[0]
		}
	}
	return nil
}

func (ro *rollout) rawObs(i int) []float32 {
	w := ro.batch.Spec().ObsDim
	return ro.obs[i*w : (i+1)*w]
}

// restart begins new episodes where again is set, and clears it.
func (ro *rollout) restart() error {
	if !slices.Contains(ro.again, true) {
		return nil
	}
	seeds, err := ro.starter.Begin(ro.obs, ro.again)
	if err != nil {
		return fmt.Errorf("ppo: %w", err)
	}
	for i := range ro.slots {
		s := &ro.slots[i]
		if !ro.again[i] {
			continue
		}
		ro.again[i], s.seed, s.steps, s.begun = false, seeds[i], 0, 1
		s.Reset(s.seed)
		if err := s.observe(ro.rawObs(i)); err != nil {
			return err
		}
	}
	return nil
}

// success is the rate over the last 100 episodes; NaN before the first.
func (ro *rollout) success() float64 {
	if k := len(ro.recentOutcome); k > 100 {
		ro.recentOutcome = append(ro.recentOutcome[:0], ro.recentOutcome[k-100:]...)
	}
	n := 0
	for _, s := range ro.recentOutcome {
		if s {
			n++
		}
	}
	return float64(n) / float64(len(ro.recentOutcome))
}

// observe fills x for a raw observation; the base policy advances.
func (s *slot) observe(obs []float32) error {
	if err := s.ObserveTo(s.x, obs); err != nil {
		return fmt.Errorf("ppo: %w", err)
	}
	return nil
}

// valid lists the rows that teach something.
func (ro *rollout) valid(rows []int) []int {
	rows = rows[:0]
	for k, lost := range ro.lost {
		if !lost {
			rows = append(rows, k)
		}
	}
	return rows
}

// gather copies rows into b. Each is also a pair: o' is the observation before
// any reset.
func (ro *rollout) gather(b *Batch, rows []int) {
	d, p := ro.dims, &b.Pairs
	b.N, p.N = len(rows), len(rows)
	for _, x := range []*[]float32{&b.X, &b.Residual, &b.LogProb, &b.Advantage, &b.Return, &p.Obs, &p.U, &p.Next} {
		*x = (*x)[:0]
	}
	for _, k := range rows {
		x, u := ro.x[k*d.X:(k+1)*d.X], ro.u[k*d.Act:(k+1)*d.Act]
		b.X, p.Obs = append(b.X, x...), append(p.Obs, x[:d.Obs]...)
		b.Residual, p.U = append(b.Residual, ro.r[k*d.Act:(k+1)*d.Act]...), append(p.U, u...)
		p.Next = append(p.Next, ro.next[k*d.Obs:(k+1)*d.Obs]...)
		b.LogProb, b.Advantage, b.Return = append(b.LogProb, ro.logProb[k]), append(b.Advantage, ro.adv[k]),
			append(b.Return, ro.ret[k])
	}
}
