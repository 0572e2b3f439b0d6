package serve

import (
	"syscall"
	"testing"
	"time"

	"korr/sim"
)

// CPUTime is what the process has spent, on every thread: a measure that other processes do not disturb.
func CPUTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// ReportCPU adds the processor time of an operation, client and server together.
func ReportCPU(b *testing.B, since time.Duration) {
	b.Helper()
	b.ReportMetric(float64((CPUTime(b)-since).Nanoseconds())/1e3/float64(b.N), "cpu-us/op")
}

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
			begin := CPUTime(b)
			for b.Loop() {
				if _, err := c.Step(obs, act); err != nil {
					b.Fatal(err)
				}
			}
			ReportCPU(b, begin)
		})
	}
}
