package cache

import (
	"fmt"
	"io"
	"math"
	"slices"
)

// Calibration is what a method learned from full runs. It travels in the policy's
// checkpoint.
type Calibration struct {
	Cache   string   `json:"cache"`             // the Config, as text
	Sampler string   `json:"sampler"`           // that drew the runs
	Runs    int      `json:"runs"`              // full runs looked at
	Cluster []int    `json:"cluster,omitempty"` // hyca: of every dimension of the feature
	Solvers []int    `json:"solvers,omitempty"` // hyca: index of every dimension's rule
	Names   []string `json:"names,omitempty"`   // hyca: their names, for a reader
	Fresh   [][]bool `json:"fresh,omitempty"`   // bac: [units][steps], when a unit is computed
	// hyca: mean squared error of a dimension's forecasts over its mean square; bac: mean relative error of what a
	// unit keeps
	Error  []float64 `json:"error,omitempty"`
	Change []float64 `json:"change,omitempty"` // bac: how much a unit's feature changes, see PairwiseL1
}

// WriteText prints it in a line.
func (k *Calibration) WriteText(w io.Writer) error {
	if k.Names == nil {
		_, err := fmt.Fprintf(w, "%s: mean relative error of what the parts keep %.3f\n", k.Cache, k.Error)
		return err
	}
	count := map[string]int{}
	for _, name := range k.Names {
		count[name]++
	}
	_, err := fmt.Fprintf(w, "%s: dimensions of the feature by rule %v\n", k.Cache, count)
	return err
}

// Fits reports whether the calibration is for the configuration and the sampler.
func (k *Calibration) Fits(cfg Config, sampler string) bool {
	own, err := Parse(k.Cache)
	return err == nil && own == cfg.plain() && k.Sampler == sampler
}

// Validate reports a calibration that cannot be for features of dims dimensions a row, a network of units units and a
// sampler of steps.
func (k *Calibration) Validate(dims, units, steps int) error {
	cfg, err := Parse(k.Cache)
	if err != nil {
		return fmt.Errorf("calibration: %w", err)
	}
	switch cfg.Method {
	case HyCa:
		if len(k.Solvers) != dims || slices.ContainsFunc(k.Solvers,
			func(s int) bool { return s < 0 || s >= len(solvers) }) {
			return fmt.Errorf("cache: calibration of %s: rules of %d dimensions, want %d: calibrate again", cfg,
				len(k.Solvers), dims)
		}
	case BAC:
		if len(k.Fresh) != units || slices.ContainsFunc(k.Fresh, func(f []bool) bool { return len(f) != steps }) {
			return fmt.Errorf("cache: calibration of %s: %d units, want %d of %d steps", cfg, len(k.Fresh), units, steps)
		}
	default:
		return fmt.Errorf("cache: %s takes no calibration", cfg)
	}
	return nil
}

// Recorder is a denoiser that makes every call and learns a calibration from them,
// one chunk at a time.
type Recorder struct {
	net   Net
	cfg   Config
	shape Shape
	steps int
	runs  int

	stream    Stream      // hyca: of which the features are, nil for the outputs
	dims      int         // hyca: dimensions of a feature's row
	features  [][]float32 // hyca: of all steps of the present run
	size      []float64   // hyca: sums of squares of every dimension
	behaviour []behaviour
	errors    [][]float64 // hyca: [solver][dimension] sums of squared errors

	fresh  []bool // bac: all
	kept   [][]float32
	units  [][][]float32 // bac: [unit][step], of the present run
	alike  [][][]float64 // bac: [unit][from][to] sums of cosine similarities
	off    [][][]float64 // and of relative errors
	change []float64     // bac: sums of the units' changes
}

