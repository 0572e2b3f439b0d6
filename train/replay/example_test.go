package replay_test

import (
	"fmt"

	"korr/train/replay"
)

// Three steps of an episode, rewarded at its end, as targets of two steps.
func ExampleNStep() {
	buffer := replay.New(16, 1, 1)
	steps := replay.NewNStep(buffer, 2, 0.9)
	frame := buffer.AddFrame([]float32{0})
	first := frame
	for k := 1; k <= 3; k++ {
		buffer.SetAction(frame, []float32{0.1})
		next := buffer.AddFrame([]float32{float32(k)})
		end, reward := replay.Running, 0.0
		if k == 3 {
			end, reward = replay.Terminated, 1
		}
		steps.Push(frame, reward, next, end)
		frame = next
	}
	for i := first; i < first+3; i++ {
		fmt.Printf("frame %d: return %.1f, discount %.2f\n", i, buffer.Return(i), buffer.Discount(i))
	}
	// Output:
	// frame 0: return 0.0, discount 0.81
	// frame 1: return 0.9, discount 0.00
	// frame 2: return 1.0, discount 0.00
}
