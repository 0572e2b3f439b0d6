package main

import (
	"context"
	"errors"

	"korr/ros/evalnode"
	"korr/train/eval"
)

// serveEval is the evaluation node until ctx ends.
func (o *evalOptions) serveEval(ctx context.Context) (err error) {
	n, err := o.rosNames(evalnode.NodeName)
	if err != nil {
		return err
	}
	if err := o.ROSParams(ctx, n, o.wait); err != nil {
		return err
	}
	s, err := evalnode.New(ctx, evalnode.Config{
		Names: n, Start: o.Goal, Interval: eval.Wilson, Wait: o.wait,
		Logger: o.Log,
	})
	if err != nil {
		return err
	}
	o.Log.Info("evaluation node is up", "node", n.Node, "master", n.MasterURI)
	err = o.NodeEnd(s.Run(ctx))
	o.Log.Info("evaluation node stopped")
	return errors.Join(err, s.Close())
}
