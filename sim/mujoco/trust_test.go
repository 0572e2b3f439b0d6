//go:build mujoco

package mujoco

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"math"
	"os"
	"os/exec"
	"slices"
	"testing"
	"unsafe"

	"korr/internal/geom"
	"korr/sim"
	"korr/sim/expert"
)

const gravity = 9.81

// Tolerances of TestPushDistance: of the distance and of the angle, as shares. Contacts are soft, so that a part creeps
// a little before friction holds it, and the rotation's prediction puts the part's weight onto the corners of its box.
const (
	pushSlack = 0.10
	turnSlack = 0.30
)

// slide is what momentum and Coulomb friction predict for a load (force or torque) that acts for a time t on a part of
// that inertia (kg or kg m^2) against a friction load: the distance or angle until it stands.
func slide(load, friction, inertia, t float64) float64 {
	v := (load - friction) * t / inertia
	return v*t/2 + v*v*inertia/(2*friction)
}

// TestPushDistance: a push of the environment moves free parts as far as momentum and friction say, d = v^2 / (2 mu g)
// with v = F t / m less friction's share, and turns them about the vertical as far.
func TestPushDistance(t *testing.T) {
	for _, c := range []struct {
		task, part string
		strength   float64
		corner     [3]float64 // of the box that the part stands on, from its centre
	}{
		{"one_leg", "leg4", 4, [3]float64{0.015, 0.03125, 0.015}},
		{"one_leg", "top", 1, [3]float64{0.08125, 0, 0.08125}},
		{"lamp", "base", 1, [3]float64{0.04235, 0, 0.04235}},
	} {
		e := open(t, Config{Task: c.task})
		push := float64(e.s.push_substeps) * float64(e.s.m.opt.timestep) // s
		obs := make([]float32, e.spec.ObsDim)
		i := slices.IndexFunc(e.task.Parts, func(p sim.Part) bool { return p.Name == c.part })
		p := &e.task.Parts[i]
		share := func(x float64) float64 {
			if x == 0 {
				return 1
			}
			return x
		}
		weight := tableFriction * p.Mass * gravity
		rest := func() geom.Pose {
			if err := e.Reset(obs, 1); err != nil {
				t.Fatal(err)
			}
			wait(t, e, obs, 10, nil)
			return e.poses[i]
		}
		before := rest()
		e.push(i, sim.Push{Force: [2]float64{-1, 0}}, c.strength) // toward the robot, where nothing is
		wait(t, e, obs, 15, nil)
		force := c.strength * e.level.Force * p.ForceMul * share(p.PushForce)
		want, got := slide(force, weight, p.Mass+partArmature, push), before.P[0]-e.poses[i].P[0]
		t.Logf("%s/%s: %.2f N for %.0f ms moved it %.2f mm, predicted %.2f", c.task, c.part, force, 1e3*push,
			1e3*got, 1e3*want)
		if math.Abs(got-want) > pushSlack*want || want < 0.002 || math.Abs(e.poses[i].P[1]-before.P[1]) > 0.1*want {
			t.Errorf("%s/%s: moved %.2f mm, momentum and friction say %.2f", c.task, c.part, 1e3*got, 1e3*want)
		}
		before = rest()
		e.push(i, sim.Push{Torque: 1}, c.strength)
		wait(t, e, obs, 15, nil)
		torque := c.strength * e.level.Torque * p.TorqueMul * share(p.PushTorque) * torqueScale(p)
		arm := math.Sqrt(c.corner[0]*c.corner[0] + c.corner[1]*c.corner[1] + c.corner[2]*c.corner[2] - vertical(p, c.corner))
		turn := slide(torque, weight*arm, verticalInertia(p)+partArmature, push)
		angle := e.poses[i].Q.Angle(before.Q)
		t.Logf("%s/%s: %.3f N m turned it %.3f rad, predicted %.3f", c.task, c.part, torque, angle, turn)
		if math.Abs(angle-turn) > turnSlack*turn || turn < 0.01 {
			t.Errorf("%s/%s: turned %.3f rad, momentum and friction say %.3f", c.task, c.part, angle, turn)
		}
	}
}

// vertical is the squared extent of a corner along the vertical of the part as it lies.
func vertical(p *sim.Part, corner [3]float64) (z float64) {
	q := NominalPose(p).Q
	for k := range corner {
		var axis geom.Vec3
		axis[k] = corner[k]
		d := q.Rotate(axis)[2]
		z += d * d
	}
	return z
}

