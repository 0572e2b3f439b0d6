package serve

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"korr/sim"
	"korr/sim/envtest"
)

// TestContract runs the contract of sim.Env through the socket, Unix and TCP, the absence of allocation on both sides
// included.
func TestContract(t *testing.T) {
	for _, address := range []string{"", "tcp::0"} {
		envtest.Check(t, func(t *testing.T, maxSteps int) sim.Env {
			var r *rig
			r = serveToys(t, address, func(c *Config) {
				c.Open = func() (sim.Env, error) { return newToy(maxSteps, &r.open), nil }
			})
			return r.dial(t)
		})
	}
}

func TestSpace(t *testing.T) {
	r := serveToys(t, "", nil)
	s := r.dial(t).Space()
	if s.Fingerprint != "toy-1" || s.Form != "6d" || s.Envs != 1 || s.Spec.Task != "toy" ||
		s.Spec.PartNames[0] != "obstacle" || s.Spec.ControlHz != 10 || s.Low[0] != -1 || s.High[9] != 1 {
		t.Errorf("%+v", s)
	}
}

// TestSuccess: every part of a result crosses the wire.
func TestSuccess(t *testing.T) {
	r := serveToys(t, "", nil)
	c := r.dial(t)
	obs, act := make([]float32, c.Spec().ObsDim), make([]float32, 10)
	if err := c.Reset(obs, 1); err != nil {
		t.Fatal(err)
	}
	act[0], act[9] = 1e9, 1
	res, err := c.Step(obs, act)
	if err != nil || res != (sim.Result{Reward: 1, Terminated: true, Success: true}) || obs[0] != 1e9 {
		t.Errorf("%+v, %v, tool at %v", res, err, obs[0])
	}
	if _, err := c.Step(obs, act); !errors.Is(err, sim.ErrNotReset) {
		t.Errorf("step after success: %v", err)
	}
}

// TestClientsAreIndependent: clients at once see the episodes that they would see alone.
func TestClientsAreIndependent(t *testing.T) {
	r := serveToys(t, "tcp::0", nil)
	play := func(c *Client, seed uint64) (all []float32, err error) {
		obs, act := make([]float32, c.Spec().ObsDim), make([]float32, 10)
		if err := c.Reset(obs, seed); err != nil {
			return nil, err
		}
		for i := range 40 {
			all = append(all, obs...)
			act[0] = float32(seed) + float32(i)/7
			if _, err := c.Step(obs, act); err != nil {
				return nil, err
			}
		}
		return all, nil
	}
	var want [8][]float32
	for i := range want {
		var err error
		if want[i], err = play(r.dial(t), uint64(i)); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for i := range want {
		c := r.dial(t)
		wg.Go(func() {
			if got, err := play(c, uint64(i)); err != nil || !slices.Equal(got, want[i]) {
				t.Errorf("client %d among others saw another episode (%v)", i, err)
			}
		})
	}
	wg.Wait()
}

// reset and step are requests for n toys.
func reset(active []bool, seeds []uint64) []byte {
	b := appendFlags(frame(nil, kindReset), active)
	for _, s := range seeds {
		b = binary.LittleEndian.AppendUint64(b, s)
	}
	return sealed(b)
}

func step(active []bool, act []float32) []byte {
	return sealed(appendFloats(appendFlags(frame(nil, kindStep), active), act))
}

// TestBatch steps three environments of one connection: one acts, one rests, one gets an action that is not a number.
func TestBatch(t *testing.T) {
	r := serveToys(t, "", func(c *Config) { c.Workers = 2 })
	c := r.greeted(t, 3)
	all := []bool{true, true, true}
	send(t, c, reset(all, []uint64{1, 2, 1}))
	_, p := receive(t, c)
	d := newToy(0, nil).Spec().ObsDim
	if want := 3 + 3*4*d + 4; len(p) != want {
		t.Fatalf("%d bytes, want %d", len(p), want)
	}
	first := make([]float32, 3*d)
	floats(first, p[3:])
	if !slices.Equal(first[:d], first[2*d:]) || slices.Equal(first[:d], first[d:2*d]) {
		t.Error("seeds 1, 2, 1 gave other observations than they should")
	}
	act := make([]float32, 30)
	act[0], act[10], act[20] = 0.25, 0.5, float32(math.NaN())
	send(t, c, step([]bool{true, false, true}, act))
	_, p = receive(t, c)
	flags, obs := p[12:15], make([]float32, 3*d)
	note, _, err := text(floats(obs, p[15:]))
	if err != nil || flags[0] != 0 || flags[1] != 0 || flags[2] != faultAction<<faultShift ||
		!strings.Contains(note, `"2":"bad action: element 0 is NaN"`) {
		t.Errorf("flags %v, note %q, %v", flags, note, err)
	}
	if obs[0] != 0.25 || !slices.Equal(obs[d:2*d], first[d:2*d]) {
		t.Errorf("the acting environment shows %v; the resting one moved: %v", obs[0], !slices.Equal(obs[d:2*d],
			first[d:2*d]))
	}
	send(t, c, step(all, make([]float32, 30)))
	_, p = receive(t, c)
	if flags := p[12:15]; flags[0] != 0 || flags[1] != 0 || flags[2] != faultNotReset<<faultShift {
		t.Errorf("after the fault: flags %v, want the third alone to ask for a reset", flags)
	}
}

// TestRefusals sends what is wrong: the answer is an error frame with the right code, and a client beside goes on.
func TestRefusals(t *testing.T) {
	r := serveToys(t, "", func(c *Config) { c.MaxEnvs = 4 })
	beside := r.dial(t)
	obs, act := make([]float32, beside.Spec().ObsDim), make([]float32, 10)
	if err := beside.Reset(obs, 1); err != nil {
		t.Fatal(err)
	}
	hi := hello{version: Version, envs: 1}.append(nil)
	for name, c := range map[string]struct {
		bytes []byte
		code  int
	}{
		"HTTP":            {[]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), codeMalformed},
		"empty frame":     {[]byte{0, 0, 0, 0}, codeMalformed},
		"huge frame":      {[]byte{255, 255, 255, 255, 1}, codeMalformed},
		"step first":      {sealed(frame(nil, kindStep)), codeMalformed},
		"wrong magic":     {sealed(append(frame(nil, kindHello), "ROSS\x01\x00\x01\x00"...)), codeMalformed},
		"another version": {hello{version: 2, envs: 1}.append(nil), codeVersion},
		"too many":        {hello{version: Version, envs: 5}.append(nil), codeFull},
		"long hello":      {sealed(append(frame(nil, kindHello), "KORR\x01\x00"...)), codeMalformed},
		"unknown kind":    {slices.Concat(hi, sealed(frame(nil, 0x42))), codeRequest},
		"hello twice":     {slices.Concat(hi, hi), codeRequest},
		"short reset":     {slices.Concat(hi, sealed(append(frame(nil, kindReset), 1))), codeRequest},
		"step of 9":       {slices.Concat(hi, step([]bool{true}, make([]float32, 9))), codeRequest},
		"flag 2": {
			slices.Concat(hi, sealed(append(frame(nil, kindReset), 2, 0, 0, 0, 0, 0, 0, 0, 0))),
			codeRequest,
		},
		"close with more":  {slices.Concat(hi, sealed(append(frame(nil, kindClose), 1))), codeRequest},
		"frame over limit": {slices.Concat(hi, step([]bool{true}, make([]float32, 11))), codeMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			conn := r.raw(t)
			send(t, conn, c.bytes)
			if slices.Equal(c.bytes[:min(len(hi), len(c.bytes))], hi) {
				if kind, _ := receive(t, conn); kind != kindHello|reply {
					t.Fatalf("answer of kind %#x to a hello", kind)
				}
			}
			wantError(t, conn, c.code)
			if c.code == codeRequest {
				send(t, conn, reset([]bool{true}, []uint64{1}))
				if kind, _ := receive(t, conn); kind != kindReset|reply {
					t.Errorf("after the refusal: kind %#x, want the answer to a reset", kind)
				}
			}
			if _, err := beside.Step(obs, act); err != nil {
				t.Errorf("the client beside: %v", err)
			}
		})
	}
}

