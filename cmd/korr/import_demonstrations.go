package main

import (
	"context"
	"errors"
	"fmt"

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

// importDemonstrations turns a zarr store into a dataset.
func (o *importOptions) importDemonstrations(ctx context.Context) error {
	d, err := published.OpenDemonstrations(o.path, o.task)
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	for _, w := range d.Warnings {
		o.Log.Warn(w)
	}
	w, err := dataset.Create(o.out, d.Info)
	if err != nil {
		return err
	}
	r := importedDemonstrations{Schema: "korr.import/1", Folder: o.out, Task: d.Info.Task, Read: d.Len()}
	if err := o.takeDemonstrations(ctx, w, d, &r); err != nil {
		return errors.Join(err, w.Abort())
	}
	if err := w.Close(); err != nil {
		return errors.Join(err, w.Abort())
	}
	if o.JSON {
		return o.PrintJSON(r)
	}
	return o.Printf("%s: task %s, %d episodes, %d frames; %d of %d recorded episodes succeeded\n", r.Folder, r.Task, r.Episodes, r.Frames, r.Successes, r.Read)
}

// takeDemonstrations appends the episodes.
func (o *importOptions) takeDemonstrations(ctx context.Context, w *dataset.Writer, d *published.Demonstrations, r *importedDemonstrations) error {
	p := o.progress("import", "episodes", d.Len())
	for i := range d.Len() {
		if err := ctx.Err(); err != nil {
			return err
		}
		e, err := d.Episode(i)
		if err != nil {
			return fmt.Errorf("import: %w", err)
		}
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
		p.set(i+1, d.Len(), "")
	}
	if r.Episodes == 0 {
		return fmt.Errorf("import %s: no demonstration to keep: none of %d succeeded (--only-success)", o.path, d.Len())
	}
	p.finish(fmt.Sprintf("%d episodes, %d frames", r.Episodes, r.Frames))
	return nil
}
