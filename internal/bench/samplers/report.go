package samplers

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"

	"korr/internal/bench"
	"korr/internal/plot"
	"korr/internal/report"
	"korr/train/eval"
)

// schema names the JSON form of a Report.
const schema = "korr.bench.base/1"

// Report is every setting's outcome.
type Report struct {
	Schema   string   `json:"schema"`
	Chunks   int      `json:"chunks"`   // drawn by every setting
	Episodes int      `json:"episodes"` // played by every setting
	Lead     int      `json:"lead"`     // control steps
	Results  []Result `json:"results"`
}

// Result is one setting's outcome.
type Result struct {
	Policy     string           `json:"policy"`  // checkpoint
	Network    string           `json:"network"` // unet, mlp or transformer
	Setting    string           `json:"setting"`
	Family     string           `json:"family"` // sampler or method
	Sampler    string           `json:"sampler"`
	Cache      string           `json:"cache"`  // every key in it
	Calls      float64          `json:"calls"`  // network calls of a cold chunk, mean; a part of one counts as such
	P50        float64          `json:"p50_ms"` // per cold chunk
	P99        float64          `json:"p99_ms"`
	Error      float64          `json:"error"`                // mean relative L2 distance to the reference's chunks
	Dimensions []float64        `json:"error_per_dimension"`  // RMS distance of every action dimension, normalised units
	Forecast   float64          `json:"forecast_error"`       // mean relative L2 error of the method's own forecasts
	Accepted   float64          `json:"accepted"`             // forecasts a chunk
	Rejected   float64          `json:"rejected"`             // refused forecasts a chunk
	Episodes   *Played          `json:"episodes,omitempty"`   // with --episodes
	Reference  bool             `json:"reference,omitempty"`  // what the others are compared with
	Difference *eval.Difference `json:"difference,omitempty"` // of the success rate to the reference
}

// Played is what episodes showed.
type Played struct {
	N         int        `json:"n"`
	Successes int        `json:"successes"`
	Rate      float64    `json:"rate"`
	CI95      [2]float64 `json:"ci95"`
	Calls     float64    `json:"calls"` // a chunk, warm starts included
	// Jump is the mean RMS change at a chunk's border, normalised: what is done against what the old chunk meant to do.
	Jump      float64 `json:"jump"`
	JumpMax   float64 `json:"jump_max"`   // the largest
	Step      float64 `json:"step"`       // mean RMS change from an action to the next inside a chunk
	Shortened int     `json:"shortened"`  // chunks cut short because their forecasts were off
	Forecast  float64 `json:"forecast"`   // mean forecast error of the chunks
	MeanSteps float64 `json:"mean_steps"` // of an episode
}

// compareAll sums a checkpoint's settings up.
func compareAll(settings []*setting, cells []eval.Cell) []Result {
	ref := settings[0]
	var out []Result
	for k, s := range settings {
		c := s.distance(ref)
		c.Reference = k == 0
		if cells != nil {
			r, b := cells[k].Result(), &s.sum
			chunks := math.Max(1, float64(b.chunks))
			c.Episodes = &Played{
				N: r.Episodes, Successes: r.Successes, Rate: r.Rate, CI95: r.CI95, MeanSteps: r.MeanSteps,
				Calls: b.calls / chunks,
				Jump:  b.jump / math.Max(1, float64(b.crossed)), JumpMax: b.jumpMax, Step: b.moved / math.Max(1, float64(b.inside)),
				Shortened: b.less, Forecast: b.forecast / chunks,
			}
			if k > 0 {
				d := eval.PairedDifference(cells[k].Outcomes(), cells[0].Outcomes())
				c.Difference = &d
			}
		}
		out = append(out, c)
	}
	return out
}

// distance compares the chunks with the reference's.
func (s *setting) distance(ref *setting) Result {
	u := s.policy.Base.About().ActDim()
	c := Result{
		Policy: s.file, Network: s.network, Setting: s.name(), Family: s.family(), Sampler: s.sampler.String(),
		Cache: s.cache.String(), Dimensions: make([]float64, u),
	}
	n := float64(len(s.drawn))
	var times []float64
	for i, y := range s.drawn {
		times = append(times, y.ms)
		c.Calls += float64(y.info.Calls) / n
		c.Forecast += float64(y.info.ForecastError) / n
		c.Accepted += float64(y.info.Accepted) / n
		c.Rejected += float64(y.info.Rejected) / n
		var off, size float64
		for j, v := range ref.drawn[i].chunk {
			d := float64(y.chunk[j] - v)
			off += d * d
			size += float64(v) * float64(v)
			c.Dimensions[j%u] += d * d / (n * float64(len(y.chunk)/u))
		}
		c.Error += math.Sqrt(off/math.Max(size, 1e-30)) / n
	}
	for j, v := range c.Dimensions {
		c.Dimensions[j] = math.Sqrt(v)
	}
	c.P50, c.P99 = bench.Median(times), quantile(times, 0.99)
	return c
}

