package main

import (
	"context"
	"errors"

	"github.com/spf13/pflag"

	"korr/cmd/internal/cli"
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
	player, err := o.Live(o.policy)
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
