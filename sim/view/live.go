package view

import (
	"errors"
	"fmt"
	"math"

	"korr/internal/geom"
	"korr/internal/layout"
	"korr/sim"
	"korr/sim/disturb"
	"korr/sim/mujoco"
	"korr/sim/mujoco/render"
)

// live plays a policy in the simulator.
type live struct {
	env     *mujoco.Env
	watch   *mujoco.Watch
	scene   *mujoco.Scene
	policy  Policy
	task    *sim.Task
	about   About
	perturb float64
	obs     []float32
	act     []float32
	seen    []float32 // what the policy acts on: obs, or what the sensors show of it
	ghosts  ghosts
	frame   mujoco.SceneFrame
	step    int
	reward  float32
}

// NewLive makes a player that simulates cfg with a policy that sees it through sensors; name is the policy's. Where the
// sensors are disturbed, ghosts show the parts as the policy sees them. The player closes the policy.
func NewLive(cfg mujoco.Config, sensors disturb.Config, p Policy, name string) (Player, error) {
	env, err := mujoco.New(cfg)
	if err != nil {
		return nil, err
	}
	spec := env.Spec()
	task, err := sim.TaskByName(spec.Task)
	if err != nil {
		return nil, errors.Join(err, env.Close())
	}
	w, scene, err := watchScene(env)
	if err != nil {
		return nil, errors.Join(err, env.Close())
	}
	seen, err := newGhosts(sensors, spec, scene)
	if err != nil {
		return nil, errors.Join(err, env.Close())
	}
	return &live{
		ghosts: seen, env: env, watch: w, scene: scene, policy: p, task: task, perturb: cfg.Perturb,
		about: About{Task: spec.Task, Policy: name, Hz: spec.ControlHz, MaxSteps: spec.MaxSteps},
		obs:   make([]float32, spec.ObsDim), act: make([]float32, spec.ActDim),
	}, nil
}

func watchScene(env *mujoco.Env) (*mujoco.Watch, *mujoco.Scene, error) {
	w, err := mujoco.NewWatch(env)
	if err != nil {
		return nil, nil, err
	}
	scene, err := env.Scene()
	return w, scene, err
}

func (l *live) Scene() *mujoco.Scene { return l.scene }
func (l *live) About() About         { return l.about }
func (l *live) Perturb() float64     { return l.perturb }

// FrameTo implements Player.
func (l *live) FrameTo(f *mujoco.SceneFrame) {
	l.watch.FrameTo(f)
	l.ghosts.frame(f)
}

func (l *live) SetPerturb(strength float64) error {
	if err := l.watch.SetPerturb(strength); err != nil {
		return err
	}
	l.perturb = strength
	return nil
}

func (l *live) Reset(seed uint64) (Sample, error) {
	l.step, l.reward = 0, 0
	if err := l.env.Reset(l.obs, seed); err != nil {
		return Sample{Residual: nan, Innovation: nan}, err
	}
	l.seen = l.ghosts.reset(l.obs, seed)
	l.policy.Reset(seed)
	return Sample{Residual: nan, Innovation: nan, Phase: render.Phase(l.task, l.obs)}, nil
}

func (l *live) Step(frames int, push Push, each func(*mujoco.SceneFrame)) (Sample, error) {
	l.ghosts.tell(l.policy)
	advice, err := l.policy.ActTo(l.act, l.seen)
	if err != nil {
		return Sample{}, fmt.Errorf("step %d: %w", l.step, err)
	}
	s := Sample{
		Residual: advice.Residual, Innovation: advice.Innovation, Target: toolPose(l.act),
		Base: toolPose(advice.Base),
	}
	res, err := l.watch.Step(l.obs, l.act, frames, push.Strength, push.Salt, func(int) {
		l.FrameTo(&l.frame)
		each(&l.frame)
	})
	if err != nil {
		return Sample{}, fmt.Errorf("step %d: %w", l.step, err)
	}
	l.seen = l.ghosts.observe(l.obs)
	l.step++
	l.reward += res.Reward
	s.Step, s.Time, s.Reward = l.step, float32(float64(l.step)/l.about.Hz), l.reward
	s.Phase = render.Phase(l.task, l.obs)
	s.Ended, s.Success = res.Terminated || res.Truncated, res.Success
	return s, nil
}

func (l *live) Close() error {
	l.policy.Close()
	return l.env.Close()
}

// toolPose is the pose in a raw action, nil for none or one that is not finite.
func toolPose(act []float32) *Pose {
	if len(act) < 9 {
		return nil
	}
	var p Pose
	geom.PoseTo(p[:], layout.ToolAt(act))
	for _, v := range p {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return nil
		}
	}
	return &p
}
