package recorder

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"

	"korr/internal/layout"
	"korr/internal/recording"
	"korr/internal/usage"
	"korr/ros/bag"
	"korr/ros/mcap"
	"korr/ros/record"
	"korr/ros/simarm"
	"korr/ros/simnode"
	"korr/sim"
	"korr/sim/domain"
	"korr/train/dataset"
	"korr/train/eval"
)

// Recorder records the episodes of one environment at a time. An error stops the recording, not the episodes: Finish
// returns it.
type Recorder struct {
	log       *slog.Logger
	bag       *record.Sim
	data      *dataset.Writer
	kept      int // episodes in data
	err       error
	simulator string // fingerprint
	open      bool   // an episode has begun and not ended
}

// Config says what is recorded and where to.
type Config struct {
	To     []string // an MCAP file (FILE.mcap) or a ROS bag (FILE.bag), a folder for a LeRobot dataset, or both
	Info   dataset.Info
	Note   recording.Note // of the bag
	Logger *slog.Logger   // told when the recording ends early
}

// New opens what To names; nil when it names nothing.
func New(c Config) (*Recorder, error) {
	if len(c.To) == 0 {
		return nil, nil
	}
	r := &Recorder{log: c.Logger, simulator: c.Note.Simulator}
	var err error
	for _, to := range c.To {
		isMCAP := strings.HasSuffix(to, ".mcap")
		isBag := strings.HasSuffix(to, ".bag") || isMCAP
		switch {
		case isBag && r.bag != nil, !isBag && r.data != nil:
			err = usage.Errorf("--record %s: one bag or MCAP file and one dataset at most", to)
		case isBag:
			spec := sim.Spec{Task: c.Info.Task, ControlHz: c.Info.FPS, PartNames: c.Info.PartNames}
			r.bag, err = newSim(to, isMCAP, spec, c.Note)
		default:
			r.data, err = dataset.Create(to, c.Info)
		}
		if err != nil {
			return nil, errors.Join(err, r.abort())
		}
	}
	return r, nil
}

// newSim starts a recording in a bag or an MCAP file.
func newSim(path string, isMCAP bool, spec sim.Spec, note recording.Note) (*record.Sim, error) {
	if !isMCAP {
		return record.NewSim(path, spec, note, bag.WriterOptions{})
	}
	w, err := mcap.Create(path)
	if err != nil {
		return nil, err
	}
	return record.NewSimIn(w, spec, note)
}

// Wrap makes environments record themselves; they must not run beside one another.
func (r *Recorder) Wrap(newEnv func(eval.Condition) (sim.Env, error)) func(eval.Condition) (sim.Env, error) {
	if r == nil {
		return newEnv
	}
	return func(c eval.Condition) (sim.Env, error) {
		env, err := newEnv(c)
		if err != nil {
			return nil, err
		}
		arm, ok := sim.As[simarm.State](env)
		if !ok {
			return nil, errors.Join(simnode.ErrNoArm, env.Close())
		}
		spec := env.Spec()
		return &recordedEnv{
			Env: env, state: arm, rec: r, obs: make([]float32, spec.ObsDim), arm: make([]float64,
				simarm.Dim(len(spec.PartNames))),
			origin: dataset.Episode{Randomness: c.Randomness, Perturb: c.Perturb, Simulator: r.simulator},
		}, nil
	}
}

// Workers is how many environments may run at once: a recording has one order.
func (r *Recorder) Workers(n int) int {
	if r == nil {
		return n
	}
	return 1
}

// fail keeps the first error and says at once that the recording ended.
func (r *Recorder) fail(err error) {
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("the recording ended: %w", err)
		r.log.Error("the recording ended; the episodes go on", "err", err)
	}
}

// Finish completes what is recorded and returns why recording ended early, if it did.
func (r *Recorder) Finish() error {
	if r == nil {
		return nil
	}
	if r.open {
		r.end(errUnfinished)
	}
	err := r.err
	if r.bag != nil {
		if closing := r.bag.Close(); err == nil {
			err = closing
		}
	}
	if r.data == nil {
		return err
	}
	if r.kept == 0 {
		return errors.Join(err, r.data.Abort())
	}
	if closing := r.data.Close(); err == nil {
		err = closing
	}
	return err
}

// abort removes what was opened.
func (r *Recorder) abort() error {
	var err error
	if r.bag != nil {
		err = r.bag.Abort()
	}
	if r.data != nil {
		err = errors.Join(err, r.data.Abort())
	}
	return err
}

// errUnfinished is the fault of an episode that neither the task nor the simulator ended.
var errUnfinished = errors.New("the episode was not finished: the policy failed, or it was interrupted")

// end notes an episode's fault in the bag.
func (r *Recorder) end(why error) {
	r.open = false
	if r.bag != nil && r.err == nil {
		r.fail(r.bag.Fail(why))
	}
}

// recordedEnv hands what happens in an environment to a recorder.
type recordedEnv struct {
	sim.Env
	state   simarm.State
	rec     *Recorder
	obs     []float32 // newest observation
	arm     []float64
	origin  dataset.Episode
	episode dataset.Episode
}

// Unwrap is the environment that is recorded.
func (e *recordedEnv) Unwrap() sim.Env { return e.Env }

// Reset implements sim.Env.
func (e *recordedEnv) Reset(obs []float32, seed uint64) error {
	r := e.rec
	if r.open {
		r.end(errUnfinished)
	}
	if err := e.Env.Reset(obs, seed); err != nil {
		return err
	}
	copy(e.obs, obs)
	e.episode = e.origin
	e.episode.Seed, e.episode.Domain = seed, domain.Of(e.Env).String()
	r.open = true
	if r.bag != nil && r.err == nil {
		e.state.ArmStateTo(e.arm)
		r.fail(r.bag.Reset(seed, e.arm))
	}
	return nil
}

// Step implements sim.Env.
func (e *recordedEnv) Step(obs, act []float32) (sim.Result, error) {
	r := e.rec
	commanded := slices.Clone(act)
	res, err := e.Env.Step(obs, act)
	if err != nil {
		r.end(err)
		return res, err
	}
	p := &e.episode
	p.State, p.Env = append(p.State, e.obs[:sim.StateDim]...), append(p.Env, e.obs[sim.StateDim:]...)
	meant := asPose(commanded)
	p.Action, p.Executed = append(p.Action, meant...), append(p.Executed, meant...)
	p.Reward = append(p.Reward, res.Reward)
	copy(e.obs, obs)
	if r.bag != nil && r.err == nil {
		e.state.ArmStateTo(e.arm)
		r.fail(r.bag.Step(commanded, e.arm, res))
	}
	if res.Terminated || res.Truncated || res.Success {
		r.open = false
		p.Success = res.Success
		if r.data != nil && r.err == nil {
			if err := r.data.Append(p); err != nil {
				r.fail(err)
			} else {
				r.kept++
			}
		}
	}
	return res, nil
}

// asPose is an action whose rotation is one: what a network answers is two rows that the simulator makes orthonormal.
// One that is a rotation but for rounding stays as it is.
func asPose(act []float32) []float32 {
	const rounding = 1e-6
	out := slices.Clone(act)
	layout.ToolTo(out, layout.ToolAt(act))
	for i := range out {
		if math.Abs(float64(out[i]-act[i])) > rounding {
			return out
		}
	}
	return act
}
