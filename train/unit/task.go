package unit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"
)

// Handler does all units of one kind.
type Handler struct {
	// Do does the unit and returns its value, which becomes JSON. It may be called again with what an interrupted call
	// left in the task's folder, and must then come to the same outcome.
	Do func(ctx context.Context, t *Task) (value any, err error)
	// Checkpoints are patterns (path/filepath.Match, relative to the unit's folder) of files that are replaced, each as a
	// whole, when the folder holds something newer to go on from. Nil: the unit starts anew when it is done elsewhere.
	Checkpoints []string
}

// Handlers are what a program can do, by kind.
type Handlers map[string]Handler

// Task is a unit as its handler sees it.
type Task struct {
	*Unit
	Dir      string       // the unit's folder; empty in Local for a unit that names none
	Log      *slog.Logger // never nil
	Parallel int          // cores that the unit may use; 0: as the settings of the program say
	Progress func(done, total int)
	Files    map[string]string // paths of the inputs, by name
}

// Decode reads the spec.
func (t *Task) Decode(v any) error {
	if err := json.Unmarshal(t.Spec, v); err != nil {
		return fmt.Errorf("spec of %s: %w", t.Name, err)
	}
	return nil
}

// Input is the path of an input on this machine; it must not be written to. The error wraps ErrMissingInput.
func (t *Task) Input(name string) (string, error) {
	if p, ok := t.Files[name]; ok {
		return p, nil
	}
	return "", fmt.Errorf("%s: input %s: %w", t.Name, name, ErrMissingInput)
}

// Report tells how far the unit is, in steps of whatever it counts.
func (t *Task) Report(done, total int) {
	if t.Progress != nil {
		t.Progress(done, total)
	}
}

// PanicError is a handler that panicked: the unit fails, the process goes on.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.Value, e.Stack) }

// Do does the task and makes its result; worker says who does it. A panic is an error. An output that is not there is
// one too.
func (h Handlers) Do(ctx context.Context, t *Task, worker string) (r *Result, err error) {
	handler, ok := h[t.Kind]
	if !ok {
		return nil, fmt.Errorf("nothing here does units of kind %q", t.Kind)
	}
	start := time.Now()
	value, err := guarded(ctx, handler, t)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("value of %s: %w", t.Name, err)
	}
	for _, o := range t.Outputs {
		if _, err := os.Stat(filepath.Join(t.Dir, filepath.FromSlash(o))); err != nil {
			return nil, fmt.Errorf("output of %s: %w", t.Name, err)
		}
	}
	return &Result{Value: text, Worker: worker, Seconds: time.Since(start).Seconds()}, nil
}

func guarded(ctx context.Context, h Handler, t *Task) (value any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{p, debug.Stack()}
		}
	}()
	return h.Do(ctx, t)
}

// Local does units in this process, one after the other, each in its folder. The first error ends a job.
type Local struct {
	Handlers Handlers
	Log      *slog.Logger // nil: slog.Default()
}

// Do implements Executor.
func (l *Local) Do(ctx context.Context, j *Job, done func(i int, r *Result) error) error {
	if err := j.check(l.Handlers); err != nil {
		return err
	}
	for i := range j.Units {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		r, err := l.one(ctx, j, &j.Units[i])
		if err != nil {
			return err
		}
		if err := done(i, r); err != nil {
			return err
		}
	}
	return nil
}

func (l *Local) one(ctx context.Context, j *Job, u *Unit) (*Result, error) {
	t := &Task{Unit: u, Dir: u.Dir, Log: l.Log, Progress: j.Progress, Files: map[string]string{}}
	if t.Log == nil {
		t.Log = slog.Default()
	}
	scratch := ""
	defer func() {
		if scratch != "" {
			_ = os.RemoveAll(scratch) // only copies of what the caller has
		}
	}()
	for name, in := range u.Inputs {
		switch {
		case in.Path != "":
			t.Files[name] = in.Path
		case in.From != "":
			t.Files[name] = filepath.Join(dirOf(j, in.From), filepath.FromSlash(in.Output))
		default:
			var err error
			if scratch == "" {
				scratch, err = os.MkdirTemp("", "korr-unit-")
			}
			t.Files[name] = filepath.Join(scratch, name)
			if err = errors.Join(err, os.WriteFile(t.Files[name], in.Data, 0o600)); err != nil {
				return nil, fmt.Errorf("input %s of %s: %w", name, u.Name, err)
			}
		}
	}
	return l.Handlers.Do(ctx, t, "")
}

func dirOf(j *Job, name string) string {
	for i := range j.Units {
		if j.Units[i].Name == name {
			return j.Units[i].Dir
		}
	}
	return ""
}
