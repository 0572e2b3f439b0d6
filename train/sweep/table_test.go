package sweep

import (
	"strings"
	"testing"

	"korr/train/eval"
)

func TestRowsPairSeeds(t *testing.T) {
	cell := func(variant string, seed uint64, outcomes ...bool) Cell {
		return Cell{Variant: variant, Seed: seed, Steps: 10, Seconds: 60, Results: []Outcome{{"low", 0, outcomes}}}
	}
	cells := []Cell{
		cell("resip", 1, true, false), cell("resip", 2, false, false),
		cell("korr", 1, true, true), cell("korr", 3, true, true), // seed 3 has no partner
	}
	low := eval.Condition{Randomness: "low"}
	row := tableRow(cells, "korr", "resip", low, 2)
	if row[1] != "2" || row[4] != "4/4" || row[8] != "+50.0" {
		t.Errorf("%q", row)
	}
	if row := tableRow(cells, "resip", "resip", low, 2); row[4] != "1/4" || row[7] != "0 – 50" || row[8] != "" {
		t.Errorf("%q", row)
	}
	if row := tableRow(cells, "none", "resip", low, 2); row[1] != "0" {
		t.Errorf("%q", row)
	}
	if row := tableRow(cells, "resip", "resip", low, 1); row[1] != "2" || !strings.HasSuffix(row[4], "/2") {
		t.Errorf("the first of more episodes: %q", row)
	}
	if row := tableRow(cells, "korr", "resip", low, 3); row[1] != "0" {
		t.Errorf("a row of three episodes a seed from two: %q", row)
	}
}
