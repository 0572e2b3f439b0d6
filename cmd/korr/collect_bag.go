package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"korr/cmd/internal/cli"
	"korr/internal/recording"
	"korr/ros/mcap"
	"korr/ros/record"
	"korr/sim"
	"korr/train/collect"
	"korr/train/dataset"
)

// bagOptions are the flags of demonstrations from recordings.
type bagOptions struct {
	files         []string
	topics        []string
	episodeGap    time.Duration
	maxGap        time.Duration
	assume, rule  bool
	skipBad       bool
	recover       bool
	reportedTwist bool
}

func (b *bagOptions) flags(f *pflag.FlagSet) {
	f.StringArrayVar(&b.files, "from-bag", nil, "take demonstrations from MCAP files or ROS bags instead of the expert: "+
		"`FILE`; may be repeated, and more may follow as arguments")
	f.StringArrayVar(&b.topics, "topic", nil, "with --from-bag: where something was recorded, `NAME=/topic`; NAME is "+
		"state, fingers, parts, part_names, command, gripper, marker or success")
	f.DurationVar(&b.episodeGap, "episode-gap", 0, "with --from-bag: a silence of the commands this long ends an "+
		"episode, where the recording does not mark them; 0 = one episode a bag")
	f.DurationVar(&b.maxGap, "max-gap", 0, "with --from-bag: age at which an observation is too old for a frame; 0 = 3 "+
		"frames, as in the control loop")
	f.BoolVar(&b.assume, "assume-success", false, "with --from-bag: every episode succeeded")
	f.BoolVar(&b.rule, "judge", false, "with --from-bag: the task's own rule decides on success, also when the "+
		"recording tells")
	f.BoolVar(&b.skipBad, "skip-bad", false, "with --from-bag: leave out episodes with gaps, faults or values that are "+
		"not finite, with a warning")
	f.BoolVar(&b.recover, "recover", false, "with --from-bag: read an unclosed or damaged bag up to the damage")
	f.BoolVar(&b.reportedTwist, "reported-twist", false, "with --from-bag: take O_dP_EE_d for the velocity instead of "+
		"J(q) dq; a simulator's bag always does")
}

// given reports whether demonstrations come from bags.
func (b *bagOptions) given() bool { return len(b.files) > 0 }

// config says how bags are read for a task.
func (b *bagOptions) config(task *sim.Task) (record.Config, error) {
	c := record.Config{Topics: record.DefaultTopics(), Parts: task.PartNames(), Recover: b.recover, Open: mcap.OpenAny}
	if b.reportedTwist {
		c.Twist = record.TwistReported
	}
	for _, t := range b.topics {
		if err := c.Topics.Set(t); err != nil {
			return c, cli.UsageErrorf("--topic %v", err)
		}
	}
	if b.assume && b.rule {
		return c, cli.UsageErrorf("--assume-success and --judge exclude one another")
	}
	return c, nil
}

// outcome is who decides on success.
func (b *bagOptions) outcome() collect.Outcome {
	switch {
	case b.assume:
		return collect.OutcomeAssume
	case b.rule:
		return collect.OutcomeRule
	}
	return collect.OutcomeAuto
}

// collectBags turns recordings into a dataset.
func (o *collectOptions) collectBags(ctx context.Context) error {
	task, err := sim.TaskByName(o.Config.Sim.Task)
	if err != nil {
		return cli.Usage(err)
	}
	cfg, err := o.bags.config(task)
	if err != nil {
		return err
	}
	groups, err := record.GroupOf(o.bags.files, cfg.Recover, mcap.OpenAny)
	if err != nil {
		return err
	}
	w, err := dataset.Create(o.dir, dataset.Info{
		Task: task.Name, Robot: robotName, FPS: sim.ControlHz,
		PartNames: task.PartNames(),
	})
	if err != nil {
		return err
	}
	r := collectResult{Schema: "korr.collect/1", Folder: o.dir}
	for _, paths := range groups {
		if err := ctx.Err(); err != nil {
			return errors.Join(err, w.Abort())
		}
		if len(paths) > 1 {
			o.Log.Info("bags that continue each other are read as one recording", "bags", paths)
		}
		rec, err := record.Read(paths, cfg)
		if err == nil {
			err = o.takeEpisodes(w, task, rec, &r)
		}
		if err != nil {
			return errors.Join(err, w.Abort())
		}
	}
	if r.Episodes == 0 {
		return errors.Join(fmt.Errorf("no demonstration to keep: %d episodes in %d bags, %d successful; --assume-success "+
			"or --set collect.only_success=false keep the others",
			r.Attempts, len(o.bags.files), r.Successes), w.Abort())
	}
	if err := w.Close(); err != nil {
		return err
	}
	if o.JSON {
		return o.PrintJSON(r)
	}
	return o.Printf("%s: %d episodes, %d frames; %d of %d recorded episodes succeeded\n", r.Folder, r.Episodes, r.Frames,
		r.Successes, r.Attempts)
}

// takeEpisodes appends the episodes of one recording.
func (o *collectOptions) takeEpisodes(w *dataset.Writer, task *sim.Task, rec *recording.Recording,
	r *collectResult,
) error {
	if rec.Damage != nil {
		o.Log.Warn("the bag is damaged; what came before is used", "err", rec.Damage)
	}
	if rec.Gripper.Len() == 0 {
		o.Log.Warn("no gripper goals: the actions keep the gripper as it is", "bag", rec.Path, "topic", rec.Gripper.Topic)
	}
	episodes, err := collect.Cut(rec, collect.CutOptions{
		Task: task, FPS: sim.ControlHz, MaxGap: o.bags.maxGap, EpisodeGap: o.bags.episodeGap, Outcome: o.bags.outcome(),
	})
	var bad *collect.EpisodeError
	if err != nil && !(o.bags.skipBad && errors.As(err, &bad)) {
		return err
	}
	if err != nil {
		o.Log.Warn("episodes are left out", "err", err)
	}
	for i := range episodes {
		e := &episodes[i]
		r.Attempts++
		if e.Success {
			r.Successes++
		} else if o.Config.Collect.Recording.OnlySuccess {
			o.Log.Info("an episode without success is left out", "bag", rec.Path, "frames", e.Len())
			continue
		}
		if err := w.Append(e); err != nil {
			return err
		}
		r.Episodes++
		r.Frames += e.Len()
	}
	return nil
}
