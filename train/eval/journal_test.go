package eval

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"sync/atomic"
	"testing"

	"korr/sim"
)

// counted is a player whose episodes depend on their seeds; after enough of them the evaluation is interrupted.
type counted struct {
	played *atomic.Int64
	stop   func()
	after  int64
}

func (c counted) Play(ctx context.Context, _ sim.Policy, seed uint64) (Episode, error) {
	if err := context.Cause(ctx); err != nil {
		return Episode{}, err
	}
	if c.played.Add(1) == c.after {
		c.stop()
	}
	yes := seed%2 == 0
	e := Episode{Seed: seed, Steps: int(seed % 100), Success: yes, OneYaw: &yes, Stage: sim.Insert}
	if seed%7 == 0 {
		e.Fault = errors.New("fell over")
	}
	return e, nil
}

func (counted) Close() error { return nil }

type nobody struct{ sim.Policy }

// TestInterruptedEvaluationGoesOn: with its journal it plays what it had not played, and what comes out is what an
// evaluation that was never interrupted gives.
func TestInterruptedEvaluationGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "eval.jsonl")
	var played atomic.Int64
	spec := func(after int64) (context.Context, Spec) {
		ctx, stop := context.WithCancel(t.Context())
		t.Cleanup(stop)
		played.Store(0)
		one := func() (sim.Policy, error) { return nobody{}, nil }
		return ctx, Spec{
			Conditions: []Condition{{Task: "t", Randomness: "low"}, {Task: "t", Randomness: "med", Perturb: 1}}, Workers: 3,
			Policies: []Policy{{Name: "a", New: one}, {Name: "b", New: one}}, Episodes: 10, Seed: 4,
			Open: func(context.Context, Condition) (Player, error) { return counted{&played, stop, after}, nil },
		}
	}
	ctx, s := spec(-1)
	want, err := Evaluate(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	var j *Journal
	for _, after := range []int64{7, 14} {
		if j, err = OpenJournal(path); err != nil {
			t.Fatal(err)
		}
		ctx, s = spec(after)
		s.Journal = j
		if _, err := Evaluate(ctx, s); !errors.Is(err, context.Canceled) {
			t.Fatalf("after %d: %v", after, err)
		}
		if err := j.Close(false); err != nil {
			t.Fatal(err)
		}
	}
	torn, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = torn.WriteString(`{"condition":{"Ta`)
		err = errors.Join(err, torn.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	if j, err = OpenJournal(path); err != nil || j.Len() < 21 {
		t.Fatalf("%v, %d episodes", err, j.Len())
	}
	cells := j.Cells(s.Conditions, []string{"a", "b"}, s.Seed, s.Episodes)
	for i, c := range cells {
		if !reflect.DeepEqual(texts(c.Episodes), texts(want[i].Episodes[:len(c.Episodes)])) {
			t.Errorf("cell %d of the journal differs", i)
		}
	}
	before := j.Len()
	ctx, s = spec(-1)
	s.Journal = j
	got, err := Evaluate(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	if n := int(played.Load()); n != 40-before {
		t.Errorf("played %d episodes, %d were known", n, before)
	}
	for i := range want {
		if !reflect.DeepEqual(texts(got[i].Episodes), texts(want[i].Episodes)) {
			t.Errorf("cell %d differs", i)
		}
	}
	if err := j.Close(true); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the journal of a complete evaluation is still there")
	}
}

// texts are episodes with their faults as text, to be compared.
func texts(es []Episode) (out []Episode) {
	for _, e := range es {
		if e.Fault != nil {
			e.Fault = fault(e.Fault.Error())
		}
		out = append(out, e)
	}
	return out
}

type fault string

func (f fault) Error() string { return string(f) }

func TestForgottenJournalStartsAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "eval.jsonl")
	for range 2 {
		j, err := OpenJournal(path)
		if err != nil {
			t.Fatal(err)
		}
		j.Forget()
		if err := errors.Join(j.add(Condition{}, "p", Episode{Seed: 1}), j.Close(false)); err != nil {
			t.Fatal(err)
		}
	}
	if j, err := OpenJournal(path); err != nil || j.Len() != 1 {
		t.Errorf("%v, %d episodes", err, j.Len())
	}
	if err := os.WriteFile(path, []byte("{}\nnonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenJournal(path); err == nil {
		t.Error("a line that is no episode was read")
	}
}
