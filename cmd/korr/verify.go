package main

import (
	"strings"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/train/verify"
)

func newCmdVerify(a *app) *cobra.Command {
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
		RunE: func(_ *cobra.Command, args []string) error { return runVerify(a, args[0]) },
	}
	cmd.AddCommand(newCmdVerifyFaults(a), newCmdVerifyLoop(a), newCmdVerifyQueue(a), newCmdVerifyROS2(a))
	return cmd
}

func runVerify(a *app, dir string) error {
	r, err := verify.Run(dir)
	if err != nil {
		return err
	}
	if len(r.Absent) > 0 {
		a.Log.Warn("reference files that are not there were not checked", "files", strings.Join(r.Absent, " "))
	}
	if len(r.Unknown) > 0 {
		a.Log.Warn("files that are no references were not checked", "files", strings.Join(r.Unknown, " "))
	}
	return a.Judge("verify", r)
}
