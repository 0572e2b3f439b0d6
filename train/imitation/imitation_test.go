package imitation

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"korr/basepolicy"
	"korr/internal/geom"
	"korr/internal/nn"
	_ "korr/internal/nn/openblas"
	"korr/internal/seed"
	"korr/sim"
	"korr/train/dataset"
)

// reaching is a dataset of point motions: from a random start the demonstrator
// goes a tenth of the way to the origin per step, and the action is where to.
func reaching(episodes, length int) *dataset.Dataset {
	d := &dataset.Dataset{Info: dataset.Info{Task: "reach", Robot: "point", FPS: 10, PartNames: []string{"goal"}}}
	for k := range episodes {
		rng := seed.Stream(9, "reaching", uint64(k))
		e := dataset.Episode{Success: true, Simulator: "point 1"}
		p := [3]float64{rng.Float64() - 0.5, rng.Float64() - 0.5, rng.Float64() - 0.5}
		for range length {
			state, pose, act := make([]float32, sim.StateDim), make([]float32, sim.PoseDim), make([]float32, sim.ActDim)
			for j := range p {
				state[j] = float32(p[j])
				p[j] *= 0.9
				act[j] = float32(p[j])
			}
			e.State, e.Env = append(e.State, state...), append(e.Env, pose...)
			e.Action, e.Executed = append(e.Action, act...), append(e.Executed, act...)
			e.Reward = append(e.Reward, 0)
		}
		d.Episodes = append(d.Episodes, e)
	}
	return d
}

func smallConfig() Config {
	c := DefaultConfig()
	c.Features, c.InputNoise = false, 0 // the point task has neither features nor a tracker
	c.Steps, c.Batch, c.Horizon, c.Hidden, c.Seed = 400, 32, 4, []int{32, 32}, 5
	return c
}

func weights(m *basepolicy.MLP) []float32 {
	var w []float32
	for _, p := range m.Net.Params() {
		w = append(w, p.Data...)
	}
	return w
}

func TestTrainBaseLearnsTheDemonstrator(t *testing.T) {
	d := reaching(20, 30)
	cfg := smallConfig()
	cfg.ValFraction = 0.2
	var reports []Report
	cfg.Progress = func(r Report) { reports = append(reports, r) }
	m, err := TrainBase(context.Background(), d, cfg)
	if err != nil {
		t.Fatal(err)
	}
	first, last := reports[0], reports[len(reports)-1]
	if len(reports) != 4 || last.Step != 400 {
		t.Fatalf("%d reports, the last at step %d", len(reports), last.Step)
	}
	if last.Loss > first.Loss/2 || last.ValLoss > 0.04 || last.ValLoss == 0 { // of positions in units of their mean step
		t.Errorf("loss %v then %v, held out %v", first.Loss, last.Loss, last.ValLoss)
	}
	if want := cfg.LR * (1 + math.Cos(math.Pi*399/400)) / 2; math.Abs(last.LR-want) > 1e-12 {
		t.Errorf("last learning rate %v, want %v", last.LR, want)
	}

	// Closed loop from a new start: the policy must bring the point to the goal.
	q := basepolicy.NewQueue(m.NewChunker(), 2)
	q.Reset(0)
	obs, act := make([]float32, d.Info.ObsDim()), make([]float32, sim.ActDim)
	obs[0], obs[1], obs[2] = 0.3, -0.35, 0.25
	for range 40 {
		x := make([]float32, m.Obs.Dim())
		m.Obs.NormalizeObsTo(x, obs)
		if err := q.ActTo(act, x); err != nil {
			t.Fatal(err)
		}
		m.Act.DenormalizeTo(act, act)
		copy(obs[:3], act[:3])
	}
	for j, v := range obs[:3] {
		if math.Abs(float64(v)) > 0.03 {
			t.Errorf("coordinate %d ended at %v, want about 0", j, v)
		}
	}
}

func TestOriginTravels(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demos")
	mixed := reaching(4, 10)
	mixed.Episodes[3].Simulator = "point 2"
	for i := range mixed.Episodes { // a dataset is read with rotations only that there can be
		e := &mixed.Episodes[i]
		for t := range e.Len() {
			for _, v := range [][]float32{e.State[t*sim.StateDim:], e.ActionAt(t), e.ExecutedAt(t)} {
				v[3], v[7] = 1, 1
			}
			e.Env[t*sim.PoseDim+6] = 1
		}
	}
	if err := dataset.Write(dir, mixed); err != nil {
		t.Fatal(err)
	}
	d, err := dataset.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	cfg := smallConfig()
	cfg.Steps = 1
	m, err := TrainBase(context.Background(), d, cfg)
	if err != nil {
		t.Fatal(err)
	}
	o := m.Origin
	if o.Task != "reach" || o.Dataset != dir || o.Simulator != "point 1, point 2" || o.Seed != 5 ||
		!strings.Contains(o.Training, `"batch":32`) {
		t.Errorf("origin %+v", o)
	}
}

