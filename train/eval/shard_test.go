package eval

import (
	"bytes"
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"korr/train/unit"
)

// hillHandlers play shards of the hill with the policies that their names say.
func hillHandlers(open *atomic.Int32) unit.Handlers {
	return unit.Handlers{Kind: Handler(func(_ *unit.Task, s *Shard) (Spec, error) {
		all := hillSpec(open)
		of := Spec{Open: all.Open, Workers: 2}
		for _, name := range s.Policies {
			for _, p := range all.Policies {
				if p.Name == name {
					of.Policies = append(of.Policies, p)
				}
			}
		}
		return of, nil
	})}
}

func hillPlan(open *atomic.Int32, size int) *Plan {
	s := hillSpec(open)
	p := &Plan{Conditions: s.Conditions, Episodes: s.Episodes, Seed: s.Seed, Size: size}
	for _, of := range s.Policies {
		p.Policies = append(p.Policies, Entry{Label: of.Name, Name: of.Name})
	}
	return p
}

// backwards does a job's units last to first, as workers might.
type backwards struct{ unit.Local }

func (b *backwards) Do(ctx context.Context, j *unit.Job, done func(int, *unit.Result) error) error {
	for i := len(j.Units) - 1; i >= 0; i-- {
		alone := &unit.Job{Units: j.Units[i : i+1], Progress: j.Progress}
		if err := b.Local.Do(ctx, alone, func(_ int, r *unit.Result) error { return done(i, r) }); err != nil {
			return err
		}
	}
	return nil
}

// TestShardsAddUp: an evaluation cut up in any way, done in any order, is the evaluation in one piece, to the last byte
// of what is printed of it; its progress ends with all of its episodes.
func TestShardsAddUp(t *testing.T) {
	var open atomic.Int32
	csv := func(cells []Cell, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := WriteCSV(&b, cells); err != nil {
			t.Fatal(err)
		}
		for i := range cells {
			if f := cells[i].Faults(); f != nil {
				b.WriteString(f.Error())
			}
		}
		return b.String()
	}
	want := csv(Evaluate(t.Context(), hillSpec(&open)))
	if !strings.Contains(want, errBroken.Error()) || !strings.Contains(want, "true") {
		t.Fatalf("the evaluation shows too little:\n%s", want)
	}
	for _, size := range []int{0, 1, 7, 25, 100} {
		p := hillPlan(&open, size)
		last, total := 0, 0
		p.Progress = func(done, of int) { last, total = max(last, done), of }
		x := &backwards{unit.Local{Handlers: hillHandlers(&open)}}
		if got := csv(p.Run(t.Context(), "hill", x)); got != want {
			t.Errorf("shards of %d:\n%s\nwant\n%s", size, got, want)
		}
		if last != 150 || total != 150 {
			t.Errorf("shards of %d: progress ends at %d of %d", size, last, total)
		}
	}
	if n := open.Load(); n != 0 {
		t.Errorf("%d simulators and policies stayed open", n)
	}
}

// TestWrongShardsAreRefused: results of other episodes never enter a table.
func TestWrongShardsAreRefused(t *testing.T) {
	var open atomic.Int32
	p := hillPlan(&open, 5)
	for want, value := range map[string]string{
		"has seed":      `[[{"seed":1},{"seed":1},{"seed":1},{"seed":1},{"seed":1}]]`,
		"4 episodes":    `[[{},{},{},{}]]`,
		"of 0 cells":    `[]`,
		"cannot unmars": `{}`,
	} {
		x := fixed{unit.Result{Value: []byte(value)}}
		if _, err := p.Run(t.Context(), "hill", x); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", value, err)
		}
	}
}

// fixed says the same of every unit.
type fixed struct{ unit.Result }

func (f fixed) Do(_ context.Context, j *unit.Job, done func(int, *unit.Result) error) error {
	for i := range j.Units {
		if err := done(i, &f.Result); err != nil {
			return err
		}
	}
	return nil
}
