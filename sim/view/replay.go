package view

import (
	"errors"
	"fmt"

	"korr/internal/geom"
	"korr/internal/layout"
	"korr/sim"
	"korr/sim/mujoco"
	"korr/sim/mujoco/render"
)

// Episode is a recorded episode of T frames; slices are flat and row-major.
type Episode struct {
	Task    string
	Title   string
	Hz      float64   // frames per second
	Obs     []float32 // [T*ObsDim] raw observations
	Act     []float32 // [T*sim.ActDim] what the robot was told
	Reward  []float32 // [T]
	Success bool
}

// replay plays a recorded episode: parts and gripper as recorded, the arm through inverse kinematics, in between two
// frames an interpolation.
type replay struct {
	env     *mujoco.Env
	watch   *mujoco.Watch
	scene   *mujoco.Scene
	about   About
	ep      *Episode
	dim     int
	samples []Sample
	at      int
	between []float32 // an interpolated observation
	frame   mujoco.SceneFrame
}

// NewReplay makes a player of a recorded episode. It is also a Seeker. The task's model comes from the simulator, which
// is not stepped.
func NewReplay(ep *Episode) (Player, error) {
	task, err := sim.TaskByName(ep.Task)
	if err != nil {
		return nil, err
	}
	n, dim := len(ep.Reward), task.ObsDim()
	if n == 0 || len(ep.Obs) != n*dim || len(ep.Act) != n*sim.ActDim || !(ep.Hz > 0) {
		return nil, fmt.Errorf("recorded episode of %s: %d rewards, %d observation and %d action values at %g Hz; want T, "+
			"%d T and %d T", ep.Task, n, len(ep.Obs), len(ep.Act), ep.Hz, dim, sim.ActDim)
	}
	env, err := mujoco.New(mujoco.Config{Task: ep.Task})
	if err != nil {
		return nil, err
	}
	w, scene, err := watchScene(env)
	if err != nil {
		return nil, errors.Join(err, env.Close())
	}
	r := &replay{
		env: env, watch: w, scene: scene, ep: ep, dim: dim, between: make([]float32, dim),
		about: About{Task: ep.Task, Policy: ep.Title, Hz: ep.Hz, MaxSteps: n - 1},
	}
	var reward float32
	for t := range n {
		reward += ep.Reward[t]
		r.samples = append(r.samples, Sample{
			Step: t, Time: float32(float64(t) / ep.Hz), Reward: reward, Residual: nan, Innovation: nan,
			Phase:  render.Phase(task, r.obs(t)),
			Target: toolPose(ep.Act[t*sim.ActDim : (t+1)*sim.ActDim]), Ended: t == n-1, Success: t == n-1 && ep.Success,
		})
	}
	if err := w.Put(r.obs(0)); err != nil {
		return nil, errors.Join(fmt.Errorf("frame 0: %w", err), env.Close())
	}
	return r, nil
}

func (r *replay) obs(t int) []float32          { return r.ep.Obs[t*r.dim : (t+1)*r.dim] }
func (r *replay) Scene() *mujoco.Scene         { return r.scene }
func (r *replay) About() About                 { return r.about }
func (r *replay) FrameTo(f *mujoco.SceneFrame) { r.watch.FrameTo(f) }
func (r *replay) Samples() []Sample            { return r.samples }
func (r *replay) At() int                      { return r.at }
func (r *replay) Close() error                 { return r.env.Close() }

// Reset goes to the first frame; a recording has no seed.
func (r *replay) Reset(uint64) (Sample, error) {
	r.at = 0
	return r.samples[0], r.watch.Put(r.obs(0))
}

func (r *replay) Seek(i int) {
	r.at = min(max(i, 0), len(r.samples)-1)
	_ = r.watch.Put(r.obs(r.at)) // a frame that cannot be drawn leaves the last one; Step reports it
}

func (r *replay) Step(frames int, _ Push, each func(*mujoco.SceneFrame)) (Sample, error) {
	if r.at+1 >= len(r.samples) {
		return r.samples[r.at], nil
	}
	a, b := r.obs(r.at), r.obs(r.at+1)
	for k := range frames {
		mix(r.between, a, b, float64(k+1)/float64(frames))
		if err := r.watch.Put(r.between); err != nil {
			return Sample{}, fmt.Errorf("frame %d: %w", r.at+1, err)
		}
		r.watch.FrameTo(&r.frame)
		each(&r.frame)
	}
	r.at++
	return r.samples[r.at], nil
}

// mix is the observation at share t between a and b: positions and widths linear, rotations on the shortest arc.
func mix(dst, a, b []float32, t float64) {
	for i := range dst {
		dst[i] = float32((1-t)*float64(a[i]) + t*float64(b[i]))
	}
	geom.Rot6DTo(layout.Rotation.Of(dst),
		geom.Rot6DAt(layout.Rotation.Of(a)).Quat().Slerp(geom.Rot6DAt(layout.Rotation.Of(b)).Quat(), t))
	for i := sim.StateDim; i+sim.PoseDim <= len(dst); i += sim.PoseDim {
		p := geom.Pose{P: geom.VecAt(dst[i:]), Q: geom.PoseAt(a[i:]).Q.Slerp(geom.PoseAt(b[i:]).Q, t)}
		geom.PoseTo(dst[i:], p)
	}
}
