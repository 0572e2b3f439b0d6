package published

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"korr/basepolicy/diffusion"
	"korr/internal/nn"
	"korr/internal/tensorfile"
	"korr/residual"
	"korr/sim"
)

// Where a checkpoint of this program keeps what was published.
const (
	keptPrefix = "published."       // before the name of a tensor that acting does not need
	namesKey   = "published.names"  // metadata: the names of the state dictionary, JSON
	configKey  = "published.config" // metadata: the published configuration, JSON
)

// File returns the policy as a checkpoint of this program, with what acting does not need beside it: a residual
// policy's, or a base policy's for ClassBase.
func (c *Checkpoint) File() (*tensorfile.File, error) {
	var f *tensorfile.File
	var err error
	if c.Class == ClassBase {
		f = &tensorfile.File{}
		err = c.Policy.Base.SaveTo(f, "")
	} else {
		f, err = c.Policy.File()
	}
	if err != nil {
		return nil, err
	}
	kept := c.Kept
	if c.Class == ClassKORRGoal || c.Class == ClassDynamics { // their networks were rewritten: keep the originals
		kept = nil
		for i := range c.State.Tensors {
			if name := c.State.Tensors[i].Name; strings.HasPrefix(name, residualPrefix) || slices.Contains(c.Kept, name) {
				kept = append(kept, name)
			}
		}
	}
	names := make([]string, len(c.State.Tensors))
	for i := range names {
		names[i] = c.State.Tensors[i].Name
	}
	text, err := json.Marshal(names)
	if err != nil {
		return nil, err
	}
	f.SetMeta(namesKey, string(text))
	if c.Config != "" {
		f.SetMeta(configKey, c.Config)
	}
	for _, name := range kept {
		t, _ := c.State.Lookup(name)
		f.Tensors = append(f.Tensors, tensorfile.Tensor{Name: keptPrefix + name, Shape: t.Shape, F32: t.F32})
	}
	return f, nil
}

// Export turns a checkpoint's policy into a state dictionary with published names; its metadata holds the configuration
// under "config". f is the file that p was read from: what Import kept in it comes back. The error wraps ErrUnsupported
// for a policy that the published classes cannot be.
func Export(p *residual.Policy, f *tensorfile.File) (*tensorfile.File, error) {
	out, err := generate(p)
	if err != nil {
		return nil, err
	}
	text, imported := f.Meta[namesKey]
	if !imported {
		return out, nil
	}
	var names []string
	if err := json.Unmarshal([]byte(text), &names); err != nil {
		return nil, fmt.Errorf("metadata %q: %w", namesKey, err)
	}
	whole := &tensorfile.File{Meta: out.Meta}
	if config, ok := f.Meta[configKey]; ok {
		whole.SetMeta("config", config)
	}
	for _, name := range names {
		t, ok := f.Lookup(keptPrefix + name)
		if !ok {
			if t, ok = out.Lookup(name); !ok {
				return nil, fmt.Errorf("%w: %q, which the imported policy had", tensorfile.ErrMissing, name)
			}
		}
		whole.Tensors = append(whole.Tensors, tensorfile.Tensor{Name: name, Shape: t.Shape, F32: t.F32})
	}
	return whole, nil
}

// generate names the weights of a policy as published.
func generate(p *residual.Policy) (*tensorfile.File, error) {
	base, ok := p.Base.(*diffusion.Policy)
	switch {
	case !ok || base.Net.Config().Arch != diffusion.ArchUNet:
		return nil, unsupported("the base policy is not a diffusion unet, and the published names know no other; the " +
			"checkpoint itself is safetensors, which PyTorch loads")
	case base.Obs.Poses != 0 || p.Features:
		return nil, unsupported("the policy reads part rotations as 6D or task features, the published ones raw poses " +
			"(korr train base --set base.quaternions=true, korr train residual --set residual.features=false)")
	case p.Method != residual.MethodBase && (p.Squash != residual.Linear || p.Actor.Config().LayerNorm):
		return nil, unsupported("the residual is bounded by tanh or its network has layer norms, the published ones not")
	case p.Foresight.Condition != residual.Published && p.Foresight.Condition != "":
		return nil, unsupported("the actor reads steps ahead (condition %q)", p.Foresight.Condition)
	}
	f := &tensorfile.File{}
	nn.SaveParams(f, unetPrefix, base.Net.Params())
	for i, key := range observed {
		from, to := 0, sim.StateDim
		if i == 1 {
			from, to = sim.StateDim, base.Obs.Dim()
		}
		f.Add(statsPrefix+key+".min", base.Obs.Min[from:to])
		f.Add(statsPrefix+key+".max", base.Obs.Max[from:to])
	}
	f.Add(statsPrefix+"action.min", base.Act.Min)
	f.Add(statsPrefix+"action.max", base.Act.Max)
	if err := generateResidual(f, p); err != nil {
		return nil, err
	}
	text, err := json.Marshal(describe(p, base))
	if err != nil {
		return nil, err
	}
	f.SetMeta("config", string(text))
	return f, nil
}

