package td3

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"korr/residual/shield"
	"korr/sim"
	"korr/train/episodes"
	"korr/train/replay"
)

// slot is one environment's episode under way.
type slot struct {
	episodes.View
	nstep   *replay.NStep
	seed    uint64
	steps   int
	engaged int                  // the step after which the first pair was engaged; 0 = none yet
	stages  *episodes.StageWatch // nil when stages do not pay
	earned  float64              // by the stages that the last step passed
	frame   int                  // of the present observation
	x       []float32            // its network input
	actions []float32            // raw, since the reset: enough to simulate the episode again
}

// rollout acts in all environments and writes what happens to the buffer.
type rollout struct {
	cfg    *Config
	in     *Inputs
	dims   dims
	batch  *sim.Batch
	buffer *replay.Buffer
	slots  []slot
	noise  *exploration
	rng    stream

	starter *episodes.Starter
	ended   int
	recent  window
	stats   rolloutStats

	obs, act []float32 // [n, raw widths]
	x, u, r  []float32 // [n, x], [n, act]
	results  []sim.Result
	errs     []error
	again    []bool // environments to reset
	undone   bool   // the last step was forgotten, see undo
	peek     []float32
}

func newRollout(cfg *Config, in *Inputs, d dims, batch *sim.Batch, buffer *replay.Buffer) (*rollout, error) {
	n, spec := batch.Len(), batch.Spec()
	ro := &rollout{
		cfg: cfg, in: in, dims: d, batch: batch, buffer: buffer, slots: make([]slot, n),
		starter: episodes.NewStarter(batch, cfg.Seed, in.log()),
		noise:   newExploration(n*d.act, cfg.NoiseRho), rng: newStream(cfg.Seed, "exploration"), recent: window{size: 100},
		obs: make([]float32, n*spec.ObsDim), act: make([]float32, n*spec.ActDim),
		x: make([]float32, n*d.x), u: make([]float32, n*d.act), r: make([]float32, n*d.act),
		results: make([]sim.Result, n), errs: make([]error, n), again: make([]bool, n),
		peek: make([]float32, d.x),
	}
	longest := spec.MaxSteps
	if cfg.MaxSteps > 0 {
		longest = min(longest, cfg.MaxSteps)
	}
	for i := range ro.slots {
		seen, _ := sim.As[*episodes.Estimated](batch.Env(i)) // or nil
		view, err := episodes.NewView(in.spec(cfg, seen))
		if err != nil {
			return nil, fmt.Errorf("td3: %w", err)
		}
		ro.slots[i] = slot{
			View: view, stages: in.watch(),
			nstep: replay.NewNStep(buffer, cfg.NStep, cfg.Gamma), x: ro.x[i*d.x : (i+1)*d.x],
			actions: make([]float32, 0, longest*spec.ActDim),
		}
	}
	return ro, nil
}

// begin starts the first episodes.
func (ro *rollout) begin() error {
	for i := range ro.again {
		ro.again[i] = true
	}
	return ro.restart()
}

// choose fills the actions from the residuals r [n, act], nil for none, with
// exploration noise of standard deviation sigma.
func (ro *rollout) choose(r []float32, sigma float64) {
	u := ro.dims.act
	noise := ro.noise.next(ro.rng.Rand)
	alpha := float32(ro.cfg.Alpha)
	for i := range ro.slots {
		s := &ro.slots[i]
		sd := float32(sigma)
		if r != nil && i < int(ro.cfg.NoiseFree*float64(len(ro.slots))) { // it acts as the policy will
			sd = 0
		}
		for j := i * u; j < (i+1)*u; j++ {
			v := sd * noise[j]
			if r != nil {
				v += r[j]
			}
			ro.r[j] = max(-1, min(1, v))
		}
		act := ro.act[i*u : (i+1)*u]
		s.ComposeTo(act, ro.u[i*u:(i+1)*u], ro.r[i*u:(i+1)*u], alpha)
		s.Executed(act)
		s.actions = append(s.actions, act...)
	}
}

// simulate executes the chosen actions. It touches nothing the learner reads.
func (ro *rollout) simulate() { ro.batch.Step(ro.obs, ro.act, nil, ro.results, ro.errs) }

