package cache

import (
	"fmt"
	"math"

	"korr/basepolicy"
)

// Cache is a denoiser that saves calls of the one it was made for. It belongs to one
// goroutine and allocates nothing once made.
type Cache struct {
	net   Net
	cfg   Config
	parts Parts
	width int // H*U

	steps []int
	n     int
	last  int // newest full step
	info  basepolicy.ChunkInfo
	off   float64 // sum of the relative errors of forecasts
	tried int     // forecasts that were compared

	rule    rule
	w       weights
	columns []rule // hyca: of every dimension of the feature
	ws      []weights
	low     *bands // freqca

	hist     *history
	dim      int       // of the feature
	feature  []float32 // forecast
	actual   []float32 // stream only
	tails    *history  // speca: inputs of the last block
	tail     []float32
	verified []float32
	spec     *Speculation

	drift    float64   // adaptive: accumulated since the last full step
	previous []float32 // adaptive: input or embeddings of two steps

	fresh []bool // bac
	mask  [][]bool
	kept  [][]float32
}

// Check reports a method that a network cannot take. cal is the calibration of
// methods that need one.
func Check(cfg Config, parts Parts, cal *Calibration) error {
	switch {
	case !cfg.On():
		return nil
	case Keys(cfg.Method) == nil:
		return fmt.Errorf("cache: method %q is unknown", cfg.Method)
	case cfg.Feature == FeatureStream && parts.Stream == nil:
		return fmt.Errorf("cache: %s with feature=%s wants a transformer: use feature=%s", cfg.Method,
			FeatureStream, FeatureOutput)
	case cfg.Method == SpeCa && parts.Tail == nil:
		return fmt.Errorf("cache: %s cannot verify with this network, which has no last block", SpeCa)
	case cfg.Method == BAC && parts.Blocks == nil:
		return fmt.Errorf("cache: %s wants a transformer", BAC)
	case cfg.Calibrated() && cal == nil:
		return fmt.Errorf("cache: %s has no calibration for these settings and this sampler: korr train cache makes one", cfg)
	}
	return nil
}

// New returns a cache around net. It panics on what Check refuses.
func New(net Net, cfg Config, cal *Calibration) *Cache {
	s, parts := net.Shape(), net.Parts()
	if err := Check(cfg, parts, cal); err != nil {
		panic(err.Error())
	}
	cfg.Feature = cfg.FeatureOf(parts)
	c := &Cache{net: net, cfg: cfg, parts: parts, width: s.Horizon * s.ActDim}
	if !cfg.On() {
		return c
	}
	c.dim = c.width
	if cfg.Feature == FeatureStream {
		c.dim = parts.Stream.StreamDim()
		c.actual = make([]float32, s.MaxBatch*c.dim)
	}
	c.feature = make([]float32, s.MaxBatch*c.dim)
	c.rule, c.hist = cfg.rule(), newHistory(cfg.depth(), s.MaxBatch*c.dim)
	c.hist.late = cfg.late()
	switch cfg.Method {
	case Adaptive:
		size := s.MaxBatch * c.width
		if cfg.By == "step" {
			size = 2 * parts.Steps.EmbedDim()
		}
		c.previous = make([]float32, size)
	case FreqCa:
		c.low = newBands(s.Horizon, cfg.Cutoff, c.dim/s.Horizon)
	case HyCa:
		for _, k := range cal.Solvers {
			c.columns = append(c.columns, solvers[k].rule)
		}
		c.ws = make([]weights, len(c.columns))
	case SpeCa:
		size := s.MaxBatch * parts.Tail.TailDim()
		c.tails, c.tail = newHistory(cfg.depth(), size), make([]float32, size)
		c.tails.late, c.spec = c.hist.late, cfg.speculation()
		c.verified = make([]float32, s.MaxBatch*c.width)
	case BAC:
		c.mask, c.fresh = cal.Fresh, make([]bool, parts.Blocks.Units())
		for range c.fresh {
			c.kept = append(c.kept, make([]float32, s.MaxBatch*parts.Blocks.UnitDim()))
		}
	}
	return c
}

// Begin announces a run.
func (c *Cache) Begin(steps []int, n int) {
	c.net.Begin(steps, n)
	c.steps, c.n, c.last = steps, n, 0
	c.info, c.off, c.tried, c.drift = basepolicy.ChunkInfo{Steps: len(steps)}, 0, 0, 0
	if c.hist != nil {
		c.hist.reset()
	}
	if c.tails != nil {
		c.tails.reset()
		c.spec.Begin(len(steps))
	}
}

// PredictTo writes the network's output, computed or not.
func (c *Cache) PredictTo(dst, x, cond []float32, i int) {
	switch {
	case !c.cfg.On():
		c.net.PredictTo(dst, x, cond, i)
		c.info.Calls++
	case c.cfg.Method == BAC:
		c.blocks(dst, x, cond, i)
	case c.due(x, i) || !c.draft(dst, x, cond, i):
		c.full(dst, x, cond, i)
	}
}

// Info is what the last run took.
func (c *Cache) Info() basepolicy.ChunkInfo {
	if c.tried > 0 {
		c.info.ForecastError = float32(c.off / float64(c.tried))
	}
	if d := c.cfg.Doubt; d > 0 && float64(c.info.ForecastError) > d {
		c.info.Execute = c.cfg.Short
	}
	return c.info
}

