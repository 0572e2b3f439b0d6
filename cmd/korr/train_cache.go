package main

import (
	"cmp"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/configs/checkpoint"
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
	out, err := o.out, error(nil)
	if out == "" {
		if out, err = checkpoint.Path(o.policy); err != nil {
			return err
		}
	}
	return o.CalibrateCaches(o.Out, o.policy, cmp.Or(out, o.policy), o.caches, o.runs)
}
