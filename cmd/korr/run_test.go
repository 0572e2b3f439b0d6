//go:build mujoco

package main

import (
	"context"
	"image"
	"image/png"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"korr/cmd/internal/cli"
	"korr/ros/robot"
)

// testRun drives `korr sim --ros` with `korr run`, both in this process, over a master of their own.
func testRun(t *testing.T, base string) {
	environ := []string{"ROS_MASTER_URI=http://" + freeAddress(t), "ROS_IP=127.0.0.1"}

	nobody := korrIn(t.Context(), environ, "run", "--policy", base, "--yes", "--quiet")
	if nobody.code != cli.ExitUnreachable || !strings.Contains(nobody.err, "no ROS master") {
		t.Errorf("without a master: %+v", nobody)
	}
	unasked := korrIn(t.Context(), environ, "run", "--policy", base)
	if unasked.code != cli.ExitUsage || !strings.Contains(unasked.err, "no terminal to ask") {
		t.Errorf("without --yes: %+v", unasked)
	}

	t.Run("lock step", func(t *testing.T) {
		stop := serveSim(t, environ, "--lock-step")
		var r robot.Report
		o := korrIn(t.Context(), environ, "run", "--policy", base, "--lock-step", "--episodes", "2", "--json", "--quiet")
		if o.code != cli.ExitOK {
			t.Fatalf("%+v", o)
		}
		decodeOne(t, o.out, &r)
		if len(r.Episodes) != 2 || r.Episodes[1].Steps != 30 || r.Ticks != 60 || r.Jitter != nil {
			t.Errorf("%+v", r)
		}
		stop()
	})
	t.Run("real time until interrupted", func(t *testing.T) {
		stop := serveSim(t, environ)
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(2*time.Second, func() { cancel(cli.ErrInterrupted) })
		var r robot.Report
		o := korrIn(ctx, environ, "run", "--policy", base, "--yes", "--json", "--quiet")
		if o.code != cli.ExitInterrupted {
			t.Fatalf("%+v", o)
		}
		decodeOne(t, o.out, &r)
		if r.Ticks < 3 || r.Ticks > 21 || r.Jitter == nil || r.Latency.Max <= 0 {
			t.Errorf("%+v", r)
		}
		stop()
	})
}

// serveSim runs `korr sim --ros --master`; stop interrupts it and checks how it ended.
func serveSim(t *testing.T, environ []string, extra ...string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan output, 1)
	args := append([]string{"sim", "--ros", "--master", "--quiet", "--set", "sim.max_steps=30"}, extra...)
	go func() { ended <- korrIn(ctx, environ, args...) }()
	addr := strings.TrimPrefix(environ[0], "ROS_MASTER_URI=http://")
	waitFor(t, addr)
	return func() {
		t.Helper()
		cancel(cli.ErrInterrupted)
		if o := <-ended; o.code != cli.ExitInterrupted || o.err != "korr: interrupted\n" {
			t.Errorf("the simulator ended with %+v", o)
		}
	}
}

func TestRenderWritesAStrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "episode.png")
	o := korr(t, "sim", "--set", "sim.max_steps=12", "--render", path, "--quiet")
	if strings.Contains(o.err, "off-screen") {
		t.Skip(o.err)
	}
	if o.code != cli.ExitOK || !strings.Contains(o.out, "not assembled after 12 steps") {
		t.Fatalf("%+v", o)
	}
	img := readPNG(t, path)
	if b := img.Bounds(); b.Dx() < 1300 || b.Dy() < 300 {
		t.Errorf("a strip of %v", b)
	}
	if o := korr(t, "sim", "--set", "sim.max_steps=2", "--render", "x.bmp", "--quiet"); o.code != cli.ExitUsage {
		t.Errorf("bmp: %+v", o)
	}
}

func readPNG(t *testing.T, path string) image.Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// waitFor waits until somebody listens at the address.
func waitFor(t *testing.T, addr string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return
		}
	}
	t.Fatalf("nobody listens at %s", addr)
}

// freeAddress is a loopback address on which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
