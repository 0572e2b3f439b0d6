package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"korr/basepolicy/acting"
	"korr/internal/regular"
	"korr/internal/usage"
	"korr/koopman"
	"korr/residual"
	"korr/sim/expert"
	"korr/train/collect"
	"korr/train/eval"
	"korr/train/imitation"
	"korr/train/koopmanfit"
	"korr/train/run"
	"korr/train/td3"
	"korr/train/unit"
)

// Settings are what the stages run under.
type Settings struct {
	Seed     uint64
	Collect  collect.Config
	Expert   expert.Config
	Base     imitation.Config
	Acting   acting.Config
	Koopman  koopmanfit.Config
	Residual td3.Config // of every method
	Members  int        // residuals that share the steps and are averaged
}

// Config says what Run makes.
type Config struct {
	World
	Dir  string // of everything; see the package comment
	Data string // folders of demonstrations, separated by commas; empty: the scripted expert's are collected
	// goroutines that share a batch of a base policy's training: they decide its bits, Workers does not
	Shards  int
	Methods []residual.Method // residual.MethodResiP, residual.MethodKORR, or both
	// Recoveries are episodes in which the expert takes over from a first base policy, for a second one to learn from:
	// what the documents call a robust base. 0: the base policy learns from demonstrations alone.
	Recoveries int
	// TakeOver is the world in which the expert takes over: with pushes, and with time enough for an expert that begins
	// late.
	TakeOver *World
	Budget   int      // simulator steps that a policy's training may take, demonstrations included
	Identity []byte   // text of the settings; another one does not go on in the same folder
	First    Settings // before there are demonstrations: how they are collected
	// Resolve gives the settings under what is derived from the demonstrations, and their text for the run folders.
	Resolve func(Derived) (*Settings, error)
	// Describe is the text of settings for a run folder.
	Describe func(*Settings) ([]byte, error)

	// Equip gives a policy what stands between the part tracker and it; nil for nothing.
	Equip func(*residual.Policy) error

	Conditions []eval.Condition // of the evaluation
	Episodes   int              // of each
	EvalSeed   uint64

	// Queue does the units elsewhere, by Handlers that open this same configuration from the unit's Inputs; nil: this
	// process does them.
	Queue  unit.Executor
	Inputs unit.Inputs

	Progress func(stage string, done, total int, note string) // may be nil
	// hears of every stage, also of those finished earlier; may be nil
	Finished func(Stage)
}

// Stage is what a stage took.
type Stage struct {
	Name       string  `json:"name"`
	Seconds    float64 `json:"seconds"`         // wall time; of its last part when it was interrupted
	SimSteps   int     `json:"simulator_steps"` // made in it
	Checkpoint string  `json:"checkpoint,omitempty"`
	Note       string  `json:"note"`             // what came out
	Worker     string  `json:"worker,omitempty"` // of a queue; empty: it was made in this process
	Earlier    bool    `json:"-"`                // it had been finished before this run of the command
}

// Result is what Run made.
type Result struct {
	Schema   string            `json:"schema"` // Schema
	Task     string            `json:"task"`
	Folder   string            `json:"folder"`
	Stages   []Stage           `json:"stages"`
	SimSteps int               `json:"simulator_steps"` // of the policy that took most, with all that it was made from
	Results  []eval.Result     `json:"results"`
	Versus   []eval.Comparison `json:"comparisons"` // to the base policy

	Prediction []koopman.Score `json:"prediction,omitempty"` // of the Koopman model, on held-out episodes

	dir  string
	runs []string // of residuals, for curves
}

// Schema names the JSON form of a Result.
const Schema = "korr.train.all/1"

// pipeline is a Run under way.
type pipeline struct {
	*Config
	top    *run.Folder
	stages []Stage
	result Result
}

// Run makes what is not there yet of everything that the configuration asks for.
func Run(ctx context.Context, c Config) (*Result, error) {
	p := &pipeline{Config: &c, result: Result{Schema: Schema, Task: c.Task.Name, Folder: c.Dir, dir: c.Dir}}
	if err := p.open(); err != nil {
		return nil, err
	}
	defer p.top.Unlock()
	for _, s := range p.stages {
		p.tell(s)
	}
	e, err := newEvaluation(p.evaluation(), filepath.Join(p.Dir, EvaluationName))
	if err != nil {
		return nil, err
	}
	stages := p.units()
	j := &unit.Job{Name: "train all " + c.Task.Name, Units: slices.Concat(stages, e.units), Progress: e.within}
	x := c.Queue
	if x == nil {
		x = &unit.Local{Log: c.Log, Handlers: Handlers(func(*unit.Task) (*Config, error) { return &c, nil })}
	}
	played := time.Now()
	if err := x.Do(ctx, j, func(i int, r *unit.Result) error {
		if i >= len(stages) {
			return e.take(i-len(stages), r)
		}
		played = time.Now()
		return p.took(stages[i].Name, r)
	}); err != nil {
		return nil, err
	}
	return p.finish(e.played(), time.Since(played))
}

