package sweep

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"korr/internal/usage"
)

// builtIn are settings worth comparing, by name: key=value, over the settings that all have.
var builtIn = map[string][]string{
	"resip":         {"residual.method=resip"},
	"resip-plan":    {"residual.method=resip", "residual.condition=plan"},
	"korr":          {"residual.method=korr"},
	"korr-actor":    {"residual.method=korr", "residual.critic_only=false"},
	"korr-expand":   {"residual.method=korr", "residual.value_expansion=true"},
	"korr-one-step": {"residual.method=korr", "residual.foresight=[1]"},
	"korr-blind":    {"residual.method=korr", "residual.observer_gain=0"},
	"resip-all":     {"residual.method=resip", "residual.focus=false"},
	"korr-all":      {"residual.method=korr", "residual.focus=false"},
	"published": {
		"residual.method=korr", "residual.condition=published", "residual.focus=false",
		"residual.members=1",
	},
	"published-stop": {
		"residual.method=korr", "residual.condition=published", "residual.focus=false", "residual.members=1",
		"residual.koopman_gradient=false",
	},
}

// Names lists the variants that need no definition.
func Names() []string { return slices.Sorted(maps.Keys(builtIn)) }

// Variant is a name and the settings behind it.
type Variant struct {
	Name     string
	Settings []string // key=value
}

// Resolve finds variants by name among the built-in ones and the definitions, "NAME key=value ...".
func Resolve(names, define []string) ([]Variant, error) {
	known := maps.Clone(builtIn)
	for _, d := range define {
		words := strings.Fields(d)
		if len(words) < 2 || strings.ContainsAny(words[0], "=/") {
			return nil, usage.Errorf("--define %q: want NAME key=value ...", d)
		}
		known[words[0]] = words[1:]
	}
	var out []Variant
	for _, name := range names {
		s, ok := known[name]
		if !ok {
			return nil, usage.Errorf("--variants: %q is none of %s and no --define", name, strings.Join(Names(), ", "))
		}
		out = append(out, Variant{name, s})
	}
	return out, nil
}

// ParseSeeds reads "1-5" or "1,4,7".
func ParseSeeds(text string) ([]uint64, error) {
	var out []uint64
	for part := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		a, err := strconv.ParseUint(from, 10, 63)
		b, err2 := strconv.ParseUint(to, 10, 63)
		if err != nil || err2 != nil || b < a || b-a > 1000 {
			return nil, usage.Errorf("--seeds %q: want FROM-TO or a list of numbers", text)
		}
		for s := a; s <= b; s++ {
			out = append(out, s)
		}
	}
	return out, nil
}
