package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/internal/tensorfile"
	"korr/residual"
	"korr/train/published"
)

// exportOptions are the verb's argument and flags.
type exportOptions struct {
	*app
	name, out string
}

func newCmdExport(a *app) *cobra.Command {
	o := &exportOptions{app: a}
	cmd := &cobra.Command{
		Use:   "export POLICY",
		Short: "a policy's weights under the published names, for PyTorch",
		Long: `Writes the weights of a policy with a diffusion unet as a safetensors file whose tensors have the names of the
published PyTorch modules, and whose metadata hold the configuration (docs/interop.md). An imported policy comes back
with every tensor it had, the critic included. POLICY is a checkpoint's path or the name of shipped weights.`,
		Example: `  korr export runs/published.safetensors --out actor.safetensors
  python3 examples/python/load_export.py actor.safetensors`,
		Args: cli.OneArg("a policy"),
		RunE: func(_ *cobra.Command, args []string) error {
			o.name = args[0]
			return runExport(o)
		},
	}
	cmd.Flags().StringVar(&o.out, "out", "", "`FILE`.safetensors to create")
	return cmd
}

// exportResult is what the verb prints.
type exportResult struct {
	Schema  string `json:"schema"` // korr.export/1
	File    string `json:"file"`
	Tensors int    `json:"tensors"`
	Numbers int    `json:"numbers"`
}

func runExport(o *exportOptions) error {
	if filepath.Ext(o.out) != ".safetensors" {
		return cli.UsageErrorf("export: --out %q: want a name that ends in .safetensors", o.out)
	}
	if err := cli.CheckFolder("--out", filepath.Dir(o.out)); err != nil {
		return err
	}
	f, err := o.OpenWeights(o.name)
	if err != nil {
		return err
	}
	p, err := residual.LoadEither(f, o.Config.Base.Acting.Execute)
	if err != nil {
		return fmt.Errorf("policy %s: %w", o.name, err)
	}
	out, err := published.Export(p, f)
	if err != nil {
		return fmt.Errorf("export %s: %w", o.name, err)
	}
	if err := os.MkdirAll(filepath.Dir(o.out), 0o755); err != nil {
		return err
	}
	if err := tensorfile.Write(o.out, out); err != nil {
		return err
	}
	r := exportResult{Schema: "korr.export/1", File: o.out, Tensors: len(out.Tensors)}
	for i := range out.Tensors {
		r.Numbers += len(out.Tensors[i].F32)
	}
	if o.JSON {
		return o.PrintJSON(r)
	}
	return o.Printf("%s: %d tensors, %d numbers\n", r.File, r.Tensors, r.Numbers)
}
