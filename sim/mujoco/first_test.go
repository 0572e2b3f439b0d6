//go:build mujoco

package mujoco

import (
	"fmt"
	"testing"

	"korr/sim"
)

func TestFirst(t *testing.T) {
	e, err := New(Config{Task: "one_leg", Randomness: sim.Low})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	obs := make([]float32, 58)
	if err := e.Reset(obs, uint64(0)); err != nil {
		t.Fatal(err)
	}
	act := make([]float32, 10)
	copy(act, obs[:9])
	act[9] = -1
	for i := range 50 {
		if _, err := e.Step(obs, act); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			fmt.Printf("%.3f dq %.3f qdes-q ", e.s.q, e.s.dq)
			for k := range 7 {
				fmt.Printf("%.4f ", float64(e.s.qdes[k]-e.s.q[k]))
			}
			fmt.Println(obs[:3], act[:3])
		}
	}
}