// NewRecorder returns a recorder for runs of the given number of steps. It refuses
// what needs no calibration or cannot have it.
func NewRecorder(net Net, cfg Config, steps int) (*Recorder, error) {
	if !cfg.Calibrated() {
		return nil, fmt.Errorf("cache: %s needs no calibration", cfg)
	}
	if err := Check(cfg, net.Parts(), &Calibration{}); err != nil {
		return nil, err
	}
	r := &Recorder{net: net, cfg: cfg, shape: net.Shape(), steps: steps}
	if cfg.Method != BAC {
		r.observe()
		return r, nil
	}
	r.change = make([]float64, net.Parts().Blocks.Units())
	b := net.Parts().Blocks
	for range b.Units() {
		r.fresh, r.kept = append(r.fresh, true), append(r.kept, make([]float32, r.shape.MaxBatch*b.UnitDim()))
		r.units = append(r.units, make([][]float32, steps))
		r.alike, r.off = append(r.alike, square(steps)), append(r.off, square(steps))
	}
	return r, nil
}

func square(n int) [][]float64 {
	m := make([][]float64, n)
	for i := range m {
		m[i] = make([]float64, n)
	}
	return m
}

// Begin announces a run. It panics unless that is one whole run of one chunk.
func (r *Recorder) Begin(steps []int, n int) {
	if len(steps) != r.steps || n != 1 {
		panic("cache: a recorder takes whole runs of one chunk")
	}
	r.net.Begin(steps, n)
}

// PredictTo calls the network and takes notes.
func (r *Recorder) PredictTo(dst, x, cond []float32, i int) {
	if r.cfg.Method == HyCa {
		r.net.PredictTo(dst, x, cond, i)
		r.features = append(r.features, r.feature(dst))
	} else {
		r.net.Parts().Blocks.BlocksTo(dst, x, cond, i, r.fresh, r.kept)
		for u := range r.units {
			r.units[u][i] = append(r.units[u][i][:0], r.kept[u][:r.net.Parts().Blocks.UnitDim()]...)
		}
	}
	if i == r.steps-1 {
		r.runs++
		if r.cfg.Method == HyCa {
			r.learn()
		}
		for u := range r.units {
			compare(r.alike[u], r.off[u], r.units[u])
			r.change[u] += PairwiseL1(r.units[u])
		}
	}
}

// compare adds the similarities and relative errors of x[from] in place of x[to].
func compare(alike, off [][]float64, x [][]float32) {
	for i := range x {
		for j := i; j < len(x); j++ {
			var ab, aa, bb float64
			for k, v := range x[i] {
				w := float64(x[j][k])
				ab += float64(v) * w
				aa += float64(v) * float64(v)
				bb += w * w
			}
			alike[i][j] += ab / math.Sqrt(math.Max(aa*bb, 1e-30))
			off[i][j] += math.Sqrt(math.Max(0, aa-2*ab+bb) / math.Max(bb, 1e-30))
		}
	}
}

// Calibration sums up the runs so far.
func (r *Recorder) Calibration(sampler string) (Calibration, error) {
	if r.runs == 0 {
		return Calibration{}, fmt.Errorf("cache: no runs to calibrate %s with", r.cfg)
	}
	k := Calibration{Cache: r.cfg.plain().String(), Sampler: sampler, Runs: r.runs}
	if r.cfg.Method == HyCa {
		r.choose(&k)
	} else {
		r.schedule(&k)
	}
	return k, nil
}

// schedule finds every unit's steps.
func (r *Recorder) schedule(k *Calibration) {
	updates := min(r.cfg.Updates, r.steps)
	var units []Unit
	for u := range r.alike {
		fresh := MostAlike(r.alike[u], updates)
		k.Fresh = append(k.Fresh, fresh)
		k.Error = append(k.Error, keptError(r.off[u], fresh)/float64(r.runs))
		k.Change = append(k.Change, r.change[u]/float64(r.runs))
		units = append(units, Unit{Layer: u / 2, FeedForward: u%2 == 1})
	}
	BubblingUnion(k.Fresh, units, MostChanging(k.Change, r.cfg.Heavy))
	for _, i := range forcedSteps {
		for u := range k.Fresh {
			if i < r.steps {
				k.Fresh[u][i] = true
			}
		}
	}
}

// keptError is the mean of off over the steps that are not computed.
func keptError(off [][]float64, fresh []bool) float64 {
	var sum float64
	last, kept := 0, 0
	for i, f := range fresh {
		if f {
			last = i
			continue
		}
		sum += off[last][i]
		kept++
	}
	return sum / float64(max(1, kept))
}