// WriteText prints the results as a table.
func (r *Report) WriteText(w io.Writer) error { return r.table().WriteText(w) }

func (r *Report) table() *report.Table {
	t := &report.Table{Columns: []report.Column{
		{Name: "network"},
		{Name: "setting"},
		{Name: "calls", Right: true},
		{Name: "p50 ms", Right: true},
		{Name: "p99 ms", Right: true},
		{Name: "error", Right: true},
		{Name: "worst dim", Right: true},
		{Name: "forecast", Right: true},
	}}
	episodes := len(r.Results) > 0 && r.Results[0].Episodes != nil
	if episodes {
		for _, name := range []string{
			"calls, warm", "solved", "95 % interval", "difference", "95 % interval", "jump",
			"largest", "step",
		} {
			t.Columns = append(t.Columns, report.Column{Name: name, Right: true})
		}
	}
	for _, c := range r.Results {
		worst := 0.0
		for _, v := range c.Dimensions {
			worst = max(worst, v)
		}
		row := []string{
			c.Network, c.Setting, fmt.Sprintf("%.1f", c.Calls), fmt.Sprintf("%.2f", c.P50), fmt.Sprintf("%.2f", c.P99),
			fmt.Sprintf("%.4f", c.Error), fmt.Sprintf("%.4f", worst), fmt.Sprintf("%.3f", c.Forecast),
		}
		if e := c.Episodes; e != nil {
			row = append(row, fmt.Sprintf("%.1f", e.Calls), fmt.Sprintf("%d/%d", e.Successes, e.N), eval.Interval(e.CI95))
			if d := c.Difference; d != nil {
				row = append(row, fmt.Sprintf("%+.1f", 100*d.Rate), fmt.Sprintf("%+.1f … %+.1f", 100*d.CI95[0], 100*d.CI95[1]))
			} else {
				row = append(row, "", "")
			}
			row = append(row, fmt.Sprintf("%.4f", e.Jump), fmt.Sprintf("%.3f", e.JumpMax), fmt.Sprintf("%.4f", e.Step))
		}
		t.Add(row...)
	}
	return t
}

// Figure draws success over time, a line for each method, or the error where nothing was played.
func (r *Report) Figure() (*plot.Figure, error) {
	axes := plot.Axes{X: "ms per chunk (median)", Y: "relative error of the chunk", LogY: true, Markers: true}
	if len(r.Results) > 0 && r.Results[0].Episodes != nil {
		axes.Y, axes.LogY, axes.Percent = "success", false, true
	}
	networks := map[string]bool{}
	for _, c := range r.Results {
		networks[c.Network] = true
	}
	var series []plot.Series
	at := map[string]int{}
	for _, c := range r.Results {
		name := c.Family
		if len(networks) > 1 {
			name = c.Network + " " + name
		}
		i, ok := at[name]
		if !ok {
			i = len(series)
			at[name] = i
			series = append(series, plot.Series{Name: name})
		}
		y := c.Error
		if e := c.Episodes; e != nil {
			y = e.Rate
		}
		series[i].X, series[i].Y = append(series[i].X, c.P50), append(series[i].Y, y)
	}
	for i := range series {
		inOrder(&series[i])
	}
	f, err := plot.Lines("Samplers and caches", axes, series)
	if err != nil {
		return nil, err
	}
	f.Width, f.Height = 13*72, 6*72 // points: the legend is one row
	return f, nil
}

// inOrder sorts a line's points by time.
func inOrder(s *plot.Series) {
	points := make([][2]float64, len(s.X))
	for i := range points {
		points[i] = [2]float64{s.X[i], s.Y[i]}
	}
	slices.SortFunc(points, func(a, b [2]float64) int { return cmp.Compare(a[0], b[0]) })
	for i, p := range points {
		s.X[i], s.Y[i] = p[0], p[1]
	}
}
