package main

import (
	"context"

	"github.com/spf13/pflag"

	"korr/cmd/internal/cli"
	"korr/internal/recorder"
	"korr/sim"
	"korr/train/lab"
)

// bagFlags are the flags of demonstrations from recordings.
func bagFlags(f *pflag.FlagSet, b *recorder.Bags) {
	f.StringArrayVar(&b.Files, "from-bag", nil, "take demonstrations from MCAP files or ROS bags instead of the expert: "+
		"`FILE`; may be repeated, and more may follow as arguments")
	f.StringArrayVar(&b.Topics, "topic", nil, "with --from-bag: where something was recorded, `NAME=/topic`; NAME is "+
		"state, fingers, parts, part_names, command, gripper, marker or success")
	f.DurationVar(&b.EpisodeGap, "episode-gap", 0, "with --from-bag: a silence of the commands this long ends an "+
		"episode, where the recording does not mark them; 0 = one episode a bag")
	f.DurationVar(&b.MaxGap, "max-gap", 0, "with --from-bag: age at which an observation is too old for a frame; 0 = 3 "+
		"frames, as in the control loop")
	f.BoolVar(&b.AssumeSuccess, "assume-success", false, "with --from-bag: every episode succeeded")
	f.BoolVar(&b.Judge, "judge", false, "with --from-bag: the task's own rule decides on success, also when the "+
		"recording tells")
	f.BoolVar(&b.SkipBad, "skip-bad", false, "with --from-bag: leave out episodes with gaps, faults or values that are "+
		"not finite, with a warning")
	f.BoolVar(&b.Recover, "recover", false, "with --from-bag: read an unclosed or damaged bag up to the damage")
	f.BoolVar(&b.ReportedTwist, "reported-twist", false, "with --from-bag: take O_dP_EE_d for the velocity instead of "+
		"J(q) dq; a simulator's bag always does")
}

// collectBags turns recordings into a dataset.
func (o *collectOptions) collectBags(ctx context.Context) error {
	task, err := sim.TaskByName(o.Config.Sim.Task)
	if err != nil {
		return cli.Usage(err)
	}
	b := &o.bags
	b.OnlySuccess, b.Robot, b.Log = o.Config.Collect.Recording.OnlySuccess, lab.Robot, o.Log
	r, err := b.Demonstrations(ctx, task, o.dir)
	if err != nil {
		return err
	}
	return o.Print(r)
}
