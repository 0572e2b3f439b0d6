package td3

import (
	"testing"

	"korr/sim"
)

// TestMilestone: engaging pays once an episode, whatever comes after.
func TestMilestone(t *testing.T) {
	cfg := pointConfig()
	cfg.NStep, cfg.Milestone, cfg.MaxSteps = 1, 0.7, 6
	ro := newPointRollout(t, cfg, 1, func(int) *pointEnv { return &pointEnv{} })
	step := 0
	ro.in.Engaged = func([]float32) bool { return step%6 == 2 || step%6 == 4 }
	for step = 1; step <= 12; step++ {
		frame := ro.slots[0].frame
		ro.choose(nil, 0)
		ro.simulate()
		ro.results[0] = sim.Result{Success: step == 12}
		if step == 12 {
			ro.results[0].Reward = 1
		}
		if err := ro.record(); err != nil {
			t.Fatal(err)
		}
		want := float32(0)
		switch step {
		case 2, 8:
			want = 0.7
		case 12:
			want = 1
		}
		if got := ro.buffer.Return(frame); got != want {
			t.Errorf("step %d pays %v, want %v", step, got, want)
		}
	}
}

// TestMilestoneOfDemonstrations: the same in a recording.
func TestMilestoneOfDemonstrations(t *testing.T) {
	cfg, in := pointConfig(), pointInputs(t)
	cfg.NStep, cfg.Milestone = 1, 0.7
	frame := -1
	in.Engaged = func([]float32) bool { frame++; return frame >= 2 } // asked from frame 1 on, until it says yes
	d, err := in.check(&cfg, sim.Spec{Task: "point", ObsDim: pointObs, ActDim: sim.ActDim})
	if err != nil {
		t.Fatal(err)
	}
	out, err := newDemonstrations(&cfg, &in, d, in.Demos[:1])
	if err != nil {
		t.Fatal(err)
	}
	n := in.Demos[0].Len()
	for i := range n {
		want := float32(0)
		switch i {
		case 2: // led to frame 3
			want = 0.7
		case n - 1:
			want = 1
		}
		if got := out.buffer.Return(i); got != want {
			t.Errorf("frame %d of %d pays %v, want %v", i, n, got, want)
		}
	}
}
