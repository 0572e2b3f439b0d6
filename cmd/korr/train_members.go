package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"korr/train/run"
	"korr/train/td3"
)

// runTrainMembers trains residual.members policies, each in a folder of its own, and keeps the average of them.
func runTrainMembers(ctx context.Context, o *trainResidualOptions, folder *run.Folder, in td3.Inputs) (err error) {
	n, total := o.Config.Residual.Members, o.Config.Residual.Steps
	record, err := folder.Recorder(0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, record.Close()) }()
	p := o.progress(fmt.Sprintf("train %s, %d members", o.Config.Residual.Method, n), "steps", total)
	done, steps, success, loss := 0, make([]int, n), make([]*float64, n), make([]*float64, n)
	average, err := td3.Members(ctx, td3Config(o.Config, o.workers()), in, n, o.memberFolder, func(k int, r td3.Report) {
		done, steps[k] = done+r.Step-steps[k], r.Step
		keep(&success[k], r.Values, "success")
		keep(&loss[k], r.Values, "critic_loss")
		p.set(done, total, "success "+rates(success))
	})
	o.tellInterrupted(ctx, "residual")
	if err != nil {
		return err
	}
	path := folder.Checkpoint("policy")
	if err := errors.Join(average.Save(path), record.Record(total, map[string]float64{"members": float64(n)})); err != nil {
		return err
	}
	took := p.finish(fmt.Sprintf("%d steps", total))
	return o.result(trainResult{trainSchema, string(o.Config.Residual.Method), folder.Dir(), path, total, mean(loss), took.Seconds()})
}

// memberFolder opens the run folder of member k, which trains as c says, or creates it with the settings of such a run alone.
func (o *trainResidualOptions) memberFolder(k int, c td3.Config) (*run.Folder, error) {
	dir := filepath.Join(o.runDir, run.MemberPrefix+strconv.Itoa(k+1))
	folder, err := run.Open(dir)
	if err == nil {
		folder.Log, folder.TensorBoard = o.Log, o.tensorboard
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return folder, err
	}
	alone := *o.Config
	alone.Seed, alone.Sim.Workers, alone.Residual.Members, alone.Residual.Steps = c.Seed, c.Workers, 1, c.Steps
	return (&trainOptions{app: o.with(&alone), runDir: dir, tensorboard: o.tensorboard}).create()
}

// keep takes a value that a report has.
func keep(dst **float64, values map[string]float64, key string) {
	if v := measured(values, key); v != nil {
		*dst = v
	}
}

// rates lists the members' rates; a member that has played no episode yet has a dash.
func rates(members []*float64) string {
	words := make([]string, len(members))
	for i, r := range members {
		words[i] = "-"
		if r != nil {
			words[i] = fmt.Sprintf("%.2f", *r)
		}
	}
	return strings.Join(words, " ")
}

// mean is the mean over the members; nil unless all of them have a value.
func mean(members []*float64) *float64 {
	var sum float64
	for _, v := range members {
		if v == nil {
			return nil
		}
		sum += *v / float64(len(members))
	}
	return &sum
}
