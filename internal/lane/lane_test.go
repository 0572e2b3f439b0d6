package lane

import (
	"testing"

	"korr/sim"
)

// TestPlainPoliciesDriveTheLoop: the expert has no plans to drop and no predictions to make.
func TestPlainPoliciesDriveTheLoop(t *testing.T) {
	s := asStepper(always{})
	act := make([]float32, 2)
	if _, err := s.StepTo(act, nil); err != nil || act[1] != 7 {
		t.Errorf("%v %v", act, err)
	}
	s.Executed(act)
	s.Replan()
}

type always struct{}

var _ sim.Policy = always{}

func (always) Reset(uint64) {}

func (always) ActTo(act, _ []float32) error { act[1] = 7; return nil }
