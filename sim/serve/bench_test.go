package serve

import (
	"testing"

	"korr/sim"
)

// BenchmarkRoundTrip steps a toy, whose own step takes nanoseconds: what the socket and the protocol cost.
func BenchmarkRoundTrip(b *testing.B) {
	for name, address := range map[string]string{"unix": "", "tcp": "tcp::0"} {
		b.Run(name, func(b *testing.B) {
			var r *rig
			r = serveToys(b, address, func(c *Config) {
				c.Open = func() (sim.Env, error) { return newToy(1<<40, &r.open), nil }
			})
			c := r.dial(b)
			obs, act := make([]float32, c.Spec().ObsDim), make([]float32, c.Spec().ActDim)
			if err := c.Reset(obs, 1); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Step(obs, act); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
