package node

import (
	"context"
	"fmt"
	"slices"

	"korr/ros/xmlrpc"
)

// publishers asks the master which nodes publish each topic, by their names.
func (n *Node) publishers(ctx context.Context) (map[string][]string, error) {
	_, v, err := n.master.CallROS(ctx, "getSystemState", n.cfg.Names.Node)
	if err != nil {
		return nil, err
	}
	state, ok := v.([]any)
	if !ok || len(state) != 3 {
		return nil, fmt.Errorf("getSystemState: %w", xmlrpc.ErrMalformed)
	}
	topics := map[string][]string{}
	pubs, _ := state[0].([]any)
	for _, p := range pubs {
		entry, _ := p.([]any)
		if len(entry) != 2 {
			continue
		}
		topic, _ := entry[0].(string)
		names, _ := entry[1].([]any)
		for _, name := range names {
			if text, ok := name.(string); ok {
				topics[topic] = append(topics[topic], text)
			}
		}
	}
	return topics, nil
}

// lookAtPublishers tells the owner which nodes publish the topics that it watches, when that has changed. It is the
// poller's.
func (n *Node) lookAtPublishers(ctx context.Context) {
	n.watching.Lock()
	watched := slices.Clone(n.watched)
	n.watching.Unlock()
	if len(watched) == 0 {
		return
	}
	topics, err := n.publishers(ctx)
	if err != nil { // the next poll says that the master is lost, if it is
		n.log.Debug("publishers could not be asked of the ROS master", "err", err)
		return
	}
	for _, w := range watched {
		now := topics[w.topic]
		slices.Sort(now)
		if now = slices.Compact(now); !w.told || !slices.Equal(now, w.nodes) {
			w.nodes, w.told = now, true
			w.fn(slices.Clone(now))
		}
	}
}

// watch is a topic whose publishers are watched.
type watch struct {
	topic string
	fn    func(nodes []string)
	nodes []string
	told  bool
}

// WatchPublishers calls fn with the names of the nodes that publish the topic of a name, sorted, after the next poll of
// the master and whenever they have changed. It runs on the poller's goroutine and must not block.
func WatchPublishers(n *Node, name string, fn func(nodes []string)) error {
	topic, err := n.cfg.Names.Resolve(name)
	if err != nil {
		return err
	}
	n.watching.Lock()
	defer n.watching.Unlock()
	n.watched = append(n.watched, &watch{topic: topic, fn: fn})
	return nil
}
