package td3

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"korr/internal/seed"
	"korr/residual"
	"korr/sim"
	"korr/train/dataset"
	"korr/train/episodes"
	"korr/train/replay"
)

// newPointRollout has n environments made by newEnv.
func newPointRollout(t *testing.T, cfg Config, n int, newEnv func(i int) *pointEnv) *rollout {
	t.Helper()
	cfg.Envs = n
	in := pointInputs(t)
	envs := make([]sim.Env, n)
	for i := range envs {
		envs[i] = newEnv(i)
	}
	batch, err := sim.NewBatch(envs, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = batch.Close() })
	d, err := in.check(&cfg, batch.Spec())
	if err != nil {
		t.Fatal(err)
	}
	ro, err := newRollout(&cfg, &in, d, batch, replay.New(cfg.Buffer, d.x, d.act))
	if err != nil {
		t.Fatal(err)
	}
	if err := ro.begin(); err != nil {
		t.Fatal(err)
	}
	return ro
}

func (ro *rollout) stepForTest(t *testing.T, r []float32, sigma float64) {
	t.Helper()
	ro.choose(r, sigma)
	ro.simulate()
	if err := ro.record(); err != nil {
		t.Fatal(err)
	}
}

// TestRolloutActsAsTheController: what is trained is what is deployed.
func TestRolloutActsAsTheController(t *testing.T) {
	for name, choose := range variants {
		t.Run(name, func(t *testing.T) {
			cfg := pointConfig()
			choose(&cfg)
			in := pointInputs(t)
			if cfg.Method == residual.MethodKORR {
				in.Koopman = pointKoopman(t, in.Demos, in.Features)
			}
			cfg.Envs = 3
			tr := newTestTrainer(t, &cfg, &in)
			rng := seed.Stream(3, "weights", 0)
			for _, p := range tr.actor.head.Params() {
				for i := range p.Data {
					p.Data[i] = 0.2 * float32(rng.NormFloat64())
				}
			}
			if err := tr.begin(); err != nil {
				t.Fatal(err)
			}
			compareWithControllers(t, tr)
		})
	}
}

// newTestTrainer returns a trainer that has not begun; it is closed with the test.
func newTestTrainer(t *testing.T, cfg *Config, in *Inputs) *trainer {
	t.Helper()
	batch, err := cfg.NewBatch(in.NewEnv, cfg.Workers)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = batch.Close() })
	tr, err := newTrainer(cfg, in, batch)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.close() })
	return tr
}

// compareWithControllers steps the deployed policy beside every environment, on the same observations.
func compareWithControllers(t *testing.T, tr *trainer) {
	t.Helper()
	ro, w := tr.rollout, pointObs
	twins := make([]*residual.Controller, len(ro.slots))
	for i := range twins {
		twins[i] = must(tr.policy().NewController(pointFeatures{}))
		twins[i].Reset(ro.slots[i].seed)
	}
	want, used := make([]float32, sim.ActDim), 0.0
	for step := range 40 { // past the ends of episodes
		ro.choose(tr.actor.forward(ro.x, len(ro.slots)), 0)
		for i, c := range twins {
			if ro.slots[i].steps == 0 {
				c.Reset(ro.slots[i].seed)
			}
			info, err := c.StepTo(want, ro.obs[i*w:(i+1)*w])
			if err != nil {
				t.Fatal(err)
			}
			for j, v := range want {
				used = max(used, math.Abs(float64(info.Residual[j])))
				if math.Abs(float64(v-ro.act[i*sim.ActDim+j])) > 1e-5 {
					t.Fatalf("step %d, env %d, action %d: trained with %v, deployed %v", step, i, j, ro.act[i*sim.ActDim+j], v)
				}
			}
		}
		ro.simulate()
		if err := ro.record(); err != nil {
			t.Fatal(err)
		}
	}
	if used < 0.1 {
		t.Errorf("residuals up to %v: too small to compare", used)
	}
}

