package episodes_test

import (
	"fmt"

	"korr/basepolicy"
	"korr/residual"
	"korr/train/episodes"
)

// A view is what a trainer's networks read in an episode, and how their residual becomes an action.
func ExampleNewView() {
	unit := &basepolicy.Normalizer{Min: []float32{-1, -1, -1}, Max: []float32{1, 1, 1}}
	cfg := basepolicy.MLPConfig{ObsDim: 3, ActDim: 3, Horizon: 8, Hidden: []int{2}}
	base := basepolicy.NewMLP(cfg, unit, unit, nil) // every action is 0
	view, err := episodes.NewView(episodes.Spec{
		Base: base, Execute: 4, Foresight: residual.Foresight{Condition: residual.Plan, Steps: []int{1, 4}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	spans := view.Layout()
	x, act, u := make([]float32, spans.Width()), make([]float32, 3), make([]float32, 3)
	view.Reset(1)
	if err := view.ObserveTo(x, []float32{0.01, 0, 0}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("observed %.2f, base %.1f, phase %.2f\n", spans.Observed().Of(x), spans.Base.Of(x), spans.Phase.Of(x))
	fmt.Printf("the plan leads the arm, in units of 2 cm a step, by %.3f\n", spans.Ahead.Of(x))
	view.ComposeTo(act, u, []float32{1, 0, 0}, 0.1)
	view.Executed(act)
	fmt.Printf("action %.2f\n", act)
	// Output:
	// observed [0.01 0.00 0.00], base [0.0 0.0 0.0], phase [0.25]
	// the plan leads the arm, in units of 2 cm a step, by [-0.500 0.000 0.000 -0.125 0.000 0.000]
	// action [0.10 0.00 0.00]
}
