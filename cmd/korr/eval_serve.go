package main

import (
	"cmp"
	"context"
	"errors"

	"korr/ros/evalnode"
	"korr/ros/msgs"
	"korr/sim"
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
		Names: n, Start: o.startEval, Interval: eval.Wilson, Wait: o.wait,
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

// startEval prepares what a goal asks for: the same episodes as those of korr eval with the same settings.
func (o *evalOptions) startEval(ctx context.Context, g *msgs.EvaluateGoal) (*evalnode.Job, error) {
	cfg := *o.Config
	cfg.Sim.Task = cmp.Or(g.Task, cfg.Sim.Task)
	cfg.Sim.Randomness = cmp.Or(sim.Randomness(g.Randomness), cfg.Sim.Randomness)
	cfg.Sim.Perturb = g.Perturb
	asked := o.with(&cfg)
	found, err := asked.policies([]string{cmp.Or(g.Policy, cfg.Run.Policy)})
	if err != nil {
		return nil, err
	}
	policy, err := found[0].New()
	if err != nil {
		return nil, err
	}
	open := eval.InProcess(asked.newEnv)
	if g.OverRos {
		open = asked.lanes
	}
	player, err := open(ctx, asked.condition())
	if err != nil {
		return nil, err
	}
	seed := cmp.Or(g.Seed, cfg.Seed)
	return &evalnode.Job{
		Episodes: cmp.Or(int(g.Episodes), cfg.Eval.Episodes),
		Close:    player.Close,
		Play: func(ctx context.Context, i int) (msgs.EpisodeResult, error) {
			e, err := player.Play(ctx, policy, eval.EpisodeSeed(seed, i))
			r := msgs.EpisodeResult{Seed: e.Seed, Steps: uint32(e.Steps), Success: e.Success}
			if e.Fault != nil {
				r.Fault = e.Fault.Error()
			}
			return r, err
		},
	}, nil
}