// TestEnds tables what ends an episode, how its last transition bootstraps and
// what is counted.
func TestEnds(t *testing.T) {
	engaged := func(v bool) func([]float32) bool { return func([]float32) bool { return v } }
	g := float32(0.9)
	tests := []struct {
		name     string
		change   func(*Config)
		engaged  func([]float32) bool
		result   sim.Result // of every step
		steps    int
		discount float32
		count    func(rolloutStats) int
	}{
		{
			"success", nil, nil,
			sim.Result{Reward: 1, Terminated: true, Success: true},
			1, 0,
			func(s rolloutStats) int { return s.successes },
		},
		{
			"terminal without success", nil, nil,
			sim.Result{Terminated: true},
			1, 0,
			func(s rolloutStats) int { return s.failed },
		},
		{"time-out", nil, nil, sim.Result{Truncated: true}, 1, g, func(s rolloutStats) int { return s.timeouts }},
		{
			"time-out as published", func(c *Config) { c.BootstrapTimeouts = false }, nil,
			sim.Result{Truncated: true},
			1, 0, func(s rolloutStats) int { return s.timeouts },
		},
		{
			"max steps", func(c *Config) { c.MaxSteps = 4 }, nil,
			sim.Result{},
			4, g,
			func(s rolloutStats) int { return s.timeouts },
		},
		{
			"fail after", func(c *Config) { c.FailAfter = 3 }, engaged(false),
			sim.Result{},
			3, 0,
			func(s rolloutStats) int { return s.failed },
		},
		{
			"engaged in time", func(c *Config) { c.FailAfter, c.MaxSteps = 3, 6 }, engaged(true),
			sim.Result{},
			6, g,
			func(s rolloutStats) int { return s.timeouts },
		},
		{
			"rewarded in time", func(c *Config) { c.FailAfter, c.MaxSteps = 3, 6 }, nil,
			sim.Result{Reward: 0.5},
			6, g,
			func(s rolloutStats) int { return s.timeouts },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := pointConfig()
			cfg.NStep, cfg.Gamma = 1, 0.9
			if tt.change != nil {
				tt.change(&cfg)
			}
			ro := newPointRollout(t, cfg, 1, func(int) *pointEnv { return &pointEnv{} })
			ro.in.Engaged = tt.engaged
			for step := 1; ; step++ {
				frame, first := ro.slots[0].frame, ro.slots[0].seed
				ro.choose(nil, 0)
				ro.simulate()
				ro.results[0] = tt.result
				if err := ro.record(); err != nil {
					t.Fatal(err)
				}
				over := ro.slots[0].seed != first
				if over != (step == tt.steps) {
					t.Fatalf("over at step %d: %v, want it at %d", step, over, tt.steps)
				}
				if !over {
					continue
				}
				if got := ro.buffer.Discount(frame); got != tt.discount {
					t.Errorf("discount %v, want %v", got, tt.discount)
				}
				if tt.count(ro.stats) != 1 || ro.stats.episodes != 1 {
					t.Errorf("counted %+v", ro.stats)
				}
				if ro.slots[0].steps != 0 || len(ro.slots[0].actions) != 0 || ro.slots[0].engaged != 0 {
					t.Errorf("left over from the last episode: %+v", ro.slots[0])
				}
				return
			}
		})
	}
}

// TestLastBaseActionContinuesTheChunk: the base action stored at the end of
// an episode is the one that would have come next, not a new plan.
func TestLastBaseActionContinuesTheChunk(t *testing.T) {
	cfg := pointConfig()
	cfg.MaxSteps, cfg.Execute = 5, 4 // the end is inside the second chunk
	ro := newPointRollout(t, cfg, 1, func(int) *pointEnv { return &pointEnv{} })
	d := ro.dims
	var frames []int
	for range 5 {
		frames = append(frames, ro.slots[0].frame)
		ro.stepForTest(t, nil, 0.3)
	}
	last := ro.buffer.X(ro.buffer.Next(frames[4]))
	begun := ro.buffer.X(frames[4]) // planned the chunk
	if !slices.Equal(last[d.obs:d.obs+d.act], begun[d.obs:d.obs+d.act]) {
		t.Errorf("base action %v, want the plan's %v", last[d.obs:d.obs+d.act], begun[d.obs:d.obs+d.act])
	}
	if phase := last[d.x-1]; phase != 0.5 {
		t.Errorf("phase %v, want 0.5", phase)
	}
	if first := ro.slots[0].x[d.x-1]; first != 0.25 {
		t.Errorf("phase %v at the start of the next episode, want 0.25", first)
	}
}

// TestBrokenEpisodesLeaveNoTrace: environments that fail or see NaN are given
// up and their last frames never become transitions.
func TestBrokenEpisodesLeaveNoTrace(t *testing.T) {
	boom := errors.New("boom")
	cfg := pointConfig()
	ro := newPointRollout(t, cfg, 3, func(i int) *pointEnv {
		switch i {
		case 0:
			return &pointEnv{broken: func(step int) error {
				if step == 7 {
					return boom
				}
				return nil
			}}
		case 1:
			return &pointEnv{blind: true}
		}
		return &pointEnv{}
	})
	for range 20 {
		ro.stepForTest(t, nil, 0.1)
	}
	if ro.stats.errors != 2+20 {
		t.Errorf("%d errors, want 2 of the broken and 20 of the blind", ro.stats.errors)
	}
	// 2 times 6 good steps, of which 5 - 1 = 4 are pending; 6 new steps; 20.
	if got, want := ro.buffer.Transitions(), 2*(6-4)+(6-4)+(20-4); got != want {
		t.Errorf("%d transitions, want %d", got, want)
	}
	for i := range ro.buffer.Frames() {
		for _, v := range ro.buffer.X(i) {
			if v != v {
				t.Fatalf("frame %d holds NaN", i)
			}
		}
	}
}

