package serve_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"korr/sim"
	"korr/sim/action"
	"korr/sim/domain"
	"korr/sim/mujoco"
	"korr/sim/serve"
)

// engine opens simulators with drawn physics and pushes, or skips where there is no engine.
func engine(t testing.TB, form action.Form) func() (sim.Env, error) {
	t.Helper()
	open := func() (sim.Env, error) {
		env, err := mujoco.New(mujoco.Config{Task: "one_leg", Perturb: 1, Domain: domain.Ranges{Mass: [2]float64{0.8, 1.2}}})
		if err != nil {
			return nil, err
		}
		return action.Wrap(env, form), nil
	}
	env, err := open()
	if errors.Is(err, sim.ErrNoEngine) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := env.Close(); err != nil {
		t.Fatal(err)
	}
	return open
}

// serveEngine starts a server of simulators and returns its address.
func serveEngine(t testing.TB, listen string, form action.Form) string {
	t.Helper()
	low, high := form.Bounds()
	s, err := serve.New(serve.Config{Open: engine(t, form), Form: form.String(), Low: low, High: high, Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	l, err := serve.Listen(listen)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return serve.Address(l)
}

func unixSocket(t testing.TB) string { return "unix:" + filepath.Join(t.TempDir(), "korr.sock") }

func dial(t testing.TB, address string) *serve.Client {
	t.Helper()
	c, err := serve.Dial(context.Background(), address, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestSocketIsExact: an episode over the socket has every bit of the one in process, and tells what it drew.
func TestSocketIsExact(t *testing.T) {
	form := action.Form{Rotation: action.AxisAngle, Delta: true}
	here, err := engine(t, form)()
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	there := dial(t, serveEngine(t, unixSocket(t), form))
	play := func(e sim.Env) (all []float32) {
		obs, act := make([]float32, e.Spec().ObsDim), make([]float32, e.Spec().ActDim)
		if err := e.Reset(obs, 42); err != nil {
			t.Fatal(err)
		}
		for i := range 60 {
			all = append(all, obs...)
			act[0], act[2], act[5], act[6] = 0.01*float32(i%3-1), -0.004, 0.05, float32(i%2)
			r, err := e.Step(obs, act)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, r.Reward)
		}
		return all
	}
	a, b := play(here), play(there)
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("value %d is %v in process and %v over the socket", i, a[i], b[i])
		}
	}
	if err := there.Reset(make([]float32, there.Spec().ObsDim), 42); err != nil {
		t.Fatal(err)
	}
	if drew := there.Note().Domain[0]; drew.String() != domain.Of(here).String() || drew == nil {
		t.Errorf("the server says that it drew %v, the simulator %v", drew, domain.Of(here))
	}
}

// TestPython runs examples/python against a server: the check of Gymnasium's interface in an action form of each width,
// and the example.
func TestPython(t *testing.T) {
	const python = "/usr/bin/python3"
	if out, err := exec.Command(python, "-c", "import numpy").CombinedOutput(); err != nil {
		t.Skipf("no Python with numpy: %v %s", err, out)
	}
	run := func(args ...string) string {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, python, args...)
		cmd.Dir = "../../examples/python"
		cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	for _, name := range []string{"6d", "quat", "delta-axis-angle"} {
		form, err := action.ParseForm(name)
		if err != nil {
			t.Fatal(err)
		}
		listen := "tcp::0"
		if form.Delta {
			listen = unixSocket(t)
		}
		if out := run("check.py", serveEngine(t, listen, form)); !strings.HasPrefix(out, "ok: ") {
			t.Errorf("%s: the check says %q", name, out)
		}
	}
	out := run("vector_loop.py", serveEngine(t, "tcp::0", action.Canonical), "--envs", "4", "--steps", "20")
	if !strings.Contains(out, `"steps": 80,`) || !strings.Contains(out, `"steps_per_second"`) {
		t.Errorf("the example says %q", out)
	}
}

// BenchmarkEngine steps one_leg in process and over sockets.
func BenchmarkEngine(b *testing.B) {
	for _, where := range []string{"process", "unix", "tcp"} {
		b.Run(where, func(b *testing.B) {
			var env sim.Env
			switch where {
			case "process":
				var err error
				if env, err = engine(b, action.Canonical)(); err != nil {
					b.Fatal(err)
				}
				defer env.Close()
			case "unix":
				env = dial(b, serveEngine(b, unixSocket(b), action.Canonical))
			case "tcp":
				env = dial(b, serveEngine(b, "tcp::0", action.Canonical))
			}
			obs, act := make([]float32, env.Spec().ObsDim), make([]float32, env.Spec().ActDim)
			begin := serve.CPUTime(b)
			for i := 0; b.Loop(); i++ {
				if i%500 == 0 { // an episode ends at 700 steps
					if err := env.Reset(obs, uint64(i)); err != nil {
						b.Fatal(err)
					}
					copy(act, obs[:9])
				}
				if _, err := env.Step(obs, act); err != nil {
					b.Fatal(err)
				}
			}
			serve.ReportCPU(b, begin)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "steps/s")
		})
	}
}
