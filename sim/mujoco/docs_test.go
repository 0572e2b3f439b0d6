//go:build mujoco

package mujoco

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestDocumentedBounds: the page states the bounds that the tests hold.
func TestDocumentedBounds(t *testing.T) {
	data, err := os.ReadFile("../../docs/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		fmt.Sprintf("| %g mm, %g rad | TestGrasp |", 1e3*creep, creepTurn),
		fmt.Sprintf("| %g mm | TestGrasp, TestExperts, TestExpertAssembles |", 1e3*heldDepth),
		fmt.Sprintf("limits + %g rad (soft stops) | TestArmLimits |", stopYield),
		fmt.Sprintf("%g m/s each and press with %d N", fingerSpeed, fingerForce),
	} {
		if !strings.Contains(string(data), want) {
			t.Errorf("docs/simulator.md does not say %q", want)
		}
	}
}
