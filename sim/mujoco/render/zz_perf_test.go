//go:build mujoco

package render

import (
	"testing"
	"time"
	"syscall"
	"fmt"
	"os"
	"strings"

	"korr/sim"
	"korr/sim/mujoco"
)

func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(0, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestPerf(t *testing.T) {
	task, _ := sim.TaskByName("one_leg")
	xml, _ := mujoco.ModelXML(task)
	if r := os.Getenv("REP"); r != "" {
		for _, p := range strings.Split(r, ";") {
			a, b, _ := strings.Cut(p, "=>")
			if !strings.Contains(xml, a) {
				t.Fatal(a)
			}
			xml = strings.ReplaceAll(xml, a, b)
		}
	}
	env, err := mujoco.New(mujoco.Config{Task: "one_leg", ModelXML: xml})
	if err != nil {
		t.Fatal(err)
	}
	defer env.Close()
	r, err := Open(640, 480)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	obs := make([]float32, 58)
	env.Reset(obs, 1)
	r.Frame(env, "front")
	c0, t0 := cpu(), time.Now()
	for range 20 {
		r.Frame(env, "front")
	}
	fmt.Printf("%s: cpu %v wall %v per frame\n", os.Getenv("REP"), (cpu()-c0)/20, time.Since(t0)/20)
}
