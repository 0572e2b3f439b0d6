package residual_test

import (
	"path/filepath"
	"testing"

	"korr/internal/layout"
	"korr/internal/tensorfile"
	"korr/koopman/filter"
	"korr/residual"
	"korr/residual/shield"
	"korr/sim"
)

// BenchmarkShippedTick is a control tick of the policies that ship: a chunk planned every fourth, behind the filter
// that they keep and behind the learned one, with parts four steps late, the shield, and what comes after the command.
func BenchmarkShippedTick(b *testing.B) {
	task, err := sim.TaskByName("one_leg")
	if err != nil {
		b.Fatal(err)
	}
	read := func(b *testing.B, name string) *tensorfile.File {
		b.Helper()
		f, err := tensorfile.Read(filepath.Join("..", "configs", "weights", task.Name, name+".safetensors"))
		if err != nil {
			b.Fatal(err)
		}
		return f
	}
	for _, c := range []struct {
		name   string
		behind residual.Estimation // empty: what it was trained behind
	}{{"base", ""}, {"resip", ""}, {"korr", ""}, {"korr", residual.Koopman}} {
		b.Run(c.name+string(c.behind), func(b *testing.B) {
			p, err := residual.LoadEither(read(b, c.name), 4)
			if err != nil {
				b.Fatal(err)
			}
			if c.behind != "" {
				fitted, _, err := filter.LoadFrom(read(b, "filter"), "")
				if err != nil {
					b.Fatal(err)
				}
				p.Estimation, p.Filter = c.behind, fitted
			}
			c, err := p.NewController(task.NewFeatures())
			if err != nil {
				b.Fatal(err)
			}
			c.Reset(1)
			parts := len(task.Parts) + 1 // the obstacle too
			obs := make([]float32, layout.Observation(parts))
			copy(obs, []float32{0.5, 0, 0.2, 1, 0, 0, 0, -1, 0})
			ages := make([]float32, 1+parts)
			for i := range parts {
				pose := layout.Part(i).Of(obs)
				pose[0], pose[2], pose[6], ages[1+i] = 0.1*float32(i), -0.02, 1, 4
			}
			act, cmd, limits := make([]float32, sim.ActDim), make([]float32, sim.ActDim), shield.Default()
			b.ReportAllocs()
			for b.Loop() {
				c.ReadAges(ages)
				if _, err := c.StepTo(act, obs); err != nil {
					b.Fatal(err)
				}
				if _, err := limits.ApplyTo(cmd, act, obs, nil); err != nil {
					b.Fatal(err)
				}
				c.Executed(cmd)
			}
		})
	}
}