// due reports whether step i is a full one, whatever a draft might say.
func (c *Cache) due(x []float32, i int) bool {
	switch c.cfg.Method {
	case Adaptive:
		c.accumulate(x, i)
	case SpeCa:
		return c.spec.Next(i).Full() || i >= len(c.steps)-c.cfg.End
	}
	if i < c.cfg.WarmUp || i >= len(c.steps)-c.cfg.End {
		return true
	}
	if c.cfg.Method == Adaptive {
		return c.drift > c.cfg.Threshold || i-c.last > c.cfg.MaxDraft
	}
	return i-c.last >= c.cfg.Interval
}

// accumulate adds the relative change (L1) since the step before.
func (c *Cache) accumulate(x []float32, i int) {
	now, before := x, c.previous[:min(len(x), len(c.previous))]
	if c.cfg.By == "step" {
		k := c.parts.Steps.EmbedDim()
		before, now = c.previous[:k], c.previous[k:]
		c.parts.Steps.EmbedTo(now, c.steps[i])
	}
	if i > 0 {
		var change, size float64
		for j, v := range now {
			change += math.Abs(float64(v - before[j]))
			size += math.Abs(float64(before[j]))
		}
		c.drift += change / math.Max(size, math.SmallestNonzeroFloat64)
	}
	copy(before, now)
}

// forecast writes the feature at step i.
func (c *Cache) forecast(dst []float32, i int) {
	w := &c.w
	if c.columns != nil {
		for u, r := range c.columns {
			c.hist.weigh(&c.ws[u], r, i)
		}
		c.hist.sumColumns(dst, c.ws)
		return
	}
	c.hist.weigh(w, c.rule, i)
	c.hist.sum(dst, w)
	if c.low == nil {
		return
	}
	for j := range w { // low frequencies: reuse in place of the rule
		w[j] = -w[j]
	}
	w[0]++
	for j := range c.hist.n {
		if w[j] != 0 {
			c.low.addLow(dst, c.hist.feature[j][:len(dst)], float32(w[j]))
		}
	}
}

// draft writes a forecast of the output, unless that is found wanting.
func (c *Cache) draft(dst, x, cond []float32, i int) bool {
	if c.cfg.Feature == FeatureStream {
		f := c.feature[:c.n*c.dim]
		c.forecast(f, i)
		c.parts.Stream.HeadTo(dst, f, x, cond, i)
		c.info.Calls += float32(c.parts.Stream.HeadShare())
		c.info.Accepted++
		return true
	}
	c.forecast(dst, i)
	if c.cfg.Method == SpeCa && c.spec.Verify() && !c.verify(dst, cond, i) {
		c.info.Rejected++
		if c.cfg.Reject == RejectNow {
			return false
		}
	}
	c.info.Accepted++
	return true
}

// verify runs the last block on the forecast of its input, compares the output with the draft, and reports whether it
// is near enough. As published the draft stays as it is and the next step's threshold counts; with reject=now it is
// this step's, and what the last block gave replaces an accepted draft: it is paid for and nearer.
func (c *Cache) verify(draft, cond []float32, i int) bool {
	input := c.tail[:c.n*c.parts.Tail.TailDim()]
	c.tails.weigh(&c.w, c.rule, i)
	c.tails.sum(input, &c.w)
	got := c.verified[:len(draft)]
	c.parts.Tail.TailTo(got, input, cond, i)
	c.info.Calls += float32(c.parts.Tail.TailShare())
	var off float64
	for at := 0; at < len(draft); at += c.width {
		off = math.Max(off, RelativeError(draft[at:at+c.width], got[at:at+c.width], c.cfg.Metric))
	}
	if c.cfg.Reject == RejectNext {
		c.spec.Found(off)
		return off <= c.spec.Threshold(i+1)
	}
	if !(off <= c.spec.Threshold(i)) {
		return false
	}
	copy(draft, got)
	return true
}

// full calls the network, compares it with what would have been forecast after a gap,
// and remembers it.
func (c *Cache) full(dst, x, cond []float32, i int) {
	c.net.PredictTo(dst, x, cond, i)
	c.info.Calls++
	f := dst
	if c.cfg.Feature == FeatureStream {
		f = c.actual[:c.n*c.dim]
		c.parts.Stream.StreamTo(f)
	}
	if i-c.last > 1 {
		guess := c.feature[:len(f)]
		c.forecast(guess, i)
		c.off += worst(guess, f, c.dim)
		c.tried++
	}
	copy(c.hist.push(i), f)
	if c.tails != nil {
		c.spec.Called()
		c.parts.Tail.TailInputTo(c.tails.push(i)[:c.n*c.parts.Tail.TailDim()])
	}
	c.last, c.drift = i, 0
}

// blocks is a step of bac.
func (c *Cache) blocks(dst, x, cond []float32, i int) {
	attention, feedForward, rest := c.parts.Blocks.UnitShare()
	work := rest
	for u := range c.fresh {
		at := len(c.mask[u]) - len(c.steps) + i // a warm start begins later
		c.fresh[u] = i == 0 || at < 0 || c.mask[u][at]
		switch {
		case !c.fresh[u]:
		case u%2 == 0:
			work += attention
		default:
			work += feedForward
		}
	}
	c.parts.Blocks.BlocksTo(dst, x, cond, i, c.fresh, c.kept)
	c.info.Calls += float32(work)
}

// worst is the largest relative L2 distance of got from want over the chunks, which
// are width values each.
func worst(got, want []float32, width int) float64 {
	var top float64
	for at := 0; at < len(want); at += width {
		var diff, size float64
		for i, v := range want[at : at+width] {
			d := float64(got[at+i] - v)
			diff += d * d
			size += float64(v) * float64(v)
		}
		top = math.Max(top, math.Sqrt(diff/math.Max(size, 1e-30)))
	}
	return top
}

// Order is how many differences a forecast may use at present.
func (c *Cache) Order() int { return c.hist.members() - 1 }