func TestTrainBaseIsDeterministic(t *testing.T) {
	d := reaching(5, 20)
	train := func(shards int, seed uint64) []float32 {
		cfg := smallConfig()
		cfg.Steps, cfg.Shards, cfg.Seed = 30, shards, seed
		m, err := TrainBase(context.Background(), d, cfg)
		if err != nil {
			t.Fatal(err)
		}
		return weights(m)
	}
	one, two := train(1, 5), train(2, 5)
	if !reflect.DeepEqual(one, train(1, 5)) {
		t.Error("two serial runs differ")
	}
	if !reflect.DeepEqual(two, train(2, 5)) {
		t.Error("two runs of two shards differ")
	}
	if reflect.DeepEqual(one, train(1, 6)) {
		t.Error("the seed changes nothing")
	}
	// The same batches and gradients, up to rounding.
	for i := range one {
		if math.Abs(float64(one[i]-two[i])) > 5e-3 {
			t.Fatalf("weight %d: %v with one shard, %v with two", i, one[i], two[i])
		}
	}
}

// TestShardsSplitTheGradient compares one step's gradient before the optimiser
// can amplify rounding: batches of odd size included.
func TestShardsSplitTheGradient(t *testing.T) {
	d := reaching(3, 20)
	cfg := smallConfig()
	cfg.Batch = 31
	grad := func(shards int) []float32 {
		cfg.Shards = shards
		m := &basepolicy.Normalizer{}
		var err error
		if m, err = basepolicy.FitNormalizer(d.ObsRows(), d.Info.ObsDim()); err != nil {
			t.Fatal(err)
		}
		act, err := basepolicy.FitNormalizer(d.ActionRows(), sim.ActDim)
		if err != nil {
			t.Fatal(err)
		}
		net := nn.NewMLP(nn.MLPConfig{In: m.Dim(), Hidden: []int{16}, Out: 40, LastStd: 1, OutputBias: true},
			seed.Stream(1, "x", 0))
		l := newLearner(net, newSamples(d, newReader(m, act, nil), 4, 0), cfg)
		l.step(1e-3)
		var g []float32
		for _, p := range net.Params() {
			g = append(g, p.Grad...)
		}
		return g
	}
	one := grad(1)
	for _, shards := range []int{2, 3} {
		for i, g := range grad(shards) {
			if math.Abs(float64(g-one[i])) > 1e-6 {
				t.Fatalf("%d shards: gradient %d is %v, want %v", shards, i, g, one[i])
			}
		}
	}
}

func TestGatherPadsWithTheLastAction(t *testing.T) {
	s := &samples{
		obs: []float32{0, 1, 2, 3, 4}, act: []float32{0, -0, 1, -1, 2, -2, 30, -30, 40, -40},
		end: []int{3, 3, 3, 5, 5}, obsDim: 1, actDim: 2, horizon: 3,
	}
	x, y := make([]float32, 3), make([]float32, 18)
	s.gather(x, y, []int{1, 4, 0}, nil)
	if !reflect.DeepEqual(x, []float32{1, 4, 0}) {
		t.Errorf("observations %v", x)
	}
	want := []float32{1, -1, 2, -2, 2, -2, 40, -40, 40, -40, 40, -40, 0, 0, 1, -1, 2, -2}
	if !reflect.DeepEqual(y, want) {
		t.Errorf("chunks %v, want %v", y, want)
	}
}

// TestInputNoise compares what gather draws with what was asked for: positions of parts with the given deviation,
// rotations that are turned by ten times as many rad about every axis, an arm that is seen as it is, and labels without
// noise.
func TestInputNoise(t *testing.T) {
	const parts, draws, sigma = 2, 4000, 2e-3
	d := &dataset.Dataset{Info: dataset.Info{PartNames: make([]string, parts)}}
	q := geom.RotVec(geom.Vec3{0.4, -0.2, 0.9})
	row := make([]float32, 16+7*parts)
	row[3], row[7] = 1, 1
	for p := range parts {
		geom.PoseTo(row[16+7*p:], geom.Pose{P: geom.Vec3{0.1, 0.2, 0.3}, Q: q})
	}
	d.Episodes = []dataset.Episode{{
		State: row[:16], Env: row[16:], Action: make([]float32, 10),
		Reward: make([]float32, 1),
	}}
	unit := &basepolicy.Normalizer{Min: make([]float32, len(row)), Max: make([]float32, len(row))}
	for j := range row {
		unit.Min[j], unit.Max[j] = -1, 1
	}
	act := &basepolicy.Normalizer{Min: unit.Min[:10], Max: unit.Max[:10]}
	s := newSamples(d, newReader(unit, act, nil), 1, sigma)
	x, y := make([]float32, len(row)), make([]float32, 10)
	rng := seed.Stream(1, "noise", 0)
	var moved, turned [3]float64
	for range draws {
		s.gather(x, y, []int{0}, rng)
		if !reflect.DeepEqual(x[:16], row[:16]) || !reflect.DeepEqual(y, make([]float32, 10)) {
			t.Fatalf("the arm %v or the action %v was changed", x[:16], y)
		}
		p := geom.PoseAt(x[16+7:])
		turn := p.Q.Mul(q.Inv()).RotVec()
		for k := range 3 {
			moved[k] += math.Pow(p.P[k]-float64(row[16+7+k]), 2)
			turned[k] += turn[k] * turn[k]
		}
	}
	for k := range 3 {
		m, r := math.Sqrt(moved[k]/draws), math.Sqrt(turned[k]/draws)
		if math.Abs(m/sigma-1) > 0.05 || math.Abs(r/(10*sigma)-1) > 0.05 {
			t.Errorf("axis %d: deviations %.5f m and %.5f rad, want %v and %v", k, m, r, sigma, 10*sigma)
		}
	}
}

