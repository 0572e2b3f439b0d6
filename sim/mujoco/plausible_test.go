//go:build mujoco

package mujoco

import (
	"errors"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"korr/internal/geom"
	"korr/sim"
	"korr/sim/domain"
	"korr/sim/soak"
)

// TestImplausible: an episode in which a part is where or as fast as none can be ends as unstable, and a reset goes on.
func TestImplausible(t *testing.T) {
	e := open(t, Config{})
	obs := make([]float32, e.spec.ObsDim)
	part := slices.Index(e.spec.PartNames, "leg4")
	moved := func(axis int, to float64) func() {
		return func() {
			pose := e.poses[part]
			pose.P[axis] = to
			e.putPart(part, pose)
		}
	}
	faster := func(dof int, v float64) func() {
		return func() { e.setSpeed(part, dof, v) }
	}
	for name, c := range map[string]struct {
		set func()
		bad bool
	}{
		"as it is":     {func() {}, false},
		"near":         {moved(1, -0.9*partReach), false},
		"far":          {moved(1, -1.01*partReach), true},
		"high":         {moved(2, 1.01*partReach), true},
		"low":          {moved(2, -0.9*partBelow), false},
		"under":        {moved(2, -1.1*partBelow), true},
		"fast":         {faster(2, 0.99*partSpeed), false},
		"too fast":     {faster(2, 1.01*partSpeed), true},
		"spins":        {faster(4, -0.99*partSpin), false},
		"spins wildly": {faster(4, -1.01*partSpin), true},
		"not a number": {faster(3, math.NaN()), true},
		"pushed far":   {func() { e.twist(part, 0, 100) }, false}, // only the step tells
	} {
		clear(e.s.push[:])
		if err := e.Reset(obs, 1); err != nil {
			t.Fatal(err)
		}
		act := still(obs)
		c.set()
		err := e.implausible()
		if (err != nil) != c.bad || c.bad && (!errors.Is(err, sim.ErrUnstable) || !strings.Contains(err.Error(),
			"part leg4")) {
			t.Errorf("%s: %v", name, err)
		}
		if name != "far" && name != "pushed far" {
			continue
		}
		if _, err := e.Step(obs, act); !errors.Is(err, sim.ErrUnstable) || !strings.Contains(err.Error(), "part leg4") {
			t.Errorf("%s: a step says %v, want sim.ErrUnstable and the part", name, err)
		}
		if _, err := e.Step(obs, act); !errors.Is(err, sim.ErrNotReset) {
			t.Errorf("%s: the episode goes on: %v", name, err)
		}
	}
	clear(e.s.push[:]) // a reset pushes no part upward and leaves that of twist
	if err := e.Reset(obs, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Step(obs, still(obs)); err != nil {
		t.Errorf("step after recovery: %v", err)
	}
}

// TestCloseFrees opens and closes environments, some after a fault, and looks at the process's memory.
func TestCloseFrees(t *testing.T) {
	const rounds, slack = 40, 3 << 20 // an environment that was not freed costs 0.3 MB and more
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	resident := func() int64 {
		debug.FreeOSMemory()
		n, err := soak.Resident()
		if err != nil {
			t.Skip(err)
		}
		return n
	}
	var before int64
	for i := range rounds + 10 {
		if i == 10 {
			before = resident()
		}
		e := open(t, Config{Domain: domain.Ranges{Mass: [2]float64{0.5, 2}}})
		obs := make([]float32, e.spec.ObsDim)
		if err := e.Reset(obs, uint64(i)); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			e.putPart(0, geom.Pose{P: geom.Vec3{9, 0, 1}, Q: geom.IdentityQuat})
			if _, err := e.Step(obs, still(obs)); !errors.Is(err, sim.ErrUnstable) {
				t.Fatal(err)
			}
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	grown := resident() - before
	t.Logf("%d environments opened and closed: %.2f MB more", rounds, float64(grown)/1e6)
	if grown > slack {
		t.Errorf("memory grew by %.1f MB over %d environments that were closed", float64(grown)/1e6, rounds)
	}
}
