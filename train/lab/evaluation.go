package lab

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"korr/basepolicy/remote"
	"korr/configs"
	"korr/configs/checkpoint"
	"korr/internal/regular"
	"korr/internal/tensorfile"
	"korr/internal/usage"
	"korr/ros/evalnode"
	"korr/ros/msgs"
	"korr/sim"
	"korr/train/eval"
	"korr/train/unit"
)

// How says how an evaluation is played.
type How struct {
	Queue  string // address of the queue whose workers play, as package queue reads it; empty: this process does
	ROS    bool   // through ROS nodes in lock step instead of in process
	Resume bool   // goes on with the same evaluation, which was interrupted
}

// Evaluation measures the policies of eval.policies under the conditions of eval.
type Evaluation struct {
	*Lab
	Policies []eval.Policy
	Plan     *eval.Plan
	Journal  *eval.Journal // nil where nothing is kept
	how      How
}

// NewEvaluation finds the policies and what an interrupted try of the same evaluation played.
func (l *Lab) NewEvaluation(how How) (*Evaluation, error) {
	names := l.Config.Eval.Policies
	if how.Queue != "" && slices.ContainsFunc(names, behindServer) {
		return nil, usage.Errorf("--queue: a policy behind a server (%s) has no content that workers could be given",
			remote.Prefix)
	}
	policies, err := l.Policies(names)
	if err != nil {
		return nil, err
	}
	e := &Evaluation{Lab: l, Policies: policies, how: how}
	if e.Plan, err = l.plan(names, policies, how.Queue != ""); err != nil || how.Queue != "" { // a queue remembers by itself
		return e, err
	}
	e.Journal, err = l.journal(how.ROS, names)
	return e, err
}

func behindServer(name string) bool { return strings.HasPrefix(name, remote.Prefix) }

// plan is the evaluation: one unit in this process, small ones that bring what they need through a queue.
func (l *Lab) plan(names []string, policies []eval.Policy, queued bool) (*eval.Plan, error) {
	p := &eval.Plan{Conditions: l.Conditions(), Episodes: l.Config.Eval.Episodes, Seed: l.Config.Seed}
	for i, name := range names {
		e := eval.Entry{Label: policies[i].Name, Name: name}
		if queued && name != Expert {
			path, err := checkpoint.Path(name)
			if err != nil {
				return nil, err
			}
			if path != "" {
				e.Name, e.Inputs = policyInput, unit.Inputs{policyInput: {Path: path, As: "policy.safetensors"}}
			}
		}
		p.Policies = append(p.Policies, e)
	}
	if !queued {
		return p, nil
	}
	var err error
	p.Size = eval.ShardEpisodes
	p.Inputs, err = l.evalInputs()
	return p, err
}

// TakeUp tells about the episodes of an earlier try, and forgets them unless the evaluation goes on with them.
func (e *Evaluation) TakeUp() {
	n := e.Journal.Len()
	switch {
	case e.Journal == nil:
		if e.how.Resume {
			e.Logger.Warn("--resume: nothing was kept: there is no home for it, or a policy is behind a server")
		}
	case n == 0 && e.how.Resume:
		e.Logger.Warn("--resume: there is nothing to go on with: no evaluation under these very settings was interrupted")
	case n == 0:
	case e.how.Resume:
		e.Logger.Info("going on with an interrupted evaluation", "episodes", n)
	default:
		e.Logger.Info("an interrupted evaluation under the same settings is there: --resume would have gone on with it",
			"episodes", n)
		e.Journal.Forget()
	}
}

// Run plays what was not played. With an error come the cells, as far as they are whole, of what was.
func (e *Evaluation) Run(ctx context.Context, progress Progress) ([]eval.Cell, error) {
	spec := eval.Spec{Policies: e.Policies, Workers: e.Workers(), Open: eval.InProcess(e.Env), Journal: e.Journal}
	if e.how.ROS {
		spec.Open = e.Lanes
	}
	x, closeIt, err := e.Executor(ctx, e.how.Queue, unit.Handlers{eval.Kind: eval.Handler(
		func(*unit.Task, *eval.Shard) (eval.Spec, error) { return spec, nil },
	)})
	if err != nil {
		return nil, err
	}
	defer closeIt()
	e.Plan.Progress = progress.SetOf
	cells, err := e.Plan.Run(ctx, "eval "+e.Config.Sim.Task, x)
	if err != nil {
		return e.Journal.Cells(e.Plan.Conditions, e.labels(), e.Plan.Seed, e.Plan.Episodes), err
	}
	return cells, nil
}

// labels are the policies' names in tables.
func (e *Evaluation) labels() (out []string) {
	for _, p := range e.Policies {
		out = append(out, p.Name)
	}
	return out
}

