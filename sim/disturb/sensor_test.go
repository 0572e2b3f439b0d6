package disturb

import (
	"math"
	"reflect"
	"slices"
	"testing"

	"korr/internal/geom"
	"korr/sim"
)

// TestProfiles compares the named trackers with the table that the measurements of policies were made with.
func TestProfiles(t *testing.T) {
	for name, want := range map[string]Parts{
		"clean": {},
		"T1":    {Position: 0.0005, Rotation: 0.005, Delay: 1, Dropout: 0.1},
		"T2":    {Position: 0.001, Rotation: 0.01, Delay: 2, Dropout: 0.3},
		"T3": {
			Position: 0.002, Rotation: 0.02, Delay: 4, Dropout: 0.3,
			Occlusion: 5, OcclusionChance: 0.1, OcclusionReach: 0.06,
		},
	} {
		got, err := Profile(name)
		if err != nil || got != (Config{Parts: want}) || got.Validate() != nil || got.On() != (name != Clean) {
			t.Errorf("%s is %+v, %v", name, got, err)
		}
	}
	if _, err := Profile("T4"); err == nil || !slices.Equal(Profiles(), []string{"clean", "T1", "T2", "T3"}) {
		t.Errorf("profiles %v, an unknown one: %v", Profiles(), err)
	}
}

