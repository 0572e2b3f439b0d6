package collect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"

	"korr/internal/geom"
	"korr/internal/layout"
	"korr/sim"
	"korr/train/dataset"
)

// Cause is why the demonstrator took over from a policy.
type Cause string

// The causes of a take-over.
const (
	AtRandom Cause = "time"  // a time drawn before the episode
	Stalled  Cause = "stall" // no stage was passed for longer than any demonstration waited
	Lost     Cause = "lost"  // a part that had been picked up was let go of, or fell out, where it does not belong
)

// Causes lists them.
func Causes() []Cause { return []Cause{AtRandom, Stalled, Lost} }

// Recovery makes a collection of what a demonstrator does from where a policy leads: scripted DAgger (Ross et al. 2011,
// arXiv 1011.0686; taking over as in HG-DAgger, Kelly et al. 2019, arXiv 1810.02890). In every attempt the policy acts
// first. In half of them the demonstrator takes over at a random time, in the others when the policy has stalled or
// lost a part. Only the demonstrator's frames are kept; an attempt in which it never took over is none.
type Recovery struct {
	Policy string                     // its name, noted with every episode
	New    func() (sim.Policy, error) // makes one for each worker
	Stages []sim.StageTime            // of demonstrations of the task, see Task.NewTimes
	Task   *sim.Task
	Calm   bool // no pushes once the demonstrator acts, so that what it means fits what is observed
}

// Takeover is noted with a recovered episode, as JSON.
type Takeover struct {
	Policy string `json:"policy"`
	Cause  Cause  `json:"cause"`
	Step   int    `json:"step"` // control steps that the policy had acted
}

// String is the JSON.
func (t Takeover) String() string {
	b, err := json.Marshal(t)
	if err != nil {
		panic(err) // strings and a number can be encoded
	}
	return string(b)
}

// How a take-over is found.
const (
	stallSlack = 20    // control steps that a stage may take beyond the demonstrations' longest
	lostAfter  = 5     // control steps in a row that a part is lost
	handAway   = 0.08  // m between the tool's point and the origin of a part that it does not hold
	outOfHole  = 0.010 // m beside its hole, from where a part that was fastened has come out
	fallen     = 0.5   // rad, its tilt
)

// pusher is an environment whose pushes can be changed during an episode.
type pusher interface{ SetPerturb(strength float64) }

// check reports what is missing.
func (r *Recovery) check() error {
	switch {
	case r.New == nil || r.Task == nil || len(r.Stages) == 0:
		return errors.New("collect: a recovery needs a policy, its task and stage times of demonstrations")
	case r.latest() < 1:
		return errors.New("collect: no demonstration passed every stage: stage times must come from demonstrations that " +
			"succeeded")
	}
	return nil
}

// latest is the end of the range from which the time of a take-over is drawn: when nearly all demonstrations were done.
func (r *Recovery) latest() (n int) {
	for _, s := range r.Stages {
		n = max(n, s.P95)
	}
	return n
}

// patience is how long a stage may take, control steps.
func (r *Recovery) patience(pair int, stage sim.Stage) int {
	for _, s := range r.Stages {
		if s.Pair == pair && s.Stage == stage {
			return s.Longest + stallSlack
		}
	}
	return r.latest()
}

// rollIn lets the policy act from obs, the first observation, until the demonstrator takes over at obs. It returns nil
// when the episode ended before, and the control steps taken.
func (r *Recovery) rollIn(ctx context.Context, env sim.Env, policy sim.Policy, obs []float32,
	rng *rand.Rand,
) (*Takeover, int, error) {
	policy.Reset(rng.Uint64())
	at := -1
	if rng.IntN(2) == 0 {
		at = rng.IntN(r.latest())
	}
	progress, ages, act, lost := r.Task.NewProgress(), sim.NewAges(policy, env), make([]float32, sim.ActDim), 0
	for step := 0; ; step++ {
		if err := ctx.Err(); err != nil {
			return nil, step, err
		}
		progress.Observe(obs)
		if lost++; !r.lost(progress, obs) {
			lost = 0
		}
		switch {
		case at == step:
			return &Takeover{r.Policy, AtRandom, step}, step, nil
		case at < 0 && lost >= lostAfter:
			return &Takeover{r.Policy, Lost, step}, step, nil
		case at < 0 && r.stalled(progress):
			return &Takeover{r.Policy, Stalled, step}, step, nil
		}
		ages.Tell()
		if err := policy.ActTo(act, obs); err != nil {
			return nil, step, err
		}
		res, err := env.Step(obs, act)
		if err != nil {
			return nil, step, err
		}
		if res.Terminated || res.Truncated {
			return nil, step + 1, nil
		}
	}
}

// stalled reports whether the first pair that is not done has waited for its next stage for too long.
func (r *Recovery) stalled(g *sim.Progress) bool {
	for i := range r.Task.Pairs {
		if s := g.PairStage(i); s != sim.Done {
			return g.Waited() > r.patience(i, s)
		}
	}
	return false
}

// lost reports whether a part that was picked up is neither in the hand nor where it belongs.
func (r *Recovery) lost(g *sim.Progress, obs []float32) bool {
	tool := layout.ToolAt(obs).P
	for i := range r.Task.Pairs {
		p := &r.Task.Pairs[i]
		first, second := geom.PoseAt(layout.Part(p.First).Of(obs)), geom.PoseAt(layout.Part(p.Second).Of(obs))
		fit := p.Fit(first, second)
		switch g.PairStage(i) {
		case sim.Insert:
			if tool.Sub(geom.TagFrame.Apply(second.P)).Norm() > handAway {
				return true
			}
		case sim.Fasten:
			if fit.Lateral() > outOfHole || fit.Tilt() > fallen {
				return true
			}
		}
	}
	return false
}

// begin lets the policy act until the demonstrator takes over at obs, and notes that with e. It returns whether it did.
func (r *Recovery) begin(ctx context.Context, w *worker, e *dataset.Episode, obs []float32, rng *rand.Rand) (*Takeover,
	int, error,
) {
	push, ok := sim.As[pusher](w.env)
	if r.Calm && !ok {
		return nil, 0, fmt.Errorf("collect: the environment %T cannot stop its pushes", w.env)
	}
	if r.Calm {
		push.SetPerturb(e.Perturb)
	}
	t, steps, err := r.rollIn(ctx, w.env, w.roller, obs, rng)
	if t == nil || err != nil {
		return nil, steps, err
	}
	if r.Calm {
		push.SetPerturb(0)
	}
	e.Recovery = t.String()
	return t, steps, nil
}
