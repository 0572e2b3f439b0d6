package main

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"korr/basepolicy"
	"korr/basepolicy/cache"
	"korr/basepolicy/diffusion"
	"korr/cmd/internal/cli"
	"korr/cmd/internal/robotcmd"
	"korr/residual"
	"korr/sim"
)

type trainCacheOptions struct {
	*trainOptions
	policy, out string
	caches      []string
	runs        int
}

func newCmdTrainCache(a *app) *cobra.Command {
	o := &trainCacheOptions{trainOptions: &trainOptions{app: a}}
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "calibrate what saves a diffusion base policy's network calls, and store it in the checkpoint",
		Long: `Looks at full runs of the policy's sampler at demonstrated observations and stores in the checkpoint what the
methods learn from them: hyca which rule forecasts which dimensions of its feature, bac when each part of a transformer
is computed. The other methods need no calibration; the last --cache named becomes the checkpoint's own, whatever the
method. base.sampler (--set) replaces the checkpoint's sampler too.`,
		Example: `  korr train cache --policy runs/diffusion/checkpoints/base.safetensors --data runs/demos \
      --cache hyca:n=3 --out runs/hyca.safetensors`,
		Args: cli.NoArgs,
		RunE: func(*cobra.Command, []string) error { return runTrainCache(o) },
	}
	a.dataFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.policy, "policy", "", "`checkpoint` of a diffusion base policy, or of a residual on one")
	f.StringVar(&o.out, "out", "", "`file` to write (default: the checkpoint itself)")
	f.StringArrayVar(&o.caches, "cache", nil, "method to calibrate or choose, `NAME[:key=value,...]`; may be repeated")
	f.IntVar(&o.runs, "runs", 64, "full runs to look at")
	return cmd
}

func runTrainCache(o *trainCacheOptions) error {
	if o.policy == "" || len(o.caches) == 0 {
		return cli.UsageErrorf("--policy and --cache are missing: name a checkpoint and what to calibrate")
	}
	p, err := o.loadPolicy(o.policy)
	if err != nil {
		return err
	}
	d, ok := p.Base.(*diffusion.Policy)
	if !ok {
		return cli.UsageErrorf("%s is no diffusion policy: there are no network calls to save", o.policy)
	}
	var obs []float32
	for _, text := range o.caches {
		c, err := cache.Parse(text)
		if err != nil {
			return cli.Usage(err)
		}
		if c.Calibrated() {
			if obs == nil {
				if obs, err = o.demonstrated(p, o.runs); err != nil {
					return err
				}
			}
			k, err := d.Calibrate(c, obs, o.Config.Seed)
			if err != nil {
				return err
			}
			if err := o.printCalibration(k); err != nil {
				return err
			}
		}
		d.Cache = c
		if err := d.Validate(); err != nil {
			return cli.Usage(err)
		}
	}
	if o.out == "" {
		if o.out, err = robotcmd.CheckpointPath(o.policy); err != nil {
			return err
		}
		o.out = cmp.Or(o.out, o.policy)
	}
	if p.Method == residual.MethodBase {
		err = basepolicy.Save(o.out, d)
	} else {
		err = p.Save(o.out)
	}
	return errors.Join(err, o.Printf("%s: cache %s\n", o.out, d.Cache))
}

func (o *trainCacheOptions) printCalibration(k cache.Calibration) error {
	if k.Names != nil {
		count := map[string]int{}
		for _, name := range k.Names {
			count[name]++
		}
		return o.Printf("%s: dimensions of the feature by rule %v\n", k.Cache, count)
	}
	return o.Printf("%s: mean relative error of what the parts keep %.3f\n", k.Cache, k.Error)
}

// demonstrated returns what the base policy reads at n observations, evenly over the demonstrations.
func (o *trainOptions) demonstrated(p *residual.Policy, n int) ([]float32, error) {
	data, err := o.demonstrations()
	if err != nil {
		return nil, err
	}
	task, err := sim.TaskByName(p.Task)
	if err != nil {
		return nil, err
	}
	enc, err := p.Encoder(task.NewFeatures())
	if err != nil {
		return nil, err
	}
	if data.Info.ObsDim() != enc.RawDim() {
		return nil, cli.UsageErrorf("the demonstrations in %s have observations of %d values, the policy reads %d",
			o.Config.Demos, data.Info.ObsDim(), enc.RawDim())
	}
	rows, raw := data.ObsRows(), enc.RawDim()
	frames := len(rows) / raw
	if n < 1 || frames == 0 {
		return nil, fmt.Errorf("%d of %d demonstrated observations are nothing to look at", n, frames)
	}
	x, out := make([]float32, enc.Dim()), make([]float32, 0, n*enc.BaseDim())
	for i := range n {
		at := (2*i + 1) * frames / (2 * n)
		enc.EncodeTo(x, rows[at*raw:(at+1)*raw])
		out = append(out, x[:enc.BaseDim()]...)
	}
	return out, nil
}
