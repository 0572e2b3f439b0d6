package eval

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"korr/sim"
	"korr/sim/domain"
	"korr/train/unit"
)

// Kind names the units of evaluations.
const Kind = "eval"

// ShardEpisodes is how many episodes a unit plays when an evaluation is cut up: few enough that workers end together,
// so many that what a unit costs beside them does not count.
const ShardEpisodes = 5

// Shard is what a unit of an evaluation plays: every policy under every condition, conditions outermost, the episodes
// First to First+Episodes-1 of the evaluation's seed.
type Shard struct {
	Conditions []Condition `json:"conditions"`
	Policies   []string    `json:"policies"` // shipped weights or an expert by name, or the name of the unit's input that holds them
	First      int         `json:"first"`
	Episodes   int         `json:"episodes"`
	Seed       uint64      `json:"seed"`
}

// Entry is a policy of an evaluation that is done in units.
type Entry struct {
	Label  string      // its name in the tables
	Name   string      // as Shard has it
	Inputs unit.Inputs // files that it is made of; by names that no other policy's have
}

// Plan is an evaluation as units.
type Plan struct {
	Kind       string // of the units; empty: Kind
	Conditions []Condition
	Policies   []Entry
	Episodes   int // for each policy and condition
	Seed       uint64
	Size       int         // episodes of a unit, each of one policy under one condition; 0: one unit plays everything
	Inputs     unit.Inputs // that every unit has beside its policies'
	Progress   func(done, total int)
}

// part is where a unit's episodes belong.
type part struct {
	Shard
	cells []int // of the whole evaluation
}

// parts cuts the plan up.
func (p *Plan) parts() []part {
	if p.Size < 1 {
		whole := part{Shard: Shard{Conditions: p.Conditions, Episodes: p.Episodes, Seed: p.Seed}}
		for _, e := range p.Policies {
			whole.Policies = append(whole.Policies, e.Name)
		}
		for i := range len(p.Conditions) * len(p.Policies) {
			whole.cells = append(whole.cells, i)
		}
		return []part{whole}
	}
	var out []part
	for c, cond := range p.Conditions {
		for k, e := range p.Policies {
			for first := 0; first < p.Episodes; first += p.Size {
				out = append(out, part{
					Shard{[]Condition{cond}, []string{e.Name}, first, min(p.Size, p.Episodes-first), p.Seed},
					[]int{c*len(p.Policies) + k},
				})
			}
		}
	}
	return out
}

// unit is the part as a unit.
func (p *Plan) unit(at part) unit.Unit {
	u := unit.Unit{Kind: cmp.Or(p.Kind, Kind), Spec: unit.Encode(at.Shard), Inputs: maps.Clone(p.Inputs)}
	if u.Inputs == nil {
		u.Inputs = unit.Inputs{}
	}
	for _, c := range at.cells {
		maps.Copy(u.Inputs, p.Policies[c%len(p.Policies)].Inputs)
	}
	c := at.Conditions[0]
	u.Name = fmt.Sprintf("%s %s pushes %g", p.Policies[at.cells[0]%len(p.Policies)].Label, c.Randomness, c.Perturb)
	if len(at.cells) > 1 {
		u.Name = "everything"
	}
	for _, word := range []string{c.Sensing, c.Physics} {
		if word != "" {
			u.Name += " " + word
		}
	}
	u.Name += fmt.Sprintf(", episodes %d-%d", at.First, at.First+at.Episodes-1)
	return u
}

// Playing is a plan under way.
type Playing struct {
	Units []unit.Unit
	Cells []Cell // conditions outermost; whole once Left is 0
	Left  int    // episodes to play

	plan  *Plan
	parts []part
}

// Begin cuts the plan up.
func (p *Plan) Begin() (*Playing, error) {
	if p.Episodes < 1 || len(p.Conditions) == 0 || len(p.Policies) == 0 {
		return nil, nothing(p.Episodes, len(p.Policies), len(p.Conditions))
	}
	g := &Playing{plan: p, parts: p.parts()}
	for _, c := range p.Conditions {
		for _, e := range p.Policies {
			g.Cells = append(g.Cells, Cell{Condition: c, Policy: e.Label, Episodes: make([]Episode, p.Episodes)})
		}
	}
	for _, at := range g.parts {
		g.Units = append(g.Units, p.unit(at))
	}
	g.Left = len(g.Cells) * p.Episodes
	return g, nil
}

