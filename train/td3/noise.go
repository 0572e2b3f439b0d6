package td3

import (
	"math"
	"math/rand/v2"

	"korr/internal/seed"
)

// stream is a random stream whose state can be saved.
type stream struct {
	*rand.Rand
	pcg *rand.PCG
}

func newStream(s uint64, purpose string) stream {
	pcg := rand.NewPCG(seed.Hash(s, purpose, 0), seed.Hash(s, purpose, 1))
	return stream{rand.New(pcg), pcg}
}

// exploration is noise that follows a_t = rho a_{t-1} + sqrt(1-rho^2) e_t with
// standard normal e_t, stationary with variance 1: white noise at 10 Hz hardly
// moves an arm. The first value starts from zero.
type exploration struct {
	rho, scale float64
	state      []float32
}

func newExploration(n int, rho float64) *exploration {
	return &exploration{rho: rho, scale: math.Sqrt(1 - rho*rho), state: make([]float32, n)}
}

// next advances every component and returns them; the slice is reused.
func (e *exploration) next(rng *rand.Rand) []float32 {
	for i, v := range e.state {
		e.state[i] = float32(e.rho*float64(v) + e.scale*rng.NormFloat64())
	}
	return e.state
}
