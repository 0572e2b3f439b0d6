package residual

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"korr/basepolicy"
	_ "korr/basepolicy/carp"      // so that its checkpoints load
	_ "korr/basepolicy/diffusion" // likewise
	"korr/internal/nn"
	"korr/internal/tensorfile"
	"korr/koopman"
	"korr/koopman/filter"
)

// policyFormat marks a residual policy's checkpoint, in its metadata.
const policyFormat = "korr/residual.Policy/1"

// Prefixes of the parts' tensors in a checkpoint.
const (
	basePrefix    = "base."
	koopmanPrefix = "koopman."
	actorPrefix   = "actor."
	filterPrefix  = "filter."
)

// ErrOtherBase reports a base policy other than the one a residual was trained on.
var ErrOtherBase = errors.New("residual: the residual was trained on another base policy")

// stored is the checkpoint's "policy" metadata.
type stored struct {
	Method       Method            `json:"method"`
	Task         string            `json:"task"`
	Base         string            `json:"base"` // fingerprint
	Koopman      bool              `json:"koopman"`
	Actor        *storedActor      `json:"actor,omitempty"`
	Alpha        float32           `json:"alpha"`
	Squash       string            `json:"squash"`
	Execute      int               `json:"execute"`
	Features     bool              `json:"features"`
	Focus        *Focus            `json:"focus,omitempty"`     // absent = all of the observation
	Condition    Condition         `json:"condition,omitempty"` // absent = published
	Steps        []int             `json:"foresight_steps,omitempty"`
	ObserverGain float64           `json:"observer_gain,omitempty"`
	CriticOnly   bool              `json:"critic_only,omitempty"`
	Estimation   Estimation        `json:"estimation,omitempty"` // absent = none
	Sight        *Sight            `json:"sight,omitempty"`      // absent = the present alone
	Meta         map[string]string `json:"meta,omitempty"`

	former
}

// former are settings that checkpoints up to commit c1b008f may hold. They are read, never written.
type former struct {
	Prior   float64 `json:"lqr_prior,omitempty"`
	Trigger *struct {
		Reaction  string  `json:"reaction"`
		Source    string  `json:"source"`
		Threshold float64 `json:"threshold"`
	} `json:"trigger,omitempty"`
}

// check refuses what would act otherwise than it was trained to.
func (f *former) check() error {
	if f.Prior != 0 {
		return fmt.Errorf("the policy corrects its base by an LQR prior (lqr_prior %g), which this version does not have: "+
			"use commit c1b008f, or train it again", f.Prior)
	}
	if t := f.Trigger; t != nil && t.Reaction != "" && t.Reaction != "report" {
		return fmt.Errorf("the policy reacts to surprises (%s), which this version does not: use commit c1b008f, or train "+
			"it again", t.Reaction)
	}
	return nil
}

// storedActor is nn.MLPConfig without what only matters before training.
type storedActor struct {
	In         int   `json:"in"`
	Hidden     []int `json:"hidden"`
	Out        int   `json:"out"`
	LayerNorm  bool  `json:"layer_norm"`
	OutputBias bool  `json:"output_bias"`
}

// Names of the squashes in a checkpoint.
const (
	tanhName   = "tanh"
	linearName = "linear"
)

// Save writes the policy to a safetensors file, replacing it only when the new one is complete. The base
// policy and its normalisers are in it: one file is all a robot needs.
func (p *Policy) Save(path string) error {
	f, err := p.File()
	if err == nil {
		err = tensorfile.Write(path, f)
	}
	if err != nil {
		return fmt.Errorf("save policy %s: %w", path, err)
	}
	return nil
}

// File returns the content of the checkpoint that Save writes.
func (p *Policy) File() (*tensorfile.File, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	print, err := Fingerprint(p.Base)
	if err != nil {
		return nil, err
	}
	head := stored{
		Method: p.Method, Task: p.Task, Base: print, Koopman: p.Koopman != nil, Alpha: p.Alpha,
		Squash: tanhName, Execute: p.Execute, Features: p.Features, Meta: p.Meta,
		Condition: p.Foresight.Condition, Steps: p.Foresight.Steps, ObserverGain: p.Foresight.ObserverGain,
		CriticOnly: p.Foresight.CriticOnly,
	}
	if p.Focus != (Focus{}) {
		head.Focus = &p.Focus
	}
	if p.Sight != (Sight{}) {
		head.Sight = &p.Sight
	}
	if p.Squash == Linear {
		head.Squash = linearName
	}
	var f tensorfile.File
	if err := p.Base.SaveTo(&f, basePrefix); err != nil {
		return nil, err
	}
	if p.Koopman != nil {
		p.Koopman.SaveTo(&f, koopmanPrefix)
	}
	if p.Actor != nil {
		c := p.Actor.Config()
		head.Actor = &storedActor{In: c.In, Hidden: c.Hidden, Out: c.Out, LayerNorm: c.LayerNorm, OutputBias: c.OutputBias}
		nn.SaveParams(&f, actorPrefix, p.Actor.Params())
	}
	if p.Estimates() {
		head.Estimation = p.Estimation
		if err := p.Filter.SaveTo(&f, filterPrefix, p.Task); err != nil {
			return nil, err
		}
	}
	text, err := json.Marshal(head)
	if err != nil {
		return nil, err
	}
	f.SetMeta("format", policyFormat)
	f.SetMeta("policy", string(text))
	return &f, nil
}

