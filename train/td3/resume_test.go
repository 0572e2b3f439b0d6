package td3

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"korr/internal/tensorfile"
	"korr/residual"
	"korr/sim"
	"korr/train/run"
)

// variants are what an actor can read.
var variants = map[string]func(*Config){
	"resip": func(c *Config) { c.Method = residual.MethodResiP },
	"korr":  func(c *Config) { c.Method = residual.MethodKORR },
	"focus": func(c *Config) { c.Method, c.Focus, c.LRDecay = residual.MethodResiP, true, 0.5 },
	"plan":  func(c *Config) { c.Method, c.Condition = residual.MethodResiP, residual.Plan },
	"lookahead": func(c *Config) {
		c.Method, c.Condition, c.Foresight = residual.MethodKORR, residual.Lookahead, []int{1, 3}
	},
	"focused lookahead": func(c *Config) {
		c.Method, c.Condition, c.Foresight, c.Focus = residual.MethodKORR, residual.Lookahead, []int{2}, true
	},
	"observer": func(c *Config) {
		c.Method, c.Condition, c.Foresight, c.ObserverGain = residual.MethodKORR, residual.Lookahead, []int{2}, 0.3
	},
	"critics": func(c *Config) {
		c.Method, c.Condition, c.Foresight, c.Focus, c.CriticOnly = residual.MethodKORR, residual.Lookahead, []int{2}, true,
			true
	},
	"critics' plan": func(c *Config) {
		c.Method, c.Condition, c.Foresight, c.CriticOnly = residual.MethodResiP, residual.Plan, []int{2}, true
	},
	"expand": func(c *Config) {
		c.Method, c.Condition, c.Foresight, c.CriticOnly, c.ValueExpansion = residual.MethodKORR, residual.Lookahead,
			[]int{2}, true, true
	},
}

// shortConfig goes through every phase in little time.
func shortConfig(method residual.Method) Config {
	c := pointConfig()
	c.Method = method
	c.ActorHidden, c.CriticHidden, c.Batch = []int{16}, []int{16}, 16
	c.Steps, c.CriticStart, c.CriticWarmUp, c.ActorStart = 3200, 500, 20, 1000
	c.ConstrainEvery, c.UTD = 10, 0.11
	c.LogEvery, c.CheckpointEvery, c.EvalEvery, c.EvalEpisodes = 400, 800, 1600, 4
	return c
}

func shortInputs(t testing.TB, method residual.Method) Inputs {
	in := pointInputs(t)
	if method == residual.MethodKORR {
		in.Koopman = pointKoopman(t, in.Demos, in.Features)
	}
	return in
}

// readState reads the run's state; the text that is not tensors comes apart.
func readState(t *testing.T, f *run.Folder) map[string]any {
	t.Helper()
	file, err := tensorfile.Read(f.Checkpoint(StateName))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	for k, v := range file.Meta {
		out[k] = v
	}
	for _, x := range file.Tensors {
		out[x.Name] = x.F32
	}
	return out
}

func compareStates(t *testing.T, got, want map[string]any) {
	t.Helper()
	if len(got) != len(want) || len(want) < 20 {
		t.Errorf("%d entries, want %d", len(got), len(want))
	}
	for k, v := range want {
		if !reflect.DeepEqual(got[k], v) {
			t.Errorf("%s differs", k)
		}
	}
}

// interrupt runs until the environments have made n steps more, then cancels.
func interrupt(t *testing.T, cfg Config, in Inputs, n int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	made, inner := 0, in.NewEnv
	in.NewEnv = func(i int) (sim.Env, error) {
		e, err := inner(i)
		if i != 0 {
			return e, err
		}
		return &counted{Env: e, onStep: func() {
			if made++; made*cfg.Envs >= n {
				cancel()
			}
		}}, err
	}
	if _, err := Train(ctx, cfg, in); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want context.Canceled", err)
	}
}

type counted struct {
	sim.Env
	onStep func()
}

func (c *counted) Unwrap() sim.Env { return c.Env }

func (c *counted) Step(obs, act []float32) (sim.Result, error) {
	c.onStep()
	return c.Env.Step(obs, act)
}

