package published

import (
	"context"
	"errors"
	"fmt"
	"io"

	"korr/sim"
	"korr/train/dataset"
)

// ImportedDemonstrations is what became of demonstrations.
type ImportedDemonstrations struct {
	Schema    string `json:"schema"` // korr.import/1
	Folder    string `json:"folder"`
	Task      string `json:"task"`
	Episodes  int    `json:"episodes"` // kept
	Frames    int    `json:"frames"`
	Read      int    `json:"read"` // episodes of the store
	Successes int    `json:"successes"`
}

// brought are the demonstrations that are imported, from whatever format.
type brought struct {
	info    dataset.Info
	n       int
	episode func(i int) (dataset.Episode, error)
}

// store turns a zarr store into a dataset.
func (o *Import) store(ctx context.Context) (Imported, error) {
	d, err := OpenDemonstrations(o.Path, o.Task)
	if err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	for _, w := range d.Warnings {
		o.Log.Warn(w)
	}
	return o.demonstrations(ctx, brought{d.Info, d.Len(), d.Episode})
}

// dataset writes a LeRobot dataset of other software anew.
func (o *Import) dataset(ctx context.Context) (Imported, error) {
	d, err := dataset.ReadAs(o.Path, o.Task)
	if err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	return o.demonstrations(ctx, brought{d.Info, len(d.Episodes), func(i int) (dataset.Episode,
		error,
	) {
		return d.Episodes[i], nil
	}})
}

// demonstrations writes a dataset.
func (o *Import) demonstrations(ctx context.Context, d brought) (Imported, error) {
	every := 1
	if o.Resample {
		var err error
		if every, err = d.info.Ratio(sim.ControlHz); err != nil {
			return nil, fmt.Errorf("import %s: %w", o.Path, err)
		}
		d.info.FPS = sim.ControlHz
	}
	w, err := dataset.Create(o.Out, d.info)
	if err != nil {
		return nil, err
	}
	r := ImportedDemonstrations{Schema: "korr.import/1", Folder: o.Out, Task: d.info.Task, Read: d.n}
	if err := o.take(ctx, w, d, every, &r); err != nil {
		return nil, errors.Join(err, w.Abort())
	}
	if err := w.Close(); err != nil {
		return nil, errors.Join(err, w.Abort())
	}
	return &r, nil
}

// WriteText prints it in a line.
func (r *ImportedDemonstrations) WriteText(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s: task %s, %d episodes, %d frames; %d of %d recorded episodes succeeded\n", r.Folder, r.Task,
		r.Episodes, r.Frames, r.Successes, r.Read)
	return err
}

// take appends the episodes, a frame of every few.
func (o *Import) take(ctx context.Context, w *dataset.Writer, d brought, every int,
	r *ImportedDemonstrations,
) error {
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
		if e.Success || !o.OnlySuccess {
			if err := w.Append(&e); err != nil {
				return err
			}
			r.Episodes++
			r.Frames += e.Len()
		}
		if o.Progress != nil {
			o.Progress(i+1, d.n)
		}
	}
	if r.Episodes == 0 {
		return fmt.Errorf("import %s: no demonstration to keep: none of %d succeeded (--only-success)", o.Path, d.n)
	}
	return nil
}
