//go:build mujoco

package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"korr/cmd/internal/cli"
)

var viewerPicture = flag.String("viewer-picture", "", "write the picture of docs/viewer.md to this file")

// startView runs korr sim --view in process and returns the URL it prints; the test's end interrupts it.
func startView(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	out, in := io.Pipe()
	done := make(chan int, 1)
	go func() {
		full := append([]string{"sim", "--quiet", "--view", "127.0.0.1:0"}, args...)
		done <- cli.Execute(ctx, "korr", newRoot, full, &cli.Streams{In: strings.NewReader(""), Out: in, Err: os.Stderr})
		_ = in.Close()
	}()
	t.Cleanup(func() {
		cancel(cli.ErrInterrupted)
		if code := <-done; code != cli.ExitInterrupted && code != 0 {
			t.Errorf("korr sim --view ended with code %d", code)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("no URL was printed: %v", err)
	}
	return strings.TrimSpace(line)
}

// TestViewInChromium: the page draws at least 20 frames a second at 1280x800 with software WebGL, its buttons work, and
// it reports no error. The rate is the best of several two seconds, and is not judged on a machine that was busy
// before.
func TestViewInChromium(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	busy := load(t)
	b := openTab(t, startView(t, "--policy", "korr", "--seed", "1"), 1280, 800)
	b.until("window.korr && korr.stage.bodies.length > 10 && korr.frame && korr.samples.length > 5", 60*time.Second)
	best := 0.0
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end) && best < 25; {
		best = max(best, b.frameRate(2*time.Second))
	}
	t.Logf("%.1f frames/s at best; load of %d cores before the test: %.1f", best, runtime.NumCPU(), busy)
	switch cores := float64(runtime.NumCPU()); {
	case best < 20 && busy > cores:
		t.Logf("not judged: other work keeps more than %g cores busy", cores)
	case best < 20:
		t.Errorf("%.1f frames/s, want at least 20", best)
	}
	b.click("showContacts")
	b.until("korr.frame.contacts && korr.stage.contacts.points.visible", 20*time.Second)
	b.click("play")
	b.until("korr.state.status === 'paused'", 20*time.Second)
	var steps int
	if err := b.eval("korr.samples.length", &steps); err != nil {
		t.Fatal(err)
	}
	b.click("step")
	b.until(fmt.Sprintf("korr.samples.length === %d", steps+1), 20*time.Second)
	b.click("next")
	b.until("korr.state.seed === '2' && korr.samples.length === 1", 20*time.Second)
	b.until("korr.samples.at(-1).target === null", time.Second)
	b.click("step")
	b.until("korr.samples.at(-1).target && korr.samples.at(-1).base && korr.samples.at(-1).residual > 0", 20*time.Second)
	b.click("theme")
	b.until("document.documentElement.dataset.theme === 'dark'", time.Second)
	if len(b.logs) > 0 {
		t.Errorf("the page reported %s", b.logs)
	}
}

// inSight is how far the scene's vertices reach in the window, of which 1 is the edge: everything but the desk.
const inSight = `Math.max(...korr.stage.bodies.flatMap(({ mesh }) => {
	const at = mesh.geometry.attributes.position, p = mesh.position.clone(), out = [];
	mesh.updateMatrixWorld();
	for (let i = 0; i < at.count; i += 5) {
		p.fromBufferAttribute(at, i).applyMatrix4(mesh.matrixWorld).project(korr.stage.camera);
		out.push(Math.abs(p.x), Math.abs(p.y));
	}
	return out;
}))`

// TestViewShowsTheWholeArm: nothing of arm and parts is cut by the window, through an episode, on a screen and a phone.
// The page is dark from its first moment where the system is.
func TestViewShowsTheWholeArm(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	at := startView(t, "--policy", "expert", "--seed", "3", "--randomness", "high", "--set", "sim.perturb=1")
	for _, size := range [][2]int{{1280, 800}, {1920, 1080}, {390, 844}} {
		b := openTab(t, at, size[0], size[1])
		b.until("window.korr && korr.stage.bodies.length > 10 && korr.samples.length > 5", 60*time.Second)
		for end := time.Now().Add(8 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
			var reach float64
			if err := b.eval(inSight, &reach); err != nil {
				t.Fatal(err)
			}
			if reach > 0.99 || reach < 0.5 {
				t.Fatalf("%v: the arm reaches to %.2f of the window, want it whole and not small", size, reach)
			}
		}
		b.call("Emulation.setEmulatedMedia", map[string]any{
			"features": []any{map[string]any{"name": "prefers-color-scheme", "value": "dark"}},
		})
		b.call("Network.enable", nil)
		b.call("Network.setBlockedURLs", map[string]any{"urls": []string{"*main.js*"}}) // as if it were still on its way
		b.call("Page.reload", nil)
		b.until("!window.korr && document.documentElement.dataset.theme === 'dark'", 20*time.Second)
	}
}

// load is how many processes wanted to run over the last minute, 0 where the system does not say.
func load(t *testing.T) (n float64) {
	t.Helper()
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		_, _ = fmt.Sscan(string(text), &n)
	}
	return n
}

