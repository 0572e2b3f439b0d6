package view

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"korr/internal/geom"
	"korr/sim/mujoco"
)

// fakePlayer needs no engine: a body that moves along x, 17 in all, and 30 contacts.
type fakePlayer struct {
	step    int
	length  int
	perturb float64
	pushes  int
	fail    bool
	closed  chan struct{}
}

const fakeBodies = 17

func newFake(length int) *fakePlayer { return &fakePlayer{length: length, closed: make(chan struct{})} }

func (p *fakePlayer) Scene() *mujoco.Scene {
	return &mujoco.Scene{
		Task: "fake", Bodies: make([]mujoco.SceneBody, fakeBodies),
		Geoms: []mujoco.SceneGeom{{Kind: "box"}},
	}
}

func (p *fakePlayer) About() About {
	return About{Task: "fake", Policy: "nobody", Hz: 10, MaxSteps: p.length}
}
func (p *fakePlayer) Perturb() float64 { return p.perturb }

func (p *fakePlayer) SetPerturb(v float64) error {
	p.perturb = v
	return nil
}

func (p *fakePlayer) Reset(uint64) (Sample, error) {
	p.step, p.fail = 0, false
	return p.sample(), nil
}

func (p *fakePlayer) sample() Sample {
	return Sample{
		Step: p.step, Time: float32(p.step) / 10, Residual: nan, Innovation: float32(p.step), Phase: "carry",
		Target: &Pose{1, 2, 3, 0, 0, 0, 1}, Ended: p.step >= p.length,
	}
}

func (p *fakePlayer) Step(frames int, push Push, each func(*mujoco.SceneFrame)) (Sample, error) {
	if p.fail {
		return Sample{}, errors.New("the arm fell off")
	}
	if push.Strength > 0 {
		p.pushes++
		p.fail = push.Strength == 9
	}
	var f mujoco.SceneFrame
	for range frames {
		p.FrameTo(&f)
		each(&f)
	}
	p.step++
	return p.sample(), nil
}

func (p *fakePlayer) FrameTo(f *mujoco.SceneFrame) {
	f.Poses = append(f.Poses[:0], make([]geom.Pose, fakeBodies)...)
	f.Poses[0] = geom.Pose{P: geom.Vec3{float64(p.step), 0, 0}, Q: geom.Quat{0, 0, math.Sqrt2 / 2, math.Sqrt2 / 2}}
	f.Contacts = append(f.Contacts[:0], make([]mujoco.SceneContact, 30)...)
}

func (p *fakePlayer) Close() error {
	close(p.closed)
	return nil
}

// fakeTape is a recording of n samples.
type fakeTape struct {
	*fakePlayer
	n int
}

func (p *fakeTape) SetPerturb() {} // hides the simulation's: a recording cannot be disturbed
func (p *fakeTape) At() int     { return p.step }
func (p *fakeTape) Seek(i int)  { p.step = min(i, p.n-1) }
func (p *fakeTape) Samples() []Sample {
	var all []Sample
	for i := range p.n {
		all = append(all, Sample{Step: i, Time: float32(i) / 10, Residual: nan, Innovation: nan, Ended: i == p.n-1})
	}
	return all
}

func (p *fakeTape) Reset(uint64) (Sample, error) {
	p.step = 0
	return p.Samples()[0], nil
}

type fakeLibrary struct{ opened []*fakeTape }

func (l *fakeLibrary) Recordings() []Recording {
	return []Recording{{"one", "fake", 2}, {"two", "fake", 1}}
}

func (l *fakeLibrary) Open(recording, _ int) (Player, error) {
	if recording == 1 {
		return nil, errors.New("the file is truncated")
	}
	l.opened = append(l.opened, &fakeTape{newFake(49), 50})
	return l.opened[len(l.opened)-1], nil
}

// serve runs a server on a free port and returns it; the test's end stops it and waits.
func serve(t *testing.T, cfg Config) *Server {
	t.Helper()
	session, err := NewSession(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Listen("127.0.0.1:0", session, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(5 * time.Second):
			t.Error("the server did not stop within 5 s")
		}
	})
	return s
}

// client is a viewer without eyes.
type client struct {
	t    *testing.T
	conn *websocket.Conn
}

func dial(t *testing.T, s *Server) *client {
	t.Helper()
	u, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	u.Scheme, u.Path = "ws", "/ws"
	conn, _, err := websocket.DefaultDialer.Dial(u.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &client{t, conn}
}

func (c *client) send(msg string) {
	c.t.Helper()
	if err := c.conn.WriteMessage(websocket.TextMessage, []byte(msg)); err != nil {
		c.t.Fatal(err)
	}
}

// got is a message: text as a map, binary as bytes.
type got struct {
	text map[string]any
	data []byte
}

func (g got) kind() string {
	switch {
	case g.text != nil:
		return g.text["type"].(string)
	case g.data[0] == kindFrame:
		return "frame"
	}
	return "samples"
}

func (g got) frameStep() int { return int(binary.LittleEndian.Uint32(g.data[8:])) }

func (c *client) read() got {
	c.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	kind, data, err := c.conn.ReadMessage()
	if err != nil {
		c.t.Fatal(err)
	}
	if kind == websocket.BinaryMessage {
		return got{data: data}
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		c.t.Fatal(err)
	}
	return got{text: m}
}

// until reads until a message satisfies ok and returns it.
func (c *client) until(what string, ok func(got) bool) got {
	c.t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
		if g := c.read(); ok(g) {
			return g
		}
	}
	c.t.Fatalf("no %s within 5 s", what)
	return got{}
}

// state waits for a state in which a field has a value.
func (c *client) state(field string, want any) got {
	c.t.Helper()
	return c.until("state with "+field, func(g got) bool { return g.kind() == "state" && g.text[field] == want })
}

// refusal waits for an error that says so.
func (c *client) refusal(words string) {
	c.t.Helper()
	c.until("error about "+words, func(g got) bool {
		return g.kind() == "error" && strings.Contains(g.text["message"].(string), words)
	})
}
