package residual_test

import (
	"path/filepath"
	"testing"

	"korr/internal/layout"
	"korr/internal/tensorfile"
	"korr/residual"
	"korr/residual/shield"
	"korr/sim"
)

// BenchmarkShippedTick is a control tick of the policies that ship: a chunk planned every fourth, behind the filter that
// they keep, with parts two steps late, the shield, and what comes after the command.
func BenchmarkShippedTick(b *testing.B) {
	task, err := sim.TaskByName("one_leg")
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{"base", "resip", "korr"} {
		b.Run(name, func(b *testing.B) {
			f, err := tensorfile.Read(filepath.Join("..", "configs", "weights", task.Name, name+".safetensors"))
			if err != nil {
				b.Fatal(err)
			}
			p, err := residual.LoadEither(f, 4)
			if err != nil {
				b.Fatal(err)
			}
			c := p.NewController(task.NewFeatures())
			c.Reset(1)
			parts := len(task.Parts) + 1 // the obstacle too
			obs := make([]float32, layout.Observation(parts))
			copy(obs, []float32{0.5, 0, 0.2, 1, 0, 0, 0, -1, 0})
			ages := make([]float32, 1+parts)
			for i := range parts {
				pose := layout.Part(i).Of(obs)
				pose[0], pose[2], pose[6], ages[1+i] = 0.1*float32(i), -0.02, 1, 2
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