// TestResetFailure: a seed that does not reset is replaced, an environment
// that never does is an error.
func TestResetFailure(t *testing.T) {
	for _, good := range []int{2, math.MaxInt} {
		env := &stubborn{Env: &pointEnv{}, good: good}
		in, cfg := pointInputs(t), pointConfig()
		cfg.Envs = 1
		in.NewEnv = func(int) (sim.Env, error) { return env, nil }
		cfg.Steps, cfg.CriticStart, cfg.ActorStart, cfg.EvalEvery = 10, 100, 100, 0
		_, err := Train(t.Context(), cfg, in)
		if (err == nil) != (good == 2) {
			t.Errorf("good from attempt %d: error %v", good, err)
		}
		if !env.closed {
			t.Error("the environment was not closed")
		}
	}
}

type stubborn struct {
	sim.Env
	resets, good int
	closed       bool
}

func (s *stubborn) Reset(obs []float32, episodeSeed uint64) error {
	s.resets++
	if s.resets < s.good {
		return fmt.Errorf("seed %d does not settle", episodeSeed)
	}
	return s.Env.Reset(obs, episodeSeed)
}

func (s *stubborn) Close() error {
	s.closed = true
	return s.Env.Close()
}

// TestDemonstrations checks transitions against the episodes they come from.
func TestDemonstrations(t *testing.T) {
	cfg, in := pointConfig(), pointInputs(t)
	cfg.NStep, cfg.Gamma = 3, 0.5
	failed := in.Demos[1]
	failed.Success = false
	failed.Reward = make([]float32, failed.Len())
	eps := []dataset.Episode{in.Demos[0], failed}
	enc, err := episodes.NewEncoder(in.Base, in.Features)
	if err != nil {
		t.Fatal(err)
	}
	d := dims{obs: enc.Dim(), x: enc.ActorInputDim(), in: enc.ActorInputDim(), act: sim.ActDim}
	out, err := newDemonstrations(&cfg, &in, d, eps)
	if err != nil {
		t.Fatal(err)
	}
	b, n, m := out.buffer, eps[0].Len(), failed.Len()
	if b.Transitions() != n+m-1 {
		t.Errorf("%d transitions of %d and %d frames, want all but the last of the failure", b.Transitions(), n, m)
	}
	if n < 4 || m < 4 {
		t.Fatal("the demonstrations are too short to test returns")
	}
	for k, want := range []struct{ ret, discount float32 }{{1, 0}, {0.5, 0}, {0.25, 0}, {0, 0.125}} {
		if i := n - 1 - k; b.Return(i) != want.ret || b.Discount(i) != want.discount {
			t.Errorf("%d steps before the end: return %v, discount %v, want %+v", k, b.Return(i), b.Discount(i), want)
		}
	}
	last := n + m - 1
	for i, want := range []float32{0.125, 0.25, 0.5} { // of frames 4, 3 and 2 from the end
		if got := b.Discount(last - 3 + i); got != want || b.Boot(last-3+i) != last {
			t.Errorf("failure: discount %v to frame %d, want %v to %d", got, b.Boot(last-3+i), want, last)
		}
	}
	obs, xo := make([]float32, pointObs), make([]float32, d.obs)
	for i := range n {
		eps[0].ObsTo(obs, i)
		enc.EncodeTo(xo, obs)
		if !slices.Equal(b.X(i)[:d.obs], xo) {
			t.Errorf("frame %d does not hold the demonstration's observation", i)
		}
		if u := b.Action(i)[0]; math.Abs(float64(u)-float64(eps[0].ExecutedAt(i)[0])/pointReach) > 1e-5 {
			t.Errorf("frame %d: action %v, executed %v m", i, u, eps[0].ExecutedAt(i)[0])
		}
		if phase := b.X(i)[d.x-1]; phase != float32(i%cfg.Execute+1)/float32(cfg.Execute) {
			t.Errorf("frame %d: phase %v", i, phase)
		}
	}
	if out.outside != 0 {
		t.Errorf("%v of the actions out of reach: offsets of 3 mm are within 10 mm", out.outside)
	}
	cfg.Alpha = 0.01
	if out, err = newDemonstrations(&cfg, &in, d, eps); err != nil || out.outside != 1 {
		t.Errorf("%v of the actions out of reach of 1 mm (%v)", out.outside, err)
	}
	eps[1].Env = eps[1].Env[:7]
	if _, err := newDemonstrations(&cfg, &in, d, eps); err == nil {
		t.Error("a demonstration of another width was accepted")
	}
}
