package main

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"korr/cmd/internal/cli"
	"korr/train/queue"
)

func newCmdQueue(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "queue",
		Short: "spread sweeps and evaluations over machines: the server, and what it is at",
		Long: `A queue keeps the units of sweeps and evaluations, their checkpoints and results, on NATS JetStream. korr queue
serve begins one, korr worker does its units, korr launch has Slurm or Kubernetes start workers, and --queue of korr
eval, korr train sweep, korr train all and korr results submits to it and waits for the same table that one process
makes.`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newCmdQueueServe(a), newCmdQueueStatus(a))
	return cmd
}

func newCmdQueueServe(a *app) *cobra.Command {
	s := queue.Settings{}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "serve a queue until interrupted",
		Long: `Serves the queue of a folder: what it held when it was last served is there again. The file join.json in the
folder, which its owner alone can read, holds what others need to join: the address, the token, and beyond the loopback
interface the certificate of the connection, which the server makes for itself unless --cert and --key name one. Other
users' processes on this machine do not get in without the token.`,
		Example: `  korr queue serve
  korr queue serve --dir /shared/queue --listen 0.0.0.0:4222`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s.Log = a.Log
			return runQueueServe(cmd.Context(), a, s)
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.Dir, "dir", queue.DefaultDir, "`folder` of what the queue keeps, and of join.json")
	f.StringVar(&s.Listen, "listen", "127.0.0.1:0", "`host:port`; port 0 = the one it had before, or a free one")
	f.StringVar(&s.Host, "host", "", "name or address by which others reach it (default that of --listen, or this "+
		"machine's name)")
	f.DurationVar(&s.Lease, "lease", 0, "how long a unit stays with a silent worker (default as it is, 30s for a new "+
		"queue)")
	f.StringVar(&s.Cert, "cert", "", "`file` of a certificate, in PEM")
	f.StringVar(&s.Key, "key", "", "`file` of its key")
	return cmd
}

func runQueueServe(ctx context.Context, a *app, s queue.Settings) error {
	if s.Lease < 0 || s.Lease > 0 && s.Lease < time.Second {
		return cli.UsageErrorf("--lease %s: want at least a second", s.Lease)
	}
	server, err := queue.Serve(ctx, s)
	if err != nil {
		return err
	}
	a.Log.Info("queue is up", "address", server.Join.URL, "folder", s.Dir)
	if err := a.Printf("Join it:  korr worker --join %s/%s\n", s.Dir, queue.JoinName); err != nil {
		return errors.Join(err, server.Close())
	}
	<-ctx.Done()
	a.Log.Info("queue stopped: what it holds is there when it is served again")
	return server.Close()
}

// statusOptions are the verb's flags.
type statusOptions struct {
	*app
	address, html, serve string
	watch                bool
	every                time.Duration
}

func newCmdQueueStatus(a *app) *cobra.Command {
	o := &statusOptions{app: a}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "what a queue is at: jobs, workers, how long it will take",
		Long: `Prints for each job how many of its units are done, running, waiting for a worker, blocked by other units,
failing (they will be tried again) and parked (they failed three times; the command that submitted them tries them
again), and for each worker what it has done and does. The time left is what finished units of the job took, shared
among the slots that there are.`,
		Example: `  korr queue status --watch
  korr queue status --queue tls://TOKEN@lab:4222 --json
  korr queue status --serve 127.0.0.1:8081`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runQueueStatus(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.address, "queue", queue.DefaultDir, "its `address`: nats:// or tls:// URL, or the folder or file "+
		"join.json of its server")
	f.BoolVar(&o.watch, "watch", false, "print again and again until interrupted")
	f.DurationVar(&o.every, "every", 2*time.Second, "between two looks")
	f.StringVar(&o.html, "html", "", "write the status as a page to this `file`")
	f.StringVar(&o.serve, "serve", "", "serve the page at this `host:port` of the loopback interface, until interrupted")
	return cmd
}

func runQueueStatus(ctx context.Context, o *statusOptions) error {
	if o.every < 100*time.Millisecond {
		return cli.UsageErrorf("--every %s: want at least 100ms", o.every)
	}
	if o.serve != "" && !queue.Loopback(o.serve) {
		return cli.UsageErrorf("--serve %s: the page has no password and is served on the loopback interface alone; --html "+
			"FILE writes it for elsewhere", o.serve)
	}
	store, err := queue.Connect(ctx, o.address, o.Log, queue.Patience)
	if err != nil {
		return err
	}
	defer store.Close()
	if o.serve != "" {
		return o.servePage(ctx, store)
	}
	for {
		s, err := store.Status(ctx)
		if err != nil {
			return err
		}
		if err := o.print(s); err != nil || !o.watch {
			return err
		}
		select {
		case <-time.After(o.every):
		case <-ctx.Done():
			return nil
		}
	}
}

// clearScreen moves a terminal's cursor home and clears what is below.
const clearScreen = "\x1b[H\x1b[2J"

func (o *statusOptions) print(s *queue.Status) error {
	if o.html != "" {
		if err := s.Page().Save(o.html); err != nil {
			return err
		}
	}
	if o.watch && !o.JSON && cli.OnTerminal(o.Out) {
		if err := o.Printf(clearScreen); err != nil {
			return err
		}
	}
	return o.Print(s)
}

// servePage serves the page, which loads itself again.
func (o *statusOptions) servePage(ctx context.Context, store *queue.Store) error {
	listener, err := net.Listen("tcp", o.serve)
	if err != nil {
		return err
	}
	if err := o.Printf("http://%s/\n", listener.Addr()); err != nil {
		return errors.Join(err, listener.Close())
	}
	return store.ServePage(ctx, listener, o.every)
}

// queueFlag adds the flag by which a verb's units are done elsewhere.
func queueFlag(f *pflag.FlagSet, address *string) {
	f.StringVar(address, "queue", "", "spread the work: embedded (a queue of its own, which workers may join), or the "+
		"`address` of one: "+
		"nats:// or tls:// URL, or the folder in which korr queue serve keeps it; empty = in this process")
}