// TestObstacle compares the compiled obstacle with the published one: a front and two sides.
func TestObstacle(t *testing.T) {
	e := open(t, Config{})
	m := e.s.m
	body, size := unsafe.Slice(m.geom_bodyid, m.ngeom), unsafe.Slice(m.geom_size, 3*m.ngeom)
	contype := unsafe.Slice(m.geom_contype, m.ngeom)
	var got []string
	for g := range int(m.ngeom) {
		if body[g] == e.s.obstacle && contype[g] != 0 {
			got = append(got, fmt.Sprintf("%g x %g x %g", 2e3*float64(size[3*g]), 2e3*float64(size[3*g+1]),
				2e3*float64(size[3*g+2])))
		}
	}
	slices.Sort(got)
	if want := []string{"170 x 20 x 30", "170 x 20 x 30", "20 x 350 x 30"}; !slices.Equal(got, want) {
		t.Errorf("the obstacle is made of %v (mm), published %v", got, want)
	}
}

// asChild names the variable that makes TestProcesses print a hash instead.
const asChild = "KORR_EPISODE_HASH"

// episodesHash covers every observation of the start of an expert's episode of every task, with pushes.
func episodesHash(t *testing.T) string {
	h := fnv.New64a()
	for _, name := range sim.TaskNames() {
		e := open(t, Config{Task: name, Randomness: sim.Med, Perturb: 2})
		obs, act := make([]float32, e.spec.ObsDim), make([]float32, sim.ActDim)
		x, err := expert.New(e.task, expert.Config{InsertNoise: 0.001})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Reset(obs, 5); err != nil {
			t.Fatal(err)
		}
		x.Reset(5)
		for live, n := true, 0; live && n < 120; n++ {
			if err := x.ActTo(act, obs); err != nil {
				t.Fatal(err)
			}
			r, err := e.Step(obs, act)
			if err != nil {
				t.Fatal(err)
			}
			live = !r.Terminated
			for _, v := range obs {
				b := math.Float32bits(v)
				h.Write([]byte{byte(b), byte(b >> 8), byte(b >> 16), byte(b >> 24)})
			}
		}
		x.Close()
	}
	return fmt.Sprintf("%016x", h.Sum64())
}

// TestProcesses plays the same episodes, pushes included, in this process and in another.
func TestProcesses(t *testing.T) {
	here := episodesHash(t)
	if os.Getenv(asChild) != "" {
		fmt.Printf("hash %s\n", here)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestProcesses$", "-test.count=1")
	cmd.Env = append(os.Environ(), asChild+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !bytes.Contains(out, []byte("hash "+here+"\n")) {
		t.Errorf("another process played other episodes: here %s, there\n%s", here, out)
	}
}

// TestSnapshotThreads takes snapshots at several steps of an episode with one and with two threads engaged, goes on
// without interruption, and then goes on from each snapshot in another environment: bit for bit the same.
func TestSnapshotThreads(t *testing.T) {
	for _, name := range []string{"round_table", "lamp"} {
		cfg := Config{Task: name, Perturb: 0.5}
		a, b := open(t, cfg), open(t, cfg)
		obs, act := make([]float32, a.spec.ObsDim), make([]float32, sim.ActDim)
		x, err := expert.New(a.task, expert.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Reset(obs, 2); err != nil {
			t.Fatal(err)
		}
		x.Reset(2)
		const horizon = 25
		type point struct {
			step int
			snap *Snapshot
		}
		var points []point
		var seen, acts [][]float32
		since := make([]int, a.s.npeg) // steps with the thread engaged
		for live := true; live; {
			for k := range since {
				if a.threaded(k) {
					since[k]++
				}
				if n := since[k]; a.threaded(k) && (n == 1 || n == 20 || n == 60) {
					snap, err := a.Snapshot()
					if err != nil {
						t.Fatal(err)
					}
					points = append(points, point{len(seen), snap})
				}
			}
			if err := x.ActTo(act, obs); err != nil {
				t.Fatal(err)
			}
			seen, acts = append(seen, slices.Clone(obs)), append(acts, slices.Clone(act))
			r, err := a.Step(obs, act)
			if err != nil {
				t.Fatal(err)
			}
			live = !r.Terminated && !r.Truncated
		}
		seen = append(seen, slices.Clone(obs))
		x.Close()
		if want := 3; len(points) < want || since[len(since)-1] == 0 {
			t.Fatalf("%s: %d snapshots, threads engaged for %v steps: the test no longer tests them", name, len(points), since)
		}
		for _, p := range points {
			if err := b.Restore(obs, p.snap); err != nil || !slices.Equal(obs, seen[p.step]) {
				t.Fatalf("%s, step %d: restored observation differs (%v)", name, p.step, err)
			}
			for i := p.step; i < min(p.step+horizon, len(acts)); i++ {
				if _, err := b.Step(obs, acts[i]); err != nil || !slices.Equal(obs, seen[i+1]) {
					t.Fatalf("%s: restored at step %d, different at step %d (%v)", name, p.step, i+1, err)
				}
			}
		}
	}
}
