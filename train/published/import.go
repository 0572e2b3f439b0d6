package published

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"korr/basepolicy"
	"korr/basepolicy/diffusion"
	"korr/internal/nn"
	"korr/internal/tensorfile"
	"korr/internal/torchfile"
	"korr/koopman"
	"korr/residual"
	"korr/sim"
)

// Class is a published kind of policy.
type Class string

// The classes.
const (
	ClassBase     Class = "base"           // a diffusion policy alone
	ClassKORR     Class = "korr"           // pi reads z'
	ClassKORRGoal Class = "korr_goal"      // pi reads [z', phi(o_goal)]
	ClassResiP    Class = "resip"          // pi reads [o, u_b]
	ClassDynamics Class = "resip_dynamics" // pi reads f([o, u_b])
)

// Names in a state dictionary.
const (
	unetPrefix     = "model."
	statsPrefix    = "normalizer.stats."
	residualPrefix = "residual_policy."
	actorPrefix    = residualPrefix + "actor."
	liftPrefix     = actorPrefix + "lift_transform."
	gAffine        = actorPrefix + "backbone._g_affine"
	uAffine        = actorPrefix + "backbone._u_affine"
	inversePrefix  = actorPrefix + "inverse_dynamics."
	meanPrefix     = residualPrefix + "actor_mean."
	dynPrefix      = residualPrefix + "actor_dyn."
	logStd         = residualPrefix + "actor_logstd"
	criticKORR     = residualPrefix + "critic.backbone."
	criticResiP    = residualPrefix + "critic."
)

// observed are the parts of an observation, in order.
var observed = []string{"robot_state", "parts_poses"}

// Options are what a checkpoint does not say.
type Options struct {
	Task string    // overrides the checkpoint's
	Goal []float32 // [D] the normalised goal observation, for ClassKORRGoal
}

// Checkpoint is a published policy as this program's.
type Checkpoint struct {
	Class  Class
	Policy *residual.Policy
	Config string           // the published configuration, JSON; empty if the file has none
	State  *tensorfile.File // the state dictionary, with published names
	Kept   []string         // names of State that acting does not need: critic, log-std and the like
}

