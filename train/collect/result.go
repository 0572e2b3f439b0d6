package collect

import (
	"fmt"
	"io"
	"strings"
)

// Result is a dataset that came of a collection.
type Result struct {
	Schema    string `json:"schema"` // ResultSchema
	Folder    string `json:"folder"`
	Episodes  int    `json:"episodes"`
	Frames    int    `json:"frames"`
	Attempts  int    `json:"attempts"`
	Successes int    `json:"successes"`
	Steps     int    `json:"steps"` // control steps of the simulator, what was not kept included

	Takeovers map[Cause]int `json:"takeovers,omitempty"` // with a Recovery, by cause
	Recovered map[Cause]int `json:"recovered,omitempty"` // of those, solved

	tookOver bool
}

// ResultSchema names the JSON form of a Result.
const ResultSchema = "korr.collect/1"

// Result is what came of a collection into a folder; tookOver says that it was one of a Recovery.
func (p *Progress) Result(dir string, tookOver bool) *Result {
	return &Result{
		ResultSchema, dir, p.Kept, p.Frames, p.Attempts, p.Successes, p.Steps, p.Takeovers, p.Recovered, tookOver,
	}
}

// WriteText prints it in a line, with a line more for every cause of taking over.
func (r *Result) WriteText(w io.Writer) error {
	if !r.tookOver {
		_, err := fmt.Fprintf(w, "%s: %d episodes, %d frames; the expert solved %d of %d; %d simulator steps\n",
			r.Folder, r.Episodes, r.Frames, r.Successes, r.Attempts, r.Steps)
		return err
	}
	taken := 0
	for _, n := range r.Takeovers {
		taken += n
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d episodes, %d frames; in %d of %d attempts the expert took over, and solved %d; %d simulator "+
		"steps\n", r.Folder, r.Episodes, r.Frames, taken, r.Attempts, r.Successes, r.Steps)
	for _, c := range Causes() {
		fmt.Fprintf(&b, "  %-5s  %d of %d\n", c, r.Recovered[c], r.Takeovers[c])
	}
	_, err := io.WriteString(w, b.String())
	return err
}