// TestResumeEqualsUninterrupted interrupts a run in every phase and compares
// all of the state at the end with that of a run left alone.
func TestResumeEqualsUninterrupted(t *testing.T) {
	for name, choose := range variants {
		t.Run(name, func(t *testing.T) {
			cfg := shortConfig(residual.MethodResiP)
			choose(&cfg)
			in := shortInputs(t, cfg.Method)
			in.Run = newRun(t)
			whole, err := Train(t.Context(), cfg, in)
			if err != nil {
				t.Fatal(err)
			}
			want := readState(t, in.Run)
			wantLines, err := in.Run.Metrics()
			if err != nil {
				t.Fatal(err)
			}

			in.Run, in.Resume = newRun(t), true
			for _, n := range []int{100, 600, 1, 611, 1, 700, 1, 800} { // 1: before it made a step
				interrupt(t, cfg, in, n)
			}
			cfg.Overlap, cfg.Workers, cfg.LearnerThreads = true, 3, 2 // may change on the way
			parts, err := Train(t.Context(), cfg, in)
			if err != nil {
				t.Fatal(err)
			}
			compareStates(t, readState(t, in.Run), want)
			if !same(parts.Actor.Params(), whole.Actor.Params()) {
				t.Error("the returned policies differ")
			}
			lines, err := in.Run.Metrics()
			if err != nil {
				t.Fatal(err)
			}
			if len(lines) != len(wantLines) {
				t.Fatalf("%d lines of metrics, want %d", len(lines), len(wantLines))
			}
			for i, l := range lines {
				w := wantLines[i]
				for _, key := range []string{"success", "updates", "episodes", "noise", "eval_success", "best_success"} {
					if l.Step != w.Step || l.Values[key] != w.Values[key] {
						t.Errorf("line %d: step %d, %s %v; want step %d, %v", i, l.Step, key, l.Values[key], w.Step, w.Values[key])
					}
				}
			}
		})
	}
}

// TestKillAndResume kills the process of a run without warning, and the processes that resume it at random moments.
func TestKillAndResume(t *testing.T) {
	const key = "KORR_TD3_TEST_RUN"
	cfg := shortConfig(residual.MethodResiP)
	cfg.CheckpointEvery = 320
	in := shortInputs(t, residual.MethodResiP)
	if dir := os.Getenv(key); dir != "" { // the process to kill
		var err error
		if in.Run, err = run.Open(dir); err != nil {
			t.Fatal(err)
		}
		in.Resume = true // from nothing at first
		inner := in.NewEnv
		in.NewEnv = func(i int) (sim.Env, error) { // slow enough to be caught
			e, err := inner(i)
			return &counted{Env: e, onStep: func() { time.Sleep(50 * time.Microsecond) }}, err
		}
		if _, err := Train(t.Context(), cfg, in); err != nil {
			t.Fatal(err)
		}
		return
	}
	in.Run = newRun(t)
	state := in.Run.Checkpoint(StateName)
	killAfterCheckpoint := func(wait time.Duration) {
		t.Helper()
		child := exec.Command(os.Args[0], "-test.run=^TestKillAndResume$")
		child.Env = append(os.Environ(), key+"="+in.Run.Dir())
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			if _, err := os.Stat(state); err == nil {
				break
			} else if time.Now().After(deadline) {
				_ = child.Process.Kill()
				t.Fatal("no checkpoint within a minute")
			}
		}
		time.Sleep(wait)
		_ = child.Process.Kill() // it may have ended
		_ = child.Wait()
	}
	kills := 20
	if testing.Short() {
		kills = 3
	}
	killAfterCheckpoint(30 * time.Millisecond) // into the steps after a checkpoint
	for range kills - 1 {                      // while it starts, resumes, writes or steps
		wait := time.Duration(rand.IntN(200)) * time.Millisecond
		t.Log("killed after", wait)
		killAfterCheckpoint(wait)
	}
	in.Resume = true
	if _, err := Train(t.Context(), cfg, in); err != nil {
		t.Fatal(err)
	}
	killed := in.Run
	in.Run, in.Resume = newRun(t), false
	if _, err := Train(t.Context(), cfg, in); err != nil {
		t.Fatal(err)
	}
	sameRun(t, killed, in.Run)
}

