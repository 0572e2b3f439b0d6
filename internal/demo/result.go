package demo

import (
	"fmt"
	"io"

	"korr/koopman"
	"korr/residual/loop"
	"korr/train/eval"
	"korr/train/koopmanfit"
)

// Result is what the demonstration came to.
type Result struct {
	Schema      string            `json:"schema"` // eval.Schema: a reader of korr eval reads this too
	Seconds     float64           `json:"seconds"`
	Report      string            `json:"report"`
	Episodes    int               `json:"demonstrations"`
	Frames      int               `json:"frames"`
	Prediction  []koopman.Score   `json:"prediction"`
	Radius      float64           `json:"spectral_radius"`
	Results     []eval.Result     `json:"results"`
	Comparisons []eval.Comparison `json:"comparisons"`
	LockStep    LockStep          `json:"lock_step"`
	RealTime    *RealTime         `json:"real_time,omitempty"` // not when quick
	Notes       []string          `json:"notes"`               // what could not be done, and why
}

// LockStep sums up the evaluation over ROS.
type LockStep struct {
	Steps          int      `json:"steps"`
	StepsPerSecond *float64 `json:"steps_per_second,omitempty"` // not of an evaluation that was interrupted
}

// RealTime is the episode on the wall clock.
type RealTime struct {
	Policy  string `json:"policy"`
	Outcome string `json:"outcome"`
	Steps   int    `json:"steps"`
	loop.TallyResult
}

// WriteText prints the result for a terminal.
func (r *Result) WriteText(w io.Writer) error {
	say := func(format string, args ...any) error {
		_, err := fmt.Fprintf(w, format, args...)
		return err
	}
	if err := say("Koopman model of %d demonstrations: RMSE of the normalised observation, n steps ahead, held out\n\n",
		r.Episodes); err != nil {
		return err
	}
	if err := koopmanfit.Table(r.Prediction).WriteText(w); err != nil {
		return err
	}
	if err := say("\nSuccess over ROS in lock step, the same %d seeds for every policy\n\n",
		r.Results[0].Episodes); err != nil {
		return err
	}
	if err := eval.SuccessTable(r.Results).WriteText(w); err != nil {
		return err
	}
	if len(r.Comparisons) > 0 {
		if err := say("\nPaired difference to %s, in percentage points\n\n", eval.Reference); err != nil {
			return err
		}
		if err := eval.DifferenceTable(r.Comparisons).WriteText(w); err != nil {
			return err
		}
	}
	if r.RealTime != nil {
		if err := say("\nIn real time at 10 Hz: %s %s; jitter p50/p99/max %v\n", r.RealTime.Policy, r.RealTime.Outcome,
			*r.RealTime.Jitter); err != nil {
			return err
		}
	}
	return say("\nReport: %s (%.0f s)\n", r.Report, r.Seconds)
}