// TestDeadlines: a silent client and one that stops in a frame are told and closed.
func TestDeadlines(t *testing.T) {
	r := serveToys(t, "", func(c *Config) { c.Idle, c.Patience = 100*time.Millisecond, 100*time.Millisecond })
	wantError(t, r.raw(t), codeTimeout)
	wantError(t, r.greeted(t, 1), codeTimeout)
	c := r.greeted(t, 1)
	send(t, c, reset([]bool{true}, []uint64{1})[:7])
	wantError(t, c, codeTimeout)
}

func TestFull(t *testing.T) {
	r := serveToys(t, "", func(c *Config) { c.MaxConns = 2 })
	a := r.dial(t)
	r.dial(t)
	_, err := Dial(context.Background(), r.address, time.Second)
	var full *RemoteError
	if !errors.As(err, &full) || full.Code != codeFull {
		t.Errorf("third of two connections: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	for range 100 { // the place becomes free when the server has seen the end
		if c, err := Dial(context.Background(), r.address, time.Second); err == nil {
			_ = c.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("no connection after one was closed")
}

// TestOpenFails: environments that cannot be made are an answer, not a hang, and those made before are closed.
func TestOpenFails(t *testing.T) {
	var r *rig
	r = serveToys(t, "", func(c *Config) {
		c.Open = func() (sim.Env, error) {
			if r.open.Load() >= 2 {
				return nil, errors.New("out of engines")
			}
			return newToy(0, &r.open), nil
		}
	})
	c := r.raw(t)
	send(t, c, hello{version: Version, envs: 3}.append(nil))
	wantError(t, c, codeInternal)
}

// TestShutdown ends a server that has clients: they are told.
func TestShutdown(t *testing.T) {
	r := serveToys(t, "", nil)
	c := r.greeted(t, 1)
	r.stop()
	wantError(t, c, codeShutdown)
}

// TestEnvironmentsHaveABudget: all connections together get no more environments than the server has, whoever asks, and
// what a connection had is free again when it ends.
func TestEnvironmentsHaveABudget(t *testing.T) {
	r := serveToys(t, "", func(c *Config) { c.MaxEnvs, c.MaxTotal = 4, 6 })
	greet := func(n int) (byte, []byte, func()) {
		t.Helper()
		conn := r.raw(t)
		send(t, conn, hello{version: Version, envs: n}.append(nil))
		kind, p := receive(t, conn)
		return kind, p, func() { _ = conn.Close() }
	}
	kind, _, end := greet(4)
	if kind != kindHello|reply {
		t.Fatalf("kind %#x", kind)
	}
	for range 20 {
		kind, p, _ := greet(4)
		if kind != kindError || p[0] != codeFull {
			t.Fatalf("beyond the budget: kind %#x, %q", kind, p)
		}
	}
	if n := r.open.Load(); n != 4 {
		t.Errorf("%d environments are open", n)
	}
	if kind, _, _ := greet(2); kind != kindHello|reply {
		t.Errorf("the rest of the budget: kind %#x", kind)
	}
	end()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if kind, _, _ := greet(4); kind == kindHello|reply {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("an ended connection's environments never came back")
		}
	}
}
