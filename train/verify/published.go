package verify

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"korr/basepolicy"
	"korr/basepolicy/diffusion"
	"korr/internal/geom"
	"korr/internal/tensorfile"
	"korr/residual"
	"korr/sim"
	"korr/train/published"
)

// publishedName is the checkpoint whose actions published_layout_expected.safetensors holds.
const publishedName = "published_layout_actor_chkpt.pt"

// Action bounds the error of what an imported policy does: sampling multiplies rounding.
const Action = 1e-4

// goalName is the goal observation of a policy that reads one, among the expected numbers.
const goalName = "goal_obs"

// importPublished reads the checkpoint in dir, with the goal that lies beside it if it needs one.
func importPublished(dir string, expected *tensorfile.File) (*published.Checkpoint, error) {
	opt := published.Options{}
	if t, ok := expected.Lookup(goalName); ok {
		opt.Goal = t.F32
	}
	path := filepath.Join(dir, publishedName)
	c, err := published.ReadCheckpoint(path, opt)
	if err != nil { // checks do not repeat the path
		return nil, errors.New(strings.TrimPrefix(err.Error(), path+": "))
	}
	return c, nil
}

// checkCheckpoint imports a PyTorch checkpoint into a checkpoint of this program, exports that and compares every
// tensor.
func checkCheckpoint(dir, name string) []Check {
	expected, err := tensorfile.Read(filepath.Join(dir, expectedName))
	if err != nil {
		expected = &tensorfile.File{} // its own check says so
	}
	c, err := importPublished(dir, expected)
	if err != nil {
		return []Check{{File: name, Quantity: everything, Note: err.Error()}}
	}
	f := newFile(name, c.State)
	if err := exported(f, c); err != nil {
		f.fail(everything, err.Error())
		return f.checks
	}
	return f.finish()
}

// exported compares the tensors that come back with those of the checkpoint.
func exported(f *file, c *published.Checkpoint) error {
	stored, err := c.File()
	if err != nil {
		return err
	}
	p := c.Policy
	if c.Class != published.ClassBase {
		if p, err = residual.LoadFrom(stored, nil); err != nil {
			return err
		}
	}
	out, err := published.Export(p, stored)
	if err != nil {
		return err
	}
	for i := range out.Tensors {
		t := &out.Tensors[i]
		f.compare(t.Name, t.F32, 0, slices.Clone(t.Shape)...)
	}
	return nil
}

// expectedName is the file with the actions of publishedName.
const expectedName = "published_layout_expected.safetensors"

// checkPublished checks what the imported policy does, from raw observations to raw actions, in a controller.
func checkPublished(c *file) error {
	ckpt, err := importPublished(c.dir, c.f)
	if err != nil {
		return fmt.Errorf("its checkpoint: %w", err)
	}
	p, d := ckpt.Policy, ckpt.Policy.Base.About().ObsDim()
	h, u := p.Base.About().Horizon, p.Base.About().ActDim()
	base, err := c.sampling(p)
	if err != nil {
		return err
	}
	s, err := c.shape("init_noise", 3)
	if err != nil {
		return err
	}
	var state, parts, noise []float32
	n := s[0]
	if err := c.inputs(
		wanted{&state, "robot_state_14", []int{n, stateQuat}}, wanted{&parts, "parts_poses", []int{n, d - sim.StateDim}},
		wanted{&noise, "init_noise", []int{n, h, u}},
	); err != nil {
		return err
	}
	if _, ok := c.f.Lookup(goalName); ok {
		c.seen[goalName] = true
	}
	var got acted
	for i := range n {
		obs := make([]float32, d)
		geom.State16To(obs, state[i*stateQuat:])
		copy(obs[sim.StateDim:], parts[i*(d-sim.StateDim):(i+1)*(d-sim.StateDim)])
		if err := got.step(p, base, noise[i*h*u:(i+1)*h*u], obs); err != nil {
			return err
		}
	}
	c.compare("normalised_obs", got.obs, Forward, n, d)
	c.compare("chunk", got.chunk, Action, n, h, u)
	c.compare("base_action", got.base, Action, n, u)
	if _, ok := c.f.Lookup("scaled_residual"); ok || p.Method != residual.MethodBase {
		c.compare("scaled_residual", got.residual, Action, n, u)
	}
	c.compare("normalised_action", got.normalised, Action, n, u)
	c.compare("action", got.action, Action, n, u)
	return nil
}

// stateQuat is the width of a robot state whose rotation is a quaternion.
const stateQuat = 14

// sampling is the base policy with the number of steps that the expected actions were computed with.
func (c *file) sampling(p *residual.Policy) (*diffusion.Policy, error) {
	base, ok := p.Base.(*diffusion.Policy)
	if !ok {
		return nil, fmt.Errorf("its checkpoint holds a %T", p.Base)
	}
	steps, err := c.number("ddim_steps", float64(base.Sampler.Steps))
	if err != nil {
		return nil, err
	}
	with := *base
	with.Sampler.Steps = int(steps)
	return &with, with.Validate()
}

// acted collects what a policy did, a row for each first step of an episode.
type acted struct {
	obs, chunk, base, residual, normalised, action []float32
}

// step takes the first step of an episode.
func (a *acted) step(p *residual.Policy, base *diffusion.Policy, noise, obs []float32) error {
	given := &given{Policy: base, noise: noise}
	with := *p
	with.Base = given
	c, err := with.NewController(nil)
	if err != nil {
		return err
	}
	c.Reset(1)
	act := make([]float32, len(noise)/base.About().Horizon)
	info, err := c.StepTo(act, obs)
	if err != nil {
		return err
	}
	encoded := make([]float32, c.Encoder().Dim())
	c.Encoder().EncodeTo(encoded, obs)
	a.obs, a.chunk, a.base, a.action = append(a.obs, encoded...), append(a.chunk, given.chunk...),
		append(a.base, info.Base...), append(a.action, act...)
	for i, r := range info.Residual {
		a.residual = append(a.residual, p.Alpha*r)
		a.normalised = append(a.normalised, info.Base[i]+p.Alpha*r)
	}
	return nil
}

// given is a base policy that starts to sample from given noise, which is all that PyTorch's random numbers decide.
type given struct {
	basepolicy.Stateless
	*diffusion.Policy
	noise, chunk []float32
}

// NewChunker implements basepolicy.Policy.
func (g *given) NewChunker() basepolicy.ChunkPolicy { return g }

// Horizon implements basepolicy.ChunkPolicy.
func (g *given) Horizon() int { return g.Net.Config().Horizon }

// ActDim implements basepolicy.ChunkPolicy.
func (g *given) ActDim() int { return g.Net.Config().ActDim }

// ChunkTo implements basepolicy.ChunkPolicy: the chunk of an episode's start, whose last chunk counts as zeros.
func (g *given) ChunkTo(chunk, obs []float32, _ basepolicy.Rest) error {
	b := g.NewBatch(1)
	s := b.Sampler()
	rest := make([]float32, len(chunk))
	b.RestTo(rest, nil)
	copy(chunk, g.noise)
	s.Run(chunk, diffusion.NewDenoiser(g.Net, 1), obs, s.Start(chunk, rest), 1, nil, nil)
	g.chunk = slices.Clone(chunk)
	return nil
}
