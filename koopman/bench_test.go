package koopman

import (
	"testing"

	"korr/internal/seed"
)

var full = Config{ObsDim: 71, ActDim: 10, LatentDim: 128, Hidden: []int{256, 256}, StateInclusive: true}

func BenchmarkPredictor(b *testing.B) {
	rng := seed.Stream(1, "bench", 0)
	m := randomModel(b, full, rng)
	p, o, u := m.Predictor(), gaussian(rng, 71), gaussian(rng, 10)
	z, next := make([]float32, 128), make([]float32, 128)
	for b.Loop() {
		p.LiftTo(z, o)
		p.PredictTo(next, z, u)
	}
}

// BenchmarkActorUpdate is the model's part of one actor update.
func BenchmarkActorUpdate(b *testing.B) {
	const n = 128
	rng := seed.Stream(1, "bench", 1)
	m := randomModel(b, full, rng)
	o, next, u, dz := gaussian(rng, n*71), gaussian(rng, n*71), gaussian(rng, n*10), gaussian(rng, n*128)
	tape := m.NewTape(n, 1)
	for b.Loop() {
		m.PredictBatch(tape, o, u, n)
		m.BackwardPredict(tape, dz)
		m.LatentLoss(tape, o, u, next, n, 1)
	}
}

func BenchmarkWindowLoss(b *testing.B) {
	const n, steps = 128, 10
	rng := seed.Stream(1, "bench", 2)
	m := randomModel(b, full, rng)
	o, u := gaussian(rng, (steps+1)*n*71), gaussian(rng, steps*n*10)
	tape := m.NewTape(n, steps)
	for b.Loop() {
		m.WindowLoss(tape, o, u, n, steps, 1)
	}
}

func BenchmarkConstrain(b *testing.B) {
	m := randomModel(b, full, seed.Stream(1, "bench", 3))
	for b.Loop() {
		m.Constrain()
	}
}
