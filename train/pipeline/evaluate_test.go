package pipeline

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"korr/sim"
	"korr/train/eval"
	"korr/train/unit"
)

// player plays episodes that succeed when their seed is even, and counts them.
type player struct{ played *int }

func (p player) Play(_ context.Context, _ sim.Policy, seed uint64) (eval.Episode, error) {
	*p.played++
	return eval.Episode{Seed: seed, Steps: 3, Success: seed%2 == 0, Stage: sim.Grasp}, nil
}
func (p player) Close() error { return nil }

type still struct{}

func (still) Reset(uint64)                     {}
func (still) ActTo([]float32, []float32) error { return nil }

// TestEvaluationGoesOn: what the file holds is not played again, more conditions and policies are; the same again is
// the same.
func TestEvaluationGoesOn(t *testing.T) {
	path, played := filepath.Join(t.TempDir(), "evaluation.json"), 0
	plan := eval.Plan{
		Conditions: []eval.Condition{{Task: "lamp", Randomness: "low"}}, Episodes: 4, Seed: 5,
		Policies: []eval.Entry{{Label: "base", Name: "base"}},
	}
	here := &unit.Local{Handlers: unit.Handlers{eval.Kind: eval.Handler(func(_ *unit.Task, s *eval.Shard) (eval.Spec,
		error,
	) {
		spec := eval.Spec{Workers: 1, Open: func(context.Context, eval.Condition) (eval.Player,
			error,
		) {
			return player{&played}, nil
		}}
		for _, name := range s.Policies {
			spec.Policies = append(spec.Policies, eval.Policy{Name: name, New: func() (sim.Policy, error) {
				return still{},
					nil
			}})
		}
		return spec, nil
	})}}
	evaluate := func(want int) []Played {
		t.Helper()
		played = 0
		out, err := Evaluate(t.Context(), plan, path, "test", here)
		if err != nil {
			t.Fatal(err)
		}
		if played != want {
			t.Errorf("%d episodes played, want %d", played, want)
		}
		return out
	}
	first := evaluate(4)
	if r := first[0]; len(first) != 1 || r.Episodes != 4 || len(r.Outcomes) != 4 || r.Successes != count(r.Outcomes) ||
		r.Seed != 5 {
		t.Errorf("%+v", first)
	}
	if again := evaluate(0); !slices.Equal(again[0].Outcomes, first[0].Outcomes) {
		t.Errorf("%v became %v", first[0].Outcomes, again[0].Outcomes)
	}
	plan.Conditions = append(plan.Conditions, eval.Condition{Task: "lamp", Randomness: "low", Perturb: 1})
	plan.Policies = append(plan.Policies, eval.Entry{Label: "korr", Name: "korr"})
	plan.Size = 3 // however the episodes are cut up
	all := evaluate(12)
	versus := Compare(all, "base")
	if len(all) != 4 || len(versus) != 2 || versus[1].Policy != "korr" || !versus[1].Perturbed || versus[1].Pairs != 4 ||
		versus[1].Rate != 0 {
		t.Errorf("%d cells, %+v", len(all), versus)
	}
	plan.Seed++
	evaluate(16)
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Evaluate(t.Context(), plan, path, "test", here); err == nil {
		t.Error("a damaged file was taken for none")
	}
}

func count(outcomes []bool) (n int) {
	for _, o := range outcomes {
		if o {
			n++
		}
	}
	return n
}
