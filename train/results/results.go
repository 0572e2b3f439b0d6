package results

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	"korr/koopman"
	"korr/sim"
	"korr/train/eval"
	"korr/train/pipeline"
)

// Base is what a base policy learned from.
type Base string

// The kinds of base policy.
const (
	Ordinary Base = "ordinary" // demonstrations alone
	Robust   Base = "robust"   // recoveries too
)

// Bases lists the kinds.
func Bases() []Base { return []Base{Ordinary, Robust} }

// Job is the training and evaluation of one seed.
type Job struct {
	Task string
	Base Base
	Seed uint64
	Dir  string
}

// Config says what is made.
type Config struct {
	Dir   string
	Tasks []string
	Bases []Base
	Seeds []uint64 // of the trainings
	// Train makes everything of a job in its folder, as far as it is not there.
	Train func(context.Context, Job) (*pipeline.Result, error)
	// Beside plays what is compared but not trained here, the expert and shipped weights of a task, and keeps that in the
	// file at path. It may be nil.
	Beside func(ctx context.Context, task, path string) ([]eval.Result, error)
	// Together has all of it made at once, by workers of a queue; else one job comes after the other.
	Together bool
	// Finished hears of every job.
	Finished func(j Job, done, of int)
}

// Row is a policy's rate under one condition, over all seeds.
type Row struct {
	eval.Result
	Base  Base      `json:"base,omitempty"` // empty for what was not trained here
	Seeds []uint64  `json:"seeds"`
	Rates []float64 `json:"rates"` // of each seed
	steps float64   // control steps of all episodes
}

// Difference is how much a method's rate is above another's on the same base, over training seeds.
type Difference struct {
	Condition Row        `json:"-"` // any row of the condition
	Task      string     `json:"task"`
	Base      Base       `json:"base"`
	Method    string     `json:"method"`
	Reference string     `json:"reference"`
	Seeds     int        `json:"seeds"`
	Mean      float64    `json:"mean"`
	CI95      [2]float64 `json:"ci95"` // Student's, over seeds; zero without Told
	Told      bool       `json:"told"` // there is an interval
}

// Above reports whether the interval is above zero.
func (d *Difference) Above() bool { return d.Told && d.CI95[0] > 0 }

// Below reports whether the interval is below zero.
func (d *Difference) Below() bool { return d.Told && d.CI95[1] < 0 }

// Report is what has been made so far.
type Report struct {
	Schema      string       `json:"schema"` // Schema
	Rows        []Row        `json:"rows"`
	Differences []Difference `json:"differences"`

	costs      []cost
	prediction []predicted
}

// Schema names the JSON form of a Report.
const Schema = "korr.results/1"

// cost is what a stage of a job took.
type cost struct {
	Job
	pipeline.Stage
}

// predicted is how far ahead the Koopman model of a job predicts.
type predicted struct {
	Job
	scores []koopman.Score
}

// Run makes what is not there yet, seed after seed, and returns the whole.
func Run(ctx context.Context, c Config) (*Report, error) {
	r := &Report{Schema: Schema}
	ctx, stop := context.WithCancel(ctx)
	var making sync.WaitGroup
	defer func() { stop(); making.Wait() }()
	if c.Beside == nil {
		c.Beside = func(context.Context, string, string) ([]eval.Result, error) { return nil, nil }
	}
	jobs := c.jobs()
	besides, makes := make([]func() ([]eval.Result, error), len(c.Tasks)), make([]func() (*pipeline.Result, error),
		len(jobs))
	for i, task := range c.Tasks {
		besides[i] = begin(&making, c.Together, func() ([]eval.Result, error) {
			return c.Beside(ctx, task, filepath.Join(c.Dir, task, "beside.json"))
		})
	}
	for i, j := range jobs {
		makes[i] = begin(&making, c.Together, func() (*pipeline.Result, error) { return c.Train(ctx, j) })
	}
	for i, task := range c.Tasks {
		beside, err := besides[i]()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", task, err)
		}
		for _, res := range beside {
			r.add(Job{Task: task}, res)
		}
	}
	for i, j := range jobs {
		res, err := makes[i]()
		if err != nil {
			return nil, fmt.Errorf("%s, %s base, seed %d: %w", j.Task, j.Base, j.Seed, err)
		}
		r.take(j, res)
		if err := r.save(c.Dir); err != nil {
			return nil, err
		}
		if c.Finished != nil {
			c.Finished(j, i+1, len(jobs))
		}
	}
	return r, r.save(c.Dir)
}