// generateResidual adds the residual policy's weights.
func generateResidual(f *tensorfile.File, p *residual.Policy) error {
	if p.Method == residual.MethodBase {
		return nil
	}
	u := p.Base.About().ActDim()
	std := make([]float32, u)
	for i := range std {
		std[i] = -1 // of the published exploration; no policy here keeps it
	}
	f.Add(logStd, std, 1, u)
	if p.Method == residual.MethodKORR {
		if p.Koopman.Config().StateInclusive {
			return unsupported("the lift holds the observation itself ([o; phi(o)]), the published one not")
		}
		if p.Koopman.Config().Bilinear {
			return unsupported("its Koopman model is bilinear (koopman.bilinear), the published one not")
		}
		f.Add(actorPrefix+"actor_logstd", std, 1, u)
		nn.SaveParams(f, liftPrefix, p.Koopman.Phi.Params())
		f.Add(gAffine, p.Koopman.A.Data, p.Koopman.A.Shape...)
		f.Add(uAffine, p.Koopman.B.Data, p.Koopman.B.Shape...)
		nn.SaveParams(f, inversePrefix, p.Actor.Params())
		return nil
	}
	a := p.Base.About()
	in, own := a.ObsDim()+a.ActDim(), p.Actor.In()
	first := p.Actor.Params()[0]
	for r := range first.Shape[0] {
		for _, v := range first.Data[r*own+in : (r+1)*own] {
			if v != 0 {
				return unsupported("the actor reads the lead of the base action and the phase of the chunk, the published one " +
					"only observation and base action")
			}
		}
	}
	narrow := nn.MLPConfig{In: in, Hidden: p.Actor.Config().Hidden, Out: u, OutputBias: p.Actor.Config().OutputBias}
	m := nn.NewMLP(narrow, nil)
	for i, q := range m.Params() {
		if i > 0 {
			copy(q.Data, p.Actor.Params()[i].Data)
			continue
		}
		for r := range q.Shape[0] {
			copy(q.Data[r*in:(r+1)*in], first.Data[r*own:])
		}
	}
	nn.SaveParams(f, meanPrefix, m.Params())
	return nil
}

// describe is the configuration of a policy that was trained here.
func describe(p *residual.Policy, base *diffusion.Policy) config {
	c, n := defaultConfig(), base.Net.Config()
	c.Actor.Name = "diffusion"
	c.Actor.Network = networkConfig{
		Name: "unet", DownDims: n.DownDims, StepDim: n.StepDim, Kernel: n.Kernel,
		Groups: n.Groups,
	}
	c.Actor.BetaSchedule, c.Actor.PredictionType, c.Actor.ClipSample = base.Process.Schedule, base.Process.Prediction,
		base.Process.Clip
	if c.Actor.PredictionType == diffusion.PredictVelocity {
		c.Actor.PredictionType = "v_prediction"
	}
	c.Actor.NumDiffusionIters, c.Actor.InferenceSteps = base.Process.Steps, base.Sampler.Steps
	c.ActionHorizon, c.PredHorizon, c.Env.Task = p.Execute, n.Horizon, p.Task
	if p.Method != residual.MethodBase {
		c.Actor.Name = "residual_diffusion"
		c.Actor.Residual.ActionScale = float64(p.Alpha)
	}
	if p.Koopman != nil {
		c.Actor.Residual.ObsLiftDim = p.Koopman.LatentDim()
	}
	return c
}
