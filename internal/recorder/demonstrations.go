package recorder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"korr/internal/recording"
	"korr/internal/usage"
	"korr/ros/mcap"
	"korr/ros/record"
	"korr/sim"
	"korr/train/collect"
	"korr/train/dataset"
)

// Bags are recordings of an arm that is commanded by somebody, and how demonstrations are made of them.
type Bags struct {
	Files         []string      // MCAP files or ROS bags; those that continue each other are read as one
	Topics        []string      // NAME=/topic, where something was recorded elsewhere than record.DefaultTopics say
	EpisodeGap    time.Duration // as collect.CutOptions has it
	MaxGap        time.Duration // likewise
	AssumeSuccess bool          // every episode succeeded
	Judge         bool          // the task's own rule decides on success, also when the recording tells
	SkipBad       bool          // leave out episodes with gaps, faults or values that are not finite, with a warning
	Recover       bool          // read an unclosed or damaged bag up to the damage
	ReportedTwist bool          // take O_dP_EE_d for the velocity instead of J(q) dq
	OnlySuccess   bool          // leave out episodes that failed
	Robot         string        // the arm, as the dataset names it
	Log           *slog.Logger
}

// Demonstrated is a dataset that was made of recordings; Attempts are the recorded episodes.
type Demonstrated struct{ collect.Result }

// WriteText prints it in a line.
func (r *Demonstrated) WriteText(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s: %d episodes, %d frames; %d of %d recorded episodes succeeded\n", r.Folder, r.Episodes,
		r.Frames, r.Successes, r.Attempts)
	return err
}

// reading says how the bags are read for a task.
func (b *Bags) reading(task *sim.Task) (record.Config, error) {
	c := record.Config{Topics: record.DefaultTopics(), Parts: task.PartNames(), Recover: b.Recover, Open: mcap.OpenAny}
	if b.ReportedTwist {
		c.Twist = record.TwistReported
	}
	for _, t := range b.Topics {
		if err := c.Topics.Set(t); err != nil {
			return c, usage.Errorf("--topic %v", err)
		}
	}
	if b.AssumeSuccess && b.Judge {
		return c, usage.Errorf("--assume-success and --judge exclude one another")
	}
	return c, nil
}

// outcome is who decides on success.
func (b *Bags) outcome() collect.Outcome {
	switch {
	case b.AssumeSuccess:
		return collect.OutcomeAssume
	case b.Judge:
		return collect.OutcomeRule
	}
	return collect.OutcomeAuto
}

// Demonstrations makes a dataset of a task in a new folder; nothing is left there with an error.
func (b *Bags) Demonstrations(ctx context.Context, task *sim.Task, dir string) (*Demonstrated, error) {
	cfg, err := b.reading(task)
	if err != nil {
		return nil, err
	}
	groups, err := record.GroupOf(b.Files, cfg.Recover, mcap.OpenAny)
	if err != nil {
		return nil, err
	}
	w, err := dataset.Create(dir, dataset.Info{
		Task: task.Name, Robot: b.Robot, FPS: sim.ControlHz,
		PartNames: task.PartNames(),
	})
	if err != nil {
		return nil, err
	}
	r := &Demonstrated{collect.Result{Schema: collect.ResultSchema, Folder: dir}}
	for _, paths := range groups {
		if err := ctx.Err(); err != nil {
			return nil, errors.Join(err, w.Abort())
		}
		if len(paths) > 1 {
			b.Log.Info("bags that continue each other are read as one recording", "bags", paths)
		}
		rec, err := record.Read(paths, cfg)
		if err == nil {
			err = b.take(w, task, rec, r)
		}
		if err != nil {
			return nil, errors.Join(err, w.Abort())
		}
	}
	if r.Episodes == 0 {
		return nil, errors.Join(fmt.Errorf("no demonstration to keep: %d episodes in %d bags, %d successful; "+
			"--assume-success or --set collect.only_success=false keep the others",
			r.Attempts, len(b.Files), r.Successes), w.Abort())
	}
	return r, w.Close()
}

// take appends the episodes of one recording.
func (b *Bags) take(w *dataset.Writer, task *sim.Task, rec *recording.Recording, r *Demonstrated) error {
	if rec.Damage != nil {
		b.Log.Warn("the bag is damaged; what came before is used", "err", rec.Damage)
	}
	if rec.Gripper.Len() == 0 {
		b.Log.Warn("no gripper goals: the actions keep the gripper as it is", "bag", rec.Path, "topic", rec.Gripper.Topic)
	}
	episodes, err := collect.Cut(rec, collect.CutOptions{
		Task: task, FPS: sim.ControlHz, MaxGap: b.MaxGap, EpisodeGap: b.EpisodeGap, Outcome: b.outcome(),
	})
	var bad *collect.EpisodeError
	if err != nil && !(b.SkipBad && errors.As(err, &bad)) {
		return err
	}
	if err != nil {
		b.Log.Warn("episodes are left out", "err", err)
	}
	for i := range episodes {
		e := &episodes[i]
		r.Attempts++
		if e.Success {
			r.Successes++
		} else if b.OnlySuccess {
			b.Log.Info("an episode without success is left out", "bag", rec.Path, "frames", e.Len())
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