// errPlanning marks a base policy in another process that gave no plan. What was learned can be saved then: every slot
// is as it was before the step, or begins an episode.
var errPlanning = errors.New("td3: no plan from the base policy")

// planAhead lets the base policies of the slots that are wanted plan at once, where that waits for another process.
func (ro *rollout) planAhead(wanted func(i int) bool) error {
	if !ro.slots[0].Waits() {
		return nil
	}
	errs := make([]error, len(ro.slots))
	var wg sync.WaitGroup
	for i := range ro.slots {
		if wanted(i) {
			wg.Go(func() { errs[i] = ro.slots[i].PlanAhead(ro.rawObs(i)) })
		}
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w: %w", errPlanning, err)
	}
	return nil
}

// undo forgets the last step, which was simulated and not recorded.
func (ro *rollout) undo() {
	w := ro.batch.Spec().ActDim
	ro.undone = true
	for i := range ro.slots {
		s := &ro.slots[i]
		s.actions = s.actions[:len(s.actions)-w]
	}
}

// record writes the last step's transitions and restarts finished episodes.
func (ro *rollout) record() error {
	d := ro.dims
	if err := ro.planAhead(func(i int) bool {
		return ro.errs[i] == nil && shield.CheckFinite("observation",
			ro.rawObs(i)) == nil
	}); err != nil {
		ro.undo()
		return err
	}
	restart := false
	for i := range ro.slots {
		s := &ro.slots[i]
		ro.buffer.SetAction(s.frame, ro.u[i*d.act:(i+1)*d.act])
		err := ro.errs[i]
		if err == nil { // kept out of the buffer, where it would spread
			err = shield.CheckFinite("observation", ro.rawObs(i))
		}
		if err != nil {
			ro.fail(i, err)
			restart = true
			continue
		}
		s.steps++
		s.watch(ro.rawObs(i), false)
		end, counter := ro.end(i)
		ro.again[i] = end != replay.Running
		restart = restart || ro.again[i]
		if ro.again[i] {
			*counter++
		}
		if err := ro.advance(i, end); err != nil {
			return err
		}
	}
	if restart {
		return ro.restart()
	}
	return nil
}

// advance encodes the observation that slot i came to and links it.
func (ro *rollout) advance(i int, end replay.End) error {
	s, reward := &ro.slots[i], float64(ro.results[i].Reward)
	reward += s.earned
	if s.engaged == s.steps {
		reward += ro.cfg.milestone()
	}
	if end == replay.Running {
		if err := s.observe(ro.rawObs(i)); err != nil {
			return err
		}
		next := ro.buffer.AddFrame(s.x)
		s.nstep.Push(s.frame, reward, next, end)
		s.frame = next
		return nil
	}
	if err := s.PeekTo(ro.peek, ro.rawObs(i)); err != nil {
		return fmt.Errorf("td3: %w", err)
	}
	s.nstep.Push(s.frame, reward, ro.buffer.AddFrame(ro.peek), end)
	ro.ended++
	ro.stats.episodes++
	ro.stats.steps.add(float64(s.steps))
	ro.stats.engaged.add(indicator(s.engaged > 0))
	ro.stats.pass(ro.in, s.stages)
	ro.recent.add(ro.results[i].Success)
	return nil
}

func (ro *rollout) rawObs(i int) []float32 {
	w := ro.batch.Spec().ObsDim
	return ro.obs[i*w : (i+1)*w]
}

// end classifies the step that slot i just made, and says which kind of
// episode to count if it was the last.
func (ro *rollout) end(i int) (replay.End, *int) {
	s, res := &ro.slots[i], ro.results[i]
	if s.engaged == 0 && (res.Reward > 0 || ro.in.Engaged != nil && ro.in.Engaged(ro.rawObs(i))) {
		s.engaged = s.steps
	}
	switch {
	case res.Success:
		return replay.Terminated, &ro.stats.successes
	case res.Terminated, s.stalled(ro.cfg):
		return replay.Terminated, &ro.stats.failed
	case !res.Truncated && (ro.cfg.MaxSteps == 0 || s.steps < ro.cfg.MaxSteps):
		return replay.Running, nil
	case ro.cfg.BootstrapTimeouts:
		return replay.Truncated, &ro.stats.timeouts
	}
	return replay.Terminated, &ro.stats.timeouts
}

