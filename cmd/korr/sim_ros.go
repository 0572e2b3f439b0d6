package main

import (
	"context"
	"errors"

	"korr/cmd/internal/cli"
	"korr/ros/master"
	"korr/ros/msgs"
	"korr/ros/names"
	"korr/ros/simnode"
)

// serve is a ROS node until ctx ends.
func (o *simOptions) serve(ctx context.Context) (err error) {
	n, err := o.rosNames(msgs.SimNode)
	if err != nil {
		return err
	}
	if o.startsRoot {
		m, err := startMaster(o.app, n)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, m.Close()) }()
	}
	if err := o.ROSParams(ctx, n, o.wait); err != nil {
		return err
	}
	c := o.condition()
	sensing, err := o.disturbance(c)
	if err != nil {
		return err
	}
	env, err := o.engine(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, env.Close()) }()
	s, err := simnode.New(ctx, simnode.Config{
		Names: n, Env: env, LockStep: o.lockStep, Hz: o.hz, PartsHz: o.partsHz, Sensing: sensing, Seed: o.Config.Seed, Wait: o.wait, Logger: o.Log,
	})
	if err != nil {
		return err
	}
	o.Log.Info("simulator is up", "node", n.Node, "master", n.MasterURI, "task", o.Config.Sim.Task, "lock_step", o.lockStep)
	err = o.NodeEnd(s.Run(ctx))
	o.Log.Info("simulator stopped", "steps", s.Steps())
	return errors.Join(err, s.Close())
}

// startMaster starts the embedded master where the nodes will look for it.
func startMaster(a *app, n *names.Names) (*master.Master, error) {
	addr, err := names.MasterAddress(n.MasterURI)
	if err != nil {
		return nil, cli.Usage(err)
	}
	m, err := master.Start(master.Config{Addr: addr, Logger: a.Log})
	if err != nil {
		return nil, err
	}
	a.Log.Info("ROS master", "uri", m.URI())
	return m, nil
}
