package view

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestFrameRate: a viewer that keeps up is sent at least 20 frames a second of an episode in real time.
func TestFrameRate(t *testing.T) {
	c := dial(t, serve(t, Config{Live: newFake(1000)}))
	c.until("frame", func(g got) bool { return g.kind() == "frame" })
	frames, bytes, start := 0, 0, time.Now()
	for time.Since(start) < 2*time.Second {
		if g := c.read(); g.kind() == "frame" {
			frames++
			bytes += len(g.data)
		}
	}
	rate := float64(frames) / time.Since(start).Seconds()
	t.Logf("%.1f frames/s, %d bytes a frame of %d bodies", rate, bytes/frames, fakeBodies)
	if rate < 20 {
		t.Errorf("%.1f frames/s, want at least 20", rate)
	}
}

// TestHello: a viewer first learns what there is to draw and how things stand, and gets the whole episode's samples.
func TestHello(t *testing.T) {
	s := serve(t, Config{Live: newFake(1000), Seed: 7})
	first := dial(t, s)
	first.send(`{"cmd":"speed","value":0}`)
	first.until("step 100", func(g got) bool { return g.kind() == "frame" && g.frameStep() >= 100 })
	late := dial(t, s)
	if g := late.read(); g.kind() != "scene" || g.text["version"] != float64(Version) || g.text["live"] != true {
		t.Fatalf("first comes %v", g)
	}
	if g := late.read(); g.kind() != "state" || g.text["seed"] != "7" || g.text["task"] != "fake" {
		t.Fatalf("second comes %v", g)
	}
	g := late.read()
	if n := binary.LittleEndian.Uint32(g.data[4:]); g.kind() != "samples" || g.data[1] != 1 || n < 100 ||
		len(g.data) != sampleHeader+int(n)*sampleSize {
		t.Fatalf("third comes %s with %d records in %d bytes", g.kind(), n, len(g.data))
	}
	step := binary.LittleEndian.Uint32(g.data[sampleHeader+50*sampleSize:])
	if step != 50 {
		t.Errorf("record 50 is of step %d", step)
	}
}

func TestControls(t *testing.T) {
	p := newFake(100000)
	c := dial(t, serve(t, Config{Live: p, Paused: true}))
	c.state("status", "paused")
	for _, on := range []string{"true", "false"} { // also while nothing moves
		c.send(`{"cmd":"contacts","on":` + on + `}`)
		c.until("contacts "+on, func(g got) bool { return g.kind() == "frame" && (g.data[1] == 1) == (on == "true") })
	}
	c.send(`{"cmd":"step"}`)
	c.until("one sample", func(g got) bool {
		return g.kind() == "samples" && binary.LittleEndian.Uint32(g.data[sampleHeader:]) == 1
	})
	c.send(`{"cmd":"play"}`)
	c.state("status", "running")
	c.send(`{"cmd":"perturb","value":2}`)
	c.state("perturb", 2.0)
	c.send(`{"cmd":"speed","value":5}`)
	c.state("speed", 5.0)
	c.send(`{"cmd":"contacts","on":true}`)
	c.until("contacts", func(g got) bool {
		return g.kind() == "frame" && g.data[1] == 1 && len(g.data) == frameHeader+fakeBodies*bodySize+4+30*contactSize
	})
	c.send(`{"cmd":"reset","seed":"42"}`)
	seeded, sampled := false, false // in either order
	c.until("new samples of seed 42", func(g got) bool {
		seeded = seeded || g.kind() == "state" && g.text["seed"] == "42"
		sampled = sampled || g.kind() == "samples" && g.data[1] == 1
		return seeded && sampled
	})
	c.send(`{"cmd":"push","value":9}`) // this push breaks the fake
	g := c.state("status", "failed")
	if !strings.Contains(fmt.Sprint(g.text["message"]), "fell off") {
		t.Errorf("the failure is not explained: %v", g.text)
	}
	c.send(`{"cmd":"reset"}`)
	c.state("status", "running")
	c.send(`{"cmd":"pause"}`)
	c.state("status", "paused")
	c.send(`{"cmd":"seek","step":3}`)
	c.refusal("cannot seek")
	c.send(`{"cmd":"open","recording":0,"episode":0}`)
	c.refusal("no recordings")
}

// TestEndAndLoop: an episode ends and stays; with the loop on the next seed follows.
func TestEndAndLoop(t *testing.T) {
	c := dial(t, serve(t, Config{Live: newFake(5), Seed: 3}))
	c.send(`{"cmd":"speed","value":0}`)
	c.state("status", "over")
	c.send(`{"cmd":"loop","on":true}`)
	c.state("seed", "4")
}

