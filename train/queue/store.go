package queue

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"korr/internal/usage"
)

// Names of what the queue keeps.
const (
	unitsStream  = "korr-units"
	unitsSubject = "korr.units"
	stateBucket  = "korr-state"
	afterBucket  = "korr-after"
	jobsBucket   = "korr-jobs"
	hereBucket   = "korr-workers"
	blobsBucket  = "korr-blobs"
	savesBucket  = "korr-checkpoints"
	leaseKey     = "korr-lease" // in the stream's metadata
)

// Store is a connection to a queue. It reconnects for as long as it is open.
type Store struct {
	Join Join
	Log  *slog.Logger

	nc                 *nats.Conn
	js                 jetstream.JetStream
	units              jetstream.Stream
	state, after, jobs jetstream.KeyValue
	here               jetstream.KeyValue
	chains             jetstream.Stream // of after
	blobs, saves       *objects
	lease              time.Duration
	reconnected        chan struct{} // holds one when the connection was renewed

	mu  sync.Mutex
	cut chan struct{} // closed when the connection breaks
}

// Connect opens the queue at an address (see ParseAddress) and waits for it at most so long. What the queue keeps is
// made when it is not there, as on a server that knows nothing of it yet.
func Connect(ctx context.Context, address string, log *slog.Logger, wait time.Duration) (*Store, error) {
	j, err := ParseAddress(address)
	if err != nil {
		return nil, err
	}
	return Dial(ctx, j, log, wait)
}

// Dial is Connect for an address that was read.
func Dial(ctx context.Context, j Join, log *slog.Logger, wait time.Duration) (*Store, error) {
	s, err := connect(ctx, j, log, wait, nil)
	if err != nil {
		return nil, err
	}
	if err := s.setUp(ctx, 0); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// connect connects, in process when the server is this one.
func connect(ctx context.Context, j Join, log *slog.Logger, wait time.Duration, inside *server.Server) (*Store, error) {
	s := &Store{Join: j, Log: log, reconnected: make(chan struct{}, 1), cut: make(chan struct{})}
	if s.Log == nil {
		s.Log = slog.Default()
	}
	o := []nats.Option{
		nats.Name("korr"), nats.MaxReconnects(-1), nats.ReconnectWait(200 * time.Millisecond),
		nats.ReconnectJitter(300*time.Millisecond, time.Second), nats.ReconnectBufSize(-1), nats.Timeout(5 * time.Second),
		nats.PingInterval(10 * time.Second), nats.MaxPingsOutstanding(2), nats.ErrorHandler(func(_ *nats.Conn,
			_ *nats.Subscription, err error,
		) {
			s.Log.Debug("queue", "err", err)
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			s.mu.Lock()
			close(s.cut)
			s.cut = make(chan struct{})
			s.mu.Unlock()
			if err != nil {
				s.Log.Warn("the queue's server is gone: waiting for it", "server", j.Host(), "err", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) {
			s.Log.Info("the queue's server is back", "server", j.Host())
			select {
			case s.reconnected <- struct{}{}:
			default:
			}
		}),
	}
	if j.Token != "" {
		o = append(o, nats.Token(j.Token))
	}
	c, err := j.clientTLS()
	if err != nil {
		return nil, err
	}
	if inside != nil {
		o = append(o, nats.InProcessServer(inside))
	}
	if strings.HasPrefix(j.URL, "tls:") {
		o = append(o, nats.Secure(c))
	}
	for until := time.Now().Add(wait); ; {
		if s.nc, err = nats.Connect(j.URL, o...); err == nil {
			break
		}
		if errors.Is(err, nats.ErrAuthorization) {
			return nil, usage.Errorf("queue %s: refused: its token is another", j.Host())
		}
		if time.Now().After(until) {
			return nil, fmt.Errorf("queue %s: %w: is its server up? (korr queue serve)", j.Host(), err)
		}
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return nil, err
		}
	}
	if s.js, err = jetstream.New(s.nc, jetstream.WithDefaultTimeout(4*callTimeout)); err != nil {
		s.nc.Close()
		return nil, fmt.Errorf("queue: %w", err)
	}
	return s, nil
}

// Close ends the connection.
func (s *Store) Close() { s.nc.Close() }

// Lease is how long a unit stays with a silent worker.
func (s *Store) Lease() time.Duration { return s.lease }

// setUp opens the streams and buckets, or makes them. lease 0: as it is.
func (s *Store) setUp(ctx context.Context, lease time.Duration) error {
	return s.retry(ctx, "open the queue", func(ctx context.Context) (err error) {
		if err := s.setUpUnits(ctx, lease); err != nil {
			return err
		}
		for _, b := range []struct {
			name string
			ttl  time.Duration
			kv   *jetstream.KeyValue
		}{
			{stateBucket, 0, &s.state},
			{afterBucket, 0, &s.after},
			{jobsBucket, 0, &s.jobs},
			{hereBucket, max(3*s.lease, 5*time.Second), &s.here},
		} {
			c := jetstream.KeyValueConfig{Bucket: b.name, History: 1, TTL: b.ttl, Storage: jetstream.FileStorage}
			if *b.kv, err = s.js.KeyValue(ctx, b.name); errors.Is(err, jetstream.ErrBucketNotFound) || lease != 0 && b.ttl != 0 {
				*b.kv, err = s.js.CreateOrUpdateKeyValue(ctx, c)
			}
			if err != nil {
				return fmt.Errorf("bucket %s: %w", b.name, err)
			}
		}
		if s.chains, err = s.js.Stream(ctx, "KV_"+afterBucket); err != nil {
			return err
		}
		for _, b := range []struct {
			name string
			obj  **objects
		}{{blobsBucket, &s.blobs}, {savesBucket, &s.saves}} {
			c := jetstream.ObjectStoreConfig{Bucket: b.name, Storage: jetstream.FileStorage, Compression: true}
			o := &objects{bucket: b.name}
			if o.ObjectStore, err = s.js.ObjectStore(ctx, b.name); errors.Is(err, jetstream.ErrBucketNotFound) {
				o.ObjectStore, err = s.js.CreateOrUpdateObjectStore(ctx, c)
			}
			if err == nil {
				o.stream, err = s.js.Stream(ctx, "OBJ_"+b.name)
			}
			if *b.obj = o; err != nil {
				return fmt.Errorf("objects %s: %w", b.name, err)
			}
		}
		return nil
	})
}

// setUpUnits opens or makes the work queue and reads its lease.
func (s *Store) setUpUnits(ctx context.Context, lease time.Duration) (err error) {
	s.units, err = s.js.Stream(ctx, unitsStream)
	missing := errors.Is(err, jetstream.ErrStreamNotFound)
	if err != nil && !missing {
		return err
	}
	if !missing {
		if s.lease, err = time.ParseDuration(s.units.CachedInfo().Config.Metadata[leaseKey]); err != nil {
			return usage.Errorf("stream %s on %s was not made by korr", unitsStream, s.Join.Host())
		}
	}
	if !missing && (lease == 0 || lease == s.lease) {
		return nil
	}
	if s.lease = lease; lease == 0 {
		s.lease = DefaultLease
	}
	s.units, err = s.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: unitsStream, Subjects: []string{unitsSubject + ".*.*"}, Retention: jetstream.WorkQueuePolicy,
		Storage: jetstream.FileStorage, Metadata: map[string]string{leaseKey: s.lease.String()},
	})
	return err
}

