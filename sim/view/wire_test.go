package view

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"korr/internal/geom"
	"korr/sim/mujoco"
)

func TestDecodeCommand(t *testing.T) {
	for _, good := range []string{
		`{"cmd":"play"}`, `{"cmd":"pause"}`, `{"cmd":"step"}`, `{"cmd":"live"}`, `{"cmd":"reset"}`,
		`{"cmd":"reset","seed":18446744073709551615}`, `{"cmd":"reset","seed":"18446744073709551615"}`,
		`{"cmd":"push","value":1}`, `{"cmd":"perturb","value":0}`, `{"cmd":"speed","value":0}`,
		`{"cmd":"speed","value":0.25}`,
		`{"cmd":"contacts","on":true}`, `{"cmd":"loop","on":false}`, `{"cmd":"open","recording":0,"episode":3}`,
		`{"cmd":"seek","step":12}`,
	} {
		if _, err := DecodeCommand([]byte(good)); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "null", "[]", "play", `{"cmd":"fly"}`, `{"cmd":"play","seed":1}`, `{"cmd":"play"}{"cmd":"play"}`,
		`{"cmd":"play","extra":1}`,
		`{"cmd":"reset","seed":-1}`, `{"cmd":"reset","seed":1.5}`, `{"cmd":"reset","seed":"18446744073709551616"}`,
		`{"cmd":"reset","seed":"x"}`, `{"cmd":"push"}`, `{"cmd":"push","value":-1}`, `{"cmd":"push","value":1e9}`,
		`{"cmd":"push","value":"1"}`, `{"cmd":"speed","value":0.001}`, `{"cmd":"speed","value":1e400}`, `{"cmd":"contacts"}`,
		`{"cmd":"open","recording":-1,"episode":0}`, `{"cmd":"open","recording":0}`, `{"cmd":"seek","step":-3}`, "\x00\xff",
		`{"cmd":"play","` + strings.Repeat("x", MaxCommand) + `":1}`,
	} {
		if c, err := DecodeCommand([]byte(bad)); !errors.Is(err, ErrCommand) {
			t.Errorf("%.60q was taken as %+v (%v)", bad, c, err)
		}
	}
}

// FuzzDecodeCommand: whatever is accepted is a command that the session can execute, and reads back the same.
func FuzzDecodeCommand(f *testing.F) {
	for cmd := range fields {
		f.Add([]byte(`{"cmd":"` + cmd + `","value":1,"seed":2,"on":true,"recording":1,"episode":2,"step":3}`))
		f.Add([]byte(`{"cmd":"` + cmd + `"}`))
	}
	f.Add([]byte(`{"cmd":"speed","value":-0}`))
	f.Fuzz(func(t *testing.T, msg []byte) {
		c, err := DecodeCommand(msg)
		if err != nil {
			if !errors.Is(err, ErrCommand) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		if c.Value != nil && (math.IsNaN(*c.Value) || *c.Value < 0 || *c.Value > maxSpeed) {
			t.Fatalf("value %g", *c.Value)
		}
		if _, ok := fields[c.Cmd]; !ok || len(msg) > MaxCommand {
			t.Fatalf("%q was taken", msg)
		}
		again, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeCommand(again); err != nil {
			t.Fatalf("%q became %q: %v", msg, again, err)
		}
	})
}

// TestFrameSize: what the documents say about bytes a frame.
func TestFrameSize(t *testing.T) {
	f := &mujoco.SceneFrame{Poses: make([]geom.Pose, 17), Contacts: make([]mujoco.SceneContact, 40)}
	if n := len(appendFrame(nil, f, 1, 2, 3, false)); n != 16+17*20 {
		t.Errorf("a frame of 17 bodies has %d bytes", n)
	}
	if n := len(appendFrame(nil, f, 1, 2, 3, true)); n != 16+17*20+4+40*20 {
		t.Errorf("with 40 contacts it has %d bytes", n)
	}
	if n := len(appendSample(nil, &Sample{}, 0)); n != sampleSize {
		t.Errorf("a sample has %d bytes", n)
	}
}
