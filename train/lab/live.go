package lab

import (
	"math"

	"korr/residual"
	"korr/sim"
	"korr/sim/view"
)

// Live simulates the settings of sim.* with a policy for package view.
func (l *Lab) Live(name string) (view.Player, error) {
	found, err := l.Policies([]string{name})
	if err != nil {
		return nil, err
	}
	p, err := found[0].New()
	if err != nil {
		return nil, err
	}
	a := &advisor{policy: p}
	if c, ok := p.(*residual.Controller); ok {
		a.controller, a.base = c, make([]float32, sim.ActDim)
	}
	player, err := l.live(a, found[0].Name)
	if err != nil {
		a.Close()
		return nil, err
	}
	return player, nil
}

func (l *Lab) live(p view.Policy, name string) (view.Player, error) {
	c := l.Condition()
	cfg, err := l.Simulator(c)
	if err != nil {
		return nil, err
	}
	sensors, err := l.Disturbance(c)
	if err != nil {
		return nil, err
	}
	return view.NewLive(cfg, sensors, p, name)
}

// advisor is a policy that tells the viewer what it thinks.
type advisor struct {
	policy     sim.Policy
	controller *residual.Controller // policy, when it is one
	base       []float32            // the base's raw action
}

func (a *advisor) Reset(seed uint64) { a.policy.Reset(seed) }

// ReadAges implements sim.AgeReader.
func (a *advisor) ReadAges(ages []float32) {
	if r, ok := a.policy.(sim.AgeReader); ok {
		r.ReadAges(ages)
	}
}

func (a *advisor) ActTo(act, obs []float32) (view.Advice, error) {
	out := view.Advice{Residual: float32(math.NaN()), Innovation: float32(math.NaN())}
	if a.controller == nil {
		return out, a.policy.ActTo(act, obs)
	}
	info, err := a.controller.StepTo(act, obs)
	if err != nil {
		return out, err
	}
	a.controller.Encoder().DenormalizeActionTo(a.base, info.Base)
	out.Base = a.base
	var sum float64
	for _, r := range info.Residual {
		sum += float64(r) * float64(r)
	}
	out.Residual = float32(math.Sqrt(sum))
	if info.Innovated {
		out.Innovation = info.Innovation
	}
	return out, nil
}

func (a *advisor) Close() {
	if c, ok := a.policy.(interface{ Close() }); ok {
		c.Close()
	}
}
