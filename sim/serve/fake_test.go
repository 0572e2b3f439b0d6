package serve

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"korr/internal/seed"
	"korr/sim"
	"korr/sim/action"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// toy is an environment without physics that keeps the contract: the tool goes where it is told, one part lies at a
// place that the seed drew.
type toy struct {
	state [9]float32
	part  [3]float32
	steps int
	max   int
	live  bool
	shut  bool
	open  *atomic.Int64 // environments not yet closed
}

func newToy(maxSteps int, open *atomic.Int64) *toy {
	if maxSteps <= 0 {
		maxSteps = 50
	}
	if open != nil {
		open.Add(1)
	}
	return &toy{max: maxSteps, open: open}
}

func (e *toy) Spec() sim.Spec {
	return sim.Spec{
		Task: "toy", ObsDim: sim.StateDim + sim.PoseDim, ActDim: sim.ActDim, MaxSteps: e.max, ControlHz: 10,
		PartNames: []string{"obstacle"},
	}
}

func (e *toy) observe(obs []float32) {
	clear(obs)
	copy(obs, e.state[:])
	copy(obs[sim.StateDim:], e.part[:])
	obs[len(obs)-1] = 1
}

func (e *toy) Reset(obs []float32, episode uint64) error {
	if e.shut {
		return sim.ErrNotReset
	}
	rng := seed.Stream(episode, "toy", 0)
	e.state = [9]float32{0.5, 0, 0.2, 1, 0, 0, 0, -1, 0}
	for k := range e.part {
		e.part[k] = rng.Float32()
	}
	e.steps, e.live = 0, true
	e.observe(obs)
	return nil
}

func (e *toy) Step(obs, act []float32) (sim.Result, error) {
	if err := sim.CheckAction(act); err != nil {
		e.live = false
		return sim.Result{}, err
	}
	if !e.live {
		return sim.Result{}, sim.ErrNotReset
	}
	copy(e.state[:3], act)
	e.steps++
	e.observe(obs)
	r := sim.Result{Truncated: e.steps >= e.max}
	if act[0] > 1e8 && act[9] == 1 { // a way to succeed
		r = sim.Result{Reward: 1, Terminated: true, Success: true}
	}
	e.live = !r.Terminated && !r.Truncated
	return r, nil
}

func (e *toy) Close() error {
	if !e.shut && e.open != nil {
		e.open.Add(-1)
	}
	e.shut = true
	return nil
}

// rig is a running server of toys.
type rig struct {
	address string
	open    atomic.Int64
	stop    context.CancelFunc
	ended   chan error
}

// serveToys starts a server; the test's end stops it and checks that every environment was closed.
func serveToys(t testing.TB, address string, change func(*Config)) *rig {
	t.Helper()
	r := &rig{}
	low, high := action.Canonical.Bounds()
	cfg := Config{
		Open: func() (sim.Env, error) { return newToy(0, &r.open), nil }, Form: "6d", Low: low, High: high,
		Fingerprint: "toy-1",
		Patience:    time.Minute, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	if change != nil {
		change(&cfg)
	}
	start(t, r, cfg, address)
	return r
}

func start(t testing.TB, r *rig, cfg Config, address string) {
	t.Helper()
	if address == "" {
		address = "unix:" + filepath.Join(t.TempDir(), "korr.sock")
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	r.address = Address(l)
	ctx, cancel := context.WithCancel(context.Background())
	r.stop, r.ended = cancel, make(chan error, 1)
	go func() { r.ended <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-r.ended:
			if err != nil {
				t.Errorf("Serve: %v", err)
			}
		case <-time.After(time.Minute):
			t.Error("the server does not end")
		}
		if n := r.open.Load(); n != 0 {
			t.Errorf("%d environments were not closed", n)
		}
	})
}

// dial connects a client; the test's end closes it.
func (r *rig) dial(t testing.TB) *Client {
	t.Helper()
	c, err := Dial(context.Background(), r.address, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// raw connects without a word.
func (r *rig) raw(t testing.TB) net.Conn {
	t.Helper()
	network, at, err := splitAddress(r.address)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial(network, at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	return c
}

// greeted connects and says hello for n environments.
func (r *rig) greeted(t testing.TB, n int) net.Conn {
	t.Helper()
	c := r.raw(t)
	send(t, c, hello{version: Version, envs: n}.append(nil))
	if kind, _ := receive(t, c); kind != kindHello|reply {
		t.Fatalf("answer of kind %#x to a hello", kind)
	}
	return c
}

func send(t testing.TB, c net.Conn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

func receive(t testing.TB, c net.Conn) (kind byte, payload []byte) {
	t.Helper()
	var buf []byte
	kind, payload, err := readFrame(c, &buf, largest, nil)
	if err != nil {
		t.Fatalf("no reply: %v", err)
	}
	return kind, payload
}

// wantError expects an error frame and, after a fatal one, the end of the connection.
func wantError(t testing.TB, c net.Conn, code int) {
	t.Helper()
	kind, payload := receive(t, c)
	if kind != kindError || int(payload[0]) != code {
		t.Fatalf("reply of kind %#x, %q; want an error of code %d", kind, payload, code)
	}
	if said, rest, err := text(payload[2:]); err != nil || said == "" || len(rest) != 0 {
		t.Errorf("the error says %q (%v)", said, err)
	}
	if code == codeRequest {
		return
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("after a fatal error: %v, want the end of the connection", err)
	}
}
