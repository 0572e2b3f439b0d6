package master

import (
	"slices"
	"sort"
	"strings"
	"sync"
)

// party is a node's registration: its name and the URI of its API.
type party struct{ node, api string }

// table maps a topic to those registered for it, in the order of registration.
type table map[string][]party

// add registers p for the topic, once.
func (t table) add(topic string, p party) {
	if !slices.Contains(t[topic], p) {
		t[topic] = append(t[topic], p)
	}
}

// remove unregisters p and reports whether it was there.
func (t table) remove(topic string, p party) bool {
	i := slices.Index(t[topic], p)
	if i < 0 {
		return false
	}
	t[topic] = slices.Delete(t[topic], i, i+1)
	if len(t[topic]) == 0 {
		delete(t, topic)
	}
	return true
}

// apis lists the URIs registered for the topic.
func (t table) apis(topic string) []string {
	uris := make([]string, 0, len(t[topic]))
	for _, p := range t[topic] {
		uris = append(uris, p.api)
	}
	return uris
}

// of lists the topics that p is registered for, sorted.
func (t table) of(p party) []string {
	var topics []string
	for topic, ps := range t {
		if slices.Contains(ps, p) {
			topics = append(topics, topic)
		}
	}
	sort.Strings(topics)
	return topics
}

// state is the table as getSystemState reports it: [[topic, [node...]]...], sorted by topic.
func (t table) state() []any {
	topics := make([]string, 0, len(t))
	for topic := range t {
		topics = append(topics, topic)
	}
	sort.Strings(topics)
	out := make([]any, 0, len(t))
	for _, topic := range topics {
		nodes := make([]any, 0, len(t[topic]))
		for _, p := range t[topic] {
			nodes = append(nodes, p.node)
		}
		out = append(out, []any{topic, nodes})
	}
	return out
}

type service struct {
	party
	uri string // rosrpc://host:port
}

// registry is who publishes, subscribes and serves what. Callers hold mu.
type registry struct {
	mu       sync.Mutex
	nodes    map[string]string // name to API
	pubs     table
	subs     table
	services map[string]service
	types    map[string]string // topic to message type
}

func newRegistry() *registry {
	return &registry{
		nodes: map[string]string{}, pubs: table{}, subs: table{}, services: map[string]service{},
		types: map[string]string{},
	}
}

// enter makes sure that p is the node of its name. If another API had it, that one's registrations are dropped; its
// URI and the topics whose publishers changed are returned.
func (r *registry) enter(p party) (old string, changed []string) {
	old, known := r.nodes[p.node]
	r.nodes[p.node] = p.api
	if !known || old == p.api {
		return "", nil
	}
	q := party{p.node, old}
	changed = r.pubs.of(q)
	for _, topic := range changed {
		r.pubs.remove(topic, q)
	}
	for _, topic := range r.subs.of(q) {
		r.subs.remove(topic, q)
	}
	for name, s := range r.services {
		if s.party == q {
			delete(r.services, name)
		}
	}
	return old, changed
}

// leave forgets the node once nothing is registered for it.
func (r *registry) leave(p party) {
	if r.nodes[p.node] != p.api || len(r.pubs.of(p)) > 0 || len(r.subs.of(p)) > 0 {
		return
	}
	for _, s := range r.services {
		if s.party == p {
			return
		}
	}
	delete(r.nodes, p.node)
}

// setType records a topic's type. A definite type replaces none, and a publisher's word wins; of "*" (any) only a
// publisher of a topic that has no type leaves a record.
func (r *registry) setType(topic, kind string, publisher bool) {
	_, known := r.types[topic]
	if definite := kind != "*"; publisher && (definite || !known) || !known && definite {
		r.types[topic] = kind
	}
}

// typeList is [[topic, type]...] of the topics accepted by keep, sorted.
func (r *registry) typeList(keep func(topic string) bool) []any {
	var topics []string
	for topic := range r.types {
		if keep(topic) {
			topics = append(topics, topic)
		}
	}
	sort.Strings(topics)
	out := make([]any, 0, len(topics))
	for _, topic := range topics {
		out = append(out, []any{topic, r.types[topic]})
	}
	return out
}

// serviceState is the services as getSystemState reports them.
func (r *registry) serviceState() []any {
	t := table{}
	for name, s := range r.services {
		t.add(name, s.party)
	}
	return t.state()
}

// below reports whether a topic lies in the namespace of a subgraph; "" and "/" hold everything.
func below(topic, subgraph string) bool {
	ns := strings.TrimSuffix(subgraph, "/")
	if ns == "" {
		return true
	}
	if !strings.HasPrefix(ns, "/") {
		ns = "/" + ns
	}
	return strings.HasPrefix(topic, ns+"/")
}
