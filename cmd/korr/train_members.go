package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"
	"gonum.org/v1/gonum/floats"

	"korr/residual"
	"korr/train/run"
	"korr/train/td3"
)

// memberSeed is by how much the seeds of a run's members differ; the first has the run's own.
const memberSeed = 1000

// runTrainMembers trains residual.members policies from seeds of their own, each with its share of the steps and in a folder of its
// own, side by side on the processors there are, and keeps the average of them.
func runTrainMembers(ctx context.Context, o *trainResidualOptions, folder *run.Folder) error {
	n, total := o.Config.Residual.Members, o.Config.Residual.Steps
	in, err := o.inputs()
	if err != nil {
		return err
	}
	record, err := folder.Recorder(0)
	if err != nil {
		return err
	}
	p := o.progress(fmt.Sprintf("train %s, %d members", o.Config.Residual.Method, n), "steps", total)
	var mu sync.Mutex
	done, steps, success, loss := 0, make([]int, n), make([]float64, n), make([]float64, n)
	policies := make([]*residual.Policy, n)
	g, ctx2 := errgroup.WithContext(ctx)
	g.SetLimit(o.workers())
	for k := range n {
		g.Go(func() (err error) {
			policies[k], err = o.member(ctx2, in, k, func(r td3.Report) {
				mu.Lock()
				defer mu.Unlock()
				done, steps[k] = done+r.Step-steps[k], r.Step
				keep(&success[k], r.Values, "success")
				keep(&loss[k], r.Values, "critic_loss")
				p.set(done, total, fmt.Sprintf("success %.2f", success))
			})
			if err != nil {
				return fmt.Errorf("member %d: %w", k+1, err)
			}
			return nil
		})
	}
	err = g.Wait()
	if ctx.Err() != nil {
		o.Log.Warn("interrupted: the state is saved", "resume", "korr train residual --resume --out "+o.runDir)
	}
	if err != nil {
		return errors.Join(err, record.Close())
	}
	mean, err := residual.Average(policies...)
	if err != nil {
		return errors.Join(err, record.Close())
	}
	mean.Meta["environment_steps"] = strconv.Itoa(n * (total / n))
	path := folder.Checkpoint("policy")
	if err := errors.Join(mean.Save(path), record.Record(total, map[string]float64{"members": float64(n)}), record.Close()); err != nil {
		return err
	}
	took := p.finish(fmt.Sprintf("%d steps", total))
	return o.result(trainResult{trainSchema, o.Config.Residual.Method, folder.Dir(), path, total, floats.Sum(loss) / float64(n), took.Seconds()})
}

// member trains member k, or goes on with it; one that made all its steps is read.
func (o *trainResidualOptions) member(ctx context.Context, in td3.Inputs, k int, report func(td3.Report)) (*residual.Policy, error) {
	config := *o.Config
	n := config.Residual.Members
	config.Seed += uint64(memberSeed * k)
	config.Residual.Members, config.Residual.Steps = 1, config.Residual.Steps/n
	config.Sim.Workers = max(1, o.workers()/n)
	dir := filepath.Join(o.runDir, run.MemberPrefix+strconv.Itoa(k+1))
	m := &trainResidualOptions{trainOptions: trainOptions{app: o.with(&config), runDir: dir}, engine: o.engine}
	folder, err := run.Open(m.runDir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		folder, err = m.create()
	case err == nil:
		folder.Log = o.Log
		p, err := residual.Load(folder.Checkpoint("policy"), in.Base)
		if err == nil && p.Meta["environment_steps"] == strconv.Itoa(config.Residual.Steps) {
			return p, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		m.resume = true
	}
	if err != nil {
		return nil, err
	}
	in.Progress = report
	return m.trainTD3(ctx, folder, in)
}

// keep takes a value that a report has.
func keep(dst *float64, values map[string]float64, key string) {
	if v, ok := values[key]; ok {
		*dst = v
	}
}
