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

	"github.com/nats-io/nats.go/jetstream"

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

// counter is a unit that counts to a number in a file, one step at a time, and can be interrupted after every step.
func counter(pause time.Duration, begun *atomic.Int32) unit.Handlers {
	return unit.Handlers{"count": {
		Checkpoints: []string{"at"},
		Do: func(ctx context.Context, t *unit.Task) (any, error) {
			begun.Add(1)
			var to int
			if err := t.Decode(&to); err != nil {
				return nil, err
			}
			b, err := os.ReadFile(filepath.Join(t.Dir, "at"))
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return nil, err
			}
			for len(b) < to {
				if err := sleep(ctx, pause); err != nil {
					return nil, err
				}
				b = append(b, '.')
				tmp := filepath.Join(t.Dir, ".at")
				if err := errors.Join(os.WriteFile(tmp, b, 0o600), os.Rename(tmp, filepath.Join(t.Dir, "at"))); err != nil {
					return nil, err
				}
			}
			return len(b), nil
		},
	}}
}

// TestInterruptedUnitsGoOn: a worker that is stopped gives its unit back with what it did, and that is no failed try,
// however often it happens.
func TestInterruptedUnitsGoOn(t *testing.T) {
	s := serve(t, t.TempDir())
	var begun atomic.Int32
	j := &unit.Job{Name: "count", Units: []unit.Unit{{Kind: "count", Name: "c", Spec: unit.Encode(100)}}}
	result := make(chan error, 1)
	c := client(t, s.Join)
	go func() { result <- c.Do(t.Context(), j, func(int, *unit.Result) error { return nil }) }()
	for i := int32(1); i <= 5; i++ {
		stop := work(t, s.Join, counter(10*time.Millisecond, &begun), nil)
		for begun.Load() < i {
			time.Sleep(5 * time.Millisecond)
		}
		time.Sleep(50 * time.Millisecond)
		stop()
	}
	start := time.Now()
	work(t, s.Join, counter(10*time.Millisecond, &begun), nil)
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	st := stateOf(t, c, j)
	if st.Phase != Done || st.Epoch != 6 || st.Saves == 0 || begun.Load() != 6 {
		t.Errorf("%+v, begun %d times", st, begun.Load())
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Logf("the rest took %s", took)
	}
	if _, err := c.Store.saves.GetInfo(t.Context(), st.Checkpoint); st.Checkpoint != "" || err == nil {
		t.Errorf("checkpoint %q stays, %v", st.Checkpoint, err)
	}
}

func stateOf(t *testing.T, c *Client, j *unit.Job) State {
	t.Helper()
	_, ids, err := j.Sealed(c.Platform)
	if err != nil {
		t.Fatal(err)
	}
	var st State
	if _, err := c.Store.get(t.Context(), c.Store.state, string(ids[0]), &st); err != nil {
		t.Fatal(err)
	}
	return st
}

// TestLateOutcomesAreDropped: a worker whose lease ran out while it was silent cannot store what it did, nor a
// checkpoint or a failure, once another has the unit.
func TestLateOutcomesAreDropped(t *testing.T) {
	s := serve(t, t.TempDir())
	st := dial(t, s.Join)
	q := &queued{ID: "0123456789abcdef0123456789abcdef", Unit: unit.Unit{Kind: "k", Name: "n"}}
	first, _, err := st.claim(t.Context(), q, "lane", "first")
	if err != nil {
		t.Fatal(err)
	}
	if err := first.held(t.Context()); err != nil {
		t.Fatal(err)
	}
	second, _, err := st.claim(t.Context(), q, "lane", "second")
	if err != nil || second.state.Epoch != 2 {
		t.Fatalf("%+v, %v", second, err)
	}
	_, failErr := first.fail(t.Context(), errors.New("no"))
	for what, err := range map[string]error{
		"held": first.held(t.Context()), "finish": first.finish(t.Context(), &unit.Result{Value: []byte("1")}),
		"release": first.release(t.Context()), "fail": failErr, "save": first.save(t.Context(), t.TempDir(), nil),
	} {
		if !errors.Is(err, errLate) {
			t.Errorf("%s of the late one: %v", what, err)
		}
	}
	if err := second.finish(t.Context(), &unit.Result{Value: []byte("2")}); err != nil {
		t.Fatal(err)
	}
	third, settled, err := st.claim(t.Context(), q, "lane", "third")
	if err != nil || third != nil || settled.Phase != Done || string(settled.Result.Value) != "2" {
		t.Errorf("%+v, %+v, %v", third, settled, err)
	}
}

