package cache

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Names of methods.
const (
	None     = "none"
	Reuse    = "reuse"
	Adaptive = "adaptive"
	Taylor   = "taylor"
	Newton   = "newton"
	HiCache  = "hicache"
	FoCa     = "foca"
	FreqCa   = "freqca"
	HyCa     = "hyca"
	SpeCa    = "speca"
	BAC      = "bac"
)

// What is cached.
const (
	FeatureOutput = "output" // the network's output
	FeatureStream = "stream" // the sum of a transformer's residuals before its output head
	FeatureAuto   = "auto"   // stream on a transformer, as published, and output on other networks
)

// What a verified draft is compared by, over the values d of the draft and t of the last block.
const (
	MetricL1 = "l1" // mean of |d - t| / |t|, as published
	MetricL2 = "l2" // root of the mean square of the same
)

// When a refused draft costs a call.
const (
	RejectNext = "next" // the draft is kept and the next step is full, as published
	RejectNow  = "now"  // at that very step, so that the draft is not used
)

// Config describes a cache; which fields count depends on Method (see Parse).
type Config struct {
	Method    string
	Interval  int     // n: steps between full ones, 1 = all
	WarmUp    int     // w: full steps at the beginning
	End       int     // full steps at the end
	Order     int     // highest difference
	Scale     float64 // s of the Hermite polynomials
	Mix       float64 // foca: weight of the BDF2 forecast; Heun's has the rest
	BDF       string  // foca: "fixed" coefficients as published, or "variable" ones for unequal gaps
	Cutoff    float64 // freqca: share of the frequencies that are low
	Feature   string  // output, stream or auto
	By        string  // adaptive: change of the "input" or of the "step" embedding
	Threshold float64 // adaptive: accumulated relative change
	Tau, Beta float64 // speca: a draft may be off by max(0.01, Tau Beta^progress)
	Metric    string  // speca: by l1 or l2
	Reject    string  // speca: a refused draft costs a call at the next step, or now
	MinDraft  int     // speca: drafts after a full step that are not verified
	MaxDraft  int     // speca: drafts in a row
	Clusters  int     // hyca: of the feature's dimensions
	Updates   int     // bac: full steps of every unit in a whole run
	Heavy     int     // bac: units that change most, which are computed whenever a feed-forward behind them is
	Doubt     float64 // a chunk whose forecasts were further off (relative L2) is doubtful; 0 = never
	Short     int     // actions executed of a doubtful chunk
}

// key is one setting's name, place and range.
type key struct {
	name    string
	at      func(*Config) any // *int, *float64 or *string
	lo, hi  float64
	choices []string
}

var keys = []key{
	{name: "n", at: func(c *Config) any { return &c.Interval }, lo: 1, hi: 1000},
	{name: "w", at: func(c *Config) any { return &c.WarmUp }, lo: 1, hi: 1000},
	{name: "end", at: func(c *Config) any { return &c.End }, lo: 0, hi: 1000},
	{name: "order", at: func(c *Config) any { return &c.Order }, lo: 0, hi: maxOrder},
	{name: "scale", at: func(c *Config) any { return &c.Scale }, lo: 1e-3, hi: 1},
	{name: "mix", at: func(c *Config) any { return &c.Mix }, lo: 0, hi: 1},
	{name: "bdf", at: func(c *Config) any { return &c.BDF }, choices: []string{"fixed", "variable"}},
	{name: "cutoff", at: func(c *Config) any { return &c.Cutoff }, lo: 0, hi: 1},
	{
		name: "feature", at: func(c *Config) any { return &c.Feature },
		choices: []string{FeatureOutput, FeatureStream, FeatureAuto},
	},
	{name: "by", at: func(c *Config) any { return &c.By }, choices: []string{"input", "step"}},
	{name: "threshold", at: func(c *Config) any { return &c.Threshold }, lo: 0, hi: 1e6},
	{name: "tau", at: func(c *Config) any { return &c.Tau }, lo: 0, hi: 1e6},
	{name: "beta", at: func(c *Config) any { return &c.Beta }, lo: 0, hi: 1},
	{name: "min", at: func(c *Config) any { return &c.MinDraft }, lo: 0, hi: 1000},
	{name: "max", at: func(c *Config) any { return &c.MaxDraft }, lo: 1, hi: 1000},
	{name: "metric", at: func(c *Config) any { return &c.Metric }, choices: []string{MetricL1, MetricL2}},
	{name: "reject", at: func(c *Config) any { return &c.Reject }, choices: []string{RejectNext, RejectNow}},
	{name: "clusters", at: func(c *Config) any { return &c.Clusters }, lo: 1, hi: 64},
	{name: "updates", at: func(c *Config) any { return &c.Updates }, lo: 1, hi: 1000},
	{name: "heavy", at: func(c *Config) any { return &c.Heavy }, lo: 0, hi: 64},
	{name: "doubt", at: func(c *Config) any { return &c.Doubt }, lo: 0, hi: 1e6},
	{name: "short", at: func(c *Config) any { return &c.Short }, lo: 1, hi: 1 << 14},
}

// methods are the names, each with the keys it takes.
var methods = []struct {
	name string
	keys []string
}{
	{Reuse, []string{"n", "w", "end", "feature"}},
	{Adaptive, []string{"threshold", "by", "max", "w", "end", "feature"}},
	{Taylor, []string{"n", "w", "end", "order", "feature"}},
	{Newton, []string{"n", "w", "end", "order", "feature"}},
	{HiCache, []string{"n", "w", "end", "order", "scale", "feature"}},
	{FoCa, []string{"n", "w", "end", "mix", "bdf", "feature"}},
	{FreqCa, []string{"n", "w", "end", "order", "scale", "cutoff", "feature"}},
	{HyCa, []string{"n", "w", "end", "clusters", "feature"}},
	{SpeCa, []string{"w", "end", "order", "tau", "beta", "metric", "min", "max", "reject"}},
	{BAC, []string{"updates", "heavy"}},
}

