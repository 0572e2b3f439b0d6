package td3

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"korr/internal/nn"
	"korr/internal/tensorfile"
	"korr/train/replay"
)

// stateFormat marks a trainer's state, in its metadata.
const stateFormat = "korr/td3.State/2"

// progress is the part of a state that is not tensors.
type progress struct {
	Step         int          `json:"step"`
	Owed         float64      `json:"owed"`
	Warmed       bool         `json:"warmed"`
	Updates      int          `json:"updates"`
	ActorUpdates int          `json:"actor_updates"`
	SinceProject int          `json:"since_project"`
	LearnerRNG   string       `json:"learner_rng"`
	RolloutRNG   string       `json:"rollout_rng"`
	Episodes     int          `json:"episodes"`
	Ended        int          `json:"ended"`
	Recent       []bool       `json:"recent"`
	Trials       trials       `json:"trials"`
	Replay       bool         `json:"replay"`
	Slots        []storedSlot `json:"slots"`
}

type storedSlot struct {
	Seed    uint64           `json:"seed"`
	Engaged int              `json:"engaged"`
	Frame   int              `json:"frame"`
	Pending []replay.Pending `json:"pending"`
}

// save writes the state and the present policy into the run folder, each
// atomically. Values that are not finite are refused, and the old files stay.
func (t *trainer) save() error {
	if t.in.Run == nil {
		return nil
	}
	f, err := t.encode()
	if err == nil {
		err = tensorfile.Write(t.in.Run.Checkpoint(StateName), f)
	}
	if err != nil {
		return fmt.Errorf("td3: save the state: %w", err)
	}
	return t.policy().Save(t.in.Run.Checkpoint(LastName))
}

func (t *trainer) encode() (*tensorfile.File, error) {
	ro := t.rollout
	p := progress{
		Step: t.step, Owed: t.owed, Warmed: t.warmed, Updates: t.learner.updates, ActorUpdates: t.learner.actorUpdates,
		SinceProject: t.actor.sinceProject, Episodes: ro.starter.Begun, Ended: ro.ended, Recent: ro.recent.outcomes,
		Trials: t.trials, Replay: t.cfg.SaveReplay,
	}
	var err error
	if p.LearnerRNG, err = t.learner.rng.save(); err != nil {
		return nil, err
	}
	if p.RolloutRNG, err = ro.rng.save(); err != nil {
		return nil, err
	}
	f := &tensorfile.File{}
	t.eachParams(func(prefix string, ps []*nn.Param) error { nn.SaveParams(f, prefix, ps); return nil })
	t.eachOptimiser(func(prefix string, o *nn.AdamW) error { o.SaveState(f, prefix); return nil })
	f.Add("noise", ro.noise.state)
	if p.Replay {
		t.learner.online.SaveTo(f, "replay.")
		for i := range ro.slots {
			s := &ro.slots[i]
			p.Slots = append(p.Slots, storedSlot{s.seed, s.engaged, s.frame, s.nstep.Pending()})
			f.Add(fmt.Sprintf("slot.%d.x", i), s.x)
			f.Add(fmt.Sprintf("slot.%d.actions", i), s.actions)
		}
	}
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	f.SetMeta("format", stateFormat)
	f.SetMeta("config", t.cfg.identity())
	f.SetMeta("progress", string(text))
	return f, nil
}

// eachParams visits the weights of the run under their names in a state.
func (t *trainer) eachParams(visit func(prefix string, ps []*nn.Param) error) error {
	err := visit("actor.", t.actor.head.Params())
	if t.actor.model != nil {
		err = errors.Join(err, visit("koopman.phi.", t.actor.model.Phi.Params()),
			visit("koopman.", []*nn.Param{t.actor.model.A, t.actor.model.B}))
	}
	for k, c := range t.learner.critics {
		err = errors.Join(err, visit(fmt.Sprintf("critic.%d.", k), c.online.Params()),
			visit(fmt.Sprintf("target.%d.", k), c.target.Params()))
	}
	return err
}

func (t *trainer) eachOptimiser(visit func(prefix string, o *nn.AdamW) error) error {
	err := visit("optimiser.actor.", t.actor.headOpt)
	if t.actor.modelOpt != nil {
		err = errors.Join(err, visit("optimiser.koopman.", t.actor.modelOpt))
	}
	for k, c := range t.learner.critics {
		err = errors.Join(err, visit(fmt.Sprintf("optimiser.critic.%d.", k), c.opt))
	}
	return err
}

// resume restores the state in the run folder. It reports false when the run
// starts from the beginning: not asked to resume, or nothing was saved yet.
func (t *trainer) resume() (bool, error) {
	if !t.in.Resume || t.in.Run == nil {
		return false, nil
	}
	path := t.in.Run.Checkpoint(StateName)
	f, err := tensorfile.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = t.decode(f)
	}
	if err != nil {
		return false, fmt.Errorf("td3: resume from %s: %w", path, err)
	}
	t.in.log().Info("resumed", "step", t.step, "updates", t.learner.updates, "replay", t.learner.online.Transitions())
	return true, nil
}

