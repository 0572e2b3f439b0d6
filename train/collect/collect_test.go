package collect

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"korr/internal/geom"
	"korr/internal/seed"
	"korr/sim"
	"korr/train/dataset"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pointEnv moves the tool to where it is told; the task is to bring it within
// 1 cm of the only part. An episode whose start lies beyond x = 0.25 cannot be
// solved, and one in eight fails in the engine.
type pointEnv struct {
	pos, goal [3]float64
	steps     int
	broken    bool
	slow      bool
	closed    *atomic.Int32
}

var pointSpec = sim.Spec{
	Task: "reach", ObsDim: 23, ActDim: sim.ActDim, MaxSteps: 40, ControlHz: 10,
	PartNames: []string{"goal"},
}

func (e *pointEnv) Spec() sim.Spec { return pointSpec }

func (e *pointEnv) Reset(obs []float32, s uint64) error {
	rng := seed.Stream(s, "point", 0)
	for i := range e.pos {
		e.pos[i], e.goal[i] = rng.Float64()-0.5, 0
	}
	e.steps, e.broken = 0, rng.IntN(8) == 0
	if e.slow {
		time.Sleep(time.Duration(rng.IntN(2000)) * time.Microsecond)
	}
	e.observe(obs)
	return nil
}

func (e *pointEnv) observe(obs []float32) {
	clear(obs)
	for i, v := range e.pos {
		obs[i] = float32(v)
	}
	geom.Rot6DTo(obs[3:9], geom.Quat{0, 0, 0, 1})
	obs[22] = 1
}

func (e *pointEnv) Step(obs, act []float32) (sim.Result, error) {
	e.steps++
	if e.broken && e.steps == 5 {
		return sim.Result{}, sim.ErrUnstable
	}
	dist := 0.0
	for i := range e.pos {
		e.pos[i] = float64(act[i])
		dist += e.pos[i] * e.pos[i]
	}
	e.observe(obs)
	ok := math.Sqrt(dist) < 0.01
	res := sim.Result{Terminated: ok, Success: ok, Truncated: !ok && e.steps == pointSpec.MaxSteps}
	if ok {
		res.Reward = 1
	}
	return res, nil
}

func (e *pointEnv) Close() error {
	e.closed.Add(1)
	return nil
}

// homing goes to the origin; it gives up where x starts beyond 0.25.
type homing struct {
	stuck, fresh bool
	closed       *atomic.Int32
}

func (h *homing) Reset(uint64) { h.fresh = true }
func (h *homing) Close()       { h.closed.Add(1) }

func (h *homing) ActTo(act, obs []float32) error {
	if h.fresh {
		h.stuck, h.fresh = obs[0] > 0.25, false
	}
	copy(act, obs[:9])
	if !h.stuck {
		for i := range 3 {
			act[i] *= 0.7
		}
	}
	act[9] = -1
	return nil
}

type workers struct{ made, envs, policies atomic.Int32 }

func (w *workers) new(slow bool) Factory {
	return func() (sim.Env, sim.Policy, error) {
		w.made.Add(1)
		return &pointEnv{closed: &w.envs, slow: slow}, &homing{closed: &w.policies}, nil
	}
}

func collect(t *testing.T, opts Config) (*dataset.Dataset, Progress) {
	t.Helper()
	var w workers
	d := &dataset.Dataset{Info: dataset.Info{Task: "reach", FPS: 10, PartNames: pointSpec.PartNames}}
	done, err := Collect(context.Background(), w.new(opts.Workers > 1), d, opts)
	if err != nil {
		t.Fatal(err)
	}
	if m := w.made.Load(); w.envs.Load() != m || w.policies.Load() != m {
		t.Errorf("%d workers, %d environments and %d policies closed", m, w.envs.Load(), w.policies.Load())
	}
	return d, done
}

var options = Config{Episodes: 25, ExecNoise: 0.001, Seed: 3, Workers: 1, OnlySuccess: true}

func TestResultDoesNotDependOnWorkers(t *testing.T) {
	opts := options
	opts.Origin = dataset.Episode{Randomness: "low", Perturb: 1, Simulator: "point"}
	want, progress := collect(t, opts)
	if len(want.Episodes) != 25 || progress.Kept != 25 || progress.Successes != 25 || progress.Attempts <= 25 {
		t.Fatalf("%d episodes, progress %+v", len(want.Episodes), progress)
	}
	if !errors.Is(progress.Failure, sim.ErrUnstable) {
		t.Errorf("last failure %v, want the unstable simulation", progress.Failure)
	}
	if progress.Frames != want.Frames() {
		t.Errorf("%d frames counted, %d kept", progress.Frames, want.Frames())
	}
	for _, n := range []int{2, 7} {
		opts.Workers = n
		got, p := collect(t, opts)
		if !reflect.DeepEqual(got.Episodes, want.Episodes) {
			t.Errorf("%d workers collected other episodes", n)
		}
		if p.Attempts != progress.Attempts || p.Frames != progress.Frames {
			t.Errorf("%d workers: %+v, one: %+v", n, p, progress)
		}
	}
	opts.Seed++
	if other, _ := collect(t, opts); reflect.DeepEqual(other.Episodes[0].State, want.Episodes[0].State) {
		t.Error("the seed changes nothing")
	}
	e := want.Episodes[7]
	if !e.Success || e.Randomness != "low" || e.Perturb != 1 || e.Simulator != "point" || e.ExecNoise != 0.001 ||
		e.Seed == 0 {
		t.Errorf("episode %+v", e)
	}
}