// sameRun fails unless both folders hold the same files with the same bytes, but for the time in the metrics.
func sameRun(t *testing.T, got, want *run.Folder) {
	t.Helper()
	list := func(f *run.Folder) (names []string) {
		if err := filepath.WalkDir(f.Dir(), func(path string, _ fs.DirEntry, err error) error {
			names = append(names, strings.TrimPrefix(path, f.Dir()))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return names
	}
	names := list(want)
	if g := list(got); !reflect.DeepEqual(g, names) || len(names) < 5 {
		t.Errorf("the folder holds %q, want %q", g, names)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".safetensors") {
			a, err1 := os.ReadFile(got.Path(name))
			b, err2 := os.ReadFile(want.Path(name))
			if err1 != nil || err2 != nil || !bytes.Equal(a, b) {
				t.Errorf("%s differs (%v, %v)", name, err1, err2)
			}
		}
	}
	a, err1 := got.Metrics()
	b, err2 := want.Metrics()
	if err1 != nil || err2 != nil || len(a) != len(b) {
		t.Fatalf("%d lines of metrics, want %d (%v, %v)", len(a), len(b), err1, err2)
	}
	for i := range a {
		if a[i].Step != b[i].Step || a[i].Values["episodes"] != b[i].Values["episodes"] ||
			a[i].Values["critic_loss"] != b[i].Values["critic_loss"] {
			t.Errorf("line %d is %+v, want %+v", i+1, a[i], b[i])
		}
	}
}

// TestDamagedStateIsRefused: a run does not go on from a state in which one bit is another, wherever it is.
func TestDamagedStateIsRefused(t *testing.T) {
	cfg, in := shortConfig(residual.MethodResiP), shortInputs(t, residual.MethodResiP)
	cfg.Steps, cfg.CriticStart, cfg.ActorStart, cfg.EvalEvery, in.Run = 800, 200, 400, 0, newRun(t)
	if _, err := Train(t.Context(), cfg, in); err != nil {
		t.Fatal(err)
	}
	path := in.Run.Checkpoint(StateName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	in.Resume = true
	for range 20 {
		bit := rand.IntN(8 * len(whole))
		b := bytes.Clone(whole)
		b[bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Train(t.Context(), cfg, in); !errors.Is(err, tensorfile.ErrMalformed) {
			t.Errorf("bit %d of byte %d: %v", bit%8, bit/8, err)
		}
	}
	if err := os.WriteFile(path, whole, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Train(t.Context(), cfg, in); err != nil {
		t.Error(err)
	}
}

// TestOverlapDoesNotMatter compares serial and overlapped runs.
func TestOverlapDoesNotMatter(t *testing.T) {
	var want map[string]any
	for _, overlap := range []bool{false, true} {
		cfg, in := shortConfig(residual.MethodKORR), shortInputs(t, residual.MethodKORR)
		cfg.Overlap, cfg.Workers = overlap, 1
		if overlap {
			cfg.Workers, cfg.LearnerThreads = 2, 2
		}
		in.Run = newRun(t)
		if _, err := Train(t.Context(), cfg, in); err != nil {
			t.Fatal(err)
		}
		if got := readState(t, in.Run); want == nil {
			want = got
		} else {
			compareStates(t, got, want)
		}
	}
}

func TestSeedsMatter(t *testing.T) {
	var states []map[string]any
	for s := range 2 {
		cfg, in := shortConfig(residual.MethodResiP), shortInputs(t, residual.MethodResiP)
		cfg.Steps, cfg.Seed, in.Run = 800, uint64(s), newRun(t)
		if _, err := Train(t.Context(), cfg, in); err != nil {
			t.Fatal(err)
		}
		states = append(states, readState(t, in.Run))
	}
	for _, k := range []string{"actor.0.weight", "replay.x", "critic.0.0.weight", "noise"} {
		if reflect.DeepEqual(states[0][k], states[1][k]) {
			t.Errorf("%s is the same for both seeds", k)
		}
	}
}
