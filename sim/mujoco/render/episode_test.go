//go:build mujoco

package render

import (
	"bytes"
	"context"
	"errors"
	"image"
	"slices"
	"strings"
	"testing"

	"korr/internal/pictures"
	"korr/sim"
	"korr/sim/expert"
	"korr/sim/mujoco"
)

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
	clip, err := Episode(context.Background(), r, env, &hold{}, 3, Options{
		Every: 4, Keys: 3, Linger: 2,
		Inset: CameraWrist, Title: "hold", Each: each,
	})
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
	if !errors.Is(err, errHold) || !strings.Contains(err.Error(), "step 5") || clip == nil || clip.Steps != 5 ||
		len(clip.Keys) == 0 {
		t.Errorf("failing policy: clip %+v, error %v", clip, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Episode(ctx, r, env, &hold{}, 3, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	full := errors.New("disk full")
	if _, err := Episode(context.Background(), r, env, &hold{}, 3,
		Options{Each: func(*image.RGBA) error { return full }}); !errors.Is(err, full) {
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
