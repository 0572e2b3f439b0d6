package eval

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"korr/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errBroken = errors.New("broken joint")

// hillEnv succeeds when the sum of actions reaches a height drawn from the seed; the time limit is 10 steps.
type hillEnv struct {
	perturb float64
	height  float32
	sum     float32
	steps   int
	open    *atomic.Int32
}

func (e *hillEnv) Spec() sim.Spec { return sim.Spec{Task: "hill", ObsDim: 1, ActDim: 1, MaxSteps: 10} }

func (e *hillEnv) Reset(obs []float32, seed uint64) error {
	e.height, e.sum, e.steps = float32(seed%8)+1+float32(e.perturb)*4, 0, 0
	obs[0] = e.height
	return nil
}

func (e *hillEnv) Step(obs, act []float32) (sim.Result, error) {
	if act[0] < 0 {
		return sim.Result{}, errBroken
	}
	e.steps++
	e.sum += act[0]
	obs[0] = e.height - e.sum
	done := e.sum >= e.height
	return sim.Result{Terminated: done, Success: done, Truncated: !done && e.steps == 10}, nil
}

func (e *hillEnv) Close() error { e.open.Add(-1); return nil }

// constant always acts the same. It counts among what must be closed.
type constant struct {
	act  float32
	open *atomic.Int32
}

func (c constant) Reset(uint64) {}

func (c constant) ActTo(act, _ []float32) error { act[0] = c.act; return nil }

func (c constant) Close() { c.open.Add(-1) }

func hillSpec(open *atomic.Int32) Spec {
	named := func(name string, act float32) Policy {
		return Policy{Name: name, New: func() (sim.Policy, error) {
			open.Add(1)
			return constant{act, open}, nil
		}}
	}
	return Spec{
		Conditions: []Condition{{Task: "hill", Randomness: "low"}, {Task: "hill", Randomness: "low", Perturb: 1}},
		Policies:   []Policy{named("slow", 0.5), named("fast", 1), named("broken", -1)},
		Episodes:   25, Seed: 7,
		Open: InProcess(func(c Condition) (sim.Env, error) {
			open.Add(1)
			return &hillEnv{perturb: c.Perturb, open: open}, nil
		}),
	}
}

func TestEvaluatePairsSeedsWhateverTheWorkers(t *testing.T) {
	var first []Cell
	for _, workers := range []int{1, 3, 0} {
		var open atomic.Int32
		s := hillSpec(&open)
		s.Workers = workers
		calls, last := 0, 0
		s.Progress = func(done, total int) {
			calls++
			if done != last+1 || total != 150 {
				t.Errorf("progress %d/%d after %d", done, total, last)
			}
			last = done
		}
		cells, err := Evaluate(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if open.Load() != 0 || calls != 150 {
			t.Errorf("%d environments or policies left open, %d progress calls", open.Load(), calls)
		}
		if first == nil {
			first = cells
		} else if !reflect.DeepEqual(first, cells) {
			t.Errorf("%d workers changed the outcome", workers)
		}
	}
	for _, c := range first {
		for i, e := range c.Episodes {
			height := float32(e.Seed%8) + 1 + float32(c.Perturb)*4
			speed := map[string]float32{"slow": 0.5, "fast": 1, "broken": 0}[c.Policy]
			if e.Seed != EpisodeSeed(7, i) || e.Success != (speed*10 >= height) {
				t.Errorf("%s perturb %v episode %d: %+v at height %v", c.Policy, c.Perturb, i, e, height)
			}
		}
	}
	if err := first[2].Faults(); !errors.Is(err, errBroken) || first[0].Faults() != nil {
		t.Errorf("faults %v", err)
	}
}

func TestReportSumsUp(t *testing.T) {
	yes := true
	cells := []Cell{
		{Condition{Task: "one_leg", Randomness: "low"}, "base", []Episode{{
			Success: true, OneYaw: &yes, Steps: 100,
			Stage: sim.Done,
		}, {Steps: 300, Stage: sim.Insert}, {Success: true, Steps: 200}, {Steps: 400, Stage: sim.Grasp}}},
		{Condition{Task: "one_leg", Randomness: "low", Perturb: 0.5}, "base", []Episode{{Steps: 1}}},
		{Condition{Task: "one_leg", Randomness: "low"}, "korr", []Episode{
			{Success: true},
			{Success: true},
			{Success: true},
			{},
		}},
	}
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(NewReport(cells[:1])); err != nil {
		t.Fatal(err)
	}
	want := `{"schema":"korr.eval/1","results":[{"task":"one_leg","randomness":"low","perturbed":false,"policy":"base",` +
		`"episodes":4,"successes":2,"successes_one_yaw":1,"rate":0.5,"ci95":[0.15003898915214947,0.8499610108478506],"mean_steps":250,"failed_at":{"grasp":1,"insert":1}}]}` + "\n"
	if b.String() != want {
		t.Errorf("got  %s\nwant %s", b.String(), want)
	}
	cmp := Compare(cells, "base")
	if len(cmp) != 1 || cmp[0].Policy != "korr" || cmp[0].Rate != 0.25 || cmp[0].Better != 1 || cmp[0].Worse != 0 {
		t.Errorf("compare %+v", cmp)
	}
	b.Reset()
	cells[1].Episodes[0].Fault = errBroken
	if err := WriteCSV(&b, cells); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(b.String())).ReadAll()
	if err != nil || len(rows) != 10 || rows[5][9] != "broken joint" || rows[5][2] != "0.5" || rows[2][8] != "insert" {
		t.Errorf("%v %q", err, rows)
	}
}