// Load reads a policy that Save wrote. With base nil the checkpoint's own base policy is used; otherwise
// base is, which must be the same one (else ErrOtherBase), so that several policies share it. A file that
// is truncated, of another kind, mis-shaped or not finite is refused.
func Load(path string, base basepolicy.Policy) (*Policy, error) {
	f, err := tensorfile.Read(path)
	if err != nil {
		return nil, fmt.Errorf("load policy: %w", err)
	}
	p, err := LoadFrom(f, base)
	if err != nil {
		return nil, fmt.Errorf("load policy %s: %w", path, err)
	}
	return p, nil
}

// LoadFrom is Load for a file that has been read already, such as an embedded one.
func LoadFrom(f *tensorfile.File, base basepolicy.Policy) (*Policy, error) {
	if got := f.Meta["format"]; got != policyFormat {
		return nil, fmt.Errorf("format is %q, want %q: not a residual policy of this program", got, policyFormat)
	}
	var head stored
	d := json.NewDecoder(strings.NewReader(f.Meta["policy"]))
	d.DisallowUnknownFields() // a setting this program does not know would change what acts
	if err := d.Decode(&head); err != nil {
		return nil, fmt.Errorf("metadata %q: %w", "policy", err)
	}
	if err := head.check(); err != nil {
		return nil, err
	}
	p := &Policy{
		Method: head.Method, Task: head.Task, Base: base, Alpha: head.Alpha,
		Execute: head.Execute, Features: head.Features, Meta: head.Meta,
		Foresight: Foresight{head.Condition, head.Steps, head.ObserverGain, head.CriticOnly}, Estimation: head.Estimation,
	}
	if head.Focus != nil {
		p.Focus = *head.Focus
	}
	if head.Sight != nil {
		p.Sight = *head.Sight
	}
	switch head.Squash {
	case tanhName:
	case linearName:
		p.Squash = Linear
	default:
		return nil, fmt.Errorf("unknown squash %q", head.Squash)
	}
	if err := p.decodeParts(f, &head); err != nil {
		return nil, err
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return p, p.Fold()
}

// decodeParts fills Base, Koopman, Actor and Filter.
func (p *Policy) decodeParts(f *tensorfile.File, head *stored) (err error) {
	if p.Base == nil {
		if p.Base, err = basepolicy.LoadFrom(f, basePrefix); err != nil {
			return fmt.Errorf("base policy: %w", err)
		}
	}
	print, err := Fingerprint(p.Base)
	if err != nil {
		return err
	}
	if print != head.Base {
		return fmt.Errorf("%w: %s, not %s", ErrOtherBase, head.Base, print)
	}
	if head.Koopman {
		if p.Koopman, err = koopman.LoadFrom(f, koopmanPrefix); err != nil {
			return fmt.Errorf("koopman model: %w", err)
		}
	}
	if head.Actor != nil {
		if p.Actor, err = decodeActor(f, head.Actor); err != nil {
			return fmt.Errorf("actor: %w", err)
		}
	}
	if p.Estimates() {
		if p.Filter, _, err = filter.LoadFrom(f, filterPrefix); err != nil {
			return fmt.Errorf("filter: %w", err)
		}
	}
	return nil
}

// maxWidth bounds an actor's layers, so that a damaged file cannot ask for terabytes.
const maxWidth = 1 << 14

func decodeActor(f *tensorfile.File, c *storedActor) (*nn.MLP, error) {
	widths := append(append([]int{c.In}, c.Hidden...), c.Out)
	want := 0
	for i, w := range widths {
		if w < 1 || w > maxWidth || len(widths) > maxWidth {
			return nil, fmt.Errorf("widths %v are outside 1 to %d", widths, maxWidth)
		}
		if i > 0 {
			want += w * widths[i-1]
			if i < len(widths)-1 || c.OutputBias {
				want += w
			}
		}
	}
	have := 0
	for i := range f.Tensors {
		if strings.HasPrefix(f.Tensors[i].Name, actorPrefix) {
			have += len(f.Tensors[i].F32)
		}
	}
	if have != want { // before anything is allocated
		return nil, fmt.Errorf("the file holds %d weights, widths %v need %d", have, widths, want)
	}
	actor := nn.NewMLP(nn.MLPConfig{
		In: c.In, Hidden: c.Hidden, Out: c.Out, LayerNorm: c.LayerNorm,
		OutputBias: c.OutputBias,
	}, nil)
	return actor, nn.LoadParams(f, actorPrefix, actor.Params())
}