// ages rolls an episode out and returns observations and ages of every step.
func ages(t *testing.T, cfg Config, steps int) (obs, age [][]float32) {
	t.Helper()
	e := wrap(t, &drift{}, cfg)
	o, a := make([]float32, e.Spec().ObsDim), make([]float32, e.Spec().AgeDim())
	if err := e.Reset(o, 3); err != nil {
		t.Fatal(err)
	}
	for i := range steps {
		sim.AgesTo(a, e)
		obs, age = append(obs, slices.Clone(o)), append(age, slices.Clone(a))
		if _, err := e.Step(o, make([]float32, sim.ActDim)); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
	return obs, age
}

// TestAges: what is shown is the truth of that many control steps ago, in every channel, whatever disturbs it, and
// never gets older than what was shown before.
func TestAges(t *testing.T) {
	for _, cfg := range []Config{
		{Robot: Robot{Delay: 2}},
		{Parts: Parts{Delay: 2, Dropout: 0.3}},
		{Robot: Robot{Delay: 1, Jitter: 1.5, Dropout: 0.1}, Parts: Parts{Delay: 3, Jitter: 2, Dropout: 0.3}},
		{Parts: Parts{Jitter: 4, Occlusion: 5, OcclusionChance: 0.2, OcclusionReach: 10}},
	} {
		obs, age := ages(t, cfg, 400)
		for i := range obs {
			for c := range parts + 1 {
				from, _ := span(c)
				if at := float32(i) - age[i][c]; obs[i][from] != at || age[i][c] < 0 {
					t.Fatalf("%+v: step %d, channel %d shows step %v and says %v steps ago", cfg, i, c, obs[i][from], age[i][c])
				}
				if i > 0 && obs[i][from] < obs[i-1][from] {
					t.Fatalf("%+v: step %d, channel %d goes back from step %v to %v", cfg, i, c, obs[i-1][from], obs[i][from])
				}
			}
		}
	}
	if age := make([]float32, parts+1); true {
		age[1] = 7
		if sim.AgesTo(age, &drift{}); slices.Max(age) != 0 {
			t.Errorf("an environment without sensors shows ages %v", age)
		}
	}
}

// TestJitter: a measurement shows at the first control step after its arrival, so that a jitter of half a step makes
// half of them one step later and the ages uniform on two values.
func TestJitter(t *testing.T) {
	const n = 4000
	_, age := ages(t, Config{Parts: Parts{Delay: 2, Jitter: 0.5}}, n)
	// Age 2 when the newest has come, a chance of 1/2; else the one before, which always has.
	var count [5]int
	for _, a := range age[10:] {
		if a[1] != a[2] {
			t.Fatalf("parts of one message have ages %v", a)
		}
		count[int(a[1])]++
	}
	if two := float64(count[2]) / (n - 10); math.Abs(two-0.5) > 4*math.Sqrt(0.25/n) || count[2]+count[3] != n-10 {
		t.Errorf("ages %v, want 2 and 3 alike", count)
	}
}

// TestOcclusion: bursts begin as often as asked and last as long on average, each part on its own; never while the hand
// is away.
func TestOcclusion(t *testing.T) {
	const n, mean, chance = 20_000, 5., 0.1
	cfg := Config{Parts: Parts{Occlusion: mean, OcclusionChance: chance, OcclusionReach: 0.06}}
	s, err := NewSensor(cfg, sim.StateDim+2*sim.PoseDim)
	if err != nil {
		t.Fatal(err)
	}
	truth, shown := make([]float32, s.dim), make([]float32, s.dim)
	geom.Rot6DTo(truth[3:9], geom.IdentityQuat)
	hand := geom.Vec3{0.5, 0.1, 0.2}
	geom.VecTo(truth, hand)
	tag := geom.TagFrame.Inv()
	geom.PoseTo(truth[sim.StateDim:], geom.Pose{P: tag.Apply(hand.Add(geom.Vec3{0, 0.059, 0})), Q: geom.IdentityQuat})
	geom.PoseTo(truth[sim.StateDim+sim.PoseDim:], geom.Pose{
		P: tag.Apply(hand.Add(geom.Vec3{0, 0, 0.061})),
		Q: geom.IdentityQuat,
	})
	s.Reset(shown, truth, 1)
	age := make([]float32, 3)
	hidden, bursts := 0, 0
	for range n {
		before := age[1]
		s.Observe(shown, truth)
		s.AgesTo(age)
		if age[0] != 0 || age[2] != 0 {
			t.Fatalf("ages %v: only the near part can be covered", age)
		}
		if age[1] > 0 {
			hidden++
			if before == 0 {
				bursts++
			}
		}
	}
	// A burst begins at a visible step, or at once after another, with the chance: cycles of 1/chance - 1 visible steps
	// and mean hidden ones, of a standard deviation of about 10 steps.
	if share, want := float64(hidden)/n, mean/(mean+1/chance-1); math.Abs(share-want) > 5*0.35*math.Sqrt(10./n) {
		t.Errorf("hidden in %.3f of the steps, want %.3f", share, want)
	}
	// Runs of hidden steps are a geometric number of bursts, 1/(1-chance) on average.
	if length, want := float64(hidden)/float64(bursts), mean/(1-chance); math.Abs(length/want-1) > 0.1 {
		t.Errorf("hidden for %.2f steps at a time, want %.2f", length, want)
	}
}

// TestNewStreams: what was added does not change the numbers of the rest.
func TestNewStreams(t *testing.T) {
	plain := Config{Parts: Parts{Position: 0.001, Rotation: 0.01, Delay: 2, Dropout: 0.3}}
	more := plain
	more.Robot.Jitter, more.Parts.Occlusion, more.Parts.OcclusionChance = 1, 5, 0
	a, _ := ages(t, plain, 100)
	b, _ := ages(t, more, 100)
	for i := range a {
		if !reflect.DeepEqual(a[i][sim.StateDim:], b[i][sim.StateDim:]) {
			t.Fatalf("step %d: the parts differ", i)
		}
	}
}

// TestStepsDoNotAllocate: a sensor is inside a control step.
func TestStepsDoNotAllocate(t *testing.T) {
	cfg, err := Profile("T3")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Robot, cfg.Parts.Jitter = everything.Robot, 1
	e := wrap(t, &drift{}, cfg)
	obs, act, age := make([]float32, e.Spec().ObsDim), make([]float32, sim.ActDim), make([]float32, e.Spec().AgeDim())
	if err := e.Reset(obs, 1); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := e.Step(obs, act); err != nil {
			t.Fatal(err)
		}
		sim.AgesTo(age, e)
	}); n != 0 {
		t.Errorf("%v allocations in a control step", n)
	}
}
