package master

import (
	"context"
	"log/slog"
	"slices"
	"sync"
)

// notice is one callback to a node.
type notice struct {
	subject string // a later notice of the same subject replaces this one while it waits
	method  string
	params  []any
	size    int // bytes that it keeps
}

// notifier delivers notices: in order for each node, and no node waits for another. A worker lives only while its
// queue holds something.
type notifier struct {
	log    *slog.Logger
	ctx    context.Context //nolint:containedctx // the lifetime of the workers
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	queues map[string][]notice // by API; present while a worker runs
	size   int                 // bytes of all that waits
}

func newNotifier(log *slog.Logger) *notifier {
	ctx, cancel := context.WithCancel(context.Background())
	return &notifier{log: log, ctx: ctx, cancel: cancel, queues: map[string][]notice{}}
}

// send queues a notice and returns at once. Values of parameters are dropped when too many bytes of them wait for nodes
// that do not answer; lists of publishers never are.
func (n *notifier) send(api, subject, method string, params ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ctx.Err() != nil {
		return
	}
	q, running := n.queues[api]
	var w weight
	if method == "paramUpdate" {
		_ = w.weigh(params, 0)
	}
	i := slices.IndexFunc(q, func(o notice) bool { return o.subject == subject })
	if i >= 0 {
		n.size -= q[i].size
	}
	if w.size > 0 && n.size+w.size > maxSize {
		n.log.Warn("ROS master: too much waits for nodes that do not answer; a notice is dropped", "api", api,
			"about", subject)
		if i >= 0 {
			n.queues[api] = slices.Delete(q, i, i+1)
		}
		return
	}
	n.size += w.size
	if i >= 0 {
		q[i].params, q[i].size = params, w.size
		return
	}
	n.queues[api] = append(q, notice{subject, method, params, w.size})
	if !running {
		n.wg.Add(1)
		go n.work(api)
	}
}

// work delivers until the queue is empty.
func (n *notifier) work(api string) {
	defer n.wg.Done()
	for {
		n.mu.Lock()
		q := n.queues[api]
		if len(q) == 0 || n.ctx.Err() != nil {
			delete(n.queues, api)
			n.mu.Unlock()
			return
		}
		next := q[0]
		n.queues[api] = q[1:]
		n.size -= next.size
		n.mu.Unlock()
		if err := call(n.ctx, api, next.method, next.params...); err != nil {
			n.log.Debug("ROS master: a node did not answer", "api", api, "about", next.subject, "err", err)
		}
	}
}

// close drops what is queued and waits for the workers.
func (n *notifier) close() {
	n.mu.Lock()
	n.cancel()
	n.mu.Unlock()
	n.wg.Wait()
}
