package robotcmd

import (
	"context"
	"errors"

	"korr/cmd/internal/cli"
	"korr/internal/layout"
	"korr/residual/loop"
	"korr/residual/loop/survey"
	"korr/ros/robot"
)

// measureTracker listens to the arm and the tracker for a while, commands nothing, and prints what the tracker is like.
func (o *runOptions) measureTracker(ctx context.Context, rc robot.Config) (err error) {
	rc.Passive, rc.PartStamps = true, true
	r, err := robot.Open(ctx, rc)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	ctx, cancel := context.WithTimeoutCause(ctx, o.measure, errMeasured)
	defer cancel()
	var s survey.Survey
	x := loop.Sample{Obs: make([]float32, layout.Observation(len(rc.Parts)))}
	o.Log.Info("listening: leave the arm at rest, then let it carry a part about", "for", o.measure)
	for {
		if err := r.Wait(ctx, x.Seq); err != nil {
			if errors.Is(context.Cause(ctx), errMeasured) {
				break
			}
			return err
		}
		x.Sources, x.Measured = x.Sources[:0], x.Measured[:0]
		if err := r.Read(&x); err != nil {
			return err
		}
		s.Add(&x)
	}
	report, err := s.Report(o.run().RateHz)
	if err != nil {
		return cli.Unreachable(err)
	}
	if o.JSON {
		return o.PrintJSON(report)
	}
	return report.WriteText(o.Out)
}

// errMeasured ends the listening.
var errMeasured = errors.New("measured for long enough")
