package run

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"time"

	"korr/internal/regular"
)

// Record is one line of metrics.jsonl.
type Record struct {
	Step   int     // training step
	WallS  float64 // seconds since training began, over all resumptions
	Values map[string]float64
}

// Keys of a line that are not metrics.
const (
	keyStep = "step"
	keyWall = "wall_s"
)

// MarshalJSON writes the record as one flat object; a value that is not finite
// becomes null.
func (r Record) MarshalJSON() ([]byte, error) {
	m := map[string]any{}
	for k, v := range r.Values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			m[k] = nil
		} else {
			m[k] = v
		}
	}
	m[keyStep], m[keyWall] = r.Step, r.WallS
	return json.Marshal(m)
}

// UnmarshalJSON is the inverse; null becomes NaN.
func (r *Record) UnmarshalJSON(b []byte) error {
	var m map[string]*float64
	if err := json.Unmarshal(b, &m); err != nil {
		return err
	}
	step, ok := m[keyStep]
	if !ok || step == nil {
		return fmt.Errorf("no %q", keyStep)
	}
	*r = Record{Step: int(*step), Values: map[string]float64{}}
	if w := m[keyWall]; w != nil {
		r.WallS = *w
	}
	for k, v := range m {
		switch {
		case k == keyStep || k == keyWall:
		case v == nil:
			r.Values[k] = math.NaN()
		default:
			r.Values[k] = *v
		}
	}
	return nil
}

// Metrics reads the recorded lines. A torn end is ignored: a last line without its end, and what a file holds behind
// its last record when the power failed before the data was on the disk (zeros). Any other line that is not a record is
// an error naming it.
func (f *Folder) Metrics() ([]Record, error) {
	b, err := regular.Read(f.Path(MetricsName), regular.Records)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("run folder %s: %w", f.dir, err)
	}
	var out []Record
	for n := 1; ; n++ {
		line, rest, whole := bytes.Cut(b, []byte("\n"))
		if !whole {
			return out, nil
		}
		var r Record
		if err := json.Unmarshal(line, &r); err != nil {
			if torn(b) {
				return out, nil
			}
			return nil, fmt.Errorf("%s line %d: %w", f.Path(MetricsName), n, err)
		}
		out = append(out, r)
		b = rest
	}
}

// torn reports whether the end of a file, from a line that is no record, is what a failure of the power leaves: zeros
// are in it and no whole record.
func torn(end []byte) bool {
	if bytes.IndexByte(end, 0) < 0 {
		return false
	}
	for line := range bytes.Lines(end) {
		var r Record
		if bytes.HasSuffix(line, []byte("\n")) && json.Unmarshal(line, &r) == nil {
			return false
		}
	}
	return true
}

// Recorder appends to metrics.jsonl and holds the run folder's lock. It belongs to one goroutine.
type Recorder struct {
	folder *Folder
	file   *os.File
	start  time.Time
	events *events // nil unless the folder writes them
	err    error   // sticky: a half-written line must stay the last
}

// Recorder opens metrics.jsonl to go on after a step (0 for a new run): lines
// of later steps and a torn last line are removed first.
func (f *Folder) Recorder(afterStep int) (r *Recorder, err error) {
	if err := f.Lock(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Unlock()
		}
	}()
	records, err := f.Metrics()
	if err != nil {
		return nil, err
	}
	var kept bytes.Buffer
	var wall float64
	for _, r := range records {
		if r.Step > afterStep {
			continue
		}
		b, err := r.MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("run folder %s: %w", f.dir, err)
		}
		kept.Write(append(b, '\n'))
		wall = max(wall, r.WallS)
	}
	if err := f.WriteFile(MetricsName, kept.Bytes()); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(f.Path(MetricsName), os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("run folder %s: %w", f.dir, err)
	}
	r = &Recorder{folder: f, file: file, start: time.Now().Add(-time.Duration(wall * float64(time.Second)))}
	if f.TensorBoard {
		err = r.writeEvents(records, afterStep)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("run folder %s: %w", f.dir, err), file.Close())
	}
	return r, nil
}

// writeEvents begins TensorBoard's file with the records up to a step.
func (r *Recorder) writeEvents(records []Record, afterStep int) (err error) {
	if r.events, err = newEvents(r.folder.dir, r.start); err != nil {
		return err
	}
	for _, old := range records {
		if old.Step <= afterStep {
			err = errors.Join(err, r.events.scalars(r.start.Add(time.Duration(old.WallS*float64(time.Second))),
				old.Step, old.Values))
		}
	}
	return err
}

// Record appends one line with the metrics of a step.
func (r *Recorder) Record(step int, values map[string]float64) error {
	if r.err != nil {
		return r.err
	}
	wall := math.Round(time.Since(r.start).Seconds()*1e3) / 1e3
	b, err := Record{Step: step, WallS: wall, Values: values}.MarshalJSON()
	if err != nil {
		return fmt.Errorf("record step %d: %w", step, err)
	}
	if _, err := r.file.Write(append(b, '\n')); err != nil {
		r.err = fmt.Errorf("record step %d: %w", step, err)
	}
	if r.err == nil && r.events != nil {
		if err := r.events.scalars(time.Now(), step, values); err != nil {
			r.err = fmt.Errorf("record step %d for TensorBoard: %w", step, err)
		}
	}
	return r.err
}

// Close syncs the file to disk, closes it and lets the lock go. Closing again is harmless.
func (r *Recorder) Close() error {
	if r.folder == nil {
		return nil
	}
	defer r.folder.Unlock() // evaluated here
	r.folder = nil
	var err error
	if r.events != nil {
		err = r.events.close()
	}
	return errors.Join(err, r.file.Sync(), r.file.Close())
}