// Take takes up what unit i played, once.
func (g *Playing) Take(i int, r *unit.Result) error {
	at := &g.parts[i]
	if err := at.read(r.Value, g.Cells, g.plan.Seed); err != nil {
		return fmt.Errorf("eval: %s: %w", g.Units[i].Name, err)
	}
	g.Left -= len(at.cells) * at.Episodes
	return nil
}

// Run has an executor do the plan's units and puts their episodes together. The outcome does not depend on the executor
// nor on Size.
func (p *Plan) Run(ctx context.Context, name string, x unit.Executor) ([]Cell, error) {
	g, err := p.Begin()
	if err != nil {
		return nil, err
	}
	j, total := &unit.Job{Name: name, Units: g.Units}, g.Left
	if p.Size < 1 {
		j.Progress = p.Progress // of the one unit
	}
	err = x.Do(ctx, j, func(i int, r *unit.Result) error {
		err := g.Take(i, r)
		if err == nil && p.Progress != nil && p.Size > 0 {
			p.Progress(total-g.Left, total)
		}
		return err
	})
	return g.Cells, err
}

// read puts a unit's episodes where they belong.
func (at *part) read(value []byte, cells []Cell, seed uint64) error {
	var played [][]record
	if err := json.Unmarshal(value, &played); err != nil {
		return err
	}
	if len(played) != len(at.cells) {
		return fmt.Errorf("episodes of %d cells, want %d", len(played), len(at.cells))
	}
	for k, cell := range at.cells {
		if len(played[k]) != at.Episodes {
			return fmt.Errorf("%d episodes, want %d", len(played[k]), at.Episodes)
		}
		for n, r := range played[k] {
			if want := EpisodeSeed(seed, at.First+n); r.Seed != want {
				return fmt.Errorf("episode %d has seed %d, want %d", at.First+n, r.Seed, want)
			}
			cells[cell].Episodes[at.First+n] = r.episode()
		}
	}
	return nil
}

// Named picks policies by name.
func Named(policies []Policy, names []string) ([]Policy, error) {
	out := make([]Policy, 0, len(names))
	for _, name := range names {
		i := slices.IndexFunc(policies, func(p Policy) bool { return p.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("eval: no policy %q", name)
		}
		out = append(out, policies[i])
	}
	return out, nil
}

// Handler plays shards. spec makes what a shard's policies are played in: its Policies, in the shard's order, Open and
// Workers.
func Handler(spec func(t *unit.Task, s *Shard) (Spec, error)) unit.Handler {
	return unit.Handler{Do: func(ctx context.Context, t *unit.Task) (any, error) {
		var at Shard
		if err := t.Decode(&at); err != nil {
			return nil, err
		}
		s, err := spec(t, &at)
		if err != nil {
			return nil, err
		}
		s.Conditions, s.First, s.Episodes, s.Seed, s.Progress = at.Conditions, at.First, at.Episodes, at.Seed, t.Report
		cells, err := Evaluate(ctx, s)
		if err != nil {
			return nil, err
		}
		out := make([][]record, len(cells))
		for i := range cells {
			for _, e := range cells[i].Episodes {
				out[i] = append(out[i], newRecord(e))
			}
		}
		return out, nil
	}}
}

// record is an Episode as JSON.
type record struct {
	Seed    uint64       `json:"seed"`
	Steps   int          `json:"steps"`
	Success bool         `json:"success"`
	OneYaw  *bool        `json:"one_yaw,omitempty"`
	Stage   sim.Stage    `json:"stage,omitempty"`
	Fault   string       `json:"fault,omitempty"`
	Domain  *domain.Draw `json:"domain,omitempty"`
}

func newRecord(e Episode) record {
	r := record{Seed: e.Seed, Steps: e.Steps, Success: e.Success, OneYaw: e.OneYaw, Stage: e.Stage, Domain: e.Domain}
	if e.Fault != nil {
		r.Fault = e.Fault.Error()
	}
	return r
}

func (r record) episode() Episode {
	e := Episode{Seed: r.Seed, Steps: r.Steps, Success: r.Success, OneYaw: r.OneYaw, Stage: r.Stage, Domain: r.Domain}
	if r.Fault != "" {
		e.Fault = errors.New(r.Fault)
	}
	return e
}
