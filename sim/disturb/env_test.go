package disturb

import (
	"errors"
	"math"
	"slices"
	"testing"

	"korr/internal/geom"
	"korr/sim"
	"korr/sim/envtest"
	"korr/sim/mujoco"
)

// parts is how many poses the fake environment shows.
const parts = 3

// drift is an environment without physics: everything moves steadily, so that a delay can be read off.
type drift struct{ t float32 }

func (d *drift) Spec() sim.Spec {
	return sim.Spec{
		Task: "drift", ObsDim: sim.StateDim + parts*sim.PoseDim, ActDim: sim.ActDim, MaxSteps: 1 << 30,
		ControlHz: 10, PartNames: make([]string, parts),
	}
}

func (d *drift) Reset(obs []float32, _ uint64) error {
	d.t = 0
	d.show(obs)
	return nil
}

func (d *drift) Step(obs, _ []float32) (sim.Result, error) {
	d.t++
	d.show(obs)
	return sim.Result{Reward: d.t}, nil
}

func (d *drift) Close() error { return nil }

func (d *drift) show(obs []float32) {
	clear(obs)
	obs[0] = d.t
	geom.Rot6DTo(obs[3:9], geom.RotZ(0.3).Quat())
	obs[9], obs[15] = 1, 0.04
	for p := range parts {
		at := sim.StateDim + p*sim.PoseDim
		obs[at] = d.t
		geom.QuatTo(obs[at+3:], geom.RotX(0.5).Quat())
	}
}

