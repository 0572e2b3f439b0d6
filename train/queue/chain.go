package queue

import (
	"context"
	"encoding/json"

	"github.com/nats-io/nats.go/jetstream"

	"korr/train/unit"
)

// waitFor notes that unit i waits for others, if any of them is not done, and reports whether it does.
func (w *waiting) waitFor(ctx context.Context, i int, states map[unit.ID]*State) (bool, error) {
	q := queued{w.ids[i], w.units[i]}
	wait := false
	for _, in := range w.units[i].Inputs {
		if st := states[in.Unit]; in.Unit == "" || st != nil && st.Phase == Done {
			continue
		}
		key := string(in.Unit) + "." + string(w.ids[i])
		if err := w.Store.retry(ctx, "store "+key, func(ctx context.Context) error {
			text, err := json.Marshal(q)
			if err == nil {
				_, err = w.Store.after.Put(ctx, key, text)
			}
			return err
		}); err != nil {
			return false, err
		}
		wait = true
	}
	if !wait {
		return false, nil
	}
	ready, err := w.Store.ready(ctx, &q) // one may have been done between the look at the states and the note
	return !ready, err
}

// ready reports whether everything that a unit reads of others is made.
func (s *Store) ready(ctx context.Context, q *queued) (bool, error) {
	for _, in := range q.Unit.Inputs {
		if in.Unit == "" {
			continue
		}
		var st State
		if _, err := s.get(ctx, s.state, string(in.Unit), &st); err != nil || st.Phase != Done {
			return false, err
		}
	}
	return true, nil
}

// follow queues the units that waited for one and have everything now.
func (s *Store) follow(ctx context.Context, lane string, id unit.ID) error {
	followed := false
	if err := s.retry(ctx, "look for what follows", func(ctx context.Context) error {
		info, err := s.chains.Info(ctx, jetstream.WithSubjectFilter("$KV."+afterBucket+"."+string(id)+".*"))
		if err == nil {
			followed = len(info.State.Subjects) > 0
		}
		return err
	}); err != nil || !followed {
		return err
	}
	waiting := map[string]queued{}
	if err := s.all(ctx, s.after, string(id)+".*", func(key string, value []byte) error {
		var q queued
		if err := json.Unmarshal(value, &q); err != nil {
			return err
		}
		waiting[key] = q
		return nil
	}); err != nil {
		return err
	}
	for key, q := range waiting {
		ready, err := s.ready(ctx, &q)
		if err == nil && ready {
			err = s.publish(ctx, lane, []queued{q})
		}
		if err == nil {
			err = s.retry(ctx, "forget "+key, func(ctx context.Context) error { return s.after.Delete(ctx, key) })
		}
		if err != nil {
			return err
		}
	}
	return nil
}