func TestRecordings(t *testing.T) {
	lib := &fakeLibrary{}
	live := newFake(1000)
	c := dial(t, serve(t, Config{Live: live, Library: lib, Replay: true, Paused: true}))
	g := c.state("mode", "replay")
	if g.text["length"] != 50.0 || g.text["perturb"] != nil {
		t.Errorf("state %v", g.text)
	}
	c.send(`{"cmd":"seek","step":30}`)
	c.until("frame 30", func(g got) bool { return g.kind() == "frame" && g.frameStep() == 30 })
	c.send(`{"cmd":"seek","step":1000000}`)
	c.state("status", "over")
	c.send(`{"cmd":"play"}`) // from the start again
	c.until("frame 1", func(g got) bool { return g.kind() == "frame" && g.frameStep() == 1 })
	c.send(`{"cmd":"push","value":1}`)
	c.refusal("cannot be disturbed")
	c.send(`{"cmd":"open","recording":1,"episode":0}`)
	c.refusal("truncated")
	c.send(`{"cmd":"open","recording":0,"episode":2}`)
	c.refusal("no episode 2")
	c.send(`{"cmd":"open","recording":9,"episode":0}`)
	c.refusal("recording 9")
	c.send(`{"cmd":"open","recording":0,"episode":1}`)
	c.state("episode", 1.0)
	c.send(`{"cmd":"live"}`)
	c.state("mode", "live")
	for i, tape := range lib.opened {
		select {
		case <-tape.closed:
		case <-time.After(time.Second):
			t.Errorf("recording %d was not closed", i)
		}
	}
}

// TestMalformedMessages: they are answered with errors, the simulation goes on; a flood ends the connection.
func TestMalformedMessages(t *testing.T) {
	s := serve(t, Config{Live: newFake(100000)})
	c, other := dial(t, s), dial(t, s)
	c.send(`{"cmd":"fly"}`)
	c.refusal("fly")
	if err := c.conn.WriteMessage(websocket.BinaryMessage, []byte{1, 2, 3, 0xff}); err != nil {
		t.Fatal(err)
	}
	c.refusal("bad command")
	for range maxMistakes {
		if c.conn.WriteMessage(websocket.TextMessage, []byte("{")) != nil {
			break
		}
	}
	if err := c.drain(); err == nil {
		t.Error("a flood of malformed messages was endured")
	}
	big := dial(t, s)
	big.send(strings.Repeat(" ", 10*MaxCommand))
	if err := big.drain(); !websocket.IsCloseError(err, websocket.CloseMessageTooBig) {
		t.Errorf("a message of %d bytes ended with %v", 10*MaxCommand, err)
	}
	from := other.until("frame", func(g got) bool { return g.kind() == "frame" }).frameStep()
	other.until("frames after the flood", func(g got) bool { return g.kind() == "frame" && g.frameStep() > from+2 })
}

// drain reads until the connection ends and returns why.
func (c *client) drain() error {
	_ = c.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	for {
		if _, _, err := c.conn.ReadMessage(); err != nil {
			var timeout interface{ Timeout() bool }
			if errors.As(err, &timeout) && timeout.Timeout() {
				return nil
			}
			return err
		}
	}
}

// TestSlowViewer: a viewer that reads nothing blocks neither the simulation nor another viewer, and when it reads again
// it gets every sample and the newest frame, but not all those in between.
func TestSlowViewer(t *testing.T) {
	s := serve(t, Config{Live: newFake(1 << 30)})
	slow, quick := dial(t, s), dial(t, s)
	slow.send(`{"cmd":"contacts","on":true}`)
	quick.send(`{"cmd":"speed","value":0}`)
	const far = 20000
	quick.until("many steps", func(g got) bool { return g.kind() == "frame" && g.frameStep() > far })
	frames, records := 0, 0
	slow.until("the newest frame", func(g got) bool {
		switch g.kind() {
		case "samples":
			for at := sampleHeader; at < len(g.data); at += sampleSize {
				if step := int(binary.LittleEndian.Uint32(g.data[at:])); step != records {
					t.Fatalf("sample of step %d follows %d", step, records-1)
				}
				records++
			}
		case "frame":
			frames++
			return g.frameStep() > far
		}
		return false
	})
	if frames > far/20 || records < far {
		t.Errorf("%d frames and %d samples of %d steps", frames, records, far)
	}
}

func TestManyViewers(t *testing.T) {
	s := serve(t, Config{Live: newFake(100000)})
	var all []*client
	for range 8 {
		all = append(all, dial(t, s))
	}
	all[3].send(`{"cmd":"speed","value":2}`)
	for _, c := range all { // what one does, all see
		c.state("speed", 2.0)
	}
	for range maxViewers - len(all) {
		dial(t, s)
	}
	res, err := http.Get(s.URL() + "ws")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	if res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one viewer too many got status %d", res.StatusCode)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestNothingToShow(t *testing.T) {
	if _, err := NewSession(Config{}); !errors.Is(err, ErrNothing) {
		t.Errorf("error %v", err)
	}
}
