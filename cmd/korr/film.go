package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"path/filepath"
	"strings"

	"korr/cmd/internal/cli"
	"korr/internal/pictures"
	"korr/sim/disturb"
	"korr/sim/mujoco/render"
	"korr/train/eval"
)

// frameWidth and frameHeight are the size of rendered frames in pixels.
const frameWidth, frameHeight = 640, 480

// film plays one episode in process and draws it. each, when not nil, is handed every labelled frame.
func (a *app) film(ctx context.Context, c eval.Condition, p eval.Policy, seed uint64, every int,
	each func(*image.RGBA) error,
) (clip *render.Clip, err error) {
	r, err := render.Open(frameWidth, frameHeight)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	env, err := a.engine(c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, env.Close()) }()
	sensors, err := a.disturbance(c)
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

// checkRender looks at what --render names before anything is simulated.
func (o *simOptions) checkRender() error {
	if err := cli.CheckOutput("--render", o.render, ".png", ".gif", ".mp4"); err != nil || o.render == "" {
		return err
	}
	if strings.ToLower(filepath.Ext(o.render)) == ".mp4" {
		if err := pictures.HasFFmpeg(); err != nil {
			return cli.UsageErrorf("--render %s: %w", o.render, err)
		}
	}
	r, err := render.Open(frameWidth, frameHeight)
	if err != nil {
		return fmt.Errorf("--render %s: %w", o.render, err)
	}
	return r.Close()
}

// renderEpisode draws an episode, whose length is known, under the settings of sim.* into a .png strip of key frames or
// a film.
func (o *simOptions) renderEpisode(ctx context.Context, p eval.Policy, ep eval.Episode) error {
	every, frames := 2, 0
	add := func(*image.RGBA) error { return nil }
	var movie *pictures.Movie
	if strings.ToLower(filepath.Ext(o.render)) == ".png" {
		every = 5
	} else {
		var err error
		if movie, err = pictures.Create(o.render, filmRate); err != nil {
			return cli.Usage(err)
		}
		add = movie.Add
	}
	progress := o.progress("render", "frames", ep.Steps/every+1)
	clip, err := o.film(ctx, o.condition(), p, ep.Seed, every, func(img *image.RGBA) error {
		frames++
		progress.set(min(frames, ep.Steps/every+1), ep.Steps/every+1, "")
		return add(img)
	})
	if err == nil {
		progress.finish(fmt.Sprintf("%d frames", frames))
	}
	switch {
	case movie == nil && err == nil:
		return pictures.WritePNG(o.render, clip.Strip(stripColumns, panelWidth))
	case movie == nil:
		return err
	case err != nil:
		movie.Abort()
		return err
	}
	return movie.Close()
}
