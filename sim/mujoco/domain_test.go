//go:build mujoco

package mujoco

import (
	"math"
	"slices"
	"testing"

	"korr/sim"
	"korr/sim/domain"
	"korr/sim/envtest"
)

// wide is every range at once, as wide as training would go.
var wide = domain.Ranges{
	Mass: [2]float64{0.5, 2}, Friction: [2]float64{0.6, 1.5}, Gain: [2]float64{0.7, 1.3}, Position: 0.01, Rotation: 0.3,
}

// wander goes on with a moving arm, up to success, and returns the observations.
func wander(t *testing.T, e *Env, obs []float32, steps int) (all []float32) {
	t.Helper()
	act := append(slices.Clone(obs[:9]), 1)
	for i := range steps {
		act[0] += 0.002 * float32(i%5-2)
		act[2] -= 0.004
		r, err := e.Step(obs, act)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, obs...)
		if r.Terminated {
			break
		}
	}
	return all
}

func start(t *testing.T, e *Env, seed uint64) []float32 {
	t.Helper()
	obs := make([]float32, e.spec.ObsDim)
	if err := e.Reset(obs, seed); err != nil {
		t.Fatal(err)
	}
	return obs
}

func TestDomainContract(t *testing.T) {
	for _, name := range sim.TaskNames() {
		t.Run(name, func(t *testing.T) {
			envtest.Check(t, func(t *testing.T, maxSteps int) sim.Env {
				return open(t, Config{Task: name, Perturb: 1, MaxSteps: maxSteps, Domain: wide})
			})
		})
	}
}

// TestDomainReachesTheModel compares compiled constants with what the accessor says was drawn.
func TestDomainReachesTheModel(t *testing.T) {
	plain, e := open(t, Config{}), open(t, Config{Domain: wide})
	start(t, plain, 3)
	if plain.Domain() != nil {
		t.Error("an environment without ranges says it drew something")
	}
	start(t, e, 3)
	d := e.Domain()
	if d == nil {
		t.Fatal("nothing was drawn")
	}
	for i := range e.task.Parts {
		if want, got := plain.partMass(i)*d.Mass[i], e.partMass(i); math.Abs(got-want) > 1e-15 {
			t.Errorf("%s weighs %v kg, want %v", e.task.Parts[i].Name, got, want)
		}
		p, q := NominalPose(&e.task.Parts[i]).P, e.startPose(i).P
		if math.Abs(q[0]-p[0]-d.Shift[i][0]) > 1e-15 || math.Abs(q[1]-p[1]-d.Shift[i][1]) > 1e-15 || q[2] != p[2] {
			t.Errorf("%s starts at %v, nominal %v, drawn %v", e.task.Parts[i].Name, q, p, d.Shift[i])
		}
	}
	if plain.physicsHash() == e.physicsHash() {
		t.Error("the drawn physics have the fingerprint of the nominal ones")
	}
}

// TestDomainMatters: each range alone changes the episode, in the way it should.
func TestDomainMatters(t *testing.T) {
	plain := open(t, Config{})
	nominal := wander(t, plain, start(t, plain, 4), 10)
	for name, r := range map[string]domain.Ranges{
		"mass": {Mass: [2]float64{2, 2}}, "friction": {Friction: [2]float64{0.5, 0.5}}, "gain": {Gain: [2]float64{0.5, 0.5}},
		"position": {Position: 0.01}, "rotation": {Rotation: 0.2},
	} {
		e := open(t, Config{Domain: r})
		if slices.Equal(nominal, wander(t, e, start(t, e, 4), 10)) {
			t.Errorf("%s changed nothing", name)
		}
	}
	slide := func(r domain.Ranges) float64 { // how far the initial push moves the first leg
		e := open(t, Config{Domain: r, Randomness: sim.Med})
		far := 0.0
		for seed := range uint64(8) {
			obs := start(t, e, seed)
			p, at := e.task.Parts[1].Position, sim.StateDim+sim.PoseDim
			far += math.Hypot(float64(obs[at])-p[0], float64(obs[at+1])-p[1]) / 8
		}
		return far
	}
	normal := slide(domain.Ranges{})
	if heavy := slide(domain.Ranges{Mass: [2]float64{2, 2}}); heavy > 0.5*normal {
		t.Errorf("twice the mass slides %.1f mm, the nominal %.1f mm; momentum and friction say a quarter",
			1e3*heavy, 1e3*normal)
	}
	if slippery := slide(domain.Ranges{Friction: [2]float64{0.5, 0.5}}); slippery < 1.4*normal {
		t.Errorf("half the friction slides %.1f mm, the nominal %.1f mm; momentum and friction say twice",
			1e3*slippery, 1e3*normal)
	}
}

