package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"sync"
	"time"

	"korr/ros/xmlrpc"
)

const (
	// Settled is how long a publisher must have been known before a list without it counts as an attack: lists that the
	// master sent before that may still be on their way.
	Settled = 2 * time.Second

	maxClaims = 64          // that wait to be judged
	askAgain  = time.Second // when the master did not answer
)

// claim is a list of publishers that somebody, as a rule the master, pushed to this node.
type claim struct {
	caller, topic string
	addresses     []string // host:port of their APIs
}

// claims are what was pushed. A claim is a reason to ask the master, whose list is the one that counts.
type claims struct {
	wake chan struct{} // capacity one

	mu     sync.Mutex
	queue  []claim
	missed int // that found no room

	since map[publisher]time.Time // first seen; of the front's goroutine
}

// publisher is one of a topic's, by the address of its API.
type publisher struct{ topic, address string }

func (cs *claims) init() {
	cs.wake, cs.since = make(chan struct{}, 1), map[publisher]time.Time{}
}

// add notes the arguments of publisherUpdate: caller, topic, URIs.
func (cs *claims) add(params []any) {
	var c claim
	if len(params) == 3 {
		c.caller, _ = params[0].(string)
		c.topic, _ = params[1].(string)
		uris, _ := params[2].([]any)
		for _, u := range uris {
			uri, _ := u.(string)
			c.addresses = append(c.addresses, addressOf(uri))
		}
	}
	cs.mu.Lock()
	if len(cs.queue) < maxClaims {
		cs.queue = append(cs.queue, c)
	} else {
		cs.missed++
	}
	cs.mu.Unlock()
	cs.signal()
}

func (cs *claims) signal() {
	select {
	case cs.wake <- struct{}{}:
	default:
	}
}

// take empties the queue.
func (cs *claims) take() (queue []claim, missed int) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	queue, missed = cs.queue, cs.missed
	cs.queue, cs.missed = nil, 0
	return queue, missed
}

// keep puts claims back in front, for a later try.
func (cs *claims) keep(queue []claim, missed int) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.queue = append(queue, cs.queue...)
	cs.missed += missed
}

// addressOf is the host and port of a node's URI, the URI itself where there are none.
func addressOf(uri string) string {
	if u, err := url.Parse(uri); err == nil && u.Host != "" {
		return u.Host
	}
	return uri
}

// run judges claims until ctx ends, and remembers meanwhile since when publishers are known.
func (f *front) run(ctx context.Context) {
	look := time.NewTicker(Settled / 2)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			f.claims.remember(f.connected())
		case <-f.claims.wake:
			if err := f.judge(ctx); err != nil && ctx.Err() == nil {
				f.node.log.Debug("publishers could not be asked of the ROS master", "err", err)
				time.AfterFunc(askAgain, f.claims.signal)
			}
		}
	}
}

// remember notes when publishers were first seen and forgets those that are gone.
func (cs *claims) remember(connected map[string][]string) {
	now := map[publisher]time.Time{}
	for topic, addresses := range connected {
		for _, a := range addresses {
			p := publisher{topic, a}
			if now[p] = cs.since[p]; now[p].IsZero() {
				now[p] = time.Now()
			}
		}
	}
	cs.since = now
}

// judge takes the claims, gives goroslib the master's list for each of their topics, and tells the owner of claims that
// did not come from the master. When the master cannot be asked the claims are kept.
func (f *front) judge(ctx context.Context) error {
	queue, missed := f.claims.take()
	if len(queue) == 0 {
		return nil
	}
	topics := map[string][]string{}
	for _, c := range queue {
		topics[c.topic] = nil
	}
	if err := f.askMaster(ctx, topics); err != nil {
		f.claims.keep(queue, missed)
		return err
	}
	connected := f.connected()
	for _, c := range queue {
		if why := f.claims.doubt(c, topics[c.topic], connected[c.topic]); why != "" {
			f.intruder(why)
		}
	}
	if missed > 0 {
		f.intruder(fmt.Sprintf("%d lists of publishers came faster than they could be checked", missed))
	}
	for topic, uris := range topics {
		if !slices.Equal(sorted(uris), sorted(connected[topic])) {
			if _, err := f.forward("publisherUpdate", "/master", topic, uris); err != nil {
				return err
			}
		}
	}
	f.claims.remember(f.connected())
	return nil
}

// sorted are the addresses of URIs (or addresses), each once, in order.
func sorted(uris []string) []string {
	set := map[string]bool{}
	for _, u := range uris {
		set[addressOf(u)] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// doubt says why a claim is not the master's, "" if it may be. Lists that cross on their way are the master's.
func (cs *claims) doubt(c claim, master, connected []string) string {
	if c.caller != "/master" {
		return fmt.Sprintf("%.60q, which is not the ROS master, named the publishers of %.60q", c.caller, c.topic)
	}
	truth := sorted(master)
	for _, a := range c.addresses {
		if !slices.Contains(truth, a) {
			return fmt.Sprintf("%.60q was named as a publisher of %.60q, which the ROS master does not know", a, c.topic)
		}
	}
	for _, a := range connected {
		since, seen := cs.since[publisher{c.topic, a}]
		if slices.Contains(truth, a) && !slices.Contains(c.addresses, a) && seen && time.Since(since) >= Settled {
			return fmt.Sprintf("publisher %.60q of %.60q was declared gone, which the ROS master still lists", a, c.topic)
		}
	}
	return ""
}

// intruder tells the owner.
func (f *front) intruder(what string) {
	f.node.log.Error("somebody meddles with this node: keep the robot's network to itself", "what", what)
	if f.node.cfg.OnIntruder != nil {
		f.node.cfg.OnIntruder(what)
	}
}

// askMaster fills in the URIs of the nodes that publish the topics.
func (f *front) askMaster(ctx context.Context, topics map[string][]string) error {
	me := f.node.cfg.Names.Node
	publishers, err := f.node.publishers(ctx)
	if err != nil {
		return err
	}
	for topic := range topics {
		for _, name := range publishers[topic] {
			_, uri, err := f.node.master.CallROS(ctx, "lookupNode", me, name)
			var gone *xmlrpc.ROSError
			if errors.As(err, &gone) {
				continue
			}
			text, ok := uri.(string)
			if err != nil || !ok {
				return fmt.Errorf("lookupNode: %w", errors.Join(err, xmlrpc.ErrMalformed))
			}
			topics[topic] = append(topics[topic], text)
		}
	}
	return nil
}

// connected asks goroslib which publishers its subscribers have, as addresses by topic.
func (f *front) connected() map[string][]string {
	out := map[string][]string{}
	doc, err := f.forward("getBusInfo", f.node.cfg.Names.Node)
	if err != nil {
		return out
	}
	v, _ := xmlrpc.DecodeResponse(bytes.NewReader(doc))
	triple, _ := v.([]any)
	if len(triple) != 3 {
		return out
	}
	lines, _ := triple[2].([]any)
	for _, l := range lines { // [id, URI, direction, protocol, topic, connected]
		line, _ := l.([]any)
		if len(line) < 5 || line[2] != "i" {
			continue
		}
		uri, _ := line[1].(string)
		topic, _ := line[4].(string)
		out[topic] = append(out[topic], addressOf(uri))
	}
	return out
}
