package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/cmd/internal/progress"
	"korr/internal/bench"
	"korr/internal/bench/samplers"
)

// benchBaseOptions are the verb's flags.
type benchBaseOptions struct {
	*peerOptions
	compare samplers.Config
	plot    string
}

func newCmdBenchBase(b *benchOptions) *cobra.Command {
	o := &benchBaseOptions{peerOptions: &peerOptions{benchOptions: b}}
	cmd := &cobra.Command{
		Use:   "base",
		Short: "diffusion denoisers: a network call and a training step, beside PyTorch",
		Long: `Measures, on one thread, one network call for one chunk and one training step (forward, backward, AdamW) on 64
chunks, in milliseconds. Where --python can import torch, the published UNet runs there in turn with ours.

With --policy it compares samplers and caches on trained policies instead: network calls and time per chunk, how far
chunks are from those of the reference (the first sampler without a cache), and with --episodes success on paired seeds
and the jumps at chunk borders, for the condition of --set eval.randomness and eval.perturb.`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(o.compare.Files) > 0 {
				return o.runComparison(cmd.Context())
			}
			return o.printBench(bench.Denoising(cmd.Context(), o.options()))
		},
	}
	o.addFlags(cmd)
	c, f := &o.compare, cmd.Flags()
	f.StringSliceVar(&c.Files, "policy", nil, "compare samplers and caches on these trained diffusion policies instead: "+
		"`checkpoints`")
	f.StringArrayVar(&c.Samplers, "sampler", nil, "with --policy: sampler, `NAME[:key=value,...]`; may be repeated, the "+
		"first is the reference (default: 16 DDIM steps and fewer of each)")
	f.StringArrayVar(&c.Caches, "cache", nil, "with --policy: cache on the first sampler, `NAME[:key=value,...]`; may "+
		"be repeated, none = no cache at all (default: every method at several settings)")
	f.StringSliceVar(&c.Inpaint, "inpaint", nil, "with --policy and --lead: also the reference with these: soft, "+
		"prefix, none")
	f.Float64Var(&c.Ensemble, "ensemble", -1, "with --policy: also the reference with overlapping chunks averaged at "+
		"this rate; negative = not")
	f.IntVar(&c.Chunks, "chunks", 64, "with --policy: demonstrated observations at which whole chunks are compared and "+
		"timed")
	f.IntVar(&c.Episodes, "episodes", 0, "with --policy: episodes for each setting; 0 = no simulation")
	f.IntVar(&c.Lead, "lead", 0, "with --policy: control steps by which a chunk is planned ahead in the episodes")
	f.StringVar(&o.plot, "plot", "", "with --policy: draw success, or without episodes the chunk error, over time into "+
		"this .png or .svg `file`")
	f.String("data", "", "with --policy: `folder` of demonstrations, as korr collect writes it")
	cli.SetKey(f, "data", "demos")
	return cmd
}

// runComparison compares samplers and caches.
func (o *benchBaseOptions) runComparison(ctx context.Context) error {
	c := o.compare
	c.Seed, c.Condition, c.Workers, c.Open = o.Config.Seed, o.Conditions()[0], o.Workers(), o.Env
	c.Load, c.Observations = o.LoadPolicy, o.Demonstrated
	var p *progress.Progress
	c.Progress = func(what string, done, total int) {
		if p == nil {
			p = o.progress("bench base", what, total)
		}
		if p.Set(done, total, ""); done == total {
			p.Finish(fmt.Sprintf("%d %s", total, what))
			p = nil
		}
	}
	r, err := samplers.Run(ctx, c)
	if err != nil {
		return err
	}
	if o.plot != "" {
		figure, err := r.Figure()
		if err != nil {
			return err
		}
		if err := figure.Save(o.plot); err != nil {
			return err
		}
	}
	if o.JSON {
		return o.PrintJSON(r)
	}
	return r.WriteText(o.Out)
}
