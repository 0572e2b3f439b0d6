package main

import (
	"context"
	"errors"
	"image"

	"korr/sim"
	"korr/sim/mujoco"
	"korr/sim/mujoco/render"
	"korr/train/eval"
)

// frameWidth and frameHeight are the size of rendered frames in pixels.
const frameWidth, frameHeight = 640, 480

// film plays one episode in process and draws it. each, when not nil, is handed every labelled frame.
func (a *app) film(ctx context.Context, c eval.Condition, p eval.Policy, seed uint64, every int, each func(*image.RGBA) error) (clip *render.Clip, err error) {
	r, err := render.Open(frameWidth, frameHeight)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	env, err := mujoco.New(a.simulator(c))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, env.Close()) }()
	policy, err := p.New()
	if err != nil {
		return nil, err
	}
	if closer, ok := policy.(interface{ Close() }); ok {
		defer closer.Close()
	}
	return render.Episode(ctx, r, env, policy, seed, render.Options{
		Inset: render.CameraClose, Every: every, Linger: 15, Title: p.Name, Each: each,
	})
}

// simulator is the engine's form of a condition.
func (a *app) simulator(c eval.Condition) mujoco.Config {
	return mujoco.Config{Task: c.Task, Randomness: sim.Randomness(c.Randomness), Perturb: c.Perturb, MaxSteps: a.cfg.Sim.MaxSteps}
}
