package queue

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"korr/train/unit"
)

// Client submits jobs to a queue and waits for them: an Executor whose workers are elsewhere.
type Client struct {
	Store    *Store
	Platform unit.Platform
	Log      *slog.Logger
}

// ParkedError tells which units of a job cannot be finished, and why.
type ParkedError struct {
	Units []ParkedUnit
	Of    int // units of the job
}

// ParkedUnit is a unit whose tries failed.
type ParkedUnit struct {
	Name  string `json:"name"`
	Error string `json:"error"`
}

// Error implements error.
func (e *ParkedError) Error() string {
	var lines []string
	for _, u := range e.Units {
		first, _, _ := strings.Cut(u.Error, "\n")
		lines = append(lines, "\n  "+u.Name+": "+first)
	}
	return fmt.Sprintf("%d of %d units are parked after %d tries each, and everything that does not need them is "+
		"finished; the same command tries them again:%s",
		len(e.Units), e.Of, MaxTries, strings.Join(lines, ""))
}

// Do implements unit.Executor. Units whose results are there are not done again; cancelling ctx leaves the others to
// the workers.
func (c *Client) Do(ctx context.Context, j *unit.Job, done func(i int, r *unit.Result) error) error {
	w, err := c.submit(ctx, j)
	if err != nil {
		return err
	}
	return w.wait(ctx, done)
}

// Submit queues a job and does not wait for it.
func (c *Client) Submit(ctx context.Context, j *unit.Job) error {
	_, err := c.submit(ctx, j)
	return err
}

// waiting is a submitted job.
type waiting struct {
	*Client
	job   *unit.Job
	units []unit.Unit // sealed
	ids   []unit.ID
	index map[unit.ID][]int // equal units have one identity
	ended map[unit.ID]bool  // told or parked
	bad   map[unit.ID]string
}

// submit queues what of a job is neither done nor queued.
func (c *Client) submit(ctx context.Context, j *unit.Job) (*waiting, error) {
	units, ids, err := j.Sealed(c.Platform)
	if err != nil {
		return nil, err
	}
	w := &waiting{
		Client: c, job: j, units: units, ids: ids, index: map[unit.ID][]int{}, ended: map[unit.ID]bool{},
		bad: map[unit.ID]string{},
	}
	for i, id := range ids {
		w.index[id] = append(w.index[id], i)
	}
	if _, err := c.Store.consumer(ctx, c.Platform.Lane()); err != nil {
		return nil, err
	}
	if err := w.register(ctx); err != nil {
		return nil, err
	}
	return w, w.enqueue(ctx, true)
}

// register notes the job for whoever looks at the queue.
func (w *waiting) register(ctx context.Context) error {
	members := make([]member, len(w.units))
	sum := sha256.New()
	for i := range w.units {
		u := &w.units[i]
		members[i] = member{ID: w.ids[i], Name: u.Name, Kind: u.Kind}
		for _, in := range u.Inputs {
			if in.Unit != "" && !slices.Contains(members[i].After, in.Unit) {
				members[i].After = append(members[i].After, in.Unit)
			}
		}
		slices.Sort(members[i].After)
		sum.Write([]byte(w.ids[i]))
	}
	text, err := json.Marshal(members)
	if err != nil {
		return err
	}
	list, err := w.Store.putData(ctx, text)
	if err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "?"
	}
	key := hex.EncodeToString(sum.Sum(nil))[:16]
	r := job{w.job.Name, w.Platform.Lane(), w.Platform, host, time.Now(), len(w.units), list}
	var before job
	rev, err := w.Store.get(ctx, w.Store.jobs, key, &before)
	if err == nil && rev == 0 {
		if _, err = w.Store.set(ctx, w.Store.jobs, key, r, 0); errors.Is(err, errConflict) {
			err = nil // the same job, submitted elsewhere at the same time
		}
	}
	return err
}

