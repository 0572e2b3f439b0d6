//go:build mujoco

package render

import (
	"bytes"
	"errors"
	"image"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"korr/sim"
	"korr/sim/mujoco"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// renderer opens a small renderer, or skips the test where nothing draws.
func renderer(t testing.TB, width, height int) *Renderer {
	t.Helper()
	r, err := Open(width, height)
	if errors.Is(err, ErrNoGL) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func environment(t testing.TB, cfg mujoco.Config, seed uint64) (*mujoco.Env, []float32) {
	t.Helper()
	cfg.Task = "one_leg"
	env, err := mujoco.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { env.Close() })
	obs := make([]float32, env.Spec().ObsDim)
	if err := env.Reset(obs, seed); err != nil {
		t.Fatal(err)
	}
	return env, obs
}

func frame(t testing.TB, r *Renderer, env *mujoco.Env, camera string) *image.RGBA {
	t.Helper()
	img, err := r.Frame(env, camera)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// lift moves the tool up a few centimetres.
func lift(t testing.TB, env *mujoco.Env, obs []float32, steps int) {
	t.Helper()
	act := slices.Clone(obs[:sim.ActDim])
	act[9] = -1
	for range steps {
		act[2] += 0.02
		if _, err := env.Step(obs, act); err != nil {
			t.Fatal(err)
		}
	}
}

// share is the part of the pixels that differ visibly.
func share(a, b *image.RGBA) float64 {
	n := 0
	for i := 0; i < len(a.Pix); i += 4 {
		for k := range 3 {
			if d := int(a.Pix[i+k]) - int(b.Pix[i+k]); d > 12 || d < -12 {
				n++
				break
			}
		}
	}
	return float64(n) / float64(len(a.Pix)/4)
}

func TestFrame(t *testing.T) {
	r := renderer(t, 160, 120)
	env, obs := environment(t, mujoco.Config{}, 1)
	for _, camera := range []string{CameraFront, CameraClose, CameraWrist} {
		img := frame(t, r, env, camera)
		if img.Rect != image.Rect(0, 0, 160, 120) {
			t.Fatalf("%s: size %v", camera, img.Rect)
		}
		colours := map[[3]uint8]int{}
		for i := 0; i < len(img.Pix); i += 4 {
			colours[[3]uint8{img.Pix[i] / 8, img.Pix[i+1] / 8, img.Pix[i+2] / 8}]++
			if img.Pix[i+3] != 255 {
				t.Fatalf("%s: pixel %d is transparent", camera, i/4)
			}
		}
		if len(colours) < 20 {
			t.Errorf("%s: only %d colours: blank or flat", camera, len(colours))
		}
		if !bytes.Equal(img.Pix, frame(t, r, env, camera).Pix) {
			t.Errorf("%s: drawn twice, two pictures", camera)
		}
	}
	before := frame(t, r, env, CameraFront)
	lift(t, env, obs, 5)
	if s := share(before, frame(t, r, env, CameraFront)); s < 0.01 {
		t.Errorf("the arm moved and %.2f %% of the picture changed", 100*s)
	}
}

// TestTopRowFirst: the sky is above the desk.
func TestTopRowFirst(t *testing.T) {
	r := renderer(t, 160, 120)
	env, _ := environment(t, mujoco.Config{}, 1)
	img := frame(t, r, env, CameraFront)
	top, bottom := img.RGBAAt(2, 2), img.RGBAAt(2, 117)
	if top.B < bottom.B+20 {
		t.Errorf("upper left %v, lower left %v: want a light sky over a darker desk", top, bottom)
	}
}

func TestDrawingChangesNothing(t *testing.T) {
	r := renderer(t, 64, 48)
	run := func(draw bool) (all []float32) {
		env, obs := environment(t, mujoco.Config{Perturb: 1}, 5)
		for range 12 {
			lift(t, env, obs, 1)
			if draw {
				frame(t, r, env, CameraWrist)
			}
			all = append(all, obs...)
		}
		return all
	}
	if !slices.Equal(run(true), run(false)) {
		t.Error("an episode went on differently because it was drawn")
	}
}

// TestManyEnvironments alternates between environments, one of another picture quality, and outlives one of them.
func TestManyEnvironments(t *testing.T) {
	r := renderer(t, 160, 120)
	task, err := sim.TaskByName("one_leg")
	if err != nil {
		t.Fatal(err)
	}
	xml, err := mujoco.ModelXML(task)
	if err != nil {
		t.Fatal(err)
	}
	plain := strings.ReplaceAll(xml, `castshadow="true"`, `castshadow="false"`)
	a, _ := environment(t, mujoco.Config{}, 1)
	b, obs := environment(t, mujoco.Config{}, 1)
	c, _ := environment(t, mujoco.Config{ModelXML: strings.ReplaceAll(plain, `shadowsize="2048"`, `shadowsize="512"`)}, 1)
	lift(t, b, obs, 5)
	first := frame(t, r, a, CameraFront)
	if share(first, frame(t, r, b, CameraFront)) < 0.01 {
		t.Error("the second environment looks like the first")
	}
	if share(first, frame(t, r, c, CameraFront)) < 0.01 {
		t.Error("the shadows of the third environment do not differ")
	}
	c.Close()
	b.Close()
	if !bytes.Equal(first.Pix, frame(t, r, a, CameraFront).Pix) {
		t.Error("the first environment looks different after others were drawn and closed")
	}
	if _, err := r.Frame(b, CameraFront); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("closed environment: %v", err)
	}
}

func TestConcurrentRenderers(t *testing.T) {
	env, _ := environment(t, mujoco.Config{}, 1)
	want := frame(t, renderer(t, 96, 72), env, CameraFront)
	var wg sync.WaitGroup
	for range 3 {
		r := renderer(t, 96, 72)
		own, _ := environment(t, mujoco.Config{}, 1)
		wg.Go(func() {
			for range 3 {
				img, err := r.Frame(own, CameraFront)
				if err != nil || !bytes.Equal(img.Pix, want.Pix) {
					t.Errorf("renderers disturb each other (error %v)", err)
				}
			}
		})
	}
	wg.Wait()
}

func TestErrors(t *testing.T) {
	for _, size := range [][2]int{{0, 0}, {640, 3}, {100000, 480}, {-640, 480}} {
		if _, err := Open(size[0], size[1]); err == nil || !strings.Contains(err.Error(), "pixels") {
			t.Errorf("size %v: %v", size, err)
		}
	}
	r := renderer(t, 64, 48)
	env, _ := environment(t, mujoco.Config{}, 1)
	if _, err := r.Frame(env, "rear"); err == nil || !strings.Contains(err.Error(), `"rear"`) ||
		!strings.Contains(err.Error(), `"wrist"`) {
		t.Errorf("unknown camera: %v; want its name and the cameras that exist", err)
	}
	frame(t, r, env, CameraFront)
	for range 2 {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Frame(env, CameraFront); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("closed renderer: %v", err)
	}
}

// TestMissingLibrary: the error says what to install, and the process draws later if it can.
func TestMissingLibrary(t *testing.T) {
	_, err := open([2]string{"libNoMesa.so.8", "libNoEGL.so.1"}, 64, 48)
	if !errors.Is(err, ErrNoGL) {
		t.Fatalf("error %v, want ErrNoGL", err)
	}
	for _, part := range []string{"libosmesa6", "libNoMesa.so.8"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not name %s", err, part)
		}
	}
	if _, err := open([2]string{"libm.so.6", "libm.so.6"}, 64, 48); !errors.Is(err, ErrNoGL) {
		t.Errorf("a library that is no OpenGL: %v", err)
	}
	env, _ := environment(t, mujoco.Config{}, 1)
	frame(t, renderer(t, 64, 48), env, CameraFront)
}

