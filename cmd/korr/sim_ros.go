package main

import (
	"context"
	"errors"
	"fmt"

	"korr/cmd/internal/cli"
	"korr/cmd/internal/robotcmd"
	"korr/ros/master"
	"korr/ros/msgs"
	"korr/ros/names"
	"korr/ros/simnode"
)

// serve is a ROS node until ctx ends.
func (o *simOptions) serve(ctx context.Context) (err error) {
	n, err := o.enter(ctx)
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
	if n.ROS2 == nil {
		if err := o.ROSParams(ctx, n, o.wait); err != nil {
			return err
		}
	}
	c := o.Condition()
	sensing, err := o.Disturbance(c)
	if err != nil {
		return err
	}
	env, err := o.Engine(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, env.Close()) }()
	tap, closeTap, err := robotcmd.ServeFoxglove(o.App, o.foxglove, n.Node)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeTap()) }()
	s, err := simnode.New(ctx, simnode.Config{
		Names: n, Env: env, LockStep: o.lockStep, Hz: o.hz, PartsHz: o.partsHz, Sensing: sensing, Seed: o.Config.Seed,
		Wait: o.wait, Logger: o.Log, Tap: tap,
	})
	if err != nil {
		return err
	}
	where := "ROS master " + n.MasterURI
	if n.ROS2 != nil {
		where = fmt.Sprintf("ROS 2 domain %d", n.ROS2.Domain)
	}
	o.Log.Info("simulator is up", "node", n.Node, "at", where, "task", o.Config.Sim.Task, "lock_step", o.lockStep)
	err = o.NodeEnd(s.Run(ctx))
	o.Log.Info("simulator stopped", "steps", s.Steps())
	return errors.Join(err, s.Close())
}

// enter finds the node's names, and in ROS 2 its parameters.
func (o *simOptions) enter(context.Context) (*names.Names, error) {
	if !o.ros2 {
		return o.rosNames(msgs.SimNode)
	}
	if o.ros || o.startsRoot || o.wait {
		return nil, cli.UsageErrorf("--ros2 goes without --ros, --master and --wait: ROS 2 has no master")
	}
	n, err := o.ROS2Names(msgs.SimNode)
	if err != nil {
		return nil, err
	}
	return n, o.ROS2Params(n)
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
