package demo

import (
	"bytes"
	"testing"

	"korr/koopman"
	"korr/sim"
	"korr/train/eval"
	"korr/train/koopmanfit"
)

// cell makes outcomes from a string: + is a success of 300 steps, - a time-out that inserted nothing, g one that
// grasped nothing.
func cell(policy string, perturb float64, outcomes string) eval.Cell {
	c := eval.Cell{Condition: eval.Condition{Task: "one_leg", Randomness: "low", Perturb: perturb}, Policy: policy}
	for i, o := range outcomes {
		e := eval.Episode{Seed: uint64(i), Steps: 700, Stage: sim.Insert}
		switch o {
		case '+':
			e.Steps, e.Success, e.Stage = 300, true, sim.Done
		case 'g':
			e.Stage = sim.Grasp
		}
		c.Episodes = append(c.Episodes, e)
	}
	return c
}

func TestTablesRead(t *testing.T) {
	cells := []eval.Cell{
		cell("base", 0, "+-+-+-+-+-"), cell("korr", 0, "++++++++++"), cell("base", 1, "---------+"),
		cell("korr", 1, "++++++++-g"),
	}
	var b bytes.Buffer
	if err := eval.SuccessTable(eval.NewReport(cells).Results).WriteText(&b); err != nil {
		t.Fatal(err)
	}
	b.WriteString("\n")
	if err := eval.DifferenceTable(eval.Compare(cells, eval.Reference)).WriteText(&b); err != nil {
		t.Fatal(err)
	}
	b.WriteString("\n")
	if err := koopmanfit.Table([]koopman.Score{
		{Model: "koopman", Horizon: 1, RMSE: 0.05},
		{Model: "koopman", Horizon: 10, RMSE: 0.0812, Micros: 12.5},
		{Model: "persistence", Horizon: 1, RMSE: 0.09},
		{Model: "persistence", Horizon: 10, RMSE: 0.34567, Micros: 0.3},
	}).WriteText(&b); err != nil {
		t.Fatal(err)
	}
	const want = `task     randomness  perturbation  policy  solved  success   95 % interval  mean steps  failed to
─────────────────────────────────────────────────────────────────────────────────────────────────────────
one_leg  low         off           base      5/10   50.0 %   23.7 – 76.3 %         500  insert 5
one_leg  low         off           korr     10/10  100.0 %  72.2 – 100.0 %         300
one_leg  low         on            base      1/10   10.0 %    1.8 – 40.4 %         660  insert 9
one_leg  low         on            korr      8/10   80.0 %   49.0 – 94.3 %         380  grasp 1, insert 1

randomness  perturbation  comparison   difference  95 % interval  only it  only base
────────────────────────────────────────────────────────────────────────────────────
low         off           korr – base       +50.0  +11.7 … +76.3        5          0
low         on            korr – base       +70.0  +14.0 … +90.7        8          1

model        1-step  10-step    µs
──────────────────────────────────
koopman      0.0500   0.0812  12.5
persistence  0.0900   0.3457   0.3
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestPickShowsWhereThePoliciesDiffer(t *testing.T) {
	policies := []eval.Policy{{Name: "base"}, {Name: "korr"}}
	for _, c := range []struct {
		name             string
		cells            []eval.Cell
		success          bool
		policy           string
		seed             uint64
		perturbed, found bool
	}{
		{
			"korr on a seed that base fails",
			[]eval.Cell{cell("base", 0, "++-"), cell("korr", 0, "+++")},
			true, "korr", 2,
			false, true,
		},
		{"base on that seed", []eval.Cell{cell("base", 0, "-+-"), cell("korr", 0, "-++")}, false, "base", 2, false, true},
		{"under perturbation if only there", []eval.Cell{
			cell("base", 0, "++"), cell("korr", 0, "++"), cell("base", 1, "-+"),
			cell("korr", 1, "++"),
		}, false, "base", 0, true, true},
		{"nobody fails", []eval.Cell{cell("base", 0, "++"), cell("korr", 0, "++")}, false, "", 0, false, false},
		{"only base succeeds", []eval.Cell{cell("base", 0, "-+"), cell("korr", 0, "--")}, true, "base", 1, false, true},
	} {
		got, ok := Pick(policies, c.cells, c.success)
		if ok != c.found || got.Policy.Name != c.policy || got.Seed != c.seed || (got.Condition.Perturb > 0) != c.perturbed {
			t.Errorf("%s: %v %+v", c.name, ok, got)
		}
	}
}