// common keys go with every method that compares its forecasts.
var common = []string{"doubt", "short"}

// defaults are the sources' settings.
func defaults(method string) Config {
	c := Config{
		Method: method, Interval: 3, WarmUp: 3, Order: 2, Scale: 0.5, Mix: 0.25, BDF: "fixed", Cutoff: 0.1,
		Feature: FeatureOutput, By: "input",
		Threshold: 0.3, MaxDraft: 4, Clusters: 3, Updates: 6, Heavy: 3, Short: 4,
	}
	switch method {
	case FreqCa:
		c.Scale, c.Feature = 0.71, FeatureAuto
	case HyCa:
		c.Feature = FeatureAuto
	case Taylor:
		c.Order = 1
	case SpeCa:
		c.Order, c.Tau, c.Beta, c.Metric, c.Reject = 4, 0.1, 0.01, MetricL1, RejectNext
		c.MinDraft, c.MaxDraft = 2, 5
	}
	return c
}

// Methods lists the names that Parse knows.
func Methods() []string {
	var out []string
	for _, m := range methods {
		out = append(out, m.name)
	}
	return out
}

// Keys lists what a method takes, nil for an unknown one.
func Keys(method string) []string {
	for _, m := range methods {
		if m.name == BAC && method == BAC { // it compares nothing, so it cannot doubt
			return m.keys
		}
		if m.name == method {
			return slices.Concat(m.keys, common)
		}
	}
	return nil
}

// Parse reads NAME[:key=value,...]. The empty text and "none" are no cache.
func Parse(text string) (Config, error) {
	name, rest, more := strings.Cut(text, ":")
	if text == "" || text == None {
		return Config{Method: None}, nil
	}
	allowed := Keys(name)
	if allowed == nil {
		return Config{}, fmt.Errorf("cache: method %q is unknown: want %s or %s", name, None, strings.Join(Methods(), ", "))
	}
	c := defaults(name)
	if more && rest == "" {
		return Config{}, fmt.Errorf("cache: %q ends where key=value is wanted: keys of %s are %s", text, name,
			strings.Join(allowed, ", "))
	}
	for rest != "" {
		var pair string
		pair, rest, _ = strings.Cut(rest, ",")
		k, value, ok := strings.Cut(pair, "=")
		if !slices.Contains(allowed, k) {
			return Config{}, fmt.Errorf("cache: %q: %s takes no key %q: want %s", text, name, k, strings.Join(allowed, ", "))
		}
		if !ok || value == "" {
			return Config{}, fmt.Errorf("cache: %q: %s wants a value, as in %s=3", text, k, k)
		}
		if err := c.set(k, value); err != nil {
			return Config{}, fmt.Errorf("cache: %q: %w", text, err)
		}
	}
	if c.Method == SpeCa && c.MinDraft > c.MaxDraft {
		return Config{}, fmt.Errorf("cache: %q: min is %d, above max, %d", text, c.MinDraft, c.MaxDraft)
	}
	return c, nil
}

func lookup(name string) *key {
	return &keys[slices.IndexFunc(keys, func(k key) bool { return k.name == name })]
}

func (c *Config) set(name, value string) error {
	k := lookup(name)
	in := func(v float64) error {
		if !(v >= k.lo && v <= k.hi) {
			return fmt.Errorf("%s is %s, want %g to %g", name, value, k.lo, k.hi)
		}
		return nil
	}
	switch p := k.at(c).(type) {
	case *int:
		v, err := strconv.Atoi(value)
		if err != nil {
			return fmt.Errorf("%s is %q, want a whole number", name, value)
		}
		*p = v
		return in(float64(v))
	case *float64:
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return fmt.Errorf("%s is %q, want a number", name, value)
		}
		*p = v
		return in(v)
	case *string:
		if !slices.Contains(k.choices, value) {
			return fmt.Errorf("%s is %q, want %s", name, value, strings.Join(k.choices, " or "))
		}
		*p = value
	}
	return nil
}

// String is a form that Parse reads, every key of the method in it.
func (c Config) String() string {
	if !c.On() {
		return None
	}
	var b strings.Builder
	b.WriteString(c.Method)
	sep := ":"
	for _, name := range Keys(c.Method) {
		if c.Doubt == 0 && slices.Contains(common, name) {
			continue
		}
		fmt.Fprint(&b, sep, name, "=")
		switch p := lookup(name).at(&c).(type) {
		case *int:
			fmt.Fprint(&b, *p)
		case *float64:
			b.WriteString(strconv.FormatFloat(*p, 'g', -1, 64))
		case *string:
			b.WriteString(*p)
		}
		sep = ","
	}
	return b.String()
}

// On reports whether anything is cached.
func (c Config) On() bool { return c.Method != "" && c.Method != None }

// FeatureOf is what is cached of a network: Feature, with auto decided by what the network has.
func (c Config) FeatureOf(parts Parts) string {
	if c.Feature != FeatureAuto {
		return c.Feature
	}
	if parts.Stream != nil {
		return FeatureStream
	}
	return FeatureOutput
}

// Text is String, but empty for no cache.
func (c Config) Text() string {
	if !c.On() {
		return ""
	}
	return c.String()
}

// Calibrated reports whether the method needs a calibration.
func (c Config) Calibrated() bool { return c.Method == HyCa || c.Method == BAC }

// plain is the configuration without what does not change a calibration.
func (c Config) plain() Config {
	c.Doubt, c.Short = 0, 4
	return c
}
