package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"korr/cmd/internal/cli"
	"korr/cmd/internal/robotcmd"
	"korr/residual"
	"korr/residual/loop"
	"korr/residual/shield"
	"korr/train/dataset"
	"korr/train/episodes"
)

// stubborn is an arm that stands still and counts its holds; its policy fails after some ticks.
type stubborn struct{ seq, holds, ticks int }

func (s *stubborn) Read(x *loop.Sample) error {
	s.seq++
	copy(x.Obs, []float32{0.5, 0, 0.2, 1, 0, 0, 0, -1, 0})
	x.Stamp, x.Seq = time.Now(), uint64(s.seq)
	return nil
}

func (*stubborn) Write(_ []float32, p loop.Permit) error { return p.Take() }

func (s *stubborn) Hold(context.Context, *shield.Shield) error { s.holds++; return nil }

func (s *stubborn) StepTo(act, obs []float32) (residual.Info, error) {
	if s.ticks++; s.ticks > 20 {
		return residual.Info{}, errors.New("the policy gave up")
	}
	copy(act, obs[:9])
	act[9] = 1
	return residual.Info{Base: make([]float32, 10), Residual: make([]float32, 10), Innovation: 0.25}, nil
}

func (*stubborn) ReadTimes(residual.When) {}

func (*stubborn) Executed([]float32) {}

func (*stubborn) Replan() {}

func (*stubborn) Prepare([]float32) (bool, error) { return true, nil }

func (*stubborn) Wait(context.Context, uint64) error { return errors.New("not in lock step") }

// faulted runs the loop into a fault and returns the file with its flight record.
func faulted(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fault.jsonl")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	arm := &stubborn{}
	err = loop.Run(t.Context(), arm, arm, loop.Config{
		// a busy machine may stall it
		Period: 20 * time.Millisecond, MaxAge: time.Minute, MaxMisses: 1000, Resume: true, Dump: f,
	})
	if err == nil || arm.holds < 1 {
		t.Fatalf("%v, %d holds", err, arm.holds)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestInspectFlight(t *testing.T) {
	path := faulted(t)
	o := korr(t, "inspect", path)
	for _, want := range []string{"the policy gave up", "20 commands", "0.500 0.000 0.200", "0.250", "RUN"} {
		if o.code != cli.ExitOK || !strings.Contains(o.out, want) {
			t.Fatalf("no %q in %+v", want, o)
		}
	}
	asBag := filepath.Join(t.TempDir(), "fault.bag")
	o = korr(t, "inspect", path, "--json", "--bag", asBag)
	var r robotcmd.FlightResult
	if decodeOne(t, o.out, &r); len(r.Flights) != 1 || r.Flights[0].Sent != 20 || r.Flights[0].Ticks != 21 ||
		r.Schema != "korr.inspect.flight/1" {
		t.Errorf("%+v", o)
	}
	var b robotcmd.BagResult
	o = korr(t, "inspect", asBag, "--json")
	if decodeOne(t, o.out, &b); b.Messages == 0 || len(b.Topics) != 6 || b.Damage != "" {
		t.Errorf("%+v", o)
	}
	if o := korr(t, "inspect", asBag); o.code != cli.ExitOK || !strings.Contains(o.out, "/korr/action") ||
		!strings.Contains(o.out, "latched") {
		t.Errorf("%+v", o)
	}
	if o := korr(t, "inspect", path, "--bag", asBag); o.code != cli.ExitFailure || !strings.Contains(o.err, "exist") {
		t.Errorf("an existing bag: %+v", o)
	}
	if o := korr(t, "inspect", asBag, "--bag", asBag); o.code != cli.ExitUsage {
		t.Errorf("a bag as a bag: %+v", o)
	}
}

// TestInspectDamage: damage is an error with its place, and with --recover what came before is shown.
func TestInspectDamage(t *testing.T) {
	path := faulted(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	asBag := filepath.Join(t.TempDir(), "fault.bag")
	if o := korr(t, "inspect", path, "--bag", asBag); o.code != cli.ExitOK {
		t.Fatalf("%+v", o)
	}
	b, err := os.ReadFile(asBag)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, tc := range []struct{ path, want string }{
		{write("cut.jsonl", whole[:len(whole)-30]), "line 22, byte "},
		{write("empty.jsonl", nil), "has not faulted"},
		{write("cut.bag", b[:len(b)-30]), "cut.bag: byte "},
		{write("half.bag.active", b[:5000]), "--recover"},
	} {
		if o := korr(t, "inspect", tc.path); o.code != cli.ExitFailure || !strings.Contains(o.err, tc.want) {
			t.Errorf("%s: %+v, want %q", tc.path, o, tc.want)
		}
		if o := korr(t, "inspect", tc.path, "--recover"); o.code != cli.ExitOK {
			t.Errorf("%s not recovered: %+v", tc.path, o)
		}
	}
	if o := korr(t, "inspect", "korr", "--recover"); o.code != cli.ExitUsage {
		t.Errorf("recovering a checkpoint: %+v", o)
	}
}

func TestInspectDataset(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demos")
	d := dataset.Dataset{Info: dataset.Info{Task: "one_leg", Robot: "r", FPS: 10, PartNames: []string{"a", "obstacle"}}}
	e := dataset.Episode{
		Success: true, State: make([]float32, 3*16), Env: make([]float32, 3*14),
		Action: make([]float32, 30), Executed: make([]float32, 30), Reward: make([]float32, 3),
	}
	for t := range 3 { // rotations that there can be
		e.State[16*t+3], e.State[16*t+7] = 1, 1
		e.Action[10*t+3], e.Action[10*t+7], e.Executed[10*t+3], e.Executed[10*t+7] = 1, 1, 1, 1
		e.Env[14*t+6], e.Env[14*t+13] = 1, 1
	}
	if err := errors.Join(d.Append(&e), dataset.Write(dir, &d)); err != nil {
		t.Fatal(err)
	}
	if o := korr(t, "inspect", dir); o.code != cli.ExitOK || !strings.Contains(o.out, "1 episodes of 3 to 3 frames") {
		t.Errorf("%+v", o)
	}
	var r episodes.Summary
	if decodeOne(t, korr(t, "inspect", dir, "--json").out, &r); r.Episodes != 1 || r.Successes != 1 {
		t.Errorf("%+v", r)
	}
	if o := korr(t, "inspect", dir, "--recover"); o.code != cli.ExitUsage {
		t.Errorf("%+v", o)
	}
}
