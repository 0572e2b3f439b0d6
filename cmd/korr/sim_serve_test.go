package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"testing"
	"time"

	"korr/cmd/internal/cli"
	"korr/sim"
	"korr/sim/mujoco"
	"korr/sim/serve"
)

// TestSimServe serves one_leg with drawn physics and poor sensors in a delta form, and steps it over the socket.
func TestSimServe(t *testing.T) {
	if _, err := mujoco.Fingerprint("one_leg"); errors.Is(err, sim.ErrNoEngine) {
		t.Skip(err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	r, w := io.Pipe()
	code := make(chan int, 1)
	args := []string{
		"sim", "serve", "--listen", "unix:" + filepath.Join(t.TempDir(), "k.sock"), "--action-form", "delta-quat", "--json",
		"--quiet",
		"--set", "domain.mass=0.5,0.6", "--set", "disturb.part.position=0.01",
	}
	go func() {
		code <- cli.Execute(ctx, "korr", newRoot, args, &cli.Streams{In: nil, Out: w, Err: io.Discard})
		w.Close()
	}()
	var served simServeResult
	if err := json.NewDecoder(bufio.NewReader(r)).Decode(&served); err != nil {
		t.Fatal(err)
	}
	c, err := serve.Dial(ctx, served.Address, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	obs, act := make([]float32, c.Spec().ObsDim), make([]float32, c.Spec().ActDim)
	if len(act) != 8 || c.Space().Form != "delta-quat" || c.Space().Fingerprint == "" {
		t.Errorf("served %+v", c.Space())
	}
	if err := c.Reset(obs, 1); err != nil {
		t.Fatal(err)
	}
	if d := c.Note().Domain[0]; d == nil || d.Mass[0] < 0.5 || d.Mass[0] > 0.6 {
		t.Errorf("drew %v, want masses of 0.5 to 0.6", d)
	}
	act[6] = 1
	before := obs[sim.StateDim]
	if _, err := c.Step(obs, act); err != nil {
		t.Fatal(err)
	}
	if obs[sim.StateDim] == before {
		t.Error("the tracker of a part at rest has no noise")
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	cancel(cli.ErrInterrupted)
	if got := <-code; got != cli.ExitInterrupted {
		t.Errorf("exit code %d, want %d", got, cli.ExitInterrupted)
	}
}

func TestSimServeRefuses(t *testing.T) {
	for _, args := range [][]string{
		{"--action-form", "euler"},
		{"--listen", "somewhere"},
		{"--envs", "0"},
		{"--envs", "9", "--max-envs", "8"},
		{"--task", "sofa"},
		{"x:=1"},
	} {
		out := io.Discard
		if got := cli.Execute(context.Background(), "korr", newRoot, append([]string{"sim", "serve", "--quiet"}, args...),
			&cli.Streams{Out: out, Err: out}); got == cli.ExitOK {
			t.Errorf("%v: served", args)
		}
	}
}
