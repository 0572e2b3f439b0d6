//go:build mujoco

package mujoco

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"testing"
	"time"

	"korr/sim"
	"korr/sim/expert"
)

func TestFirst(t *testing.T) {
	rnd := sim.Randomness(os.Getenv("RND"))
	n, _ := strconv.Atoi(os.Getenv("N"))
	verb := os.Getenv("V") != ""
	pert := 0.0
	if os.Getenv("P") != "" {
		pert = 1
	}
	e, err := New(Config{Task: "one_leg", Randomness: rnd, Perturb: pert})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	x, err := expert.New(e.task, expert.Config{})
	if err != nil {
		t.Fatal(err)
	}
	obs := make([]float32, 58)
	act := make([]float32, 10)
	succ, steps := 0, 0
	t0 := time.Now()
	s0, _ := strconv.Atoi(os.Getenv("S"))
	for s := s0; s < s0+max(1, n); s++ {
		if err := e.Reset(obs, uint64(s)); err != nil {
			t.Fatal(err)
		}
		x.Reset(uint64(s))
		var st [6]float64
		eng := -1
		for i := 0; ; i++ {
			if err := x.ActTo(act, obs); err != nil {
				t.Fatal(err)
			}
			r, err := e.Step(obs, act)
			if err != nil {
				t.Fatal(err)
			}
			steps++
			st = e.PegState(0)
			if e.s.peg[0].engaged != 0 && eng < 0 {
				eng = i
			}
			if verb && i%4 == 0 {
				p := e.poses[4].P
				er := math.Sqrt(math.Pow(float64(obs[0]-act[0]), 2) + math.Pow(float64(obs[1]-act[1]), 2) + math.Pow(float64(obs[2]-act[2]), 2))
				fmt.Printf("[%3d] tool %.3f act %.3f err %.1fmm leg %.3f depth %.2f lat %.2f tilt %.3f yaw %.2f eng %d w %.4f q %.2f pen %.2fmm ncon %d\n", i, obs[:3], act[:3], er*1e3, p, st[0]*1e3, st[1]*1e3, st[2], st[3], e.s.peg[0].engaged, obs[15], e.s.q, float64(e.s.max_penetration)*1e3, e.s.d.ncon)
			}
			if r.Terminated || r.Truncated {
				if r.Success {
					succ++
				}
				fmt.Printf("seed %d success %v steps %d engaged at %d depth %.2f lat %.2f tilt %.3f\n", s, r.Success, i+1, eng, st[0]*1e3, st[1]*1e3, st[2])
				break
			}
		}
	}
	fmt.Println("success", succ, "of", max(1, n), "mean steps", steps/max(1, n), "rate", float64(steps)/time.Since(t0).Seconds())
}