// jobs lists the trainings, seeds outermost: one seed of everything comes before the second of anything.
func (c *Config) jobs() (out []Job) {
	for _, seed := range c.Seeds {
		for _, task := range c.Tasks {
			for _, base := range c.Bases {
				out = append(out, Job{task, base, seed, filepath.Join(c.Dir, task, fmt.Sprintf("%s-%d", base, seed))})
			}
		}
	}
	return out
}

// begin has f called now, beside whatever else is, or else when its outcome is wanted, once.
func begin[T any](all *sync.WaitGroup, now bool, f func() (T, error)) (wait func() (T, error)) {
	wait = sync.OnceValues(f)
	if now {
		all.Go(func() { _, _ = wait() })
	}
	return wait
}

// take takes up what a job made.
func (r *Report) take(j Job, res *pipeline.Result) {
	for _, one := range res.Results {
		r.add(j, one)
	}
	for _, s := range res.Stages {
		r.costs = append(r.costs, cost{j, s})
	}
	if len(res.Prediction) > 0 && !slices.ContainsFunc(r.prediction, func(p predicted) bool {
		return p.Task == j.Task &&
			p.Base == j.Base
	}) {
		r.prediction = append(r.prediction, predicted{j, res.Prediction})
	}
	r.compare()
}

// add sums a result into its row.
func (r *Report) add(j Job, one eval.Result) {
	row := r.row(j.Base, one)
	if row == nil {
		r.Rows = append(r.Rows, Row{Base: j.Base, Result: eval.Result{
			Task: one.Task, Randomness: one.Randomness, Perturbed: one.Perturbed, Sensing: one.Sensing, Physics: one.Physics,
			Policy: one.Policy,
		}})
		row = &r.Rows[len(r.Rows)-1]
	}
	row.Seeds, row.Rates = append(row.Seeds, j.Seed), append(row.Rates, one.Rate)
	row.Episodes, row.Successes = row.Episodes+one.Episodes, row.Successes+one.Successes
	row.steps += one.MeanSteps * float64(one.Episodes)
	row.Rate, row.MeanSteps = float64(row.Successes)/float64(row.Episodes), row.steps/float64(row.Episodes)
	row.CI95 = eval.Wilson(row.Successes, row.Episodes)
	for stage, n := range one.FailedAt {
		if row.FailedAt == nil {
			row.FailedAt = map[sim.Stage]int{}
		}
		row.FailedAt[stage] += n
	}
}

// row finds the row of a result; nil when there is none yet.
func (r *Report) row(base Base, one eval.Result) *Row {
	for i := range r.Rows {
		if w := &r.Rows[i]; w.Base == base && w.Policy == one.Policy && w.sameCondition(&one) {
			return w
		}
	}
	return nil
}

func (w *Row) sameCondition(o *eval.Result) bool {
	return w.Task == o.Task && w.Randomness == o.Randomness && w.Perturbed == o.Perturbed && w.Sensing == o.Sensing &&
		w.Physics == o.Physics
}

// versus are the comparisons of methods, each with its reference.
var versus = [][2]string{{"korr", "resip"}, {"korr", "base"}, {"resip", "base"}}

// compare takes the differences of all rows anew.
func (r *Report) compare() {
	r.Differences = nil
	for i := range r.Rows {
		a := &r.Rows[i]
		for _, pair := range versus {
			if a.Base == "" || a.Policy != pair[0] {
				continue
			}
			other := a.Result
			other.Policy = pair[1]
			if b := r.row(a.Base, other); b != nil {
				r.Differences = append(r.Differences, difference(a, b))
			}
		}
	}
}

// difference pairs the seeds that both rows have.
func difference(a, b *Row) Difference {
	var diffs []float64
	for i, seed := range a.Seeds {
		if k := slices.Index(b.Seeds, seed); k >= 0 {
			diffs = append(diffs, a.Rates[i]-b.Rates[k])
		}
	}
	d := Difference{Condition: *a, Task: a.Task, Base: a.Base, Method: a.Policy, Reference: b.Policy, Seeds: len(diffs)}
	d.Mean, d.CI95, d.Told = OverSeeds(diffs)
	return d
}