func TestEvaluateStops(t *testing.T) {
	t.Run("cancelled", func(t *testing.T) {
		var open atomic.Int32
		s := hillSpec(&open)
		ctx, cancel := context.WithCancel(t.Context())
		s.Progress = func(done, _ int) {
			if done == 3 {
				cancel()
			}
		}
		if _, err := Evaluate(ctx, s); !errors.Is(err, context.Canceled) || open.Load() != 0 {
			t.Errorf("error %v, %d environments or policies open", err, open.Load())
		}
	})
	t.Run("no engine", func(t *testing.T) {
		var open atomic.Int32
		s := hillSpec(&open)
		s.Open = InProcess(func(Condition) (sim.Env, error) { return nil, sim.ErrNoEngine })
		if _, err := Evaluate(t.Context(), s); !errors.Is(err, sim.ErrNoEngine) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("no policy", func(t *testing.T) {
		var open atomic.Int32
		s := hillSpec(&open)
		s.Policies[1].New = func() (sim.Policy, error) { return nil, errBroken }
		if _, err := Evaluate(t.Context(), s); !errors.Is(err, errBroken) || !strings.Contains(err.Error(), "fast") ||
			open.Load() != 0 {
			t.Errorf("error %v, %d environments or policies open", err, open.Load())
		}
	})
	t.Run("nothing to do", func(t *testing.T) {
		if _, err := Evaluate(t.Context(), Spec{Episodes: 3}); err == nil {
			t.Error("no error")
		}
	})
}

func TestRunEpisodeShowsEveryStep(t *testing.T) {
	var open atomic.Int32
	env := &hillEnv{open: &open}
	steps := 0
	ep, err := RunEpisode(t.Context(), env, constant{act: 1}, 4, func(s Step) {
		if s.Index != steps || s.Act[0] != 1 || s.Obs[0] != float32(5-steps) {
			t.Errorf("step %d: %+v", steps, s)
		}
		steps++
	})
	if err != nil || !ep.Success || ep.Steps != 5 || steps != 5 {
		t.Errorf("%+v, %d steps seen, %v", ep, steps, err)
	}
}

// TestConditionsInTables: sensing and physics have a column, a group of bars and a pairing of their own where they
// differ from the plain ones, and none where they do not.
func TestConditionsInTables(t *testing.T) {
	plain := Condition{Task: "one_leg", Randomness: "low", Sensing: "clean", Physics: "nominal"}
	late, drawn := plain, plain
	late.Sensing, drawn.Physics = "T2", "D1"
	cell := func(c Condition, policy string, solved bool) Cell {
		return Cell{Condition: c, Policy: policy, Episodes: []Episode{{Success: solved}}}
	}
	text := func(cells []Cell) (success, difference string) {
		var a, b bytes.Buffer
		if err := errors.Join(SuccessTable(NewReport(cells).Results).WriteText(&a), DifferenceTable(Compare(cells,
			"base")).WriteText(&b)); err != nil {
			t.Fatal(err)
		}
		return a.String(), b.String()
	}
	success, difference := text([]Cell{cell(plain, "base", true), cell(plain, "korr", true)})
	for _, word := range []string{"sensing", "physics", "clean", "nominal"} {
		if strings.Contains(success+difference, word) {
			t.Errorf("a plain table says %q", word)
		}
	}
	cells := []Cell{
		cell(plain, "base", true), cell(plain, "korr", true), cell(late, "base", true), cell(late, "korr", false),
		cell(drawn, "base", false), cell(drawn, "korr", true),
	}
	success, difference = text(cells)
	for _, word := range []string{"sensing", "physics", "clean", "nominal", "T2", "D1"} {
		if !strings.Contains(success, word) || !strings.Contains(difference, word) {
			t.Errorf("the tables lack %q:\n%s%s", word, success, difference)
		}
	}
	if cmp := Compare(cells, "base"); len(cmp) != 3 || cmp[1].Worse != 1 || cmp[2].Better != 1 || cmp[1].Sensing != "T2" {
		t.Errorf("compare %+v", cmp)
	}
	if _, err := SuccessFigure(NewReport(cells).Results); err != nil {
		t.Error(err)
	}
}

// agedEnv is hillEnv with ages that tell the step.
type agedEnv struct{ hillEnv }

func (e *agedEnv) Spec() sim.Spec {
	s := e.hillEnv.Spec()
	s.PartNames = []string{"top"}
	return s
}

func (e *agedEnv) AgesTo(dst []float32) { dst[0], dst[1] = 0, float32(e.steps) }

// aged is a policy that reads ages.
type aged struct {
	constant
	read []float32
}

func (a *aged) ReadAges(ages []float32) { a.read = append(a.read, ages[1]) }

// TestPolicyIsToldAges: whoever wants the ages of its observation gets them before every action.
func TestPolicyIsToldAges(t *testing.T) {
	var open atomic.Int32
	a := &aged{constant: constant{act: 1}}
	ep, err := RunEpisode(t.Context(), &agedEnv{hillEnv{open: &open}}, a, 4, nil)
	if err != nil || !reflect.DeepEqual(a.read, []float32{0, 1, 2, 3, 4}) {
		t.Errorf("%+v: read %v, %v", ep, a.read, err)
	}
}