// stalled reports whether the episode has gone on for too long without progress.
func (s *slot) stalled(cfg *Config) bool {
	if s.stages != nil {
		return s.stages.Stalled()
	}
	return cfg.FailAfter > 0 && s.steps >= cfg.FailAfter && s.engaged == 0
}

// watch follows the stages to a raw observation, the first of an episode or the next.
func (s *slot) watch(obs []float32, first bool) {
	switch s.earned = 0; {
	case s.stages == nil:
	case first:
		s.stages.Reset(obs)
	default:
		s.earned = s.stages.Observe(obs)
	}
}

// fail gives up the episode of slot i after an error of its simulator: what
// its last frames led to is unknown.
func (ro *rollout) fail(i int, err error) {
	s := &ro.slots[i]
	s.nstep.Drop()
	ro.again[i] = true
	ro.recent.add(false)
	ro.ended++
	ro.stats.errors++
	ro.in.log().Warn("an episode was given up", "env", i, "episode_seed", s.seed, "step", s.steps, "err", err)
}

// restart begins new episodes where again is set, and clears it.
func (ro *rollout) restart() error {
	seeds, err := ro.starter.Begin(ro.obs, ro.again)
	if err != nil {
		return fmt.Errorf("td3: %w", err)
	}
	for i := range ro.slots {
		if ro.again[i] {
			ro.slots[i].begin(seeds[i])
		}
	}
	if err := ro.planAhead(func(i int) bool { return ro.again[i] }); err != nil {
		return err
	}
	for i := range ro.slots {
		if !ro.again[i] {
			continue
		}
		ro.again[i] = false
		ro.slots[i].watch(ro.rawObs(i), true)
		if err := ro.slots[i].observe(ro.rawObs(i)); err != nil {
			return err
		}
		ro.slots[i].frame = ro.buffer.AddFrame(ro.slots[i].x)
	}
	return nil
}

// begin takes up a new episode.
func (s *slot) begin(episodeSeed uint64) {
	s.seed, s.steps, s.engaged, s.actions = episodeSeed, 0, 0, s.actions[:0]
	s.View.Reset(episodeSeed)
}

// start takes up a new episode at its first observation.
func (s *slot) start(episodeSeed uint64, obs []float32) error {
	s.begin(episodeSeed)
	s.watch(obs, true)
	return s.observe(obs)
}

// observe fills x for a raw observation; the base policy advances.
func (s *slot) observe(obs []float32) error {
	if err := s.ObserveTo(s.x, obs); err != nil {
		return fmt.Errorf("td3: %w", err)
	}
	return nil
}

var errReplayDiffers = errors.New("the simulator does not repeat the episode")

// resimulate brings environment i and the slot's base policy back to the
// present of an episode from its seed and actions. The error wraps
// errReplayDiffers when that ends elsewhere: another engine or machine.
func (ro *rollout) resimulate(i int) error {
	s, w := &ro.slots[i], ro.batch.Spec().ActDim
	env, obs := ro.batch.Env(i), ro.rawObs(i)
	want, actions := slices.Clone(s.x), slices.Clone(s.actions)
	if err := env.Reset(obs, s.seed); err != nil {
		return fmt.Errorf("%w: %w", errReplayDiffers, err)
	}
	engaged := s.engaged
	if err := s.start(s.seed, obs); err != nil {
		return err
	}
	for k := 0; k < len(actions); k += w {
		s.Executed(actions[k : k+w])
		if _, err := env.Step(obs, actions[k:k+w]); err != nil {
			return fmt.Errorf("%w: %w", errReplayDiffers, err)
		}
		s.watch(obs, false)
		if err := s.observe(obs); err != nil {
			return err
		}
		s.steps++
	}
	s.actions, s.engaged = append(s.actions[:0], actions...), engaged
	if !slices.Equal(s.x, want) {
		return errReplayDiffers
	}
	return nil
}
