package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"korr/basepolicy/acting"
	"korr/internal/regular"
	"korr/internal/usage"
	"korr/koopman"
	"korr/residual"
	"korr/sim/expert"
	"korr/train/collect"
	"korr/train/dataset"
	"korr/train/eval"
	"korr/train/imitation"
	"korr/train/koopmanfit"
	"korr/train/run"
	"korr/train/td3"
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
	Dir     string            // of everything; see the package comment
	Data    string            // folder of demonstrations; empty: the scripted expert's are collected
	Methods []residual.Method // residual.MethodResiP, residual.MethodKORR, or both
	// Recoveries are episodes in which the expert takes over from a first base policy, for a second one to learn from: what the
	// documents call a robust base. 0: the base policy learns from demonstrations alone.
	Recoveries int
	// TakeOver is the world in which the expert takes over: with pushes, and with time enough for an expert that begins late.
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

	Progress func(stage string, done, total int, note string) // may be nil
	Finished func(Stage)                                      // hears of every stage, also of those finished earlier; may be nil
}

// Stage is what a stage took.
type Stage struct {
	Name       string  `json:"name"`
	Seconds    float64 `json:"seconds"`         // wall time; of its last part when it was interrupted
	SimSteps   int     `json:"simulator_steps"` // made in it
	Checkpoint string  `json:"checkpoint,omitempty"`
	Note       string  `json:"note"` // what came out
	Earlier    bool    `json:"-"`    // it had been finished before this run of the command
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
	data   *dataset.Dataset // demonstrations
	more   *dataset.Dataset // recoveries; nil without
	set    *Settings
	base   *residual.Policy
	model  *koopman.Model
	result Result
}

// Run makes what is not there yet of everything that the configuration asks for.
func Run(ctx context.Context, c Config) (*Result, error) {
	p := &pipeline{Config: &c, result: Result{Schema: Schema, Task: c.Task.Name, Folder: c.Dir, dir: c.Dir}}
	if err := p.open(); err != nil {
		return nil, err
	}
	defer p.top.Unlock()
	steps := []func(context.Context) error{p.demonstrations}
	if c.Recoveries > 0 {
		steps = append(steps, p.recoveries)
	}
	steps = append(steps, p.trainBase)
	if slices.Contains(c.Methods, residual.MethodKORR) {
		steps = append(steps, p.trainKoopman)
	}
	for _, method := range c.Methods {
		steps = append(steps, func(ctx context.Context) error { return p.trainResidual(ctx, method) })
	}
	for _, step := range append(steps, p.evaluate) {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	p.result.Stages = p.stages
	return &p.result, p.result.save()
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
	text, err := regular.Read(p.top.Path("stages.json"), regular.Records)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(text, &p.stages)
	}
	if err != nil {
		p.top.Unlock()
		return fmt.Errorf("%s: %w", p.top.Path("stages.json"), err)
	}
	for i := range p.stages {
		p.stages[i].Earlier = true
	}
	return nil
}

// stage makes a stage unless it was finished before, and notes what it took.
func (p *pipeline) stage(name string, make func() (Stage, error)) error {
	for _, s := range p.stages {
		if s.Name == name {
			p.tell(s)
			return nil
		}
	}
	start := time.Now()
	s, err := make()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	s.Name, s.Seconds = name, time.Since(start).Seconds()
	p.stages = append(p.stages, s)
	if err := writeJSON(p.top.Path("stages.json"), p.stages); err != nil {
		return err
	}
	p.tell(s)
	return nil
}

func (p *pipeline) tell(s Stage) {
	if p.Finished != nil {
		p.Finished(s)
	}
}

func (p *pipeline) progress(stage string, done, total int, note string) {
	if p.Progress != nil {
		p.Progress(stage, done, total, note)
	}
}

// told is the progress of a training in a stage.
func (p *pipeline) told(stage string) Progress {
	return func(done, total int, note string) { p.progress(stage, done, total, note) }
}

// took is how many simulator steps a stage made; 0 for one that is not finished.
func (p *pipeline) took(name string) int {
	for _, s := range p.stages {
		if s.Name == name {
			return s.SimSteps
		}
	}
	return 0
}