// consumer is the queue of a lane.
func (s *Store) consumer(ctx context.Context, lane string) (c jetstream.Consumer, err error) {
	err = s.retry(ctx, "open the lane", func(ctx context.Context) error {
		c, err = s.units.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
			Durable: "lane-" + lane, FilterSubject: unitsSubject + "." + lane + ".*", AckPolicy: jetstream.AckExplicitPolicy,
			AckWait: s.lease, MaxDeliver: -1, MaxAckPending: 100_000,
		})
		return err
	})
	return c, err
}

// set stores v under key if the key's revision is still rev, 0 for a key that is not there, and returns the new one.
// The error is errConflict when it is not. A request whose answer was lost is found out by reading: v names who wrote
// it.
func (s *Store) set(ctx context.Context, kv jetstream.KeyValue, key string, v any, rev uint64) (now uint64, err error) {
	text, err := json.Marshal(v)
	if err != nil {
		return 0, err
	}
	if len(text) > maxPayload/2 {
		return 0, usage.Errorf("%d bytes are too many for the value of a unit: what is large is an output", len(text))
	}
	err = s.retry(ctx, "store "+key, func(ctx context.Context) error {
		if rev == 0 {
			now, err = kv.Create(ctx, key, text)
		} else {
			now, err = kv.Update(ctx, key, text, rev)
		}
		if !outOfSequence(err) && !errors.Is(err, jetstream.ErrKeyExists) {
			return err
		}
		there, err := kv.Get(ctx, key)
		switch {
		case errors.Is(err, jetstream.ErrKeyNotFound):
			return errConflict
		case err != nil:
			return err
		case !bytes.Equal(there.Value(), text):
			return errConflict
		}
		now = there.Revision()
		return nil
	})
	return now, err
}

// get reads a key; revision 0 when it is not there.
func (s *Store) get(ctx context.Context, kv jetstream.KeyValue, key string, v any) (rev uint64, err error) {
	err = s.retry(ctx, "read "+key, func(ctx context.Context) error {
		e, err := kv.Get(ctx, key)
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			rev = 0
			return nil
		}
		if err != nil {
			return err
		}
		rev = e.Revision()
		if err := json.Unmarshal(e.Value(), v); err != nil {
			return usage.Errorf("queue: %s of %s: %v", key, kv.Bucket(), err)
		}
		return nil
	})
	return rev, err
}

// all reads every key of a bucket that matches; each is given its value.
func (s *Store) all(ctx context.Context, kv jetstream.KeyValue, keys string, each func(key string,
	value []byte) error,
) error {
	return s.retryWithin(ctx, time.Minute, "read "+kv.Bucket(), func(ctx context.Context) error {
		w, err := kv.Watch(ctx, keys, jetstream.IgnoreDeletes())
		if err != nil {
			return err
		}
		defer func() { _ = w.Stop() }()
		for {
			select {
			case e, open := <-w.Updates():
				switch {
				case !open:
					return errors.New("the answer broke off")
				case e == nil:
					return nil
				}
				if err := each(e.Key(), e.Value()); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
