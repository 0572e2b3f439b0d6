package td3

import (
	"encoding/json"
	"errors"
	"testing"

	"korr/basepolicy"
	"korr/basepolicy/remote"
	"korr/basepolicy/remote/fake"
	"korr/residual"
	"korr/sim"
)

// servePoint serves the point task's base policy.
func servePoint(t *testing.T) (*fake.Server, *remote.Policy) {
	t.Helper()
	base := pointBase()
	about := base.About()
	s := &fake.Server{Rows: about.Horizon, Width: sim.ActDim, Batch: 16}
	plan := base.NewChunker()
	s.Infer = func(n int, state, parts, _ []float64) []float32 {
		var out []float32
		raw, x := make([]float32, pointObs), make([]float32, about.Obs.Dim())
		for i := range n {
			for j := range sim.StateDim {
				raw[j] = float32(state[i*sim.StateDim+j])
			}
			for j := range sim.PoseDim {
				raw[sim.StateDim+j] = float32(parts[i*sim.PoseDim+j])
			}
			about.Obs.NormalizeObsTo(x, raw)
			chunk := make([]float32, about.Horizon*sim.ActDim)
			if err := plan.ChunkTo(chunk, x, basepolicy.Rest{}); err != nil {
				t.Error(err)
			}
			about.Act.DenormalizeTo(chunk, chunk)
			out = append(out, chunk...)
		}
		return out
	}
	s.Start()
	p, _, err := remote.Open(s.Address(), remote.Options{Task: "point", Obs: about.Obs, Act: about.Act})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Close()
		s.Kill()
	})
	return s, p
}

// TestServerDiesWhileTraining: a run on a base policy behind a server stops with its state kept when the server dies,
// and goes on with another. The environments' requests share messages.
func TestServerDiesWhileTraining(t *testing.T) {
	for name, replay := range map[string]bool{"with its buffer": true, "without": false} {
		cfg := shortConfig(residual.MethodResiP)
		cfg.SaveReplay = replay
		in := shortInputs(t, residual.MethodResiP)
		in.Run = newRun(t)
		s, base := servePoint(t)
		in.Base = base
		asked, inner := 0, in.NewEnv
		in.NewEnv = func(i int) (sim.Env, error) {
			e, err := inner(i)
			if i != 0 {
				return e, err
			}
			return &counted{Env: e, onStep: func() {
				if asked++; asked == 150 {
					s.Kill()
				}
			}}, err
		}
		if _, err := Train(t.Context(), cfg, in); !errors.Is(err, errPlanning) || !errors.Is(err, basepolicy.ErrLate) {
			t.Fatalf("%s: %v", name, err)
		}
		var p progress
		if err := json.Unmarshal([]byte(readState(t, in.Run)["progress"].(string)), &p); err != nil {
			t.Fatal(err)
		}
		if p.Step < 140*cfg.Envs || p.Step > 160*cfg.Envs {
			t.Errorf("%s: the state is of step %d, the server died at about %d", name, p.Step, 150*cfg.Envs)
		}
		if messages, rows := s.Asked(); rows < 2*messages {
			t.Errorf("%s: %d observations in %d messages", name, rows, messages)
		}
		_, in.Base = servePoint(t)
		in.NewEnv, in.Resume = inner, true
		if _, err := Train(t.Context(), cfg, in); err != nil {
			t.Errorf("%s: resumed: %v", name, err)
		}
	}
}