// open makes the folder, or finds it made for the same settings, and holds it.
func (p *pipeline) open() (err error) {
	p.top, err = run.Create(p.Dir, p.Identity)
	if errors.Is(err, fs.ErrExist) {
		p.top, err = run.Open(p.Dir)
	}
	if err != nil {
		return err
	}
	p.top.Log = p.Log
	had, err := p.top.Config()
	if err != nil {
		return err
	}
	if !bytes.Equal(had, p.Identity) {
		return usage.Errorf("%s was begun with other settings (%s): choose another folder, or give those again",
			p.Dir, p.top.Path(run.ConfigName))
	}
	if err := p.top.Lock(); err != nil {
		return err
	}
	if err := p.readStages(); err != nil {
		p.top.Unlock()
		return fmt.Errorf("%s: %w", p.top.Path(stagesName), err)
	}
	return nil
}

// readStages reads what was finished before.
func (p *pipeline) readStages() error {
	text, err := regular.Read(p.top.Path(stagesName), regular.Records)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(text, &p.stages)
	}
	for i := range p.stages {
		s := &p.stages[i]
		s.Earlier = true
		if _, missing := os.Stat(p.top.Path(gatheredName(s.Name))); missing != nil && gathers(s.Name) { // by an older program
			err = errors.Join(err, writeJSON(p.top.Path(gatheredName(s.Name)), gathered{s.SimSteps}))
		}
	}
	return err
}

// took notes a stage that is finished, in the order of the stages. One that a queue tells again is noted already.
func (p *pipeline) took(name string, r *unit.Result) error {
	if p.noted(name) != nil {
		return nil
	}
	var s Stage
	if err := json.Unmarshal(r.Value, &s); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	s.Name, s.Seconds, s.Worker = name, r.Seconds, r.Worker
	if s.Checkpoint != "" {
		s.Checkpoint = Checkpoint(p.Dir, s.Checkpoint)
	}
	p.stages = append(p.stages, s)
	order := p.order()
	slices.SortStableFunc(p.stages, func(a, b Stage) int {
		return slices.Index(order, a.Name) - slices.Index(order,
			b.Name)
	})
	if err := writeJSON(p.top.Path(stagesName), p.stages); err != nil {
		return err
	}
	p.tell(s)
	return nil
}

// noted is a finished stage; nil when it is not finished.
func (p *pipeline) noted(name string) *Stage {
	for i := range p.stages {
		if p.stages[i].Name == name {
			return &p.stages[i]
		}
	}
	return nil
}

func (p *pipeline) tell(s Stage) {
	if p.Finished != nil {
		p.Finished(s)
	}
}

// finish makes the result of all that is there now.
func (p *pipeline) finish(played []Played, took time.Duration) (*Result, error) {
	r := &p.result
	r.Stages, r.Results, r.Versus = p.stages, Results(played), Compare(played, BaseName)
	steps := func(names ...string) (n int) {
		for _, name := range names {
			if s := p.noted(name); s != nil {
				n += s.SimSteps
			}
		}
		return n
	}
	for _, m := range p.Methods {
		r.runs = append(r.runs, p.top.Path(string(m)))
		n := steps(collectStage, recoverStage, string(m))
		if m == residual.MethodKORR {
			n += steps(KoopmanName)
			text, err := regular.Read(p.top.Path(KoopmanName, PredictionName), regular.Records)
			if err == nil {
				err = json.Unmarshal(text, &r.Prediction)
			}
			if err != nil {
				return nil, err
			}
		}
		r.SimSteps = max(r.SimSteps, n)
	}
	p.tell(Stage{Name: "evaluate", Seconds: took.Seconds(), Note: fmt.Sprintf("%d episodes", len(played)*p.Episodes)})
	for i := range played {
		if played[i].Faults > 0 {
			p.Log.Warn("episodes ended by a fault count as failures", "policy", played[i].Policy, "episodes", played[i].Faults)
		}
	}
	return r, r.save()
}