// frameRate counts the frames that the page draws.
func (b *browserTab) frameRate(d time.Duration) float64 {
	b.t.Helper()
	var from, to [2]float64
	const now = "[performance.now(), korr.stage.frames]"
	if err := b.eval(now, &from); err != nil {
		b.t.Fatal(err)
	}
	time.Sleep(d)
	if err := b.eval(now, &to); err != nil {
		b.t.Fatal(err)
	}
	return (to[1] - from[1]) * 1000 / (to[0] - from[0])
}

// TestViewReplaysRecordings: an episode that korr collect wrote is picked and played on the page.
func TestViewReplaysRecordings(t *testing.T) {
	if testing.Short() {
		t.Skip("collects a demonstration and starts a browser")
	}
	dir := filepath.Join(t.TempDir(), "demos")
	if out := korr(t, "collect", "--out", dir, "--episodes", "1", "--quiet"); out.code != 0 {
		t.Fatalf("collect: %d\n%s", out.code, out.err)
	}
	b := openTab(t, startView(t, "--replay", filepath.Dir(dir), "--paused"), 1280, 800)
	b.until("window.korr && korr.state.mode === 'replay' && korr.state.length > 50 && korr.samples.length === "+
		"korr.state.length", 60*time.Second)
	b.call("Runtime.evaluate", map[string]any{"expression": "scrub.value = 40; scrub.oninput()"})
	b.until("korr.frame.step === 40", 20*time.Second)
	b.click("play")
	b.until("korr.frame.step > 42", 20*time.Second)
	b.call("Runtime.evaluate", map[string]any{"expression": "recording.value = '-1'; recording.onchange()"})
	b.until("korr.state.mode === 'live'", 20*time.Second)
	if len(b.logs) > 0 {
		t.Errorf("the page reported %s", b.logs)
	}
}

// TestViewerPicture makes the picture of docs/viewer.md, as a machine with a graphics card shows the page:
//
//	go test -tags "mujoco openblas" ./cmd/korr -run ViewerPicture -viewer-picture docs/pictures/viewer.png
func TestViewerPicture(t *testing.T) {
	if *viewerPicture == "" {
		t.Skip("give -viewer-picture FILE")
	}
	b := openTab(t, startView(t, "--policy", "korr", "--seed", "1", "--perturb", "1", "--paused")+"?look=full", 1280, 800)
	b.until("window.korr && korr.stage.bodies.length > 10 && korr.samples.length === 1", 60*time.Second)
	scale := func(ratio float64) {
		if err := b.eval(fmt.Sprintf("korr.stage.ratio = %g; korr.stage.resize()", ratio), nil); err != nil {
			t.Fatal(err)
		}
	}
	scale(0.1)
	for step := 1; ; step++ { // until the leg is held above its hole
		b.click("step")
		b.until(fmt.Sprintf("korr.samples.length > %d", step), 20*time.Second)
		var phase string
		if err := b.eval("korr.charts.phases[korr.samples.at(-1).phase]", &phase); err != nil || step > 400 {
			t.Fatalf("step %d, %s: %v", step, phase, err)
		}
		if phase == "insert" && step > 60 {
			break
		}
	}
	scale(2)
	time.Sleep(3 * time.Second)
	if err := os.WriteFile(filepath.Join("..", "..", *viewerPicture), b.screenshot(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestViewUsage: flags that make no sense together.
func TestViewUsage(t *testing.T) {
	for words, args := range map[string][]string{
		"need --view":      {"--replay", "x"},
		"needs --replay":   {"--view", "127.0.0.1:0", "--episode", "3"},
		"no such file":     {"--view", "127.0.0.1:0", "--replay", "no/such/file"},
		"host:port":        {"--view", "8080"},
		"holds no LeRobot": {"--view", "127.0.0.1:0", "--replay", t.TempDir()},
	} {
		if out := korr(t, append([]string{"sim"}, args...)...); out.code != cli.ExitUsage ||
			!strings.Contains(out.err, words) {
			t.Errorf("%v: code %d, %q", args, out.code, out.err)
		}
	}
}
