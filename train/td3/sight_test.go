package td3

import (
	"math"
	"slices"
	"testing"

	"korr/internal/geom"
	"korr/koopman/filter"
	"korr/residual"
	"korr/sim"
	"korr/sim/disturb"
	"korr/train/episodes"
)

// sightedInputs are those of the point task behind late and noisy trackers and a filter.
func sightedInputs(t *testing.T) Inputs {
	t.Helper()
	in := shortInputs(t, residual.MethodResiP)
	fitted := &filter.Fitted{
		Scene: filter.Scene{Parts: []filter.Part{{Lo: geom.Vec3{-.001, -.001, -.001}, Hi: geom.Vec3{.001, .001, .001}}}},
		W:     [][][]float64{make([][]float64, 7)},
	}
	q := slices.Repeat([]filter.Cov{filter.Diagonal(1e-4, 1e-3)}, 7)
	fitted.Kinematic, fitted.Learned = [][]filter.Cov{q}, [][]filter.Cov{q}
	in.Estimation, in.Filter = residual.Kinematic, fitted
	tracker, err := disturb.Profile("T2")
	if err != nil {
		t.Fatal(err)
	}
	plain := in.NewEnv
	in.NewEnv = func(i int) (sim.Env, error) {
		env, err := plain(i)
		if err != nil {
			return nil, err
		}
		if env, err = disturb.Wrap(env, tracker); err != nil {
			return nil, err
		}
		est, err := residual.NewPoseEstimator(in.Estimation, in.Filter, pointObs, filter.Noise{})
		if err != nil {
			return nil, err
		}
		return episodes.NewEstimated(env, est), nil
	}
	return in
}

func sightedConfig() Config {
	c := shortConfig(residual.MethodResiP)
	c.History, c.CriticTruth, c.Belief = 2, true, true
	c.Steps, c.EvalEvery, c.Trackers = 1600, 0, []string{"clean", "T2"}
	return c
}

// TestSightedRunResumes: a run whose actor reads history and whose critics read the truth goes on where it was stopped.
func TestSightedRunResumes(t *testing.T) {
	cfg, in := sightedConfig(), sightedInputs(t)
	in.Run = newRun(t)
	whole, err := Train(t.Context(), cfg, in)
	if err != nil {
		t.Fatal(err)
	}
	if whole.Sight != (residual.Sight{Belief: true, History: 2, Truth: true}) {
		t.Errorf("the policy reads %+v", whole.Sight)
	}
	want := readState(t, in.Run)
	in.Run, in.Resume = newRun(t), true
	interrupt(t, cfg, in, 1203)
	if _, err := Train(t.Context(), cfg, in); err != nil {
		t.Fatal(err)
	}
	compareStates(t, readState(t, in.Run), want)
}

// TestDemonstrationsAreSensed: critics that read the truth see recorded episodes through the trackers that are dealt to
// them: the first, whose tracker is perfect, is seen as it was, the second is not, and the truth of both is.
func TestDemonstrationsAreSensed(t *testing.T) {
	cfg, in := sightedConfig(), sightedInputs(t)
	env, err := in.NewEnv(0)
	if err != nil {
		t.Fatal(err)
	}
	d, err := in.check(&cfg, env.Spec())
	if err != nil {
		t.Fatal(err)
	}
	demos, err := newDemonstrations(&cfg, &in, d, in.Demos[:2])
	if err != nil {
		t.Fatal(err)
	}
	view, err := episodes.NewView(in.spec(&cfg, nil))
	if err != nil {
		t.Fatal(err)
	}
	spans := view.Layout()
	var off [2]float64
	frame := 0
	for i := range off {
		for range in.Demos[i].Len() {
			x := demos.buffer.X(frame)
			for k, v := range spans.Truth.Of(x) {
				off[i] = max(off[i], math.Abs(float64(v-spans.Features.Of(x)[k])))
			}
			frame++
		}
	}
	if !(off[0] < 1e-5 && off[1] > 1e-3) {
		t.Errorf("the features are off the truth by %g", off)
	}
}

// TestSightIsRefused: nobody knows a belief, or that something else is true, without a filter.
func TestSightIsRefused(t *testing.T) {
	cfg, in := sightedConfig(), shortInputs(t, residual.MethodResiP)
	if _, err := Train(t.Context(), cfg, in); err == nil {
		t.Error("trained")
	}
	cfg.Features = false
	if err := cfg.Validate(); err == nil {
		t.Error("a history of no features is valid")
	}
}
