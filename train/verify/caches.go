package verify

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"korr/basepolicy/cache"
)

// features is a network whose output, and whose last block's, are given features: a cache around it is driven through
// what its rule alone decides.
type features struct {
	feature []float32 // [steps, width]
	width   int
	at      int
	full    []float32 // [steps] 1 where the network was called
	tails   []float32 // [steps] 1 where the last block was
}

func newFeatures(feature []float32, steps int) *features {
	return &features{
		feature: feature, width: len(feature) / steps, full: make([]float32, steps), tails: make([]float32, steps),
	}
}

// Begin implements cache.Net.
func (g *features) Begin([]int, int) {}

// PredictTo implements cache.Net.
func (g *features) PredictTo(dst, _, _ []float32, i int) {
	g.at, g.full[i] = i, 1
	copy(dst, g.feature[i*g.width:(i+1)*g.width])
}

// Shape implements cache.Net.
func (g *features) Shape() cache.Shape { return cache.Shape{Horizon: 1, ActDim: g.width, MaxBatch: 1} }

// Parts implements cache.Net.
func (g *features) Parts() cache.Parts { return cache.Parts{Tail: g} }

// TailDim implements cache.Tail.
func (g *features) TailDim() int { return g.width }

// TailShare implements cache.Tail.
func (g *features) TailShare() float64 { return 0 }

// TailInputTo implements cache.Tail.
func (g *features) TailInputTo(dst []float32) { copy(dst, g.feature[g.at*g.width:]) }

// TailTo gives the true feature: a draft is compared with that.
func (g *features) TailTo(dst, _, _ []float32, i int) {
	g.tails[i] = 1
	copy(dst, g.feature[i*g.width:(i+1)*g.width])
}

// drive runs a cache through all steps and returns what it gave [steps, width] and the order at each.
func (g *features) drive(text string) (out, order []float32, err error) {
	cfg, err := cache.Parse(text)
	if err != nil {
		return nil, nil, err
	}
	n := len(g.full)
	clear(g.full)
	clear(g.tails)
	steps := make([]int, n)
	for i := range steps {
		steps[i] = n - 1 - i
	}
	c := cache.New(g, cfg, nil)
	c.Begin(steps, 1)
	y := make([]float32, g.width)
	for i := range n {
		c.PredictTo(y, nil, nil, i)
		out, order = append(out, y...), append(order, float32(c.Order()))
	}
	return out, order, nil
}

// speculated are SpeCa's settings of a run.
type speculated struct {
	Tau    float64 `json:"base_threshold"`
	Beta   float64 `json:"decay_rate"`
	Min    int     `json:"min_taylor_steps"`
	Max    int     `json:"max_taylor_steps"`
	Metric string  `json:"error_metric"`
}

func (s *speculated) metric() string { return strings.TrimPrefix(s.Metric, "relative_") }

// checkSpeCa checks SpeCa's and TaylorSeer's rules on given features.
func checkSpeCa(c *file) error {
	t, ok := c.f.Lookup("feature.true")
	if !ok || len(t.Shape) < 2 || t.Shape[0] < 1 {
		return fmt.Errorf("feature.true is missing or has no steps")
	}
	n := t.Shape[0]
	feature, err := c.input("feature.true")
	if err != nil {
		return err
	}
	warm, err := c.number("warmup", 3)
	if err != nil {
		return err
	}
	settings := map[string]speculated{}
	if err := json.Unmarshal([]byte(c.f.Meta["settings"]), &settings); err != nil {
		return fmt.Errorf("metadata \"settings\": %w", err)
	}
	g := newFeatures(feature, n)
	for i := range c.f.Tensors {
		prefix, full := strings.CutSuffix(c.f.Tensors[i].Name, ".full")
		part := strings.Split(prefix, ".")
		if !full || part[0] != "run" {
			continue
		}
		var order int
		s, ok := settings[part[1]]
		if len(part) != 3 || !ok {
			return fmt.Errorf("%s: the metadata has no such setting", prefix)
		}
		if _, err := fmt.Sscanf(part[2], "o%d", &order); err != nil {
			return fmt.Errorf("%s: want run.SETTING.oORDER", prefix)
		}
		if err := c.speculation(prefix+".", g, &s, int(warm), order); err != nil {
			return err
		}
	}
	if s, ok := settings["dit"]; ok {
		draft, err := c.input("open.draft", t.Shape...)
		if err != nil {
			return err
		}
		c.verdicts("open.", draft, g, &s, int(warm))
	}
	return c.taylor(g, int(warm))
}

// speculation checks a run: which steps are full, what the drafts are, and the rule on them.
func (c *file) speculation(prefix string, g *features, s *speculated, warm, order int) error {
	out, orders, err := g.drive(fmt.Sprintf("speca:w=%d,order=%d,tau=%g,beta=%g,min=%d,max=%d,metric=%s,reject=next", warm,
		order, s.Tau, s.Beta, s.Min, s.Max, s.metric()))
	if err != nil {
		return err
	}
	for i, full := range g.full {
		if full == 1 {
			clear(out[i*g.width : (i+1)*g.width])
		}
	}
	c.compareAs(prefix+"full (the cache)", prefix+"full", g.full, 0)
	c.compareAs(prefix+"verified (the cache)", prefix+"verified", g.tails, 0)
	c.compare(prefix+"order", orders, 0)
	c.compare(prefix+"draft", out, Forward)
	c.verdicts(prefix, out, g, s, warm)
	return nil
}

