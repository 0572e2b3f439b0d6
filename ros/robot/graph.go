package robot

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"korr/ros/msgs"
	"korr/ros/node"
)

// This file is the guard's eye on the ROS 1 graph: who publishes what it hears, and who hears its commands.

// commandTopic is the resolved name of the topic of commands, "" where nobody tells who listens.
func commandTopic(cfg *Config) string {
	name := msgs.CommandTopic
	if cfg.Arm != nil {
		name = cfg.Arm.CommandTopic
	}
	if topics := ros1Topics(cfg, name); len(topics) > 0 {
		return topics[0]
	}
	return ""
}

// sourceTopics are the resolved names of the topics that one node alone must tell: the parts, and the state of a Franka.
// Joint states may come from many nodes, each of which tells its own joints.
func sourceTopics(cfg *Config) []string {
	if cfg.Arm != nil {
		return ros1Topics(cfg, msgs.PartsTopic)
	}
	return ros1Topics(cfg, msgs.StateTopic, msgs.PartsTopic)
}

// ros1Topics resolves names; there are none where nobody knows who publishes what.
func ros1Topics(cfg *Config, names ...string) (topics []string) {
	if cfg.URL != "" {
		return nil
	}
	for _, name := range names {
		if topic, err := cfg.Names.Resolve(name); err == nil { // otherwise Open says so
			topics = append(topics, topic)
		}
	}
	return topics
}

// watchNodes follows who publishes what, over ROS 1.
func (g *guard) watchNodes(n *node.Node) error {
	errs := []error{node.SubscribeEach(n, "~estop", func(p string, m *msgs.Bool) { g.panel(p, m.Data) }, g.panelGone)}
	if g.lockStep { // a simulator's own business
		return errors.Join(errs...)
	}
	for _, topic := range g.sources {
		errs = append(errs, node.WatchPublishers(n, topic, func(nodes []string) { g.tellers(topic, nodes) }))
	}
	if g.commands != "" && !g.passive {
		errs = append(errs, node.WatchPublishers(n, g.commands, func(nodes []string) { g.commanders(n.Names().Node, nodes) }))
	}
	return errors.Join(errs...)
}

// commanders is told who publishes on the topic of the commands: two that command one arm fight for it.
func (g *guard) commanders(me string, nodes []string) {
	why := ""
	for _, n := range nodes {
		if n != me {
			why = "node " + n + " commands the arm too, on " + g.commands
			break
		}
	}
	g.mu.Lock()
	g.rival = why
	g.mu.Unlock()
	if why != "" {
		g.estop(why)
	}
}

// tellers is told who publishes on the topic of a state.
func (g *guard) tellers(topic string, nodes []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.many, topic)
	if len(nodes) > 1 {
		g.many[topic] = fmt.Sprintf("%d nodes publish %s: %s", len(nodes), topic, strings.Join(nodes, ", "))
	}
	why := ""
	for _, w := range g.many {
		why = w
	}
	g.forbid(manySources, why)
}

// listeners is told how many listen to a topic of this node. A Franka's controller that is gone does not hold the arm, and
// one that comes back must not find a command.
func (g *guard) listeners(topic string, n int) {
	if topic != g.commands || g.lockStep {
		return
	}
	why := ""
	if n == 0 {
		why = nobody(topic)
	}
	g.set(noListener, why)
}

// publisherLost is told that a publisher is gone. What comes on its topic next is another's.
func (g *guard) publisherLost(topic string) {
	if slices.Contains(g.sources, topic) && !g.lockStep {
		g.hold("the publisher of " + topic + " is gone")
	}
}

func nobody(topic string) string { return "nobody listens to " + topic }