func TestL1Gradient(t *testing.T) {
	p, y := []float32{1, -2, 0.5, 3}, []float32{0.5, -1, 0.75, 3.5}
	dy := make([]float32, 4)
	sum := l1(dy, p, y, 0.25)
	if math.Abs(sum-2.25) > 1e-12 {
		t.Errorf("sum %v, want 2.25", sum)
	}
	const h = 1e-2
	for i := range p {
		q := append([]float32(nil), p...)
		q[i] += h
		up := l1(nil, q, y, 0)
		q[i] -= 2 * h
		fd := (up - l1(nil, q, y, 0)) / (2 * h) * 0.25
		if math.Abs(fd-float64(dy[i])) > 1e-4 {
			t.Errorf("gradient %d is %v, finite differences say %v", i, dy[i], fd)
		}
	}
}

func TestTrainBaseStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cfg := smallConfig()
	cfg.ReportEvery = 10
	cfg.Progress = func(Report) { cancel() }
	if _, err := TrainBase(ctx, reaching(3, 10), cfg); !errors.Is(err, context.Canceled) ||
		!strings.Contains(err.Error(), "step 10 of 400") {
		t.Errorf("cancelled: %v", err)
	}
	cfg = smallConfig()
	cfg.LR = 1e30
	if _, err := TrainBase(context.Background(), reaching(3, 10), cfg); !errors.Is(err, ErrDiverged) {
		t.Errorf("a huge learning rate: %v", err)
	}
}

func TestTrainBaseRefuses(t *testing.T) {
	tests := []struct {
		name string
		edit func(c *Config)
		want string
	}{
		{"no steps", func(c *Config) { c.Steps = 0 }, "steps is 0"},
		{"no rate", func(c *Config) { c.LR = 0 }, "lr is 0"},
		{"all held out", func(c *Config) { c.ValFraction = 0.9 }, "none to train on"},
		{"fraction", func(c *Config) { c.ValFraction = 1 }, "val_fraction is 1"},
		{"shards", func(c *Config) { c.Shards = 0 }, "shards is 0"},
		{"width", func(c *Config) { c.Hidden = []int{0} }, "hidden is [0]"},
		{"batch", func(c *Config) { c.Batch = 1_000_000_000 }, "batch is 1000000000"},
		{"horizon", func(c *Config) { c.Horizon = 1 << 50 }, "horizon is"},
	}
	for _, tt := range tests {
		cfg := smallConfig()
		tt.edit(&cfg)
		if _, err := TrainBase(context.Background(), reaching(2, 5), cfg); err == nil || !strings.Contains(err.Error(),
			tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
	}
	if _, err := TrainBase(context.Background(), &dataset.Dataset{}, smallConfig()); err == nil {
		t.Error("an empty dataset was trained on")
	}
}

// BenchmarkStep is one step of the default network on 58 observations, one or
// two shards: run it with and without -tags openblas.
func BenchmarkStep(b *testing.B) {
	d := reaching(10, 100)
	for _, shards := range []int{1, 2} {
		b.Run(map[int]string{1: "shards=1", 2: "shards=2"}[shards], func(b *testing.B) {
			cfg := DefaultConfig()
			cfg.Shards = shards
			obs := &basepolicy.Normalizer{Min: make([]float32, 58), Max: make([]float32, 58)}
			act := &basepolicy.Normalizer{Min: make([]float32, 10), Max: make([]float32, 10)}
			for i := range obs.Max {
				obs.Max[i] = 1
			}
			for i := range act.Max {
				act.Max[i] = 1
			}
			m := basepolicy.NewMLP(basepolicy.MLPConfig{ObsDim: 58, ActDim: 10, Horizon: 32, Hidden: cfg.Widths()}, obs, act,
				seed.Stream(1, "init", 0))
			rng := seed.Stream(1, "data", 0)
			s := &samples{obs: make([]float32, 1000*58), act: d.ActionRows(), obsDim: 58, actDim: 10, horizon: 32}
			for i := range s.obs {
				s.obs[i] = float32(rng.Float64()*2 - 1)
			}
			for t := range 1000 {
				s.end = append(s.end, t/100*100+100)
			}
			l := newLearner(m.Net, s, cfg)
			for b.Loop() {
				l.step(1e-3)
			}
		})
	}
}
