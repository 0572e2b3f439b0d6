//go:build mujoco

package mujoco

import (
	"flag"
	"slices"
	"strings"
	"testing"
	"time"

	"korr/sim"
	"korr/train/eval"
)

// variant is another choice of contacts, solver or time step.
type variant struct {
	name     string
	edits    []string // pairs of old and new text in the model
	substeps int      // physics steps to a control step, and to a push; 0 as they are
	push     int
}

// variants are the choices whose speed and price docs/simulator.md tells.
var variants = []variant{
	{name: "default"},
	{name: "soft contact", edits: []string{`.0001" solref=".004 1"`, `.0001" solref=".02 1"`}},
	{name: "loose contact", edits: []string{`solimp=".98 .997 .001"`, `solimp=".9 .95 .001"`}},
	{name: "pyramids", edits: []string{`cone="elliptic"`, `cone="pyramidal"`}},
	{name: "coarse solver", edits: []string{`tolerance="1e-8"`, `tolerance="1e-4"`}},
	{name: "step of 10 ms", edits: []string{`timestep="0.005"`, `timestep="0.01"`}, substeps: 10, push: 2},
}

var chosenVariant = flag.String("variant", "default", "the variant of the physics with which the tests run")

// openVariant opens an environment with other physics.
func openVariant(t testing.TB, cfg Config, name string) *Env {
	t.Helper()
	i := slices.IndexFunc(variants, func(v variant) bool { return v.name == name })
	if i < 0 {
		t.Fatalf("-variant %s is not known", name)
	}
	v := &variants[i]
	if len(v.edits) > 0 && cfg.ModelXML == "" {
		task, err := sim.TaskByName(cfg.Task)
		if err != nil {
			t.Fatal(err)
		}
		xml, err := ModelXML(task)
		if err != nil {
			t.Fatal(err)
		}
		edited := strings.NewReplacer(v.edits...).Replace(xml)
		if edited == xml {
			t.Fatalf("variant %s changes nothing", name)
		}
		cfg.ModelXML = edited
	}
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	if v.substeps > 0 {
		e.s.substeps, e.s.push_substeps = 0, 0
		for range v.substeps {
			e.s.substeps++ // a C.int, which a test cannot name
		}
		for range v.push {
			e.s.push_substeps++
		}
	}
	return e
}

// TestVariants plays the experts with every variant, in turn, and prints control steps a second and successes: the rows
// of a table in docs/simulator.md. The trust tests say the price, run with -variant.
func TestVariants(t *testing.T) {
	if !*long {
		t.Skip("with -long only: it takes minutes, and times what it plays")
	}
	const episodes = 10
	for _, name := range []string{"one_leg", "lamp", "mug_rack"} {
		envs := make([]*Env, len(variants))
		for k := range envs {
			envs[k] = openVariant(t, Config{Task: name}, variants[k].name)
		}
		obs := make([]float32, envs[0].spec.ObsDim)
		won, steps, spent := make([]int, len(envs)), make([]int, len(envs)), make([]time.Duration, len(envs))
		for i := range episodes {
			for k, e := range envs {
				start, last := time.Now(), 0
				r, x := assemble(t, e, obs, eval.EpisodeSeed(1, i), func(step int) bool { last = step; return false })
				spent[k] += time.Since(start)
				x.Close()
				steps[k] += last + 1
				if r.Success {
					won[k]++
				}
			}
		}
		for k, v := range variants {
			rate := func(k int) float64 { return float64(steps[k]) / spent[k].Seconds() }
			t.Logf("| %s | %s | %.0f | %.2f | %d/%d |", name, v.name, rate(k), rate(k)/rate(0), won[k], episodes)
		}
		if won[0] < episodes-1 {
			t.Errorf("%s: with the default physics %d of %d", name, won[0], episodes)
		}
	}
}
