//go:build mujoco

package mujoco

import (
	"hash/fnv"
	"math"
	"runtime"
	"strings"
	"testing"

	"korr/internal/geom"
	"korr/sim"
	"korr/sim/expert"
)

func task(t testing.TB, name string) *sim.Task {
	t.Helper()
	task, err := sim.TaskByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return task
}

// TestOneLegUnchanged: shipped weights were trained on this very simulation. The hash covers every action, observation
// and feature of an expert's episode with insertion noise and perturbations.
func TestOneLegUnchanged(t *testing.T) {
	got, err := Fingerprint("one_leg")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(got, "mujoco-222-") || runtime.GOARCH != "amd64" {
		t.Skip("recorded with MuJoCo 2.2.2 on amd64")
	}
	if want := "mujoco-222-one_leg-2-a057081ca11ad96c"; got != want {
		t.Errorf("fingerprint %s, want %s", got, want)
	}
	e := open(t, Config{Perturb: 1})
	obs := make([]float32, e.spec.ObsDim)
	h := fnv.New64a()
	add := func(v []float32) {
		for _, x := range v {
			b := math.Float32bits(x)
			h.Write([]byte{byte(b), byte(b >> 8), byte(b >> 16), byte(b >> 24)})
		}
	}
	x, err := expert.New(e.task, expert.Config{InsertNoise: 0.001})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	if err := e.Reset(obs, 0); err != nil {
		t.Fatal(err)
	}
	x.Reset(0)
	feats := e.task.NewFeatures()
	f, act := make([]float32, feats.Dim()), make([]float32, sim.ActDim)
	for live := true; live; {
		if err := x.ActTo(act, obs); err != nil {
			t.Fatal(err)
		}
		feats.FeaturesTo(f, obs)
		add(act)
		add(obs)
		add(f)
		if e.task.Engaged(obs) {
			add(f[:1])
		}
		r, err := e.Step(obs, act)
		if err != nil {
			t.Fatal(err)
		}
		live = !r.Terminated && !r.Truncated
	}
	add(obs)
	if got := h.Sum64(); got != 0x26e38ba988191a57 {
		t.Errorf("the episode's hash is %016x, want 26e38ba988191a57", got)
	}
}

// TestPublishedParts compares the compiled models with FurnitureBench's published masses (g) and sizes (mm).
func TestPublishedParts(t *testing.T) {
	square := [4]float64{23.1, 30, 87.5, 30}
	for name, parts := range map[string]map[string][4]float64{
		"one_leg":      {"top": {151, 162.5, 31.25, 162.5}, "leg1": square, "leg2": square, "leg3": square, "leg4": square},
		"square_table": {"top": {151, 162.5, 31.25, 162.5}, "leg1": square, "leg2": square, "leg3": square, "leg4": square},
		"round_table":  {"top": {121.7, 200, 200, 32.5}, "leg": {32.3, 42.5, 91.25, 42.5}, "base": {34, 130, 130, 40}},
		"lamp":         {"base": {59.7, 84.7, 63, 84.7}, "bulb": {38.5, 60, 121, 60}, "hood": {60, 88, 100, 88}},
	} {
		e := open(t, Config{Task: name})
		for i, p := range e.task.Parts {
			want := parts[p.Name]
			if m := e.partMass(i); math.Abs(m-want[0]/1e3) > 1e-9 {
				t.Errorf("%s: %s weighs %v kg, published %v g", name, p.Name, m, want[0])
			}
			lo, hi := e.partExtent(i)
			for k := range 3 {
				if got := 1e3 * (hi[k] - lo[k]); math.Abs(got-want[1+k]) > 1e-3 {
					t.Errorf("%s: %s is %.2f mm along axis %d, published %.2f", name, p.Name, got, k, want[1+k])
				}
				if math.Abs(1e3*p.Size[k]-want[1+k]) > 1e-9 {
					t.Errorf("%s: the size of %s says %v", name, p.Name, p.Size)
				}
			}
		}
	}
	for name, want := range map[string]geom.Vec3{"one_leg/leg4": {0.07, 0.20, 0.015}, "round_table/base": {
		0.12, -0.12,
		0.02,
	}, "lamp/hood": {0.13, -0.08, 0.05}} {
		of, part, _ := strings.Cut(name, "/")
		for _, p := range task(t, of).Parts {
			if got := NominalPose(&p).P; p.Name == part && got.Sub(want.Add(geom.Vec3{0.3015, 0, 0})).Norm() > 1e-12 {
				t.Errorf("%s lies at %v", name, got)
			}
		}
	}
}

// TestExperts assembles every task.
func TestExperts(t *testing.T) {
	for _, name := range sim.TaskNames() {
		if name == "one_leg" || name == "square_table" && testing.Short() {
			continue
		}
		e := open(t, Config{Task: name})
		obs := make([]float32, e.spec.ObsDim)
		won, deepest := 0, 0.0
		for seed := range uint64(3) {
			r, x := assemble(t, e, obs, seed, func(int) bool { deepest = max(deepest, e.penetration()); return false })
			x.Close()
			if r.Success {
				won++
			}
		}
		if won < 2 {
			t.Errorf("%s: the expert assembled %d of 3", name, won)
		}
		t.Logf("%s: deepest contact %.2f mm", name, 1e3*deepest)
		if deepest > heldDepth {
			t.Errorf("%s: a contact %.2f mm deep", name, 1e3*deepest)
		}
	}
}

// TestHold: with a hold time, success waits until all pairs have stood assembled together for that long.
func TestHold(t *testing.T) {
	end := func(hold int) int {
		e := open(t, Config{Task: "one_leg", Hold: hold})
		obs := make([]float32, e.spec.ObsDim)
		r, x := assemble(t, e, obs, 3, nil)
		defer x.Close()
		if !r.Success {
			t.Fatalf("hold %d: no success", hold)
		}
		return e.steps
	}
	// the turn that assembles the leg goes on past the tolerance
	if one, five := end(1), end(5); five < one+4 || five > one+40 {
		t.Errorf("success after %d steps with hold 1 and after %d with hold 5", one, five)
	}
}
