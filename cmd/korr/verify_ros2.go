package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/internal/verify/hosts"
	"korr/ros/ros2/dds"
)

func newCmdVerifyROS2(a *app) *cobra.Command {
	only := ""
	cmd := &cobra.Command{
		Use:   "ros2",
		Short: "ROS 2 between two hosts, with Cyclone DDS, ddsperf and Fast DDS as peers",
		Long: `Makes two network namespaces and a cable between them, compiles peers (Cyclone DDS in C, Fast DDS in C++) and
tries from one to the other: topics of every reliability, large messages, late joiners, services and actions, 5 % of the
packets lost, a QoS that does not match, a second commander, a peer that is killed, and a control node with its arm on
the other host. Needs root (or user namespaces), iproute2 and util-linux; what cannot be compiled is named and not
tried. Exits with 3 when a row fails.`,
		Example: `  sudo korr verify ros2
  sudo korr verify ros2 --only lost --json`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runVerifyROS2(cmd.Context(), a, only) },
	}
	cmd.PersistentFlags().StringVar(&only, "only", "", "rows whose name or peer contains this `text`")
	cmd.AddCommand(&cobra.Command{
		Use: "host", Short: "the first host", Hidden: true, Args: cli.OneArg("the folder of the peers"),
		RunE: func(cmd *cobra.Command, args []string) error {
			self, err := os.Executable()
			if err != nil {
				return err
			}
			r, err := hosts.Rows(cmd.Context(), args[0], only, []string{self})
			if err != nil {
				return err
			}
			return a.PrintJSON(r)
		},
	})
	return cmd
}

func runVerifyROS2(ctx context.Context, a *app, only string) error {
	if !dds.Available {
		return cli.Usage(dds.ErrAbsent)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	r, err := hosts.Run(ctx, hosts.Config{Self: []string{self, "verify", "ros2", "host"}, Only: only})
	if err != nil {
		return err
	}
	return a.Judge("verify ros2", r)
}
