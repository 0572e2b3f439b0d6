package acting_test

import (
	"fmt"

	"korr/basepolicy"
	"korr/basepolicy/acting"
)

// The settings replace what the policy's checkpoint says; an empty one keeps it.
func ExampleConfig_Apply() {
	n := &basepolicy.Normalizer{Min: []float32{0}, Max: []float32{1}}
	trained := basepolicy.Ensembled{
		Policy: basepolicy.NewMLP(basepolicy.MLPConfig{ObsDim: 1, ActDim: 1, Horizon: 4}, n, n, nil), Rate: 0.05,
	}
	for _, ensemble := range []string{"", "none", "0.1"} {
		how := acting.DefaultConfig()
		how.Ensemble = ensemble
		p, err := how.Apply(trained)
		if err != nil {
			fmt.Println(err)
			return
		}
		if e, averaged := p.(basepolicy.Ensembled); averaged {
			fmt.Printf("%q: chunks averaged at a rate of %g\n", ensemble, e.Rate)
		} else {
			fmt.Printf("%q: chunks as they are\n", ensemble)
		}
	}
	// Output:
	// "": chunks averaged at a rate of 0.05
	// "none": chunks as they are
	// "0.1": chunks averaged at a rate of 0.1
}
