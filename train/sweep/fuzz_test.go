package sweep

import (
	"encoding/json"
	"fmt"
	"testing"

	"korr/train/eval"
)

// FuzzCell: whatever is read as a cell is written and read again the same, and its table can be made.
func FuzzCell(f *testing.F) {
	f.Add([]byte(`{"variant":"a","settings":["x=1"],"seed":1,"steps":10,"seconds":1.5,"eval_seed":2,"results":[{"randomness":"low","perturb":1,"outcomes":[true,false]}]}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parseCell(text)
		if err != nil {
			return
		}
		again, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		d, err := parseCell(again)
		if err != nil || fmt.Sprint(*c) != fmt.Sprint(*d) {
			t.Errorf("%+v became %+v, %v", c, d, err)
		}
		for _, r := range c.Results {
			_, _ = c.result(eval.Condition{Randomness: r.Randomness, Perturb: r.Perturb}, 1)
		}
	})
}
