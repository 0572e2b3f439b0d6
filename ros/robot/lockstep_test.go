package robot_test

import (
	"context"
	"errors"
	"flag"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"korr/residual"
	"korr/residual/loop"
	"korr/residual/shield"
	"korr/ros/master"
	"korr/ros/msgs"
	"korr/ros/names"
	"korr/ros/node"
	"korr/ros/robot"
	"korr/ros/simnode"
	"korr/ros/toyarm"
	"korr/sim"
)

func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", "4") // the tests wait, most of the time
	goleak.VerifyTestMain(m)
}

// wander is a policy that depends on every element of the observation, is not orthonormal in its rotation, and opens
// and closes the gripper, also with values inside the dead band. It records what it saw.
type wander struct {
	seen [][]float32
	tick int
	ages [][]float64
	at   residual.When
}

func (w *wander) StepTo(act, obs []float32) (residual.Info, error) {
	w.seen, w.ages = append(w.seen, slices.Clone(obs)), append(w.ages, slices.Clone(w.at.Ages))
	w.tick++
	sum := float32(0)
	for i, v := range obs {
		sum += v * float32(1+i%7)
	}
	s := float32(math.Sin(float64(sum)))
	copy(act, []float32{0.52 + 0.05*s, 0.1 * s, 0.15 + 0.05*s*s, 1.02, 0.1 * s, 0.01, 0.1 * s, -0.97, 0.02})
	switch phase := w.tick % 40; {
	case phase < 15:
		act[9] = -0.7
	case phase < 20:
		act[9] = 0.01
	case phase < 35:
		act[9] = 0.9
	default:
		act[9] = -0.015
	}
	return residual.Info{}, nil
}

func (w *wander) ReadTimes(at residual.When) { w.at = at }

func (w *wander) Executed([]float32) {}
func (w *wander) Replan()            {}

func (w *wander) Prepare([]float32) (bool, error) { return true, nil }

// direct is the environment in process behind the same interface as the arm over ROS.
type direct struct {
	env  sim.Env
	obs  []float32
	seq  uint64
	res  sim.Result
	over context.CancelFunc
}

func (d *direct) Read(s *loop.Sample) error {
	copy(s.Obs, d.obs)
	s.Seq = d.seq
	return nil
}

func (d *direct) Write(cmd []float32, p loop.Permit) (err error) {
	if err := p.Take(); err != nil {
		return err
	}
	d.res, err = d.env.Step(d.obs, cmd)
	if d.seq++; d.res.Terminated || d.res.Truncated {
		d.over()
	}
	return err
}

func (d *direct) Hold(context.Context, *shield.Shield) error { return nil }

func (d *direct) Wait(ctx context.Context, after uint64) error {
	if d.seq == after {
		<-ctx.Done()
	}
	return ctx.Err()
}

// wide lets every command of wander pass.
func wide() *shield.Limits {
	l := shield.Default()
	l.Min, l.Max = [3]float64{-2, -2, -2}, [3]float64{2, 2, 2}
	l.MaxStep, l.MaxTurn, l.MaxSpeed, l.MaxTurnRate, l.MaxAccel, l.MaxTurnAccel = 5, math.Pi, 50, 32, 1e4, 1e4
	return &l
}

// inProcess runs an episode without ROS and returns what the policy saw.
func inProcess(t *testing.T, env sim.Env, seed uint64) ([][]float32, sim.Result) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	d := &direct{env: env, obs: make([]float32, env.Spec().ObsDim), seq: 1, over: cancel}
	if err := env.Reset(d.obs, seed); err != nil {
		t.Fatal(err)
	}
	w := &wander{}
	if err := loop.Run(ctx, d, w, loop.Config{LockStep: true, Shield: wide()}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	return w.seen, d.res
}

// rig is a master, a simulator and an arm on loopback.
type rig struct {
	master *master.Master
	server *simnode.Server
	robot  *robot.Robot
	names  func(node string) *names.Names
	stop   func()
}

func newRig(tb testing.TB, env sim.Env, sc simnode.Config, rc robot.Config) *rig {
	tb.Helper()
	return newRigWith(tb, nil, env, sc, rc)
}

// newRigWith is newRig; prepare is given a node before the others start.
func newRigWith(tb testing.TB, prepare func(testing.TB, *node.Node), env sim.Env,
	sc simnode.Config, rc robot.Config,
) *rig {
	tb.Helper()
	m, err := master.Start(master.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		tb.Fatal(err)
	}
	r := &rig{master: m, names: func(node string) *names.Names {
		n, err := names.New(node, m.URI())
		if err != nil {
			tb.Fatal(err)
		}
		return n
	}}
	if prepare != nil {
		n, err := node.Open(context.Background(), node.Config{Names: r.names("prepare")})
		if err != nil {
			tb.Fatal(err)
		}
		prepare(tb, n)
		_ = n.Close()
	}
	sc.Names, sc.Env = r.names(msgs.SimNode), env
	if r.server, err = simnode.New(context.Background(), sc); err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.server.Run(ctx); !errors.Is(err, context.Canceled) {
			tb.Errorf("the simulator stopped: %v", err)
		}
	})
	r.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		_ = r.server.Close()
	})
	if rc.Names == nil {
		rc.Names = r.names("korr")
	}
	rc.Parts = env.Spec().PartNames
	if r.robot, err = robot.Open(context.Background(), rc); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = r.robot.Close()
		r.stop()
		_ = m.Close()
	})
	return r
}

func lockStepRig(tb testing.TB, env sim.Env) *rig {
	return newRig(tb, env, simnode.Config{LockStep: true}, robot.Config{LockStep: true, ReportedTwist: true})
}

