//go:build mujoco

package episodes

import (
	"flag"
	"testing"

	"korr/internal/seed"
	"korr/koopman"
	"korr/residual"
	"korr/sim"
	"korr/sim/domain"
	"korr/sim/mujoco"
	"korr/train/eval"
)

var long = flag.Bool("long", false, "measure what adapting the Koopman model is worth in changed physics, for a minute")

// changed is a weak arm and slippery parts: what the shipped policies were not trained for.
var changed = domain.Ranges{Mass: [2]float64{1, 1}, Friction: [2]float64{0.5, 0.5}, Gain: [2]float64{0.6, 0.6}}

// TestAdaptationIsWorthIt holds what recursive least squares stays in koopman for: at least 15 % less error in
// changed physics, on the shipped KORR's own episodes. It prints the observer's beside it.
func TestAdaptationIsWorthIt(t *testing.T) {
	if !*long {
		t.Skip("without -long")
	}
	policy, err := residual.Load("../../configs/weights/one_leg/korr.safetensors", nil)
	if err != nil {
		t.Fatal(err)
	}
	model := policy.Koopman
	c := model.Config()
	reader, err := koopman.NewReader(model, nil)
	if err != nil {
		t.Fatal(err)
	}
	adapted, err := koopman.NewAdapted(model, koopman.AdapterConfig{})
	if err != nil {
		t.Fatal(err)
	}
	faster, err := koopman.NewAdapted(model, koopman.AdapterConfig{Prior: 1e-3})
	if err != nil {
		t.Fatal(err)
	}
	disturbed, err := koopman.NewDisturbed(model, 0.02)
	if err != nil {
		t.Fatal(err)
	}
	forecasters := []koopman.Forecaster{reader, adapted, faster, disturbed}
	for name, ranges := range map[string]domain.Ranges{"nominal": {}, "changed": changed} {
		scores, err := koopman.Evaluate(forecasters, seen(t, policy, ranges), c.ObsDim, c.ActDim,
			koopman.EvalConfig{Horizons: []int{1, 8, 50}})
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range scores {
			less := 100 * (1 - s.RMSE/scores[i%3].RMSE)
			t.Logf("%s physics, %s, %d steps: RMSE %.4f, %.1f %% less than the model's", name, s.Model, s.Horizon, s.RMSE, less)
			if name == "changed" && i/3 == 1 && less < 15 {
				t.Errorf("adaptation saves %.1f %% at %d steps: below 15 it should go", less, s.Horizon)
			}
		}
	}
}

// seen is what the policy's model observes in 15 episodes.
func seen(t *testing.T, policy *residual.Policy, ranges domain.Ranges) []koopman.Episode {
	t.Helper()
	task, err := sim.TaskByName(policy.Task)
	if err != nil {
		t.Fatal(err)
	}
	env, err := mujoco.New(mujoco.Config{Task: policy.Task, Domain: ranges, MaxSteps: 450})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = env.Close() }() // nothing is written
	enc, robot := policy.Encoder(task.NewFeatures()), policy.Koopman.Config().State
	controller := policy.NewController(task.NewFeatures())
	xo, part, u := make([]float32, enc.Dim()), make([]float32, enc.PartDim(robot)), make([]float32, enc.ActDim())
	var out []koopman.Episode
	for i := range uint64(15) {
		var e koopman.Episode
		ep, err := eval.RunEpisode(t.Context(), env, controller, seed.Stream(77, "rls", i).Uint64(), func(s eval.Step) {
			enc.EncodeTo(xo, s.Obs)
			enc.PartTo(part, xo, robot)
			enc.NormalizeActionTo(u, s.Act)
			e.Obs, e.Act, e.T = append(e.Obs, part...), append(e.Act, u...), e.T+1
		})
		if err != nil || ep.Fault != nil {
			t.Fatal(err, ep.Fault)
		}
		out = append(out, e)
	}
	return out
}