// TestSilentWorkersLoseTheirUnits: a unit that workers take down with them is parked; one that got further in between
// is not.
func TestSilentWorkersLoseTheirUnits(t *testing.T) {
	s := serve(t, t.TempDir())
	st := dial(t, s.Join)
	take := func(id unit.ID) (*claim, *State) {
		t.Helper()
		c, settled, err := st.claim(t.Context(), &queued{ID: id}, "lane", "w")
		if err != nil {
			t.Fatal(err)
		}
		return c, settled
	}
	for range MaxTries {
		if c, _ := take("a"); c == nil {
			t.Fatal("parked too early")
		}
	}
	if _, settled := take("a"); settled == nil || settled.Phase != Parked || !strings.Contains(settled.Error, "gone") {
		t.Errorf("%+v", settled)
	}
	for range 2 * MaxTries {
		c, _ := take("b")
		if c == nil {
			t.Fatal("parked although it got further")
		}
		if err := c.save(t.Context(), t.TempDir(), nil); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLateWorkersTookNothingDown: workers that lose a unit because they were slow, and come back, have not been taken
// down by it: however often that happens the unit is not parked, and who has it meanwhile keeps it.
func TestLateWorkersTookNothingDown(t *testing.T) {
	s := serve(t, t.TempDir())
	st := dial(t, s.Join)
	q := &queued{ID: "c", Unit: unit.Unit{Kind: "k", Name: "n"}}
	var owner *claim
	for n := range 3 * MaxTries {
		next, settled, err := st.claim(t.Context(), q, "lane", "w")
		if err != nil || next == nil {
			t.Fatalf("claim %d: settled as %+v, %v", n, settled, err)
		}
		if owner != nil {
			if err := owner.held(t.Context()); !errors.Is(err, errLate) {
				t.Fatalf("the late one: %v", err)
			}
			if err := st.spare(t.Context(), q.ID); err != nil {
				t.Fatal(err)
			}
			if err := next.held(t.Context()); err != nil {
				t.Fatalf("the one that has it: %v", err)
			}
		}
		owner = next
	}
	if err := st.spare(t.Context(), q.ID); err != nil {
		t.Fatal(err)
	}
	if err := owner.finish(t.Context(), &unit.Result{Value: []byte("1")}); err != nil {
		t.Error(err)
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

// TestServerComesBack: a server that ends and starts again under units loses none and repeats none.
func TestServerComesBack(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, dir)
	var begun atomic.Int32
	h := counter(10*time.Millisecond, &begun)
	stop, stopToo := work(t, s.Join, h, nil), work(t, s.Join, h, nil)
	j := &unit.Job{Name: "count"}
	for i := range 20 {
		j.Units = append(j.Units, unit.Unit{Kind: "count", Name: fmt.Sprint(i), Spec: unit.Encode(20 + i)})
	}
	result := make(chan map[string]string, 1)
	c := client(t, s.Join)
	go func() { result <- collect(t, c, j) }()
	for begun.Load() < 5 {
		time.Sleep(5 * time.Millisecond)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	again := serve(t, dir)
	if again.Join != s.Join {
		t.Fatalf("the server moved from %v to %v", s.Join, again.Join)
	}
	got := <-result
	stop()
	stopToo()
	for i := range 20 {
		if got[fmt.Sprint(i)] != fmt.Sprint(20+i) {
			t.Errorf("unit %d gave %q", i, got[fmt.Sprint(i)])
		}
	}
}

// TestIdleWorkersEnd: a worker without units ends by itself.
func TestIdleWorkersEnd(t *testing.T) {
	s := serve(t, t.TempDir())
	w := &Worker{
		Store: dial(t, s.Join), Handlers: unit.Handlers{}, Platform: platform, Dir: t.TempDir(),
		Idle: 300 * time.Millisecond, Log: quiet(),
	}
	if err := w.Run(t.Context()); err != nil {
		t.Error(err)
	}
	if status, err := w.Store.Status(t.Context()); err != nil || len(status.Workers) != 0 {
		t.Errorf("it is still there: %+v, %v", status, err)
	}
}

// TestBrokenOffObjects: an object whose parts are missing, as a server that starves can leave one, is told at once, and
// is stored again by whoever has it.
func TestBrokenOffObjects(t *testing.T) {
	st := dial(t, serve(t, t.TempDir()).Join)
	content := []byte("content")
	digest, err := st.putData(t.Context(), content)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.blobs.stream.Purge(t.Context(), jetstream.WithPurgeSubject("$O."+blobsBucket+".C.>")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := st.data(ctx, digest); !errors.Is(err, errIncomplete) {
		t.Errorf("reading it: %v", err)
	}
	if _, err := st.putData(ctx, content); err != nil {
		t.Fatal(err)
	}
	if again, err := st.data(ctx, digest); err != nil || string(again) != "content" {
		t.Errorf("%q, %v", again, err)
	}
}

// TestOneServerForAFolder: a second one is told who serves.
func TestOneServerForAFolder(t *testing.T) {
	dir := t.TempDir()
	serve(t, dir)
	if _, err := Serve(t.Context(), Settings{Dir: dir, Listen: "127.0.0.1:0", Log: quiet()}); !errors.Is(err, ErrServed) {
		t.Errorf("a second server: %v", err)
	}
}
