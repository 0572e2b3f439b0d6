package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/internal/report"
	"korr/train/verify"
)

// verifyOptions are the verb's argument.
type verifyOptions struct {
	*app
	dir string
}

func newCmdVerify(a *app) *cobra.Command {
	o := &verifyOptions{app: a}
	cmd := &cobra.Command{
		Use:   "verify DIR",
		Short: "agreement of this build with reference numbers",
		Long: `Compares this build with the reference numbers in DIR, safetensors files written by the published PyTorch
modules: networks, losses, gradients, optimiser steps, LQR, advantages, rotations, the diffusion denoiser and its
sampler, the rules of caches, CARP's tokeniser and transformer, a layer of routed experts, and the actions of a
checkpoint in the published layout, which is imported and exported again. Sizes are read off the files. Prints the error
of every tensor (largest difference over largest value); exits with 3 when one exceeds its tolerance or cannot be
computed.`,
		Args: cli.OneArg("a folder of reference numbers"),
		RunE: func(_ *cobra.Command, args []string) error {
			o.dir = args[0]
			return runVerify(o)
		},
	}
	cmd.AddCommand(newCmdVerifyFaults(a), newCmdVerifyLoop(a), newCmdVerifyQueue(a), newCmdVerifyROS2(a))
	return cmd
}

func runVerify(o *verifyOptions) error {
	r, err := verify.Run(o.dir)
	if err != nil {
		return err
	}
	if len(r.Absent) > 0 {
		o.Log.Warn("reference files that are not there were not checked", "files", strings.Join(r.Absent, " "))
	}
	if len(r.Unknown) > 0 {
		o.Log.Warn("files that are no references were not checked", "files", strings.Join(r.Unknown, " "))
	}
	if o.JSON {
		err = o.PrintJSON(r)
	} else {
		err = o.printVerify(r)
	}
	if err != nil || r.Passed {
		return err
	}
	return cli.GateErrorf("verify: %s", verdict(r))
}

// verdict counts the failed checks.
func verdict(r *verify.Report) string {
	failed := 0
	for _, c := range r.Checks {
		if !c.OK {
			failed++
		}
	}
	return fmt.Sprintf("%d of %d checks failed", failed, len(r.Checks))
}

// printVerify prints a row for each check, then one for each file.
func (o *verifyOptions) printVerify(r *verify.Report) error {
	t := &report.Table{Columns: []report.Column{
		{Name: "file"},
		{Name: "quantity"},
		{Name: "error", Right: true},
		{Name: "at most", Right: true},
		{Name: ""},
		{Name: "remark"},
	}}
	for _, c := range r.Checks {
		size, bound := "-", "-"
		if c.Error != nil {
			size = fmt.Sprintf("%.1e", *c.Error)
		}
		if c.Tolerance > 0 {
			bound = fmt.Sprintf("%.2g", c.Tolerance)
		}
		t.Add(c.File, c.Quantity, size, bound, okOrMiss(c.OK), c.Note)
	}
	if err := t.WriteText(o.Out); err != nil {
		return err
	}
	if err := o.Printf("\n"); err != nil {
		return err
	}
	if err := fileTable(r).WriteText(o.Out); err != nil {
		return err
	}
	if r.Passed {
		return o.Printf("\nAll %d checks passed.\n", len(r.Checks))
	}
	return nil
}

// fileTable sums up every file by its check that came closest to failing.
func fileTable(r *verify.Report) *report.Table {
	t := &report.Table{Columns: []report.Column{
		{Name: "file"},
		{Name: "checks", Right: true},
		{Name: "failed", Right: true},
		{Name: "largest error", Right: true},
		{Name: "of its tolerance", Right: true},
		{Name: "in"},
	}}
	for i := 0; i < len(r.Checks); {
		file, n, failed, worst, share, where := r.Checks[i].File, 0, 0, "-", "-", ""
		largest := -1.0
		for ; i < len(r.Checks) && r.Checks[i].File == file; i++ {
			c := r.Checks[i]
			n++
			if !c.OK {
				failed++
			}
			if c.Error == nil {
				continue
			}
			if of := *c.Error / math.Max(c.Tolerance, math.SmallestNonzeroFloat64); of > largest {
				largest, worst, share, where = of, fmt.Sprintf("%.1e", *c.Error), fmt.Sprintf("%.2g %%", 100*of), c.Quantity
			}
		}
		t.Add(file, fmt.Sprint(n), fmt.Sprint(failed), worst, share, where)
	}
	return t
}

func okOrMiss(ok bool) string {
	if ok {
		return "ok"
	}
	return "FAILED"
}