// ReadCheckpoint imports the PyTorch checkpoint at path. The error wraps one of torchfile's or tensorfile's, or
// ErrUnsupported; nothing of the file is executed.
func ReadCheckpoint(path string, opt Options) (*Checkpoint, error) {
	v, err := torchfile.Read(path)
	if err != nil {
		return nil, err
	}
	c, err := decode(v, filepath.Base(path), opt)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// decode imports a checkpoint's object.
func decode(v any, name string, opt Options) (*Checkpoint, error) {
	top, ok := v.(*torchfile.Dict)
	if !ok {
		return nil, fmt.Errorf("%w: the file holds a %T, want a dictionary", torchfile.ErrMalformed, v)
	}
	state, settings := top, any(nil)
	if s, ok := top.Get("model_state_dict"); ok {
		if state, ok = s.(*torchfile.Dict); !ok {
			return nil, fmt.Errorf("%w: model_state_dict is a %T, want a dictionary", torchfile.ErrMalformed, s)
		}
		settings, _ = top.Get("config")
	}
	f, err := tensors(state)
	if err != nil {
		return nil, err
	}
	cfg, text, err := readConfig(settings)
	if err != nil {
		return nil, err
	}
	r := &reader{f: f, used: map[string]bool{}, cfg: cfg}
	c := &Checkpoint{Config: text, State: f}
	if c.Policy, c.Class, err = r.policy(opt); err != nil {
		return nil, err
	}
	if c.Kept, err = r.rest(); err != nil {
		return nil, err
	}
	c.Policy.Meta = map[string]string{"origin": "imported from " + name, "published_class": string(c.Class)}
	return c, c.Policy.Validate()
}

// tensors collects a state dictionary.
func tensors(state *torchfile.Dict) (*tensorfile.File, error) {
	f, seen := &tensorfile.File{}, map[string]bool{}
	for i, key := range state.Keys {
		name, ok := key.(string)
		t, tensor := state.Values[i].(*torchfile.Tensor)
		if !ok || !tensor {
			return nil, fmt.Errorf("%w: the state dictionary holds a %T under %.100v, want tensors by name; a checkpoint has "+
				"model_state_dict", torchfile.ErrMalformed, state.Values[i], key)
		}
		if name = unwrapped(name); seen[name] {
			return nil, fmt.Errorf("%w: the state dictionary holds %.100q twice, once below a wrapper's prefix",
				torchfile.ErrMalformed, name)
		}
		seen[name] = true
		f.Add(name, t.Float32(), append(make([]int, 0, 4), t.Shape...)...)
		f.Tensors[len(f.Tensors)-1].Shape = append([]int{}, t.Shape...) // Add takes no shape for a vector
	}
	return f, nil
}

// unwrapped is a parameter's name without what PyTorch's wrappers (data parallel, compiled) put before and into it.
func unwrapped(name string) string {
	parts := slices.DeleteFunc(strings.Split(name, "."), func(p string) bool { return p == "module" || p == "_orig_mod" })
	return strings.Join(parts, ".")
}

// reader keeps book of the tensors that were used.
type reader struct {
	f    *tensorfile.File
	used map[string]bool
	cfg  config
}

func (r *reader) has(name string) bool { _, ok := r.f.Lookup(name); return ok }

func (r *reader) use(prefix string, params []*nn.Param) {
	for _, p := range params {
		r.used[prefix+p.Name] = true
	}
}

func (r *reader) mlp(prefix string) (*nn.MLP, error) {
	m, err := MLP(r.f, prefix)
	if err == nil {
		r.use(prefix, m.Params())
	}
	return m, err
}

// policy reads everything.
func (r *reader) policy(opt Options) (*residual.Policy, Class, error) {
	task := r.cfg.Env.Task
	if opt.Task != "" {
		task = opt.Task
	}
	base, err := r.base(task)
	if err != nil {
		return nil, "", err
	}
	p := &residual.Policy{
		Task: task, Base: base, Alpha: float32(r.cfg.Actor.Residual.ActionScale),
		Squash: residual.Linear, Execute: r.cfg.ActionHorizon,
	}
	class := ClassBase
	switch {
	case r.has(liftPrefix + "0.weight"):
		class, err = r.korr(p, opt.Goal)
	case r.has(meanPrefix + "0.weight"):
		class, err = r.resip(p)
	default:
		p.Method, p.Alpha, p.Squash = residual.MethodBase, 0, residual.Tanh
	}
	return p, class, err
}

// base reads the diffusion policy.
func (r *reader) base(task string) (*diffusion.Policy, error) {
	net, err := UNet(r.f, unetPrefix, r.cfg.PredHorizon, r.cfg.Actor.Network.Groups)
	if err != nil {
		return nil, err
	}
	r.use(unetPrefix, net.Params())
	obs, err := r.normalizer(observed...)
	if err != nil {
		return nil, err
	}
	act, err := r.normalizer("action")
	if err != nil {
		return nil, err
	}
	if w := net.Config(); obs.Dim() != w.ObsDim || act.Dim() != w.ActDim {
		return nil, fmt.Errorf("%w: the normaliser has %d observed values and %d of an action, the network %d and %d (more "+
			"than one observation, or images?)",
			tensorfile.ErrShape, obs.Dim(), act.Dim(), w.ObsDim, w.ActDim)
	}
	if obs.Dim() < sim.StateDim || act.Dim() != sim.ActDim {
		return nil, unsupported("observations of %d values and actions of %d, want a robot state of %d and more, and %d",
			obs.Dim(), act.Dim(), sim.StateDim, sim.ActDim)
	}
	p := &diffusion.Policy{
		Net: net, Process: r.cfg.process(), Sampler: r.cfg.sampler(), Obs: obs, Act: act,
		Origin: basepolicy.Origin{Task: task, Training: "imported"},
	}
	return p, p.Validate()
}

// normalizer joins the ranges of several quantities.
func (r *reader) normalizer(keys ...string) (*basepolicy.Normalizer, error) {
	n := &basepolicy.Normalizer{}
	for _, key := range keys {
		for _, end := range []struct {
			name string
			to   *[]float32
		}{{".min", &n.Min}, {".max", &n.Max}} {
			name := statsPrefix + key + end.name
			v, err := r.f.Get(name, -1)
			if err != nil {
				return nil, err
			}
			r.used[name] = true
			*end.to = append(*end.to, v...)
		}
	}
	if err := n.Validate(); err != nil {
		return nil, fmt.Errorf("%s{%s}: %w", statsPrefix, strings.Join(keys, ","), err)
	}
	return n, nil
}

// korr reads lift, dynamics and head of KORR.
func (r *reader) korr(p *residual.Policy, goal []float32) (Class, error) {
	p.Method = residual.MethodKORR
	phi, err := r.mlp(liftPrefix)
	if err != nil {
		return "", err
	}
	pi, err := r.mlp(inversePrefix)
	if err != nil {
		return "", err
	}
	c := phi.Config()
	if c.OutputBias || len(c.Hidden) == 0 || len(pi.Config().Hidden) == 0 {
		return "", unsupported("%s: %d hidden layers, a bias on the last layer %t: want one or more and none", liftPrefix,
			len(c.Hidden), c.OutputBias)
	}
	// SpectralBound -1: the published A is what it is.
	if p.Koopman, err = koopman.New(koopman.Config{
		ObsDim: c.In, ActDim: p.Base.About().ActDim(), LatentDim: c.Out,
		Hidden: c.Hidden, SpectralBound: -1,
	}, nil); err != nil {
		return "", err
	}
	nn.CopyParams(p.Koopman.Phi.Params(), phi.Params())
	for _, m := range []struct {
		name string
		to   *nn.Param
	}{{gAffine, p.Koopman.A}, {uAffine, p.Koopman.B}} {
		v, err := r.f.Get(m.name, m.to.Shape...)
		if err != nil {
			return "", err
		}
		copy(m.to.Data, v)
		r.used[m.name] = true
	}
	p.Actor = pi
	if pi.In() != 2*c.Out {
		return ClassKORR, nil // Validate compares the widths
	}
	if len(goal) != c.In {
		return "", fmt.Errorf("this policy reads a goal, which PyTorch keeps outside of the checkpoint: give it the "+
			"normalised observation of %d values (%d were given)", c.In, len(goal))
	}
	z := make([]float32, c.Out)
	p.Koopman.LiftTo(z, goal)
	p.Actor = withConstant(pi, z)
	return ClassKORRGoal, nil
}

// resip reads the head of ResiP, and the dynamics if there are any.
func (r *reader) resip(p *residual.Policy) (Class, error) {
	p.Method = residual.MethodResiP
	pi, err := r.mlp(meanPrefix)
	if err != nil {
		return "", err
	}
	class, a := ClassResiP, p.Base.About()
	if r.has(dynPrefix + "0.weight") {
		f, err := r.mlp(dynPrefix)
		if err != nil {
			return "", err
		}
		if f.Out() != pi.In() || len(pi.Config().Hidden) == 0 {
			return "", fmt.Errorf("%w: %s gives %d values, %s reads %d", tensorfile.ErrShape, dynPrefix, f.Out(), meanPrefix,
				pi.In())
		}
		class, pi = ClassDynamics, withoutBetween(f, pi)
	}
	if pi.In() != a.ObsDim()+a.ActDim() {
		return "", unsupported("%s reads %d values, want observation and base action, %d + %d", meanPrefix, pi.In(),
			a.ObsDim(), a.ActDim())
	}
	p.Actor = withColumns(pi, pi.In()+leadAndPhase(a))
	return class, nil
}

// leadAndPhase is how many inputs ResiP has here beside those published.
func leadAndPhase(a basepolicy.About) int {
	return residual.NewEncoder(a.Obs, a.Act, nil).ActorInputDim() - a.ObsDim() - a.ActDim()
}

// rest lists what acting does not need, and refuses what is not known.
func (r *reader) rest() (kept []string, err error) {
	for i := range r.f.Tensors {
		name := r.f.Tensors[i].Name
		if r.used[name] {
			continue
		}
		if !strings.HasPrefix(name, residualPrefix) && !strings.HasPrefix(name, statsPrefix) &&
			name != "normalizer.dummy_variable" && name != "dummy_variable" {
			return nil, unsupported("tensor %q (%d are known): policies with image encoders and the like are not imported", name,
				len(r.used))
		}
		if _, err := r.f.Get(name); err != nil { // finite?
			return nil, err
		}
		kept = append(kept, name)
	}
	return kept, nil
}

// Sampler is how the policy draws its chunks.
func (c *Checkpoint) Sampler() diffusion.SamplerConfig {
	return c.Policy.Base.(*diffusion.Policy).Sampler // ReadCheckpoint makes no other
}
