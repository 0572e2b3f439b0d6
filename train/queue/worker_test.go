package queue

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"korr/train/unit"
)

// counter is a unit that counts to a number in a file, one step at a time, and can be interrupted after every step.
func counter(pause time.Duration, begun *atomic.Int32) unit.Handlers {
	return unit.Handlers{"count": {
		Checkpoints: []string{"at"},
		Do: func(ctx context.Context, t *unit.Task) (any, error) {
			begun.Add(1)
			var to int
			if err := t.Decode(&to); err != nil {
				return nil, err
			}
			b, err := os.ReadFile(filepath.Join(t.Dir, "at"))
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return nil, err
			}
			for len(b) < to {
				if err := sleep(ctx, pause); err != nil {
					return nil, err
				}
				b = append(b, '.')
				tmp := filepath.Join(t.Dir, ".at")
				if err := errors.Join(os.WriteFile(tmp, b, 0o600), os.Rename(tmp, filepath.Join(t.Dir, "at"))); err != nil {
					return nil, err
				}
			}
			return len(b), nil
		},
	}}
}

// TestInterruptedUnitsGoOn: a worker that is stopped gives its unit back with what it did, and that is no failed try,
// however often it happens.
func TestInterruptedUnitsGoOn(t *testing.T) {
	s := serve(t, t.TempDir())
	var begun atomic.Int32
	j := &unit.Job{Name: "count", Units: []unit.Unit{{Kind: "count", Name: "c", Spec: unit.Encode(100)}}}
	result := make(chan error, 1)
	c := client(t, s.Join)
	go func() { result <- c.Do(t.Context(), j, func(int, *unit.Result) error { return nil }) }()
	for i := int32(1); i <= 5; i++ {
		stop := work(t, s.Join, counter(10*time.Millisecond, &begun), nil)
		for begun.Load() < i {
			time.Sleep(5 * time.Millisecond)
		}
		time.Sleep(50 * time.Millisecond)
		stop()
	}
	start := time.Now()
	work(t, s.Join, counter(10*time.Millisecond, &begun), nil)
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	st := stateOf(t, c, j)
	if st.Phase != Done || st.Epoch != 6 || st.Saves == 0 || begun.Load() != 6 {
		t.Errorf("%+v, begun %d times", st, begun.Load())
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Logf("the rest took %s", took)
	}
	if _, err := c.Store.saves.GetInfo(t.Context(), st.Checkpoint); st.Checkpoint != "" || err == nil {
		t.Errorf("checkpoint %q stays, %v", st.Checkpoint, err)
	}
}

func stateOf(t *testing.T, c *Client, j *unit.Job) State {
	t.Helper()
	_, ids, err := j.Sealed(c.Platform)
	if err != nil {
		t.Fatal(err)
	}
	var st State
	if _, err := c.Store.get(t.Context(), c.Store.state, string(ids[0]), &st); err != nil {
		t.Fatal(err)
	}
	return st
}

// TestIdleWorkersEnd: a worker without units ends by itself.
func TestIdleWorkersEnd(t *testing.T) {
	s := serve(t, t.TempDir())
	w := &Worker{
		Store: dial(t, s.Join), Handlers: unit.Handlers{}, Platform: platform, Dir: t.TempDir(),
		Idle: 300 * time.Millisecond, Log: quiet(),
	}
	if err := w.Run(t.Context()); err != nil {
		t.Error(err)
	}
	if status, err := w.Store.Status(t.Context()); err != nil || len(status.Workers) != 0 {
		t.Errorf("it is still there: %+v, %v", status, err)
	}
}