func wrap(t testing.TB, env sim.Env, cfg Config) sim.Env {
	t.Helper()
	e, err := Wrap(env, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// roll returns every observation of an episode, the reset's first.
func roll(t testing.TB, e sim.Env, seed uint64, steps int) (all [][]float32) {
	t.Helper()
	obs := make([]float32, e.Spec().ObsDim)
	if err := e.Reset(obs, seed); err != nil {
		t.Fatal(err)
	}
	all = append(all, slices.Clone(obs))
	for i := range steps {
		r, err := e.Step(obs, make([]float32, sim.ActDim))
		if err != nil {
			t.Fatal(err)
		}
		if r.Reward != float32(i+1) {
			t.Fatalf("step %d: reward %v is not the wrapped environment's", i, r.Reward)
		}
		all = append(all, slices.Clone(obs))
	}
	return all
}

func TestOffIsNothing(t *testing.T) {
	d := &drift{}
	if wrap(t, d, Config{}) != sim.Env(d) {
		t.Error("no disturbance, and yet a wrapper")
	}
}

// TestNoise measures the standard deviation of every group over many steps, and that a group without noise keeps its
// bits.
func TestNoise(t *testing.T) {
	const n = 4000
	cfg := Config{
		Robot: Robot{Position: 0.01, Rotation: 0.02, Velocity: 0.03, Spin: 0.04, Gripper: 0.005},
		Parts: Parts{Position: 0.002, Rotation: 0.05},
	}
	clean := roll(t, &drift{}, 1, n)
	noisy := roll(t, wrap(t, &drift{}, cfg), 1, n)
	at := sim.StateDim + sim.PoseDim
	groups := map[string]struct {
		want float64
		diff func(a, b []float32) geom.Vec3
	}{
		"position": {0.01, func(a, b []float32) geom.Vec3 { return geom.VecAt(b).Sub(geom.VecAt(a)) }},
		"velocity": {0.03, func(a, b []float32) geom.Vec3 { return geom.VecAt(b[9:]).Sub(geom.VecAt(a[9:])) }},
		"spin":     {0.04, func(a, b []float32) geom.Vec3 { return geom.VecAt(b[12:]).Sub(geom.VecAt(a[12:])) }},
		"gripper":  {0.005 / math.Sqrt(3), func(a, b []float32) geom.Vec3 { return geom.Vec3{float64(b[15] - a[15])} }},
		"rotation": {0.02, func(a, b []float32) geom.Vec3 {
			return turn(geom.Rot6DAt(a[3:9]).Quat(), geom.Rot6DAt(b[3:9]).Quat())
		}},
		"part position": {0.002, func(a, b []float32) geom.Vec3 { return geom.VecAt(b[at:]).Sub(geom.VecAt(a[at:])) }},
		"part rotation": {0.05, func(a, b []float32) geom.Vec3 { return turn(geom.QuatAt(a[at+3:]), geom.QuatAt(b[at+3:])) }},
	}
	for name, g := range groups {
		var square float64
		var mean geom.Vec3
		for i := range clean {
			d := g.diff(clean[i], noisy[i])
			square += d.Dot(d) / 3 / n
			mean = mean.Add(d.Scale(1. / n))
		}
		if s := math.Sqrt(square); math.Abs(s/g.want-1) > 0.04 {
			t.Errorf("%s: standard deviation %.5f, want %.5f", name, s, g.want)
		}
		if mean.Norm() > 5*g.want*math.Sqrt(3./n) {
			t.Errorf("%s: mean %v, want none", name, mean)
		}
	}
	for i := range noisy {
		for p := range parts {
			if w := noisy[i][sim.StateDim+p*sim.PoseDim+6]; w < 0 {
				t.Fatalf("step %d: quaternion with w = %v", i, w)
			}
		}
	}
	robot := roll(t, wrap(t, &drift{}, Config{Robot: cfg.Robot}), 1, 20)
	tracker := roll(t, wrap(t, &drift{}, Config{Parts: cfg.Parts}), 1, 20)
	for i := range robot {
		if !slices.Equal(robot[i][sim.StateDim:], clean[i][sim.StateDim:]) || !slices.Equal(tracker[i][:sim.StateDim],
			clean[i][:sim.StateDim]) {
			t.Fatalf("step %d: one channel's noise reached the other", i)
		}
		if !slices.Equal(robot[i][:sim.StateDim], noisy[i][:sim.StateDim]) || !slices.Equal(tracker[i][sim.StateDim:],
			noisy[i][sim.StateDim:]) {
			t.Fatalf("step %d: one channel's noise depends on the other's", i)
		}
	}
}

func turn(a, b geom.Quat) geom.Vec3 { return a.Inv().Mul(b).RotVec() }

func TestDelay(t *testing.T) {
	for _, d := range [][2]int{{0, 3}, {2, 0}, {1, 4}, {5, 5}} {
		all := roll(t, wrap(t, &drift{}, Config{Robot: Robot{Delay: d[0]}, Parts: Parts{Delay: d[1]}}), 1, 20)
		for i, obs := range all {
			if robot, part := float32(max(0, i-d[0])), float32(max(0, i-d[1])); obs[0] != robot || obs[sim.StateDim] != part {
				t.Fatalf("delays %v: step %d shows %v and %v, want %v and %v", d, i, obs[0], obs[sim.StateDim], robot, part)
			}
		}
	}
}

// TestDropout: what drops out keeps the value shown before; each part drops on its own, as often as asked.
func TestDropout(t *testing.T) {
	const n, p = 6000, 0.2
	all := roll(t, wrap(t, &drift{}, Config{Robot: Robot{Dropout: p}, Parts: Parts{Dropout: p, Delay: 1}}), 1, n)
	var lost [parts + 1]int
	both := 0
	for i := 2; i < len(all); i++ {
		var gone [parts + 1]bool
		for k := range gone {
			at, age := 0, float32(i)
			if k > 0 {
				at, age = sim.StateDim+(k-1)*sim.PoseDim, float32(i-1)
			}
			switch all[i][at] {
			case age:
			case all[i-1][at]:
				gone[k] = true
				lost[k]++
			default:
				t.Fatalf("step %d: channel %d shows %v, neither the newest %v nor the last %v", i, k, all[i][at], age, all[i-1][at])
			}
		}
		if gone[1] && gone[2] {
			both++
		}
	}
	for k, c := range lost {
		if math.Abs(float64(c)/n-p) > 4*math.Sqrt(p*(1-p)/n) {
			t.Errorf("channel %d dropped out in %d of %d steps, want a fifth", k, c, n)
		}
	}
	if math.Abs(float64(both)/n-p*p) > 4*math.Sqrt(p*p/n) {
		t.Errorf("two parts dropped out together in %d of %d steps: they are not independent", both, n)
	}
}

// everything disturbs all there is.
var everything = Config{
	Robot: Robot{
		Position: 0.002, Rotation: 0.01, Velocity: 0.01, Spin: 0.02, Gripper: 0.001, Delay: 1, Jitter: 1,
		Dropout: 0.1,
	},
	Parts: Parts{
		Position: 0.002, Rotation: 0.02, Delay: 2, Jitter: 0.5, Dropout: 0.2, Occlusion: 3, OcclusionChance: 0.3,
		OcclusionReach: 1,
	},
}

func TestReplay(t *testing.T) {
	a, b := wrap(t, &drift{}, everything), wrap(t, &drift{}, everything)
	flat := func(e sim.Env, seed uint64) []float32 { return slices.Concat(roll(t, e, seed, 50)...) }
	first := flat(a, 7)
	if flat(b, 8); !slices.Equal(first, flat(b, 7)) || !slices.Equal(first, flat(a, 7)) {
		t.Error("a replayed episode differs")
	}
	if slices.Equal(first, flat(a, 8)) {
		t.Error("two seeds have the same noise")
	}
}

func TestContract(t *testing.T) {
	envtest.Check(t, func(t *testing.T, maxSteps int) sim.Env {
		env, err := mujoco.New(mujoco.Config{Task: "one_leg", MaxSteps: maxSteps, Perturb: 1})
		if errors.Is(err, sim.ErrNoEngine) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { env.Close() })
		return wrap(t, env, everything)
	})
}

func TestCheck(t *testing.T) {
	if err := everything.Validate(); err != nil {
		t.Error(err)
	}
	for _, bad := range []Config{
		{Robot: Robot{Position: -1}},
		{Robot: Robot{Gripper: math.NaN()}},
		{Parts: Parts{Rotation: 10}},
		{Robot: Robot{Delay: -1}},
		{Parts: Parts{Delay: 1000}},
		{Parts: Parts{Dropout: 1}},
		{Robot: Robot{Dropout: math.Inf(1)}},
		{Robot: Robot{Jitter: math.NaN()}},
		{Parts: Parts{Jitter: -1}},
		{Parts: Parts{Occlusion: 0.5}},
		{Parts: Parts{Occlusion: 5, OcclusionChance: 2}},
		{Parts: Parts{OcclusionReach: math.Inf(1)}},
	} {
		if e, err := Wrap(&drift{}, bad); err == nil {
			t.Errorf("%+v: wrapped into %T without an error", bad, e)
		}
	}
	e := wrap(t, &drift{}, everything)
	if e.Reset(make([]float32, 3), 1) == nil {
		t.Error("reset into a buffer that is too short")
	}
}

// TestStreams pins the derivation: a change would silently change every disturbed result.
func TestStreams(t *testing.T) {
	obs := make([]float32, (&drift{}).Spec().ObsDim)
	e := wrap(t, &drift{}, Config{Robot: Robot{Position: 1}})
	if err := e.Reset(obs, 1); err != nil {
		t.Fatal(err)
	}
	if want := float32(1.2503724); obs[0] != want {
		t.Errorf("the first number is %v, want %v", obs[0], want)
	}
}
