//go:build mujoco

package render

import (
	"hash/fnv"
	"encoding/binary"
	"testing"
	"time"

	"korr/sim"
	"korr/sim/expert"
	"korr/sim/mujoco"
)

func TestHash(t *testing.T) {
	env, err := mujoco.New(mujoco.Config{Task: "one_leg", Randomness: "med", Perturb: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer env.Close()
	task, _ := sim.TaskByName("one_leg")
	x, _ := expert.New(task, expert.Config{InsertNoise: 0.001})
	obs, act := make([]float32, 58), make([]float32, 10)
	h := fnv.New64()
	n := 0
	t0 := time.Now()
	for s := range uint64(3) {
		env.Reset(obs, s)
		x.Reset(s)
		for i := 0; i < 500; i++ {
			x.ActTo(act, obs)
			res, err := env.Step(obs, act)
			binary.Write(h, binary.LittleEndian, obs)
			n++
			if err != nil || res.Terminated || res.Truncated {
				t.Log(i, res, err)
				break
			}
		}
	}
	t.Logf("HASH %x steps %d rate %.0f", h.Sum64(), n, float64(n)/time.Since(t0).Seconds())
	f, _ := mujoco.Fingerprint("one_leg")
	t.Log(f)
}
