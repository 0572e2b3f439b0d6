package lab

import (
	"context"
	"errors"
	"fmt"
	"image"
	"path/filepath"
	"strings"
	"sync"

	"korr/internal/pictures"
	"korr/internal/usage"
	"korr/sim"
	"korr/sim/disturb"
	"korr/sim/mujoco"
	"korr/sim/mujoco/render"
	"korr/sim/serve"
	"korr/train/eval"
)

// frameWidth and frameHeight are the size of rendered frames in pixels.
const frameWidth, frameHeight = 640, 480

// Film plays one episode in process and draws it. each, when not nil, is handed every labelled frame.
func (l *Lab) Film(ctx context.Context, c eval.Condition, p eval.Policy, seed uint64, every int,
	each func(*image.RGBA) error,
) (clip *render.Clip, err error) {
	r, err := render.Open(frameWidth, frameHeight)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	env, err := l.Engine(c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, env.Close()) }()
	sensors, err := l.Disturbance(c)
	if err != nil {
		return nil, err
	}
	shown, err := disturb.Wrap(env, sensors)
	if err != nil {
		return nil, err
	}
	policy, err := p.New()
	if err != nil {
		return nil, err
	}
	if closer, ok := policy.(interface{ Close() }); ok {
		defer closer.Close()
	}
	return render.Episode(ctx, r, env, policy, seed, render.Options{
		Inset: render.CameraClose, Every: every, Linger: 15, Title: p.Name, Play: shown, Each: each,
	})
}

// filmRate is the frames per second of a film: with a frame every other control step of 0.1 s, twice as fast as real
// time.
const filmRate = 10

// CheckFilm looks at a film's file before anything is simulated.
func CheckFilm(path string) error {
	if strings.ToLower(filepath.Ext(path)) == ".mp4" {
		if err := pictures.HasFFmpeg(); err != nil {
			return usage.Wrap(err)
		}
	}
	r, err := render.Open(frameWidth, frameHeight)
	if err != nil {
		return err
	}
	return r.Close()
}

// FilmTo draws an episode, whose length is known, into a .png strip of key frames or a film.
func (l *Lab) FilmTo(ctx context.Context, path string, c eval.Condition, p eval.Policy, ep eval.Episode) error {
	every, frames := 2, 0
	add := func(*image.RGBA) error { return nil }
	var movie *pictures.Movie
	if strings.ToLower(filepath.Ext(path)) == ".png" {
		every = 5
	} else {
		var err error
		if movie, err = pictures.Create(path, filmRate); err != nil {
			return usage.Wrap(err)
		}
		add = movie.Add
	}
	bar := l.begin("render", "frames", ep.Steps/every+1)
	clip, err := l.Film(ctx, c, p, ep.Seed, every, func(img *image.RGBA) error {
		frames++
		bar.Set(min(frames, ep.Steps/every+1), ep.Steps/every+1, "")
		return add(img)
	})
	if err == nil {
		bar.Finish(fmt.Sprintf("%d frames", frames))
	}
	switch {
	case movie == nil && err == nil:
		return pictures.WritePNG(path, clip.Strip(stripColumns, panelWidth))
	case movie == nil:
		return err
	case err != nil:
		movie.Abort()
		return err
	}
	return movie.Close()
}

// Drawer draws environments for clients that ask; the renderer is opened for the first, and ends with the process.
func Drawer() serve.DrawFunc {
	open := sync.OnceValues(func() (*render.Renderer, error) { return render.Open(frameWidth, frameHeight) })
	return func(env sim.Env) (*image.RGBA, error) {
		r, err := open()
		if err != nil {
			return nil, err
		}
		engine, ok := sim.As[*mujoco.Env](env)
		if !ok {
			return nil, errors.New("this environment cannot be drawn")
		}
		return r.Frame(engine, render.CameraFront)
	}
}

// stripColumns and panelWidth lay the key frames of an episode out: pictures to a row, and pixels.
const stripColumns, panelWidth = 3, 460