func (t *trainer) decode(f *tensorfile.File) error {
	if got := f.Meta["format"]; got != stateFormat {
		return fmt.Errorf("format is %q, want %q: not a training state", got, stateFormat)
	}
	if got, want := f.Meta["config"], t.cfg.identity(); got != want {
		return fmt.Errorf("the run was started with other settings, which cannot change on the way:\n saved %s\n given %s",
			got, want)
	}
	var p progress
	if err := json.Unmarshal([]byte(f.Meta["progress"]), &p); err != nil {
		return fmt.Errorf("metadata %q: %w", "progress", err)
	}
	err := t.eachParams(func(prefix string, ps []*nn.Param) error { return nn.LoadParams(f, prefix, ps) })
	if err == nil {
		err = t.eachOptimiser(func(prefix string, o *nn.AdamW) error { return o.LoadState(f, prefix) })
	}
	if err == nil {
		err = errors.Join(t.learner.rng.load(p.LearnerRNG), t.rollout.rng.load(p.RolloutRNG))
	}
	if err != nil {
		return err
	}
	noise, err := f.Get("noise", len(t.rollout.noise.state))
	if err != nil {
		return err
	}
	copy(t.rollout.noise.state, noise)
	t.step, t.owed, t.warmed, t.trials = p.Step, p.Owed, p.Warmed, p.Trials
	t.learner.updates, t.learner.actorUpdates, t.actor.sinceProject = p.Updates, p.ActorUpdates, p.SinceProject
	t.rollout.starter.Begun, t.rollout.ended, t.rollout.recent.outcomes = p.Episodes, p.Ended, p.Recent
	if err := t.loadBest(); err != nil {
		return err
	}
	if !p.Replay { // collect before the networks go on
		t.minimum = max(t.minimum, min(t.cfg.CriticStart, t.cfg.Buffer/2))
		return t.rollout.begin()
	}
	if err := t.learner.online.LoadFrom(f, "replay."); err != nil {
		return err
	}
	return t.rollout.restore(f, p.Slots)
}

// restore takes up the episodes that were under way. One that the simulator
// does not repeat is replaced by a new one.
func (ro *rollout) restore(f *tensorfile.File, stored []storedSlot) error {
	if len(stored) != len(ro.slots) {
		return fmt.Errorf("%d environments are saved, the run has %d", len(stored), len(ro.slots))
	}
	errs := make([]error, len(ro.slots))
	var wg sync.WaitGroup
	for i := range ro.slots {
		s := &ro.slots[i]
		if err := s.load(f, i, &stored[i], ro.buffer.Frames()); err != nil {
			return err
		}
		wg.Go(func() { errs[i] = ro.resimulate(i) })
	}
	wg.Wait()
	differ := 0
	for i, err := range errs {
		if err == nil {
			continue
		}
		if !errors.Is(err, errReplayDiffers) {
			return err
		}
		differ++
		ro.slots[i].nstep.Drop()
		ro.again[i] = true
	}
	if differ == 0 {
		return nil
	}
	ro.in.log().Warn("episodes under way could not be repeated and are replaced: the run goes on, but not as it "+
		"would have", "episodes", differ, "err", errors.Join(errs...))
	return ro.restart()
}

func (s *slot) load(f *tensorfile.File, i int, st *storedSlot, frames int) error {
	x, err := f.Get(fmt.Sprintf("slot.%d.x", i), len(s.x))
	if err != nil {
		return err
	}
	actions, err := f.Get(fmt.Sprintf("slot.%d.actions", i), -1)
	if err != nil {
		return err
	}
	if st.Frame < 0 || st.Frame >= frames || len(actions) > cap(s.actions) || len(actions)%s.Encoder().ActDim() != 0 {
		return fmt.Errorf("environment %d: frame %d of %d, %d action values", i, st.Frame, frames, len(actions))
	}
	copy(s.x, x)
	s.actions = append(s.actions[:0], actions...)
	s.seed, s.engaged, s.frame = st.Seed, st.Engaged, st.Frame
	return s.nstep.SetPending(st.Pending)
}

// save returns the stream's state as text.
func (s stream) save() (string, error) {
	b, err := s.pcg.MarshalBinary()
	return base64.StdEncoding.EncodeToString(b), err
}

func (s stream) load(text string) error {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return fmt.Errorf("random stream: %w", err)
	}
	return s.pcg.UnmarshalBinary(b)
}

// identity is the configuration as far as it decides what is learned; a
// resumed run must have the same. The length of the run may change, unless
// learning rates fall towards its end.
func (c *Config) identity() string {
	d := *c
	if d.LRDecay == 0 {
		d.Steps = 0
	}
	d.Workers, d.LearnerThreads, d.Overlap = 0, 0, false
	d.LogEvery, d.CheckpointEvery, d.SaveReplay, d.EvalEvery, d.EvalEpisodes, d.EvalWorkers = 0, 0, false, 0, 0, 0
	if len(d.Trackers) == 0 {
		d.Trackers = nil // a run folder's settings say [] where the defaults say nothing
	}
	b, err := json.Marshal(d)
	if err != nil {
		panic(err) // Validate admits finite numbers only
	}
	return string(b)
}