// overROS runs an episode through the nodes and returns what the policy saw.
func overROS(tb testing.TB, r *rig, seed uint64) ([][]float32, *msgs.SimState) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	w := &wander{}
	res, err := r.robot.Run(ctx, w, loop.Config{LockStep: true, Shield: wide()}, seed)
	if err != nil {
		tb.Fatal(err)
	}
	return w.seen, res
}

// same fails at the first observation that differs in any bit.
func same(t *testing.T, what string, a, b [][]float32) {
	t.Helper()
	if len(a) != len(b) {
		t.Fatalf("%s: %d and %d observations", what, len(a), len(b))
	}
	for k := range a {
		for i := range a[k] {
			if math.Float32bits(a[k][i]) != math.Float32bits(b[k][i]) {
				t.Fatalf("%s: observation %d element %d: %v and %v", what, k, i, a[k][i], b[k][i])
			}
		}
	}
}

// TestLockStepEpisode: over ROS an episode is the same, bit for bit, as in process, and as itself when run again.
func TestLockStepEpisode(t *testing.T) {
	want, wantRes := inProcess(t, toyarm.New(400), 7)
	r := lockStepRig(t, toyarm.New(400))
	other, _ := overROS(t, r, 8)
	first, res := overROS(t, r, 7)
	again, _ := overROS(t, r, 7)
	same(t, "ROS and in process", first, want)
	same(t, "ROS twice", first, again)
	if res.Seed != 7 || int(res.Step) != len(want) || res.Success != wantRes.Success ||
		res.EpisodeReturn != wantRes.Reward || !res.Terminated {
		t.Errorf("result %+v, in process %+v after %d steps", res, wantRes, len(want))
	}
	if slices.Equal(other[0], first[0]) {
		t.Error("seeds 7 and 8 start alike")
	}
}

// TestRepeatsChangeNothing: a simulator that repeats itself all the time gets every answer many times over, and the
// episode is the same.
func TestRepeatsChangeNothing(t *testing.T) {
	want, _ := inProcess(t, toyarm.New(400), 7)
	r := newRig(t, toyarm.New(400), simnode.Config{LockStep: true, Resend: 50 * time.Microsecond},
		robot.Config{LockStep: true, ReportedTwist: true})
	got, _ := overROS(t, r, 7)
	same(t, "with repeats", got, want)
}

// TestLockStepIsFasterThanRealTime states the rate; the bound is loose because machines are shared.
func TestLockStepIsFasterThanRealTime(t *testing.T) {
	r := lockStepRig(t, toyarm.New(1000))
	overROS(t, r, 1) // connections are made
	begin := time.Now()
	seen, _ := overROS(t, r, 2)
	rate := float64(len(seen)) / time.Since(begin).Seconds()
	t.Logf("%.0f lock-step control steps per second", rate)
	if rate < 100 {
		t.Errorf("%.0f steps/s: slower than ten times real time", rate)
	}
}

// TestJacobianTwist measures how far the twist from joints differs from the reported one.
func TestJacobianTwist(t *testing.T) {
	r := newRig(t, toyarm.New(50), simnode.Config{LockStep: true}, robot.Config{LockStep: true})
	got, _ := overROS(t, r, 3)
	want, _ := inProcess(t, toyarm.New(50), 3)
	same(t, "J(q) dq and the simulator's twist", got, want) // the toy uses the same kinematics
}

// TestFailingEpisode: a simulator that blows up ends the episode with its reason, and the next one is clean.
func TestFailingEpisode(t *testing.T) {
	env := toyarm.New(50)
	env.FailAt = 20
	r := lockStepRig(t, env)
	w := &wander{}
	_, err := r.robot.Run(context.Background(), w, loop.Config{LockStep: true, Shield: wide()}, 4)
	var e *robot.EpisodeError
	if !errors.As(err, &e) || e.Step != 20 || e.Reason == "" || len(w.seen) != 20 {
		t.Fatalf("%v after %d steps", err, len(w.seen))
	}
	env.FailAt = 0 // the simulator's goroutine is waiting for a reset
	if seen, _ := overROS(t, r, 4); len(seen) != 50 {
		t.Errorf("%d steps after the failure", len(seen))
	}
}

// TestLateCommandsDoNothing: in lock step a pose that answers no observation moves nothing.
func TestLateCommandsDoNothing(t *testing.T) {
	r := lockStepRig(t, toyarm.New(30))
	overROS(t, r, 5)
	before := r.server.Steps()
	for range 5 {
		if err := r.robot.Hold(context.Background(), limits()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if after := r.server.Steps(); after != before {
		t.Errorf("%d steps were taken", after-before)
	}
}

func BenchmarkLockStep(b *testing.B) {
	r := lockStepRig(b, toyarm.New(math.MaxInt))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := r.robot.Reset(ctx, 1); err != nil {
		b.Fatal(err)
	}
	s := loop.Sample{Obs: make([]float32, 58)}
	act := []float32{0.5, 0, 0.2, 1, 0, 0, 0, -1, 0, -1}
	tick := func() {
		if err := r.robot.Wait(ctx, s.Seq); err != nil {
			b.Fatal(err)
		}
		if err := errors.Join(r.robot.Read(&s), r.robot.Write(act, loop.Permit{})); err != nil {
			b.Fatal(err)
		}
	}
	tick()
	tick()
	b.ResetTimer()
	for b.Loop() {
		tick()
	}
}

// limits is the default shield.
func limits() *shield.Shield {
	s := shield.New(shield.Default(), 0)
	return &s
}
