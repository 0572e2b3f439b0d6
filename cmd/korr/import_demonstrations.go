package main

import (
	"context"
	"errors"
	"fmt"

	"korr/sim"
	"korr/train/dataset"
	"korr/train/published"
)

// importedDemonstrations is what the verb prints for demonstrations.
type importedDemonstrations struct {
	Schema    string `json:"schema"` // korr.import/1
	Folder    string `json:"folder"`
	Task      string `json:"task"`
	Episodes  int    `json:"episodes"` // kept
	Frames    int    `json:"frames"`
	Read      int    `json:"read"` // episodes of the store
	Successes int    `json:"successes"`
}

// demonstrations are what is imported, from whatever format.
type demonstrations struct {
	info    dataset.Info
	n       int
	episode func(i int) (dataset.Episode, error)
}

// importStore turns a zarr store into a dataset.
func (o *importOptions) importStore(ctx context.Context) error {
	d, err := published.OpenDemonstrations(o.path, o.task)
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	for _, w := range d.Warnings {
		o.Log.Warn(w)
	}
	return o.importDemonstrations(ctx, demonstrations{d.Info, d.Len(), d.Episode})
}

// importDataset writes a LeRobot dataset of other software anew.
func (o *importOptions) importDataset(ctx context.Context) error {
	d, err := dataset.ReadAs(o.path, o.task)
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	return o.importDemonstrations(ctx, demonstrations{d.Info, len(d.Episodes), func(i int) (dataset.Episode,
		error,
	) {
		return d.Episodes[i], nil
	}})
}

// importDemonstrations writes a dataset.
func (o *importOptions) importDemonstrations(ctx context.Context, d demonstrations) error {
	every := 1
	if o.resample {
		var err error
		if every, err = d.info.Ratio(sim.ControlHz); err != nil {
			return fmt.Errorf("import %s: %w", o.path, err)
		}
		d.info.FPS = sim.ControlHz
	}
	w, err := dataset.Create(o.out, d.info)
	if err != nil {
		return err
	}
	r := importedDemonstrations{Schema: "korr.import/1", Folder: o.out, Task: d.info.Task, Read: d.n}
	if err := o.takeDemonstrations(ctx, w, d, every, &r); err != nil {
		return errors.Join(err, w.Abort())
	}
	if err := w.Close(); err != nil {
		return errors.Join(err, w.Abort())
	}
	if o.JSON {
		return o.PrintJSON(r)
	}
	return o.Printf("%s: task %s, %d episodes, %d frames; %d of %d recorded episodes succeeded\n", r.Folder, r.Task,
		r.Episodes, r.Frames, r.Successes, r.Read)
}

// takeDemonstrations appends the episodes, a frame of every few.
func (o *importOptions) takeDemonstrations(ctx context.Context, w *dataset.Writer, d demonstrations, every int,
	r *importedDemonstrations,
) error {
	p := o.progress("import", "episodes", d.n)
	for i := range d.n {
		if err := ctx.Err(); err != nil {
			return err
		}
		e, err := d.episode(i)
		if err != nil {
			return fmt.Errorf("import: %w", err)
		}
		e = *e.Every(every, d.info)
		if e.Success {
			r.Successes++
		}
		if e.Success || !o.onlySuccess {
			if err := w.Append(&e); err != nil {
				return err
			}
			r.Episodes++
			r.Frames += e.Len()
		}
		p.set(i+1, d.n, "")
	}
	if r.Episodes == 0 {
		return fmt.Errorf("import %s: no demonstration to keep: none of %d succeeded (--only-success)", o.path, d.n)
	}
	p.finish(fmt.Sprintf("%d episodes, %d frames", r.Episodes, r.Frames))
	return nil
}
