package koopman_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"korr/koopman"
)

// swing is a damped pendulum with a torque, [angle, rate] at 10 Hz.
func swing(rng *rand.Rand, steps int) koopman.Episode {
	e := koopman.Episode{T: steps}
	angle, rate := rng.NormFloat64()*0.5, 0.0
	for range steps {
		u := 0.3 * rng.NormFloat64()
		e.Obs = append(e.Obs, float32(angle), float32(rate))
		e.Act = append(e.Act, float32(u))
		rate += 0.1 * (-2*math.Sin(angle) - 0.5*rate + u)
		angle += 0.1 * rate
	}
	return e
}

// A model learns from episodes and predicts the next ones; a state-inclusive one tells the observation itself.
func ExampleTrain() {
	rng := rand.New(rand.NewPCG(1, 2))
	var episodes []koopman.Episode
	for range 30 {
		episodes = append(episodes, swing(rng, 60))
	}
	cfg := koopman.Config{ObsDim: 2, ActDim: 1, LatentDim: 10, Hidden: []int{16}, StateInclusive: true}
	model, err := koopman.New(cfg, rng)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := koopman.Train(context.Background(), model, episodes,
		koopman.TrainConfig{Steps: 200, Horizon: 10}); err != nil {
		fmt.Println(err)
		return
	}
	reader, err := koopman.NewReader(model, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	held := []koopman.Episode{swing(rng, 60)}
	scores, err := koopman.Evaluate([]koopman.Forecaster{reader, koopman.Persistence{}}, held, 2, 1,
		koopman.EvalConfig{Horizons: []int{10}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s: %s\n", cfg.Equation(), scores[0].Model)
	fmt.Println("ten steps ahead at least ten times better than that nothing changes:", 10*scores[0].RMSE < scores[1].RMSE)
	fmt.Println("stable:", model.SpectralRadius() <= 1.0001)
	// Output:
	// z' = A z + B u: koopman
	// ten steps ahead at least ten times better than that nothing changes: true
	// stable: true
}
