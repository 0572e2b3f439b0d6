package main

import (
	"context"
	"errors"
	"math"

	"github.com/spf13/pflag"

	"korr/cmd/internal/cli"
	"korr/residual"
	"korr/sim"
	"korr/sim/view"
	"korr/train/gallery"
)

// viewOptions are the flags of the live view.
type viewOptions struct {
	addr, replay string
	episode      int
	paused       bool
}

func (v *viewOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&v.addr, "view", "", "show the simulation in browsers, at this `host:port`; an address other than the "+
		"loopback interface's asks for a token")
	f.StringVar(&v.replay, "replay", "", "with --view: recorded episodes to pick from: a dataset, a file of one, or a "+
		"`folder` of datasets")
	f.IntVar(&v.episode, "episode", 0, "with --replay: the recorded episode that is shown first")
	f.BoolVar(&v.paused, "paused", false, "with --view: wait for Play")
}

func (v *viewOptions) given() bool { return v.addr != "" }

func (v *viewOptions) check() error {
	switch {
	case !v.given() && (v.replay != "" || v.paused || v.episode != 0):
		return cli.UsageErrorf("--replay, --episode and --paused need --view host:port")
	case v.episode != 0 && v.replay == "":
		return cli.UsageErrorf("--episode needs --replay; --seed names the episode of a simulation")
	}
	return nil
}

// watch serves the live view until ctx ends.
func (o *simOptions) watch(ctx context.Context) error {
	cfg := view.Config{Seed: o.Config.Seed, Paused: o.view.paused, Episode: o.view.episode, Logger: o.Log}
	if o.oneEpisode() {
		cfg.Seed = o.episodeSeed
	}
	if o.view.replay != "" {
		lib, err := gallery.Find(o.view.replay)
		if err != nil {
			return cli.Usage(err)
		}
		if n := lib.Recordings()[0].Episodes; o.view.episode < 0 || o.view.episode >= n {
			return cli.UsageErrorf("--episode %d: %s has %d episodes", o.view.episode, lib.Dirs[0], n)
		}
		cfg.Library, cfg.Replay = lib, true
	}
	player, err := o.livePlayer()
	if err != nil {
		return err
	}
	cfg.Live = player
	session, err := view.NewSession(cfg)
	if err != nil {
		return err
	}
	server, err := view.Listen(o.view.addr, session, o.Log)
	if err != nil {
		return cli.Usage(errors.Join(err, session.Close()))
	}
	if err := o.Printf("%s\n", server.URL()); err != nil {
		return err
	}
	o.Log.Info("open the page in a browser; Ctrl-C ends it", "url", server.URL())
	return server.Run(ctx)
}

// livePlayer simulates the settings of sim.* with the policy of the flags.
func (o *simOptions) livePlayer() (view.Player, error) {
	found, err := o.policies([]string{o.policy})
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
	player, err := o.newLive(a, found[0].Name)
	if err != nil {
		a.Close()
		return nil, err
	}
	return player, nil
}

func (o *simOptions) newLive(p view.Policy, name string) (view.Player, error) {
	c := o.condition()
	cfg, err := o.simulator(c)
	if err != nil {
		return nil, err
	}
	sensors, err := o.disturbance(c)
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