// TestDomainOffIsExact: an environment that goes back to nominal physics has every bit of one that never left them.
func TestDomainOffIsExact(t *testing.T) {
	plain, e := open(t, Config{Perturb: 1}), open(t, Config{Perturb: 1, Domain: wide})
	obs := start(t, plain, 6)
	snap, err := plain.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	wander(t, e, start(t, e, 5), 5)
	if err := e.Restore(obs, snap); err != nil {
		t.Fatal(err)
	}
	if e.Domain() != nil || e.physicsHash() != plain.physicsHash() {
		t.Fatalf("after restoring an undrawn episode: drew %+v, fingerprint %x", e.Domain(), e.physicsHash())
	}
	if !slices.Equal(wander(t, e, obs, 30), wander(t, plain, start(t, plain, 6), 30)) {
		t.Error("nominal physics after drawn ones are not those of an environment without ranges")
	}
	one := open(t, Config{Perturb: 1, Domain: domain.Ranges{Mass: [2]float64{1, 1}, Gain: [2]float64{1, 1}}})
	if !slices.Equal(start(t, plain, 6), start(t, one, 6)) || one.Domain() != nil {
		t.Error("ranges from 1 to 1 changed the episode")
	}
}

// TestDomainSnapshot goes on in another environment that had drawn other physics, free and with the thread engaged.
func TestDomainSnapshot(t *testing.T) {
	gentle := domain.Ranges{
		Mass: [2]float64{0.8, 1.2}, Friction: [2]float64{0.9, 1.1}, Gain: [2]float64{0.9, 1.1},
		Position: 0.003,
	}
	for _, threaded := range []bool{false, true} {
		a, b := open(t, Config{Perturb: 1, Domain: gentle}), open(t, Config{Perturb: 1, Domain: gentle})
		obs := make([]float32, a.spec.ObsDim)
		_, x := assemble(t, a, obs, 12, func(i int) bool { return i >= 20 && (!threaded || a.threaded(0)) })
		x.Close()
		snap, err := a.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		wander(t, b, start(t, b, 77), 5)
		got := make([]float32, len(obs))
		if err := b.Restore(got, snap); err != nil || !slices.Equal(got, obs) {
			t.Fatalf("threaded %t: restored observation differs (%v)", threaded, err)
		}
		if a.physicsHash() != b.physicsHash() || b.Domain().Gain != a.Domain().Gain {
			t.Errorf("threaded %t: the restored physics differ", threaded)
		}
		if !slices.Equal(wander(t, b, got, 40), wander(t, a, obs, 40)) {
			t.Errorf("threaded %t: the episode went on differently after restore", threaded)
		}
		if err := open(t, Config{}).Restore(got, snap); err == nil {
			t.Error("an environment without ranges went on with drawn physics")
		}
	}
}

// TestDomainOverlap: displaced parts never start in each other or in the obstacle.
func TestDomainOverlap(t *testing.T) {
	for _, name := range sim.TaskNames() {
		e := open(t, Config{Task: name, Domain: domain.Ranges{Position: 0.025, Rotation: 0.4}})
		for seed := range uint64(10) {
			obs := start(t, e, seed)
			for range 3 {
				if _, err := e.Step(obs, append(slices.Clone(obs[:9]), -1)); err != nil {
					t.Fatal(err)
				}
				if deep := e.penetration(); deep > 0.001 {
					t.Errorf("%s, seed %d: %.2f mm of penetration after the reset", name, seed, 1e3*deep)
				}
			}
		}
	}
}

// BenchmarkReset measures what drawing the physics adds to the start of an episode.
func BenchmarkReset(b *testing.B) {
	for name, r := range map[string]domain.Ranges{"nominal": {}, "drawn": wide} {
		b.Run(name, func(b *testing.B) {
			e := open(b, Config{Domain: r})
			obs := make([]float32, e.spec.ObsDim)
			for seed := uint64(0); b.Loop(); seed++ {
				if err := e.Reset(obs, seed); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
