//go:build mujoco

package render

import (
	"bytes"
	"context"
	"errors"
	"image"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"korr/internal/pictures"
	"korr/sim"
	"korr/sim/expert"
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
	if _, err := r.Frame(env, "rear"); err == nil || !strings.Contains(err.Error(), `"rear"`) || !strings.Contains(err.Error(), `"wrist"`) {
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
	bad, _ := environment(t, mujoco.Config{ModelXML: strings.ReplaceAll(xml, `shadowsize="2048"`, `shadowsize="1000000"`)}, 1)
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

// hold keeps the tool where it is, and fails at a step if told to.
type hold struct {
	step, failAt int
}

var errHold = errors.New("no more")

func (h *hold) Reset(uint64) { h.step = 0 }

func (h *hold) ActTo(act, obs []float32) error {
	if h.step++; h.step == h.failAt {
		return errHold
	}
	copy(act, obs[:9])
	act[9] = -1
	return nil
}

func TestEpisode(t *testing.T) {
	r := renderer(t, 64, 48)
	env, _ := environment(t, mujoco.Config{MaxSteps: 9}, 0)
	var frames []*image.RGBA
	each := func(img *image.RGBA) error { frames = append(frames, img); return nil }
	clip, err := Episode(context.Background(), r, env, &hold{}, 3, Options{Every: 4, Keys: 3, Linger: 2, Inset: CameraWrist, Title: "hold", Each: each})
	if err != nil {
		t.Fatal(err)
	}
	if len(frames) != 4+2 { // steps 0, 4, 8, 9 and twice the last
		t.Errorf("%d frames, want 6", len(frames))
	}
	if clip.Steps != 9 || !clip.Result.Truncated || clip.Result.Success {
		t.Errorf("clip %+v, want 9 steps, truncated", clip)
	}
	steps := []int{}
	for _, k := range clip.Keys {
		steps = append(steps, k.Step)
	}
	if !slices.Equal(steps, []int{0, 4, 9}) || clip.Keys[2].Phase != "failed" || clip.Keys[0].Phase == "failed" {
		t.Errorf("key frames at %v, the last %q", steps, clip.Keys[len(clip.Keys)-1].Phase)
	}
	if bytes.Equal(frames[5].Pix, clip.Keys[2].Image.Pix) {
		t.Error("frames have no label, or key frames have one")
	}
	if strip := clip.Strip(3, 40); strip.Bounds().Dx() < 3*40 || strip.Bounds().Dy() < 30 {
		t.Errorf("strip of %v", strip.Bounds())
	}
}

func TestEpisodeErrors(t *testing.T) {
	r := renderer(t, 64, 48)
	env, _ := environment(t, mujoco.Config{MaxSteps: 20}, 0)
	clip, err := Episode(context.Background(), r, env, &hold{failAt: 6}, 3, Options{})
	if !errors.Is(err, errHold) || !strings.Contains(err.Error(), "step 5") || clip == nil || clip.Steps != 5 || len(clip.Keys) == 0 {
		t.Errorf("failing policy: clip %+v, error %v", clip, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Episode(ctx, r, env, &hold{}, 3, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	full := errors.New("disk full")
	if _, err := Episode(context.Background(), r, env, &hold{}, 3, Options{Each: func(*image.RGBA) error { return full }}); !errors.Is(err, full) {
		t.Errorf("failing film: %v", err)
	}
	if _, err := Episode(context.Background(), r, env, &hold{}, 3, Options{Camera: "rear"}); err == nil {
		t.Error("unknown camera: no error")
	}
}

// TestAssembly films the expert, few frames and small ones: the phases come in their order.
func TestAssembly(t *testing.T) {
	r := renderer(t, 64, 48)
	env, _ := environment(t, mujoco.Config{}, 1)
	task, _ := sim.TaskByName("one_leg")
	x, err := expert.New(task, expert.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	clip, err := Episode(context.Background(), r, env, x, 1, Options{Every: 6})
	if err != nil {
		t.Fatal(err)
	}
	var phases []string
	for _, k := range clip.Keys {
		phases = append(phases, k.Phase)
	}
	if want := []string{"reach", "grasp", "carry", "insert", "screw", "assembled"}; !slices.Equal(phases, want) {
		t.Errorf("phases %v, want %v", phases, want)
	}
	if clip.Result.Reward != 1 || !clip.Result.Success {
		t.Errorf("result %+v", clip.Result)
	}
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

func ExampleEpisode() {
	film := func(ctx context.Context, env *mujoco.Env, policy sim.Policy) (err error) {
		r, err := Open(640, 480)
		if err != nil {
			return err
		}
		defer r.Close()
		movie, err := pictures.Create("episode.gif", 15)
		if err != nil {
			return err
		}
		defer movie.Abort() // does nothing after Close
		clip, err := Episode(ctx, r, env, policy, 1, Options{Title: "KORR", Inset: CameraClose, Linger: 15, Each: movie.Add})
		if err != nil {
			return err
		}
		if err := movie.Close(); err != nil {
			return err
		}
		return pictures.WritePNG("episode.png", clip.Strip(3, 460))
	}
	_ = film
}
