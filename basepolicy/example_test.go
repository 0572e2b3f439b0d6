package basepolicy_test

import (
	"fmt"

	"korr/basepolicy"
)

// countdown plans chunks of four actions that count down from the observation.
type countdown struct{ basepolicy.Stateless }

func (countdown) Horizon() int { return 4 }
func (countdown) ActDim() int  { return 1 }

func (countdown) ChunkTo(chunk, obs []float32, _ basepolicy.Rest) error {
	for i := range chunk {
		chunk[i] = obs[0] - float32(i)
	}
	return nil
}

// A queue executes the first actions of every chunk and plans again when they are used up.
func ExampleQueue() {
	queue := basepolicy.NewQueue(countdown{}, 3)
	queue.Reset(1)
	act := make([]float32, 1)
	for step := range 5 {
		if err := queue.ActTo(act, []float32{float32(10 * (step + 1))}); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("step %d: %g, phase %.2f\n", step, act[0], queue.Phase())
	}
	// Output:
	// step 0: 10, phase 0.33
	// step 1: 9, phase 0.67
	// step 2: 8, phase 1.00
	// step 3: 40, phase 0.33
	// step 4: 39, phase 0.67
}
