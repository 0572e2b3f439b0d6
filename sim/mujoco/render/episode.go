package render

import (
	"context"
	"fmt"
	"image"

	"korr/internal/pictures"
	"korr/sim"
	"korr/sim/mujoco"
)

// Options chooses what Episode draws.
type Options struct {
	Camera string  // "" means CameraFront
	Inset  string  // camera shown small in the upper right corner; "" means none
	Every  int     // control steps from one frame to the next; 0 means 2
	Keys   int     // key frames kept in the clip; 0 means 6
	Linger int     // how often the last frame is repeated for Each, so that a film stops on it for a moment
	Title  string  // begins every label, for example the policy's name; "" means none
	Play   sim.Env // what the policy acts on: a wrapper around the environment that is drawn; nil means that itself
	// Each, if not nil, is handed every labelled frame in order, for example a pictures.Movie's Add. An error ends the
	// episode.
	Each func(img *image.RGBA) error
}

func (o *Options) resolve() {
	if o.Camera == "" {
		o.Camera = CameraFront
	}
	if o.Every <= 0 {
		o.Every = 2
	}
	if o.Keys <= 0 {
		o.Keys = 6
	}
}

// Shot is one frame of an episode.
type Shot struct {
	Step  int         // control steps executed before it
	Time  float64     // s of simulated time
	Phase string      // see Phase; the last frame's is "failed" when the episode ended without success
	Image *image.RGBA // without a label
}

// Clip is what Episode leaves behind.
type Clip struct {
	Title  string
	Keys   []Shot     // key frames in order: the first, the last, the beginnings of phases, and others in between
	Result sim.Result // of the last step; Reward is the sum over the episode
	Steps  int        // control steps executed
}

// Episode runs one episode of a policy (raw observation in, raw action out) and draws it: the policy and the
// environment are reset with the seed and stepped until the episode ends. The environment must not be used meanwhile;
// drawing does not change what happens in it. When the context ends, or the environment or the policy fails, the clip
// holds what was drawn until then and comes with the error.
//
// At 10 control steps per second and Every 2, a film of 5 frames per second is in real time.
func Episode(ctx context.Context, r *Renderer, env *mujoco.Env, p sim.Policy, seed uint64, o Options) (*Clip, error) {
	o.resolve()
	spec := env.Spec()
	task, err := sim.TaskByName(spec.Task)
	if err != nil {
		return nil, err
	}
	f := &filming{r: r, env: env, task: task, o: o, hz: spec.ControlHz, clip: &Clip{Title: o.Title}}
	f.keys = newKeys(o.Keys)
	f.play = env
	if o.Play != nil {
		f.play = o.Play
	}
	obs, act := make([]float32, spec.ObsDim), make([]float32, spec.ActDim)
	if err := f.play.Reset(obs, seed); err != nil {
		return nil, err
	}
	p.Reset(seed)
	err = f.run(ctx, p, obs, act)
	f.clip.Keys = f.keys.pick()
	return f.clip, err
}

// filming is an episode in the making.
type filming struct {
	r    *Renderer
	env  *mujoco.Env
	play sim.Env
	task *sim.Task
	o    Options
	hz   float64
	clip *Clip
	keys *keys
}

func (f *filming) run(ctx context.Context, p sim.Policy, obs, act []float32) error {
	ages := sim.NewAges(p, f.play)
	for reward := float32(0); ; {
		ended := f.clip.Result.Terminated || f.clip.Result.Truncated
		if ended || f.clip.Steps%f.o.Every == 0 {
			if err := f.shoot(obs, ended); err != nil {
				return err
			}
		}
		if ended {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		ages.Tell()
		if err := p.ActTo(act, obs); err != nil {
			return fmt.Errorf("step %d: %w", f.clip.Steps, err)
		}
		res, err := f.play.Step(obs, act)
		if err != nil {
			return fmt.Errorf("step %d: %w", f.clip.Steps, err)
		}
		reward += res.Reward
		res.Reward = reward
		f.clip.Result = res
		f.clip.Steps++
	}
}

// shoot draws one frame, keeps it as a key frame if it is worth it, and hands it on with its label.
func (f *filming) shoot(obs []float32, last bool) error {
	img, err := f.r.Frame(f.env, f.o.Camera)
	if err != nil {
		return err
	}
	if f.o.Inset != "" {
		w, h := f.r.Size()
		small, err := f.r.frame(f.env, f.o.Inset, max(minSide, w/3), max(minSide, h/3))
		if err != nil {
			return err
		}
		pictures.Inset(img, small)
	}
	s := Shot{Step: f.clip.Steps, Time: float64(f.clip.Steps) / f.hz, Phase: Phase(f.task, obs), Image: img}
	if last && !f.clip.Result.Success {
		s.Phase = "failed"
	}
	f.keys.add(s)
	if f.o.Each == nil {
		return nil
	}
	labelled := image.NewRGBA(img.Rect)
	copy(labelled.Pix, img.Pix)
	pictures.Label(labelled, f.label(s))
	times := 1
	if last {
		times += max(0, f.o.Linger)
	}
	for range times {
		if err := f.o.Each(labelled); err != nil {
			return err
		}
	}
	return nil
}

func (f *filming) label(s Shot) string {
	text := fmt.Sprintf("%s   step %d   %.1f s", s.Phase, s.Step, s.Time)
	if f.o.Title != "" {
		text = f.o.Title + "   " + text
	}
	return text
}

// Strip puts the clip's key frames side by side, columns to a row and each width pixels wide, with phase and step
// below.
func (c *Clip) Strip(columns, width int) *image.RGBA {
	panels := make([]pictures.Panel, len(c.Keys))
	for i, k := range c.Keys {
		panels[i] = pictures.Panel{Image: k.Image, Title: k.Phase, Note: fmt.Sprintf("step %d, %.1f s", k.Step, k.Time)}
	}
	return pictures.Strip(panels, columns, width)
}
