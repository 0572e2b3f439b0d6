package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/sim"
	"korr/sim/action"
	"korr/sim/mujoco"
	"korr/sim/serve"
	"korr/train/lab"
)

// simServeOptions are the verb's flags that are no settings.
type simServeOptions struct {
	*app
	listen, form           string
	envs, maxEnvs, clients int
}

func newCmdSimServe(a *app) *cobra.Command {
	o := &simServeOptions{app: a}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "the simulator on a socket, for learners in other processes",
		Long: `Serves environments over a Unix or TCP socket until interrupted: reset, step and close by a small binary
protocol (docs/simulator-protocol.md), with clients for Gymnasium in examples/python and for Go in package sim/serve.
Every connection has an environment of its own, or a batch of them. The first line of the output is the address.

TCP without a host is bound to 127.0.0.1. The protocol has no authentication: name another host only in a network that
you trust. The settings of sim.*, domain.* and disturb.* apply.`,
		Example: `  korr sim serve --listen unix:/tmp/korr.sock
  korr sim serve --listen tcp:127.0.0.1:5555 --task lamp --action-form delta-quat --envs 16
  korr sim serve --listen tcp::0 --json --set domain.mass=0.8,1.2 --set disturb.part.position=0.001`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runSimServe(cmd.Context(), o) },
	}
	f := cmd.Flags()
	conditionFlags(f)
	f.StringVar(&o.listen, "listen", "tcp:127.0.0.1:5555", "`address`: unix:/path/of/socket or tcp:host:port; port 0 "+
		"takes a free one")
	f.StringVar(&o.form, "action-form", action.Canonical.String(), "how actions are written: "+strings.Join(action.Names(),
		", "))
	f.IntVar(&o.envs, "envs", 1, "environments of a connection that does not ask for a number")
	f.IntVar(&o.maxEnvs, "max-envs", serve.DefaultMaxEnvs, "most environments of one connection; all together have as "+
		"many, and at least 256")
	f.IntVar(&o.clients, "max-clients", serve.DefaultMaxConns, "most connections at once")
	return cmd
}

// simServeResult is what the verb prints once it listens.
type simServeResult struct {
	Schema  string `json:"schema"` // korr.sim.serve/1
	Address string `json:"address"`
	Task    string `json:"task"`
	Form    string `json:"action_form"`
}

func runSimServe(ctx context.Context, o *simServeOptions) error {
	form, err := action.ParseForm(o.form)
	if err != nil {
		return cli.Usage(err)
	}
	if o.envs < 1 || o.maxEnvs < o.envs || o.maxEnvs > 1<<16-1 || o.clients < 1 {
		return cli.UsageErrorf("--envs %d --max-envs %d --max-clients %d: use 1 <= envs <= max-envs <= 65535 and at least "+
			"one client", o.envs, o.maxEnvs, o.clients)
	}
	print, err := mujoco.Fingerprint(o.Config.Sim.Task) // fails now rather than at the first client
	if err != nil {
		return err
	}
	low, high := form.Bounds()
	s, err := serve.New(serve.Config{
		Open: func() (sim.Env, error) { return o.EnvTaking(form) }, Form: form.String(), Low: low, High: high,
		Fingerprint: print, Draw: lab.Drawer(),
		Envs: o.envs, MaxEnvs: o.maxEnvs, MaxConns: o.clients, Workers: o.Workers(), Log: o.Log,
	})
	if err != nil {
		return err
	}
	l, err := serve.Listen(o.listen)
	if err != nil {
		return cli.Usage(err)
	}
	if !serve.Loopback(l) {
		o.Log.Warn("other machines can reach the simulator, and the protocol has no authentication", "address",
			serve.Address(l))
	}
	r := simServeResult{"korr.sim.serve/1", serve.Address(l), o.Config.Sim.Task, form.String()}
	say := func() error { return o.Printf("%s\n", r.Address) }
	if o.JSON {
		say = func() error { return o.PrintJSON(r) }
	}
	if err := say(); err != nil {
		return errors.Join(err, l.Close())
	}
	o.Log.Info("simulator is served", "address", r.Address, "task", r.Task, "action_form", r.Form)
	return errors.Join(s.Serve(ctx, l), context.Cause(ctx))
}
