package cache

import (
	"fmt"
	"math"
	"slices"
)

// Calibration is what a method learned from full runs. It travels in the policy's
// checkpoint.
type Calibration struct {
	Cache   string   `json:"cache"`             // the Config, as text
	Sampler string   `json:"sampler"`           // that drew the runs
	Runs    int      `json:"runs"`              // full runs looked at
	Cluster []int    `json:"cluster,omitempty"` // hyca: of every action dimension
	Solvers []int    `json:"solvers,omitempty"` // hyca: index of every action dimension's rule
	Names   []string `json:"names,omitempty"`   // hyca: their names, for a reader
	Fresh   [][]bool `json:"fresh,omitempty"`   // bac: [units][steps], when a unit is computed
	// hyca: mean squared error of a dimension's forecasts over its mean square; bac: mean relative error of what a
	// unit keeps
	Error []float64 `json:"error,omitempty"`
}

// Fits reports whether the calibration is for the configuration and the sampler.
func (k *Calibration) Fits(cfg Config, sampler string) bool {
	return k.Cache == cfg.plain().String() && k.Sampler == sampler
}

// Validate reports a calibration that cannot be for a network of actDim dimensions, of
// units units and a sampler of steps.
func (k *Calibration) Validate(actDim, units, steps int) error {
	cfg, err := Parse(k.Cache)
	if err != nil {
		return fmt.Errorf("calibration: %w", err)
	}
	switch cfg.Method {
	case HyCa:
		if len(k.Solvers) != actDim || slices.ContainsFunc(k.Solvers,
			func(s int) bool { return s < 0 || s >= len(solvers) }) {
			return fmt.Errorf("cache: calibration of %s: rules %v for %d dimensions", cfg, k.Solvers, actDim)
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

	outputs [][]float32 // hyca: of all steps of all runs
	fresh   []bool      // bac: all
	kept    [][]float32
	units   [][][]float32 // bac: [unit][step], of the present run
	alike   [][][]float64 // bac: [unit][from][to] sums of cosine similarities
	off     [][][]float64 // and of relative errors
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
		return r, nil
	}
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
		r.outputs = append(r.outputs, slices.Clone(dst))
	} else {
		r.net.Parts().Blocks.BlocksTo(dst, x, cond, i, r.fresh, r.kept)
		for u := range r.units {
			r.units[u][i] = append(r.units[u][i][:0], r.kept[u][:r.net.Parts().Blocks.UnitDim()]...)
		}
	}
	if i == r.steps-1 {
		r.runs++
		for u := range r.units {
			compare(r.alike[u], r.off[u], r.units[u])
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
	for u := range r.alike {
		fresh := mostAlike(r.alike[u], updates)
		k.Fresh = append(k.Fresh, fresh)
		k.Error = append(k.Error, keptError(r.off[u], fresh)/float64(r.runs))
	}
	bubble(k.Fresh, k.Error, r.cfg.Heavy)
}

// mostAlike chooses the first step and others, updates in all, such that the sum of
// gain[from][to] over all steps, each from the newest chosen one, is the largest.
func mostAlike(gain [][]float64, updates int) []bool {
	n := len(gain)
	best, from := make([][]float64, updates+1), make([][]int, updates+1)
	for m := range best {
		best[m], from[m] = make([]float64, n+1), make([]int, n+1)
		for j := range best[m] {
			best[m][j] = math.Inf(-1)
		}
	}
	best[0][0] = 0
	for m := 1; m <= updates; m++ { // best[m][j]: steps before j, m of them chosen
		for a := range n {
			total := best[m-1][a]
			if math.IsInf(total, -1) {
				continue
			}
			for j := a + 1; j <= n; j++ {
				total += gain[a][j-1]
				if total > best[m][j] {
					best[m][j], from[m][j] = total, a
				}
			}
		}
	}
	chosen := make([]bool, n)
	for m, j := updates, n; m > 0; m-- {
		j = from[m][j]
		chosen[j] = true
	}
	return chosen
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

// bubble refreshes what is upstream of the heavy feed-forwards, those of the largest
// errors, together with them: a feed-forward that is computed on stale inputs passes
// their error on.
func bubble(fresh [][]bool, off []float64, heavy int) {
	var forwards []int
	for u := 1; u < len(fresh); u += 2 {
		forwards = append(forwards, u)
	}
	slices.SortStableFunc(forwards, func(a, b int) int {
		switch {
		case off[a] > off[b]:
			return -1
		case off[a] < off[b]:
			return 1
		}
		return 0
	})
	for _, f := range forwards[:min(heavy, len(forwards))] {
		for u := range f {
			for i, v := range fresh[f] {
				fresh[u][i] = fresh[u][i] || v
			}
		}
	}
}