// states are those of the job's units that were begun.
func (w *waiting) states(ctx context.Context) (map[unit.ID]*State, error) {
	out := map[unit.ID]*State{}
	err := w.Store.all(ctx, w.Store.state, ">", func(key string, value []byte) error {
		if _, mine := w.index[unit.ID(key)]; !mine {
			return nil
		}
		st := &State{}
		if err := json.Unmarshal(value, st); err != nil {
			return err
		}
		out[unit.ID(key)] = st
		return nil
	})
	return out, err
}

// enqueue queues the units that are not settled; again says that parked ones get new tries.
func (w *waiting) enqueue(ctx context.Context, again bool) error {
	states, err := w.states(ctx)
	if err != nil {
		return err
	}
	sent := map[unit.ID]bool{}
	var ready []int
	for i, id := range w.ids {
		st := states[id]
		if sent[id] || st != nil && st.Phase == Done || st != nil && st.Phase == Parked && !again {
			continue
		}
		sent[id] = true
		if st != nil && st.Phase == Parked {
			if err := w.unpark(ctx, id); err != nil {
				return err
			}
		}
		if err := w.upload(ctx, i, st); err != nil {
			return fmt.Errorf("%s: %w", w.units[i].Name, err)
		}
		wait, err := w.waitFor(ctx, i, states)
		if err != nil {
			return err
		}
		if !wait {
			ready = append(ready, i)
		}
	}
	q := make([]queued, 0, len(ready))
	for _, i := range ready {
		q = append(q, queued{w.ids[i], w.units[i]})
	}
	return w.Store.publish(ctx, w.Platform.Lane(), q)
}

// unpark gives a unit new tries.
func (w *waiting) unpark(ctx context.Context, id unit.ID) error {
	var st State
	rev, err := w.Store.get(ctx, w.Store.state, string(id), &st)
	if err != nil || st.Phase != Parked {
		return err
	}
	st.Phase, st.Tries, st.Since = Released, 0, time.Now()
	if _, err = w.Store.set(ctx, w.Store.state, string(id), &st, rev); errors.Is(err, errConflict) {
		err = nil // somebody else did
	}
	return err
}

// upload stores the inputs of unit i that this machine has, and what was begun of it here.
func (w *waiting) upload(ctx context.Context, i int, st *State) error {
	for name, in := range w.units[i].Inputs {
		var err error
		switch given := w.job.Units[i].Inputs[name]; {
		case given.Path != "":
			err = w.Store.putPath(ctx, in.Digest, given.Path)
		case given.Data != nil:
			_, err = w.Store.putData(ctx, given.Data)
		}
		if err != nil {
			return err
		}
	}
	u := &w.job.Units[i]
	if !u.Begun || st != nil {
		return nil
	}
	begun := State{
		Name: u.Name, Kind: u.Kind, Lane: w.Platform.Lane(), Phase: Released, Worker: "here", Since: time.Now(),
		Saves: 1,
	}
	begun.Checkpoint = string(w.ids[i]) + ".0.1"
	if _, err := w.Store.put(ctx, w.Store.saves, begun.Checkpoint, packer(u.Dir, nil)); err != nil {
		return err
	}
	_, err := w.Store.set(ctx, w.Store.state, string(w.ids[i]), &begun, 0)
	if errors.Is(err, errConflict) {
		err = nil // a worker was faster
	}
	return err
}

// publishTogether is how many messages are under way to the server at once.
const publishTogether = 256

// publish queues units; one that is queued already is not queued again.
func (s *Store) publish(ctx context.Context, lane string, units []queued) error {
	for part := range slices.Chunk(units, publishTogether) {
		if err := s.retryWithin(ctx, time.Minute, "queue units", func(ctx context.Context) error {
			acks := make([]jetstream.PubAckFuture, 0, len(part))
			for i := range part {
				text, err := json.Marshal(&part[i])
				if err != nil {
					return err
				}
				ack, err := s.js.PublishAsync(unitsSubject+"."+lane+"."+string(part[i].ID), text,
					jetstream.WithExpectLastSequencePerSubject(0))
				if err != nil {
					return err
				}
				acks = append(acks, ack)
			}
			for _, ack := range acks {
				select {
				case <-ack.Ok():
				case err := <-ack.Err():
					if !outOfSequence(err) {
						return err
					}
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}
