//go:build mujoco

package render

import (
	"image/png"
	"os"
	"strconv"
	"testing"
	"time"

	"korr/sim"
	"korr/sim/expert"
	"korr/sim/mujoco"
)

func TestLook(t *testing.T) {
	xml := ""
	env, err := mujoco.New(mujoco.Config{Task: "one_leg", ModelXML: xml})
	if err != nil {
		t.Fatal(err)
	}
	defer env.Close()
	r, err := Open(960, 720)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	t.Log(r.Backend())
	task, _ := sim.TaskByName("one_leg")
	x, _ := expert.New(task, expert.Config{})
	obs, act := make([]float32, 58), make([]float32, 10)
	env.Reset(obs, 1)
	x.Reset(1)
	at := map[int]bool{0: true, 45: true, 100: true, 200: true}
	for i := 0; ; i++ {
		if at[i] {
			for _, c := range []string{"front", "wrist", "close"} {
				t0 := time.Now()
				img, err := r.Frame(env, c)
				if err != nil {
					t.Fatal(err)
				}
				t.Log(time.Since(t0))
				f, _ := os.Create("/tmp/rnd/" + c + strconv.Itoa(i) + ".png")
				png.Encode(f, img)
				f.Close()
			}
		}
		x.ActTo(act, obs)
		res, err := env.Step(obs, act)
		if err != nil || res.Terminated || res.Truncated || i > 200 {
			t.Log(i, res, err)
			break
		}
	}
}