// Episodes is how many the whole evaluation has.
func (e *Evaluation) Episodes() int {
	return len(e.Plan.Conditions) * len(e.Plan.Policies) * e.Plan.Episodes
}

// Evaluated is what came of an evaluation, as JSON.
type Evaluated struct {
	eval.Report
	Simulator string            `json:"simulator"` // fingerprint of this build's; empty without one
	Policies  []EvaluatedPolicy `json:"policies"`
}

// EvaluatedPolicy says where a policy comes from.
type EvaluatedPolicy struct {
	Name        string `json:"name"`
	Fingerprint string `json:"fingerprint"`         // of the simulator it was trained in; empty when it does not say, or was not trained
	Differs     bool   `json:"fingerprint_differs"` // from this build's
}

// Report sums the cells up.
func (e *Evaluation) Report(cells []eval.Cell) *Evaluated {
	r := &Evaluated{
		Report: eval.NewReport(cells), Simulator: e.BuildSimulator(),
		Policies: make([]EvaluatedPolicy, 0, len(e.Policies)),
	}
	for _, p := range e.Policies {
		r.Policies = append(r.Policies, EvaluatedPolicy{p.Name, p.Simulator, OtherSimulator(p.Simulator, r.Simulator)})
	}
	return r
}

// journal opens the file that keeps an evaluation's episodes while it runs. Its name is a digest of all that decides an
// episode: settings, simulator, the policies' checkpoints, and how it is played. It is nil where there is no place for
// it.
func (l *Lab) journal(ros bool, policies []string) (*eval.Journal, error) {
	if l.Cache == "" || slices.ContainsFunc(policies, behindServer) {
		return nil, nil // nobody can tell whether a server serves the same policy again
	}
	same := *l.Config
	same.Eval, same.Sim.Workers = eval.Config{}, 0 // the journal's lines name their conditions
	text, err := configs.YAML(&same)
	if err != nil {
		return nil, err
	}
	what := []string{"in process", l.BuildSimulator(), string(text)}
	if ros {
		what[0] = "over ROS"
	}
	for _, name := range policies {
		content, err := contentOf(name)
		if err != nil {
			return nil, err
		}
		what = append(what, name, content)
	}
	if text, err = json.Marshal(what); err != nil {
		return nil, err
	}
	digest := sha256.Sum256(text)
	j, err := eval.OpenJournal(filepath.Join(l.Cache, "eval", hex.EncodeToString(digest[:12])+".jsonl"))
	if made := (*fs.PathError)(nil); errors.As(err, &made) { // a container's user without a home
		l.Logger.Warn("no cache: what is interrupted cannot be resumed; XDG_CACHE_HOME names a folder for it", "err", err)
		return nil, nil
	}
	return j, err
}

// contentOf is the digest of a policy's checkpoint; empty for what is part of this program.
func contentOf(name string) (string, error) {
	if name == Expert {
		return "", nil
	}
	path, err := checkpoint.Path(name)
	if err != nil || path == "" {
		return "", err
	}
	b, err := regular.Read(path, tensorfile.MaxFileBytes)
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256(b)
	return hex.EncodeToString(digest[:]), nil
}

// Goal prepares what the goal of an evaluation node asks for: the same episodes as those of an evaluation with the same
// settings.
func (l *Lab) Goal(ctx context.Context, g *msgs.EvaluateGoal) (*evalnode.Job, error) {
	cfg := *l.Config
	cfg.Sim.Task = cmp.Or(g.Task, cfg.Sim.Task)
	cfg.Sim.Randomness = cmp.Or(sim.Randomness(g.Randomness), cfg.Sim.Randomness)
	cfg.Sim.Perturb = g.Perturb
	asked := l.With(&cfg)
	found, err := asked.Policies([]string{cmp.Or(g.Policy, cfg.Run.Policy)})
	if err != nil {
		return nil, err
	}
	policy, err := found[0].New()
	if err != nil {
		return nil, err
	}
	open := eval.InProcess(asked.Env)
	if g.OverRos {
		open = asked.Lanes
	}
	player, err := open(ctx, asked.Condition())
	if err != nil {
		return nil, err
	}
	seed := cmp.Or(g.Seed, cfg.Seed)
	return &evalnode.Job{
		Episodes: cmp.Or(int(g.Episodes), cfg.Eval.Episodes),
		Close:    player.Close,
		Play: func(ctx context.Context, i int) (msgs.EpisodeResult, error) {
			e, err := player.Play(ctx, policy, eval.EpisodeSeed(seed, i))
			r := msgs.EpisodeResult{Seed: e.Seed, Steps: uint32(e.Steps), Success: e.Success}
			if e.Fault != nil {
				r.Fault = e.Fault.Error()
			}
			return r, err
		},
	}, nil
}