func TestFramesHoldLabelAndExecution(t *testing.T) {
	d, _ := collect(t, options)
	var dp, dr []float64
	for i := range d.Episodes {
		e := &d.Episodes[i]
		for k := range e.Len() {
			state, clean, exec := e.State[k*16:], e.ActionAt(k), e.ExecutedAt(k)
			for j := range 3 {
				if clean[j] != state[j]*0.7 {
					t.Fatalf("episode %d, frame %d: the label is not the expert's intent", i, k)
				}
				dp = append(dp, float64(exec[j]-clean[j]))
				if k+1 < e.Len() && state[16+j] != exec[j] {
					t.Fatalf("episode %d, frame %d: the noisy action was not what was executed", i, k)
				}
			}
			turn := geom.Rot6DAt(exec[3:9]).Quat().Mul(geom.Rot6DAt(clean[3:9]).Quat().Inv()).RotVec()
			dr = append(dr, turn[0], turn[1], turn[2])
			if exec[9] != clean[9] {
				t.Fatal("noise on the gripper")
			}
		}
		if last := e.Reward[e.Len()-1]; last != 1 || e.Reward[0] != 0 {
			t.Errorf("episode %d: rewards %v .. %v", i, e.Reward[0], last)
		}
	}
	if s := std(dp); math.Abs(s-0.001) > 1e-4 {
		t.Errorf("position noise %v m, want 0.001", s)
	}
	if s := std(dr); math.Abs(s-0.005) > 5e-4 {
		t.Errorf("rotation noise %v rad, want 0.005", s)
	}
}

func std(x []float64) float64 {
	var m, s float64
	for _, v := range x {
		m += v / float64(len(x))
	}
	for _, v := range x {
		s += (v - m) * (v - m) / float64(len(x))
	}
	return math.Sqrt(s)
}

func TestWithoutNoiseOrFilter(t *testing.T) {
	opts := options
	opts.ExecNoise, opts.OnlySuccess = 0, false
	d, p := collect(t, opts)
	failed := 0
	for i := range d.Episodes {
		e := &d.Episodes[i]
		if !reflect.DeepEqual(e.Action, e.Executed) {
			t.Fatal("executed actions differ without noise")
		}
		if !e.Success {
			failed++
			if e.Len() != pointSpec.MaxSteps {
				t.Errorf("a failed episode has %d frames", e.Len())
			}
		}
	}
	if failed == 0 || p.Kept != 25 || p.Successes != 25-failed {
		t.Errorf("%d failed episodes kept, progress %+v", failed, p)
	}
}

func TestCollectIntoAWriter(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demos")
	w, err := dataset.Create(dir, dataset.Info{Task: "reach", Robot: "point", FPS: 10, PartNames: pointSpec.PartNames})
	if err != nil {
		t.Fatal(err)
	}
	var made workers
	if _, err := Collect(context.Background(), made.new(true), w, options); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := dataset.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if want, _ := collect(t, options); !reflect.DeepEqual(got.Episodes, want.Episodes) {
		t.Error("the dataset on disk differs from the one in memory")
	}
}

func TestCollectGivesUp(t *testing.T) {
	opts := options
	opts.MaxAttempts = 12
	var w workers
	p, err := Collect(context.Background(), w.new(false),
		&dataset.Dataset{Info: dataset.Info{PartNames: []string{"goal"}}}, opts)
	if !errors.Is(err, ErrTooFew) || p.Attempts != 12 || p.Kept != p.Successes || p.Kept == 0 {
		t.Errorf("progress %+v, error %v", p, err)
	}
}

type refusing struct{ after int }

func (r *refusing) Append(*dataset.Episode) error {
	if r.after--; r.after < 0 {
		return errors.New("disk full")
	}
	return nil
}

func TestCollectErrors(t *testing.T) {
	var w workers
	if p, err := Collect(context.Background(), w.new(true), &refusing{3}, options); err == nil ||
		err.Error() != "disk full" || p.Kept != 3 {
		t.Errorf("a full disk: %v after %d", err, p.Kept)
	}
	none := func() (sim.Env, sim.Policy, error) { return nil, nil, sim.ErrNoEngine }
	if _, err := Collect(context.Background(), none, &refusing{9}, options); !errors.Is(err, sim.ErrNoEngine) {
		t.Errorf("no engine: %v", err)
	}
	if _, err := Collect(context.Background(), w.new(false), &refusing{}, Config{}); err == nil {
		t.Error("no episodes were asked for, and no error came")
	}
	ctx, cancel := context.WithCancel(context.Background())
	opts := options
	opts.Workers = 4
	opts.Progress = func(p Progress) {
		if p.Kept == 5 {
			cancel()
		}
	}
	p, err := Collect(ctx, w.new(true), &refusing{99}, opts)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "of 25") || p.Kept < 5 || p.Kept == 25 {
		t.Errorf("cancelled: %v after %d", err, p.Kept)
	}
	if m := w.made.Load(); w.envs.Load() != m {
		t.Errorf("%d of %d environments closed", w.envs.Load(), m)
	}
}
