package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"korr/train/unit"
)

var platform = unit.Platform{Build: "test", Simulator: "none", Arithmetic: "exact"}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// serve starts a server whose leases are short.
func serve(t *testing.T, dir string) *Server {
	t.Helper()
	s, err := Serve(t.Context(), Settings{Dir: dir, Listen: "127.0.0.1:0", Lease: time.Second, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func dial(t *testing.T, j Join) *Store {
	t.Helper()
	s, err := Dial(t.Context(), j, quiet(), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// work runs a worker until the test ends or stop is called.
func work(t *testing.T, j Join, h unit.Handlers, change func(*Worker)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &Worker{
		Store: dial(t, j), Handlers: h, Platform: platform, Dir: t.TempDir(), Save: time.Millisecond,
		Log: quiet(),
	}
	w.Name = fmt.Sprintf("w%d", workers.Add(1))
	if change != nil {
		change(w)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := w.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("worker %s: %v", w.Name, err)
		}
	})
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return stop
}

var workers atomic.Int32

func client(t *testing.T, j Join) *Client {
	return &Client{Store: dial(t, j), Platform: platform, Log: quiet()}
}

// square does a number, and counts how often.
func square(n *atomic.Int32) unit.Handlers {
	return unit.Handlers{"square": {Do: func(_ context.Context, t *unit.Task) (any, error) {
		var x int
		err := t.Decode(&x)
		n.Add(1)
		return x * x, err
	}}}
}

func squares(n int) *unit.Job {
	j := &unit.Job{Name: "squares"}
	for i := range n {
		j.Units = append(j.Units, unit.Unit{Kind: "square", Name: fmt.Sprint(i), Spec: unit.Encode(i)})
	}
	return j
}

func collect(t *testing.T, x unit.Executor, j *unit.Job) map[string]string {
	t.Helper()
	out := map[string]string{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := x.Do(ctx, j, func(i int, r *unit.Result) error {
		name := j.Units[i].Name
		if _, twice := out[name]; twice {
			t.Errorf("%s was told twice", name)
		}
		out[name] = string(r.Value)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestJobs: units are done once, by whichever worker, and the same job finds its results there.
func TestJobs(t *testing.T) {
	s := serve(t, t.TempDir())
	var n atomic.Int32
	work(t, s.Join, square(&n), nil)
	work(t, s.Join, square(&n), func(w *Worker) { w.Slots = 2 })
	for range 2 {
		got := collect(t, client(t, s.Join), squares(40))
		if len(got) != 40 || got["7"] != "49" || n.Load() != 40 {
			t.Fatalf("%v after %d calls", got, n.Load())
		}
	}
	status, err := dial(t, s.Join).Status(t.Context())
	if err != nil || len(status.Jobs) != 1 || status.Jobs[0].Done != 40 || *status.Jobs[0].Left != 0 ||
		len(status.Workers) != 2 {
		t.Fatalf("%+v, %v", status, err)
	}
	done := 0
	for _, w := range status.Workers {
		done += w.Done
	}
	var text strings.Builder
	if err := status.WriteText(&text); err != nil || !strings.Contains(text.String(), "40/40") {
		t.Errorf("%s, %v", &text, err)
	}
	if page, err := status.Page().HTML(); err != nil || !strings.Contains(string(page), "40/40") {
		t.Errorf("page %s, %v", page, err)
	}
	if again := collect(t, client(t, s.Join), squares(41)); again["40"] != "1600" || n.Load() != 41 {
		t.Errorf("one more unit took %d calls", n.Load())
	}
}

// TestChains: a unit is done when what it reads is made; files and folders travel both ways.
func TestChains(t *testing.T) {
	s := serve(t, t.TempDir())
	in, out := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(in, "x"), []byte("given "), 0o600); err != nil {
		t.Fatal(err)
	}
	h := unit.Handlers{
		"make": {Do: func(_ context.Context, t *unit.Task) (any, error) {
			dir, err := t.Input("in")
			if err != nil {
				return nil, err
			}
			b, err := os.ReadFile(filepath.Join(dir, "x"))
			made := filepath.Join(t.Dir, "made")
			return nil, errors.Join(err, os.Mkdir(made, 0o755), os.WriteFile(filepath.Join(made, "y"),
				append(b, "made "...), 0o600))
		}},
		"use": {Do: func(_ context.Context, t *unit.Task) (any, error) {
			path, err := t.Input("made")
			if err != nil {
				return nil, err
			}
			b, err := os.ReadFile(path)
			return nil, errors.Join(err, os.WriteFile(filepath.Join(t.Dir, "used"), append(b, "used"...), 0o600))
		}},
	}
	work(t, s.Join, h, nil)
	collect(t, client(t, s.Join), &unit.Job{Name: "chain", Units: []unit.Unit{
		{
			Kind: "make", Name: "a", Inputs: unit.Inputs{"in": {Path: in}}, Outputs: []string{"made"},
			Dir: filepath.Join(out, "a"),
		},
		{
			Kind: "use", Name: "b", Inputs: unit.Inputs{"made": {From: "a", Output: "made/y"}}, Outputs: []string{"used"},
			Dir: filepath.Join(out, "b"),
		},
	}})
	for name, want := range map[string]string{"a/made/y": "given made ", "b/used": "given made used"} {
		if b, err := os.ReadFile(filepath.Join(out, name)); err != nil || string(b) != want {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
}

// TestPoisonIsParked: a unit that fails three times is parked with its error, what needs it stays, the rest is done,
// and the same job tries again.
func TestPoisonIsParked(t *testing.T) {
	s := serve(t, t.TempDir())
	var bad atomic.Bool
	var tries atomic.Int32
	bad.Store(true)
	h := unit.Handlers{
		"poison": {Do: func(_ context.Context, t *unit.Task) (any, error) {
			if tries.Add(1); bad.Load() {
				panic("poison")
			}
			return 1, os.WriteFile(filepath.Join(t.Dir, "o"), nil, 0o600)
		}},
		"after": {Do: func(context.Context, *unit.Task) (any, error) { return 2, nil }},
		"well":  {Do: func(context.Context, *unit.Task) (any, error) { return 3, nil }},
	}
	work(t, s.Join, h, nil)
	j := &unit.Job{Name: "poisoned", Units: []unit.Unit{
		{Kind: "poison", Name: "p", Outputs: []string{"o"}},
		{Kind: "after", Name: "a", Inputs: unit.Inputs{"o": {From: "p", Output: "o"}}},
		{Kind: "well", Name: "w"},
	}}
	finished := 0
	err := client(t, s.Join).Do(t.Context(), j, func(int, *unit.Result) error { finished++; return nil })
	var parked *ParkedError
	if !errors.As(err, &parked) || len(parked.Units) != 1 || !strings.Contains(err.Error(), "p: panic: poison") ||
		tries.Load() != MaxTries || finished != 1 {
		t.Fatalf("%v after %d tries, %d units done", err, tries.Load(), finished)
	}
	status, err := dial(t, s.Join).Status(t.Context())
	if err != nil || len(status.Jobs[0].Parked) != 1 || status.Jobs[0].Blocked != 1 {
		t.Errorf("%+v, %v", status, err)
	}
	bad.Store(false)
	if got := collect(t, client(t, s.Join), j); got["p"] != "1" || got["a"] != "2" || got["w"] != "3" {
		t.Errorf("after the cure %v", got)
	}
}

// TestOtherPlatformsWait: units of another program are nobody's here, and the status says why.
func TestOtherPlatformsWait(t *testing.T) {
	s := serve(t, t.TempDir())
	var n atomic.Int32
	work(t, s.Join, square(&n), nil)
	c := client(t, s.Join)
	c.Platform.Build = "other"
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := c.Do(ctx, squares(1), nil); !errors.Is(err, context.DeadlineExceeded) || n.Load() != 0 {
		t.Errorf("%v, %d units done", err, n.Load())
	}
	status, err := dial(t, s.Join).Status(t.Context())
	if err != nil || !strings.Contains(status.Jobs[0].Wants, "program") || status.Jobs[0].Waiting != 1 {
		t.Errorf("%+v, %v", status, err)
	}
}
