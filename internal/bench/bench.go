package bench

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"korr/internal/report"
)

// Schema is the version of Report's form.
const Schema = "korr.bench/1"

// Case is one thing to measure.
type Case struct {
	Name string                  // unique within a comparison, "sim/one_leg"
	Unit string                  // of the value, "steps/s"
	Peer string                  // name of the case that this one is measured against; "" for none
	Run  func() (float64, error) // one round: the measured value, finite
}

// Result is the median of one case over the rounds.
type Result struct {
	Name  string   `json:"name"`
	Value float64  `json:"value"`
	Unit  string   `json:"unit"`
	Peer  *float64 `json:"peer,omitempty"`  // the peer's median, same unit
	Ratio *float64 `json:"ratio,omitempty"` // value over the peer's, median of the rounds' ratios
}

// Report is what every bench verb prints with --json.
type Report struct {
	Schema  string   `json:"schema"` // Schema
	Results []Result `json:"results"`
}

// NewReport wraps results.
func NewReport(results []Result) *Report { return &Report{Schema: Schema, Results: results} }

// Alternate runs the cases in turn, rounds times over, and returns one result per case in their order. It ends early
// with the context's error, a case's own, or one that names a value that is not finite or a peer that is not among the
// cases.
func Alternate(ctx context.Context, rounds int, cases ...Case) ([]Result, error) {
	if rounds < 1 {
		return nil, fmt.Errorf("bench: %d rounds, need at least one", rounds)
	}
	values := make([][]float64, len(cases))
	peers := make([]int, len(cases))
	for i, c := range cases {
		peers[i] = slices.IndexFunc(cases, func(o Case) bool { return o.Name == c.Peer })
		if c.Peer != "" && peers[i] < 0 {
			return nil, fmt.Errorf("bench: %s names the peer %q, which is not among the cases", c.Name, c.Peer)
		}
		if c.Peer == "" {
			peers[i] = -1
		}
	}
	for range rounds {
		for i, c := range cases {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			v, err := c.Run()
			if err == nil && (math.IsNaN(v) || math.IsInf(v, 0)) {
				err = fmt.Errorf("measured %v", v)
			}
			if err != nil {
				return nil, fmt.Errorf("bench: %s: %w", c.Name, err)
			}
			values[i] = append(values[i], v)
		}
	}
	out := make([]Result, len(cases))
	for i, c := range cases {
		out[i] = Result{Name: c.Name, Value: Median(values[i]), Unit: c.Unit}
		if p := peers[i]; p >= 0 {
			peer, ratio := Median(values[p]), Median(ratios(values[i], values[p]))
			out[i].Peer, out[i].Ratio = &peer, &ratio
		}
	}
	return out, nil
}

func ratios(a, b []float64) []float64 {
	r := make([]float64, len(a))
	for i := range a {
		r[i] = a[i] / b[i]
	}
	return r
}

// Median is the middle value, or the mean of the two middle ones; NaN of none. The values keep their order.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	v := slices.Sorted(slices.Values(values))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// WriteText prints the results as a table.
func (r *Report) WriteText(w io.Writer) error {
	t := &report.Table{Columns: []report.Column{
		{Name: "measured"},
		{Name: "value", Right: true},
		{Name: "unit"},
		{Name: "peer", Right: true},
		{Name: "ratio", Right: true},
	}}
	for _, x := range r.Results {
		peer, ratio := "", ""
		if x.Peer != nil {
			peer = number(*x.Peer)
		}
		if x.Ratio != nil {
			ratio = strconv.FormatFloat(*x.Ratio, 'f', 3, 64)
		}
		t.Add(x.Name, number(x.Value), x.Unit, peer, ratio)
	}
	return t.WriteText(w)
}

// number prints four significant digits without an exponent.
func number(v float64) string {
	digits := 3
	for a := math.Abs(v); a >= 10 && digits > 0; a /= 10 {
		digits--
	}
	return strconv.FormatFloat(v, 'f', digits, 64)
}
