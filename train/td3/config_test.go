package td3

import (
	"context"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"korr/koopman"
	"korr/residual"
	"korr/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestValidate(t *testing.T) {
	good := plain()
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Config){
		"method":        func(c *Config) { c.Method = "ppo" },
		"steps":         func(c *Config) { c.Steps = 0 },
		"alpha":         func(c *Config) { c.Alpha = 0 },
		"buffer":        func(c *Config) { c.Buffer = 400 },
		"gamma":         func(c *Config) { c.Gamma = 1.01 },
		"actor_start":   func(c *Config) { c.ActorStart = c.CriticStart - 1 },
		"noise_rho":     func(c *Config) { c.NoiseRho = 1 },
		"koopman_lr":    func(c *Config) { c.Method, c.KoopmanLR = residual.MethodKORR, 0 },
		"critic_hidden": func(c *Config) { c.CriticHidden = nil },
		"eval_episodes": func(c *Config) { c.EvalEpisodes = 0 },
		"demo_fraction": func(c *Config) { c.DemoFraction = 1.5 },
	} {
		c := plain()
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestSizesAreRefused: what this machine has no memory for is an error that names the setting, before anything is made.
func TestSizesAreRefused(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"buffer":        func(c *Config) { c.Buffer = 1_000_000_000 },
		"batch":         func(c *Config) { c.Batch, c.Buffer = 1_000_000_000, 1<<24 },
		"envs":          func(c *Config) { c.Envs, c.Buffer = 1_000_000, 1<<24 },
		"critics":       func(c *Config) { c.Critics = 1_000_000_000 },
		"critic_hidden": func(c *Config) { c.CriticHidden = []int{1 << 40} },
	} {
		cfg, in := shortConfig(residual.MethodResiP), shortInputs(t, residual.MethodResiP)
		change(&cfg)
		if _, err := Train(t.Context(), cfg, in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestInputsMustFit: parts that do not fit are named before anything starts.
func TestInputsMustFit(t *testing.T) {
	model := func(c koopman.Config) *koopman.Model {
		c.ActDim, c.LatentDim, c.Hidden, c.StateInclusive = sim.ActDim, c.ObsDim+4, []int{8}, true
		m, err := koopman.New(c, nil)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	feats := pointFeatures{}.Dim()
	for want, change := range map[string]func(*Config, *Inputs){
		"needs a base policy":   func(_ *Config, in *Inputs) { in.Base = nil },
		"needs a Koopman model": func(c *Config, _ *Inputs) { c.Method = residual.MethodKORR },
		"same features setting": func(c *Config, in *Inputs) {
			c.Method, in.Koopman = residual.MethodKORR, model(koopman.Config{ObsDim: pointObs + 2})
		},
		"koopman.focus=false": func(c *Config, in *Inputs) {
			c.Method, in.Koopman = residual.MethodKORR, model(koopman.Config{ObsDim: pointObs - 1 + feats, State: pointObs - 1})
		},
		"koopman.bilinear=false": func(c *Config, in *Inputs) {
			c.Method, in.Koopman = residual.MethodKORR, model(koopman.Config{ObsDim: pointObs + 2 + feats, Bilinear: true})
		},
		"trained for another": func(_ *Config, in *Inputs) {
			in.NewEnv = func(int) (sim.Env,
				error,
			) {
				return wide{&pointEnv{}}, nil
			}
		},
		"chunks have 8 actions": func(c *Config, _ *Inputs) { c.Execute = 9 },
		"environment 0: without": func(_ *Config, in *Inputs) {
			in.NewEnv = func(int) (sim.Env, error) {
				return nil,
					errNoEngine
			}
		},
	} {
		cfg, in := shortConfig(residual.MethodResiP), pointInputs(t)
		change(&cfg, &in)
		if _, err := Train(t.Context(), cfg, in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
}

var errNoEngine = testError("without an engine")

type testError string

func (e testError) Error() string { return string(e) }

type wide struct{ *pointEnv }

func (w wide) Spec() sim.Spec {
	s := w.pointEnv.Spec()
	s.ObsDim += 7
	return s
}

// TestBestIsKept: a later, worse evaluation does not replace the best policy.
func TestBestIsKept(t *testing.T) {
	cfg, in := shortConfig(residual.MethodResiP), shortInputs(t, residual.MethodResiP)
	in.Run = newRun(t)
	cfg.EvalEpisodes = 20
	tr := newTestTrainer(t, &cfg, &in)
	if err := tr.begin(); err != nil {
		t.Fatal(err)
	}
	// The bias of the last layer alone can undo most of the base's offset.
	p := tr.actor.head.Params()
	weight, bias := p[len(p)-2].Data, p[len(p)-1].Data
	clear(weight)
	set := func(x, y float32) { bias[0], bias[1] = x, y }
	rates := map[int]float64{}
	for step, b := range [][2]float32{{0.5, 0.5}, {-0.2554, 0.1511}, {-0.2554, 0.1511}, {0, 0}} {
		set(b[0], b[1])
		tr.step = 1000 * (step + 1)
		if err := tr.evaluate(t.Context()); err != nil {
			t.Fatal(err)
		}
		rates[step] = tr.trials.BestRate
	}
	if rates[0] != 0 || rates[1] < 0.8 || rates[3] != rates[1] || tr.trials.BestStep != 3000 || tr.trials.BaseRate != 0 {
		t.Errorf("rates %v, trials %+v; want the second, kept at its repetition", rates, tr.trials)
	}
	best, err := tr.finish()
	if err != nil {
		t.Fatal(err)
	}
	saved, err := residual.Load(in.Run.Checkpoint(BestName), in.Base)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []*residual.Policy{best, saved} {
		a := q.Actor.Params()
		if a[len(a)-1].Data[0] != -0.2554 || q.Meta["environment_steps"] != "3000" || !strings.Contains(q.Meta["selection"],
			"optimistic") {
			t.Errorf("kept %v, %v", a[len(a)-1].Data, q.Meta)
		}
	}
	lines, err := in.Run.Metrics()
	if err != nil || len(lines) != 4 || lines[3].Values["eval_success"] != 0 ||
		lines[3].Values["best_success"] != rates[1] {
		t.Errorf("metrics %v (%v)", lines, err)
	}
}

// TestCancelledEvaluation: the run says so, and makes up for it when resumed.
func TestCancelledEvaluation(t *testing.T) {
	cfg, in := shortConfig(residual.MethodResiP), shortInputs(t, residual.MethodResiP)
	in.Run = newRun(t)
	ctx, cancel := context.WithCancel(t.Context())
	inner := in.NewEnv
	in.NewEnv = func(i int) (sim.Env, error) {
		if i >= cfg.Envs {
			cancel()
		}
		return inner(i)
	}
	if _, err := Train(ctx, cfg, in); err == nil || !strings.Contains(err.Error(), "evaluation at step 1600") {
		t.Errorf("error %v", err)
	}
	in.NewEnv, in.Resume = inner, true
	if _, err := Train(t.Context(), cfg, in); err != nil {
		t.Fatal(err)
	}
	resumed := readState(t, in.Run)
	in.Run, in.Resume = newRun(t), false
	if _, err := Train(t.Context(), cfg, in); err != nil {
		t.Fatal(err)
	}
	compareStates(t, resumed, readState(t, in.Run))
}