// TestEngineError: what MuJoCo cannot draw is an error of the picture, not the end of the process.
func TestEngineError(t *testing.T) {
	r := renderer(t, 64, 48)
	task, _ := sim.TaskByName("one_leg")
	xml, err := mujoco.ModelXML(task)
	if err != nil {
		t.Fatal(err)
	}
	bad, _ := environment(t, mujoco.Config{ModelXML: strings.ReplaceAll(xml, `shadowsize="2048"`, `shadowsize="1000000"`)},
		1)
	if _, err := r.Frame(bad, CameraFront); err == nil {
		t.Error("a shadow map of a million pixels a side was drawn")
	} else {
		t.Log(err)
	}
	good, _ := environment(t, mujoco.Config{}, 1)
	frame(t, r, good, CameraFront)
}

// TestEGL draws with EGL in a process of its own, because a process stays with the library that drew first.
func TestEGL(t *testing.T) {
	const mark = "KORR_TEST_EGL"
	if os.Getenv(mark) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestEGL$", "-test.v")
		cmd.Env = append(os.Environ(), mark+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if strings.Contains(string(out), "--- SKIP") {
			t.Skipf("no EGL that draws without a screen:\n%s", out)
		}
		return
	}
	r, err := open([2]string{"libNoMesa.so.8", libraries[1]}, 160, 120)
	if errors.Is(err, ErrNoGL) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if !strings.HasPrefix(r.Backend(), "EGL") {
		t.Errorf("backend %q", r.Backend())
	}
	env, obs := environment(t, mujoco.Config{}, 1)
	before := frame(t, r, env, CameraFront)
	lift(t, env, obs, 5)
	if s := share(before, frame(t, r, env, CameraFront)); s < 0.01 || s > 0.5 {
		t.Errorf("the arm moved and %.2f %% of the picture changed", 100*s)
	}
	frame(t, renderer(t, 64, 48), env, CameraFront) // a second one beside it
}

func BenchmarkFrame(b *testing.B) {
	r := renderer(b, 640, 480)
	env, _ := environment(b, mujoco.Config{}, 1)
	for _, camera := range []string{CameraFront, CameraClose, CameraWrist} {
		b.Run(camera, func(b *testing.B) {
			frame(b, r, env, camera)
			for b.Loop() {
				frame(b, r, env, camera)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "frames/s")
		})
	}
}
