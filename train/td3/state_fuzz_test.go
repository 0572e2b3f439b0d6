package td3

import (
	"encoding/json"
	"testing"

	"korr/residual"
)

// FuzzState: no text of a training state, of whatever values, panics or makes a run of nonsense. The file's digest is
// not looked at here: what it protects from is chance, not a state that another version wrote.
func FuzzState(f *testing.F) {
	cfg, in := shortConfig(residual.MethodResiP), shortInputs(f, residual.MethodResiP)
	cfg.Buffer = 4 * cfg.Envs * (cfg.NStep + 2)
	batch, err := cfg.NewBatch(in.NewEnv, cfg.Workers)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = batch.Close() })
	tr, err := newTrainer(&cfg, &in, batch)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = tr.close() })
	if err := tr.begin(); err != nil {
		f.Fatal(err)
	}
	file, err := tr.encode()
	if err != nil {
		f.Fatal(err)
	}
	good := file.Meta["progress"]
	f.Add(good)
	f.Add("{}")
	f.Add(`{"step":-1,"episodes":-5,"replay":true,"slots":[{"frame":-1}]}`)
	f.Fuzz(func(t *testing.T, progress string) {
		file.SetMeta("progress", progress)
		if err := tr.decode(file); err != nil {
			return
		}
		if tr.step < 0 || tr.learner.updates < 0 || tr.rollout.starter.Begun < 0 {
			t.Errorf("resumed at step %d after %d updates and %d episodes", tr.step, tr.learner.updates,
				tr.rollout.starter.Begun)
		}
		if _, err := json.Marshal(tr.trials); err != nil {
			t.Errorf("trials that cannot be saved: %v", err)
		}
	})
}
