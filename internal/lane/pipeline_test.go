//go:build mujoco

package lane

import (
	"flag"
	"path/filepath"
	"testing"
	"time"

	"korr/internal/seed"
	"korr/internal/tensorfile"
	"korr/residual"
	"korr/sim"
	"korr/sim/disturb"
	"korr/sim/mujoco"
)

var (
	long     = flag.Bool("long", false, "play whole episodes in real time: about 17 seconds each")
	episodes = flag.Int("episodes", 50, "with -long: how many")
	policy   = flag.String("policy", "korr", "with -long: shipped weights")
	first    = flag.Int("first", 0, "with -long: number of the first episode, to play them in several runs")
	profile  = flag.String("sensing", "clean", "with -long: whose noise and dropout the tracker has; its delay is the "+
		"pipeline's")
)

// TestPipeline: over ROS and on the clock, with a tracker of 15 frames a second that are 150 ms late, give or take 30,
// and an arm that speaks 100 times a second, the policy that ships solves four of five episodes and misses no deadline.
func TestPipeline(t *testing.T) {
	if !*long {
		t.Skip("needs -long: it takes a quarter of an hour")
	}
	task, err := sim.TaskByName("one_leg")
	if err != nil {
		t.Fatal(err)
	}
	f, err := tensorfile.Read(filepath.Join("..", "..", "configs", "weights", task.Name, *policy+".safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := residual.LoadEither(f, 4)
	if err != nil {
		t.Fatal(err)
	}
	sensing, err := disturb.Profile(*profile)
	if err != nil {
		t.Fatal(err)
	}
	env, err := mujoco.New(mujoco.Config{Task: task.Name})
	if err != nil {
		t.Fatal(err)
	}
	l, err := Open(t.Context(), Config{
		Env: env, Sensing: sensing,
		Clock: Clock{Hz: 100, PartsHz: 15, PartsDelay: 150 * time.Millisecond, PartsJitter: 30 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	c := must(p.NewController(task.NewFeatures()))
	solved, steps := 0, 0
	for i := *first; i < *first+*episodes; i++ {
		e, err := l.Play(t.Context(), c, seed.Stream(2, "pipeline", uint64(i)).Uint64())
		if err != nil {
			t.Fatal(err)
		}
		if e.Fault != nil {
			t.Errorf("episode %d: %v", i, e.Fault)
		}
		if e.Success {
			solved++
		}
		steps += e.Steps
		t.Logf("episode %d: solved %t, %d steps, stage %s", i, e.Success, e.Steps, e.Stage)
	}
	r := l.Tally()
	t.Logf("%s: %d of %d solved, %d steps; %d ticks, at most %d deadlines missed in a row, jitter %v, latency %v", *policy,
		solved,
		*episodes, steps, r.Ticks, r.InARow, r.Jitter, r.Latency)
	if r.Missed > 0 {
		t.Errorf("%d deadlines were missed", r.Missed)
	}
	if 10*solved < 8**episodes {
		t.Errorf("%d of %d episodes were solved", solved, *episodes)
	}
}

// must is the value of a call that does not fail.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
