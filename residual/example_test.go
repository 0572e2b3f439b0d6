package residual_test

import (
	"fmt"

	"korr/basepolicy"
	"korr/internal/nn"
	"korr/residual"
)

// smallBase maps three observed numbers to three actions, all of them 0.5 where it is normalised.
func smallBase() *basepolicy.MLP {
	unit := func() *basepolicy.Normalizer {
		return &basepolicy.Normalizer{Min: []float32{-1, -1, -1}, Max: []float32{1, 1, 1}}
	}
	cfg := basepolicy.MLPConfig{ObsDim: 3, ActDim: 3, Horizon: 4, Hidden: []int{2}}
	base := basepolicy.NewMLP(cfg, unit(), unit(), nil)
	params := base.Net.Params()
	for i := range params[len(params)-1].Data { // the last bias
		params[len(params)-1].Data[i] = 0.5
	}
	return base
}

// A controller adds the residual to the base policy's action at every control step.
func ExamplePolicy_NewController() {
	// ResiP's actor reads the observation, the base action, its lead over the arm and the phase of the chunk.
	actor := nn.NewMLP(nn.MLPConfig{In: 3 + 3 + 3 + 1, Hidden: []int{2}, Out: 3, OutputBias: true}, nil)
	bias := actor.Params()[len(actor.Params())-1]
	copy(bias.Data, []float32{1, 0, -1})
	policy := &residual.Policy{
		Method: residual.MethodResiP, Base: smallBase(), Actor: actor, Alpha: 0.1, Squash: residual.Linear, Execute: 2,
	}
	controller, err := policy.NewController(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	controller.Reset(1)
	action := make([]float32, 3)
	for range 3 {
		info, err := controller.StepTo(action, []float32{0, 0.1, 0.2})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("base %.1f, residual %.1f, action %.1f, phase %.1f\n", info.Base, info.Residual, action, info.Phase)
	}
	// Output:
	// base [0.5 0.5 0.5], residual [1.0 0.0 -1.0], action [0.6 0.5 0.4], phase 0.5
	// base [0.5 0.5 0.5], residual [1.0 0.0 -1.0], action [0.6 0.5 0.4], phase 1.0
	// base [0.5 0.5 0.5], residual [1.0 0.0 -1.0], action [0.6 0.5 0.4], phase 0.5
}
