//go:build mujoco

package robot_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"korr/residual"
	"korr/residual/loop"
	"korr/ros/robot"
	"korr/ros/simnode"
	"korr/sim"
	"korr/sim/disturb"
	"korr/sim/expert"
	"korr/sim/mujoco"
)

// scripted is the expert as the loop's policy.
type scripted struct {
	*expert.Expert
	seen [][]float32
}

func newScripted(t *testing.T, seed uint64) *scripted {
	t.Helper()
	task, err := sim.TaskByName("one_leg")
	if err != nil {
		t.Fatal(err)
	}
	e, err := expert.New(task, expert.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	e.Reset(seed)
	return &scripted{Expert: e}
}

func (s *scripted) StepTo(act, obs []float32) (residual.Info, error) {
	s.seen = append(s.seen, slices.Clone(obs))
	return residual.Info{}, s.ActTo(act, obs)
}
func (s *scripted) ReadTimes(residual.When) {}

func (s *scripted) Executed([]float32) {}
func (s *scripted) Replan()            {}

func (s *scripted) Prepare([]float32) (bool, error) { return true, nil }

func newMuJoCo(t *testing.T) sim.Env {
	t.Helper()
	env, err := mujoco.New(mujoco.Config{Task: "one_leg", Perturb: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = env.Close() })
	return env
}

// TestMuJoCoEpisode: a whole assembly over ROS in lock step is, bit for bit, the one in process, on true poses and on
// those of a tracker that is late, noisy and loses parts (T2).
func TestMuJoCoEpisode(t *testing.T) {
	for _, tracker := range []string{disturb.Clean, "T2"} {
		t.Run(tracker, func(t *testing.T) { sameEpisode(t, tracker) })
	}
}

func sameEpisode(t *testing.T, tracker string) {
	const seed = 11
	cfg, err := disturb.Profile(tracker)
	if err != nil {
		t.Fatal(err)
	}
	env, err := disturb.Wrap(newMuJoCo(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	d := &direct{env: env, obs: make([]float32, env.Spec().ObsDim), seq: 1, over: cancel}
	if err := env.Reset(d.obs, seed); err != nil {
		t.Fatal(err)
	}
	in := newScripted(t, seed)
	begin := time.Now()
	if err := loop.Run(ctx, d, in, loop.Config{LockStep: true}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	inRate := float64(len(in.seen)) / time.Since(begin).Seconds()

	sc := simnode.Config{LockStep: true, Sensing: cfg}
	r := newRig(t, newMuJoCo(t), sc, robot.Config{LockStep: true, ReportedTwist: true})
	var rate float64
	for range 2 {
		over := newScripted(t, seed)
		begin = time.Now()
		res, err := r.robot.Run(context.Background(), over, loop.Config{LockStep: true}, seed)
		if err != nil {
			t.Fatal(err)
		}
		rate = float64(len(over.seen)) / time.Since(begin).Seconds()
		same(t, "MuJoCo over ROS and in process", over.seen, in.seen)
		if res.Success != d.res.Success || int(res.Step) != len(in.seen) {
			t.Errorf("result %+v, in process %+v after %d steps", res, d.res, len(in.seen))
		}
	}
	t.Logf("%d steps, success %v; %.0f steps/s over ROS, %.0f in process", len(in.seen), d.res.Success, rate, inRate)
}

// TestMuJoCoTwist measures how far J(q) dq lies from the engine's own twist, in units of the last place.
func TestMuJoCoTwist(t *testing.T) {
	r := newRig(t, newMuJoCo(t), simnode.Config{LockStep: true}, robot.Config{LockStep: true})
	env := newMuJoCo(t)
	obs := make([]float32, env.Spec().ObsDim)
	if err := env.Reset(obs, 3); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := r.robot.Reset(ctx, 3); err != nil {
		t.Fatal(err)
	}
	s, policy := loop.Sample{Obs: make([]float32, len(obs))}, newScripted(t, 3)
	act := make([]float32, sim.ActDim)
	var worst, fastest float64
	differ, total := 0, 0
	for range 200 {
		if err := errors.Join(r.robot.Wait(ctx, s.Seq), r.robot.Read(&s)); err != nil {
			t.Fatal(err)
		}
		for i := range obs {
			if i >= 9 && i < 15 {
				total++
				fastest = max(fastest, math.Abs(float64(obs[i])))
				if obs[i] != s.Obs[i] {
					differ++
				}
				worst = max(worst, math.Abs(float64(obs[i])-float64(s.Obs[i])))
			} else if obs[i] != s.Obs[i] {
				t.Fatalf("element %d: %v and %v", i, obs[i], s.Obs[i])
			}
		}
		if err := policy.ActTo(act, obs); err != nil {
			t.Fatal(err)
		}
		if err := r.robot.Write(act, loop.Permit{}); err != nil {
			t.Fatal(err)
		}
		if _, err := env.Step(obs, act); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("twist by J(q) dq: %d of %d values differ from the engine's, by at most %.2g; the fastest is %.2g", differ,
		total, worst, fastest)
	if fastest < 0.01 {
		t.Error("the arm does not move: nothing was compared")
	}
	if worst > 1e-5 {
		t.Errorf("the twist differs by %g: is the arm the same?", worst)
	}
}