// verdicts checks the rule alone on the drafts of a run.
func (c *file) verdicts(prefix string, draft []float32, g *features, s *speculated, warm int) {
	n, w := len(g.full), g.width
	full, verified, reason := make([]float32, n), make([]float32, n), make([]float32, n)
	errs, thresholds := make([]float64, n), make([]float64, n)
	rule := cache.Speculation{Tau: s.Tau, Beta: s.Beta, WarmUp: warm, Min: s.Min, Max: s.Max}
	rule.Begin(n)
	number := map[cache.Verdict]float32{
		cache.AfterFull: 0, cache.Unverified: 1, cache.Verified: 2, cache.WarmingUp: 3, cache.TooMany: 4, cache.Refused: 5,
	}
	for i := range n {
		v := rule.Next(i)
		reason[i], errs[i], thresholds[i] = number[v], -1, -1
		if v != cache.AfterFull {
			thresholds[i] = rule.Threshold(i)
		}
		switch {
		case v.Full():
			full[i] = 1
			rule.Called()
		case rule.Verify():
			verified[i] = 1
			errs[i] = cache.RelativeError(draft[i*w:(i+1)*w], g.feature[i*w:(i+1)*w], s.metric())
			rule.Found(errs[i])
		}
	}
	c.compare(prefix+"full", full, 0)
	c.compare(prefix+"verified", verified, 0)
	if _, ok := c.f.Lookup(prefix + "reason"); ok {
		c.compare(prefix+"reason", reason, 0)
	}
	c.compare64(prefix+"error", prefix+"error", errs, Forward)
	c.compare64(prefix+"threshold", prefix+"threshold", thresholds, Forward)
}

// taylor checks TaylorSeer's forecasts.
func (c *file) taylor(g *features, warm int) error {
	want, err := c.input("taylor.full", len(g.full))
	if err != nil {
		return err
	}
	next := warm // the first full step after the warm-up tells the interval
	for next < len(want) && want[next] == 0 {
		next++
	}
	for i := range c.f.Tensors {
		prefix, ok := strings.CutSuffix(c.f.Tensors[i].Name, ".pred")
		var order int
		if _, err := fmt.Sscanf(prefix, "taylor.o%d", &order); err != nil || !ok {
			continue
		}
		out, orders, err := g.drive(fmt.Sprintf("taylor:w=%d,n=%d,order=%d", warm, next-warm+1, order))
		if err != nil {
			return err
		}
		c.compareAs("taylor.full", "taylor.full", g.full, 0)
		c.compare(prefix+".order", orders, 0)
		c.compare(prefix+".pred", out, Forward)
	}
	return nil
}

// checkBAC checks BAC's analysis of given features: similarities, steps, the units that change most, and the schedule.
func checkBAC(c *file) error {
	t, ok := c.f.Lookup("features")
	if !ok || len(t.Shape) < 3 || len(t.F32) == 0 {
		return fmt.Errorf("features are missing or not [steps, blocks, ...]")
	}
	n, blocks := t.Shape[0], t.Shape[1]
	values, err := c.input("features")
	if err != nil {
		return err
	}
	var layer, kind []float32
	if err := c.inputs(
		wanted{&layer, "block.layer", []int{blocks}}, wanted{&kind, "block.kind", []int{blocks}},
	); err != nil {
		return err
	}
	units, width := make([]cache.Unit, blocks), len(values)/(n*blocks)
	last := slices.Max(kind) // the feed-forward ends a layer
	var alike [][][]float64
	var all, change []float64
	for b := range units {
		units[b] = cache.Unit{Layer: int(layer[b]), FeedForward: kind[b] == last}
		x := make([][]float32, n)
		for i := range x {
			x[i] = values[(i*blocks+b)*width : (i*blocks+b+1)*width]
		}
		a := cache.CosineSimilarities(x)
		alike, change = append(alike, a), append(change, cache.PairwiseL1(x))
		all = append(all, slices.Concat(a...)...)
	}
	c.compare64("similarity.cosine", "similarity.cosine", all, Forward, blocks, n, n)
	c.compare64("block_l1", "block_l1", change, Forward, blocks)
	c.compare("block_l1.order", singles(cache.MostChanging(change, blocks)), 0, blocks)
	for i := range c.f.Tensors {
		var k, heavy int
		name := c.f.Tensors[i].Name
		if _, err := fmt.Sscanf(name, "top.n%d", &heavy); err == nil {
			c.compare(name, singles(cache.MostChanging(change, heavy)), 0)
		} else if _, err := fmt.Sscanf(name, "union.k%d.n%d", &k, &heavy); err == nil {
			fresh := c.updates(alike, k)
			cache.BubblingUnion(fresh, units, cache.MostChanging(change, heavy))
			var got []float32
			for _, f := range slices.Concat(fresh...) {
				got = append(got, map[bool]float32{true: 1}[f])
			}
			c.compare(name, got, 0, blocks, n)
		} else if _, err := fmt.Sscanf(name, "steps.k%d", &k); err == nil {
			c.steps(alike, k)
		}
	}
	return nil
}

// updates are the steps of every block.
func (c *file) updates(alike [][][]float64, k int) (fresh [][]bool) {
	for _, a := range alike {
		fresh = append(fresh, cache.MostAlike(a, k))
	}
	return fresh
}

// steps checks the steps of k updates, and the similarity they reach.
func (c *file) steps(alike [][][]float64, k int) {
	var chosen []int
	var reached []float64
	for b, fresh := range c.updates(alike, k) {
		from, sum := 0, 0.0
		for i, f := range fresh {
			if f {
				from = i
				chosen = append(chosen, i)
			}
			sum += alike[b][from][i]
		}
		reached = append(reached, sum)
	}
	c.compare(fmt.Sprintf("steps.k%d", k), singles(chosen), 0, len(alike), k)
	c.compare64(fmt.Sprintf("objective.k%d", k), fmt.Sprintf("objective.k%d", k), reached, Forward, len(alike))
}

func singles(x []int) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(v)
	}
	return out
}
