package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"korr/cmd/internal/cli"
	"korr/internal/geom"
	"korr/ros/msgs"
	"korr/ros/names"
	"korr/ros/panda"
	"korr/ros/robot"
	"korr/ros/rosbridge"
	"korr/ros/rosbridge/standin"
)

// bridged is a rosbridge server with an arm behind it that stands still, counts what it is told and reports a joint
// that is not a number from then on when broken is set.
type bridged struct {
	url      string
	commands atomic.Int64
	broken   atomic.Bool
}

func startBridged(t *testing.T) *bridged {
	t.Helper()
	s, err := standin.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	n, err := names.New("arm", "")
	if err != nil {
		t.Fatal(err)
	}
	c, err := rosbridge.Open(t.Context(), rosbridge.Config{URL: s.URL(), Names: n})
	if err != nil {
		t.Fatal(err)
	}
	b := &bridged{url: s.URL()}
	states, err1 := rosbridge.Advertise[msgs.JointState](c, msgs.JointTopic, false)
	parts, err2 := rosbridge.Advertise[msgs.PoseArray](c, msgs.PartsTopic, false)
	err3 := rosbridge.Subscribe(c, "/panda_arm_controller/command", func(*msgs.JointTrajectory) { b.commands.Add(1) })
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			head := msgs.Header{Stamp: time.Now()}
			p := &msgs.PoseArray{Header: msgs.Header{Stamp: head.Stamp, FrameId: msgs.TagFrame}, Poses: make([]msgs.Pose, 6)}
			for i := range p.Poses {
				p.Poses[i] = msgs.PoseOf(geom.IdentityPose)
			}
			js := &msgs.JointState{Header: head, Velocity: []float64{}, Effort: []float64{}}
			for i, q := range panda.Home {
				js.Name, js.Position = append(js.Name, fmt.Sprintf("panda_joint%d", i+1)), append(js.Position, q)
			}
			js.Name, js.Position = append(js.Name, "panda_finger_joint1", "panda_finger_joint2"), append(js.Position, 0.04, 0.04)
			if b.broken.Load() {
				js.Position[0] = math.NaN()
			}
			parts.Write(p)
			states.Write(js)
			time.Sleep(20 * time.Millisecond)
		}
	}()
	t.Cleanup(func() { cancel(); <-done; _ = c.Close() })
	return b
}

const jointArmFile = "../../ros/robot/testdata/panda_joints.yaml"

// runFor runs `korr run` over the bridge until the time is up and returns what it printed.
func (b *bridged) runFor(t *testing.T, d time.Duration, args ...string) output {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer time.AfterFunc(d, func() { cancel(cli.ErrInterrupted) }).Stop()
	args = append([]string{"run", "--robot", "rosbridge", "--url", b.url, "--arm", jointArmFile, "--json", "--quiet"},
		args...)
	return korrIn(ctx, nil, args...)
}

// TestRunOverRosbridge: the shipped policy moves an arm that a file describes; in the shadow it does not, and says what
// it would have done.
func TestRunOverRosbridge(t *testing.T) {
	b := startBridged(t)
	if o := b.runFor(t, time.Second); o.code != cli.ExitUsage || !strings.Contains(o.err, "no terminal to ask") {
		t.Errorf("without --yes: %+v", o)
	}
	for _, flag := range []string{"--shadow", "--dry-run"} {
		var r robot.Report
		o := b.runFor(t, 1200*time.Millisecond, flag)
		if o.code != cli.ExitInterrupted || b.commands.Load() != 0 {
			t.Fatalf("%s: %d commands, %+v", flag, b.commands.Load(), o)
		}
		decodeOne(t, o.out, &r)
		if r.Ticks < 4 || r.Chunks == nil || r.Chunks.Planned < 1 {
			t.Errorf("%s: %+v", flag, r)
		}
	}
	var r robot.Report
	o := b.runFor(t, 1500*time.Millisecond, "--yes")
	if o.code != cli.ExitInterrupted {
		t.Fatalf("%+v", o)
	}
	decodeOne(t, o.out, &r)
	if n := b.commands.Load(); r.Ticks < 6 || n < 6 || n > int64(r.Ticks)+2 || r.Jitter == nil {
		t.Errorf("%d commands arrived, %+v", n, r)
	}
}

// TestRunFault: after a fault the node waits for ~reset_fault, or ends with code 4 when told to; a blocked arm is one.
func TestRunFault(t *testing.T) {
	b := startBridged(t)
	o := b.runFor(t, 20*time.Second, "--yes", "--exit-on-fault", "--set", "run.tracking_error=0.001", "--set",
		"run.tracking_ticks=3")
	if o.code != cli.ExitSafety || !strings.Contains(o.err, "blocked") {
		t.Errorf("a blocked arm: %+v", o)
	}
	time.AfterFunc(700*time.Millisecond, func() { b.broken.Store(true) })
	begin := time.Now()
	o = b.runFor(t, 2*time.Second, "--yes")
	if time.Since(begin) < 1900*time.Millisecond || o.code != cli.ExitSafety || !strings.Contains(o.err, "not finite") {
		t.Errorf("after %v: %+v", time.Since(begin), o)
	}
}

// TestRunMetrics: the loop's numbers are served while it runs, beyond this machine only with a token.
func TestRunMetrics(t *testing.T) {
	b := startBridged(t)
	if o := b.runFor(t, 5*time.Second, "--yes", "--metrics", "0.0.0.0:0"); o.code != cli.ExitUsage ||
		!strings.Contains(o.err, "needs a token") {
		t.Errorf("without a token: %+v", o)
	}
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := listener.Addr().String()
	_ = listener.Close()
	body := make(chan string, 1)
	go func() {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			req, _ := http.NewRequest(http.MethodGet, "http://"+l+"/metrics", nil)
			req.Header.Set("Authorization", "Bearer secret")
			res, err := client.Do(req)
			if err != nil {
				continue
			}
			text, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if strings.Contains(string(text), `korr_loop_state{state="RUN"} 1`) {
				body <- string(text)
				return
			}
		}
		close(body)
	}()
	b.runFor(t, 3*time.Second, "--shadow", "--metrics", l, "--set", "run.metrics_token_file="+token, "--set",
		"run.cpus=0-63", "--set", "run.gc_percent=400")
	text := <-body
	for _, want := range []string{
		"korr_loop_ticks_total", `korr_loop_jitter_seconds{quantile="0.99"}`,
		`korr_loop_latency_seconds{quantile="1"}`, "korr_chunks_planned_total", "korr_loop_holds_total 0",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing in\n%s", want, text)
		}
	}
}
