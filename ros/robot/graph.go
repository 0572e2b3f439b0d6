package robot

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"korr/ros/msgs"
	"korr/ros/transport"
)

// This file is the guard's eye on the ROS graph: who publishes what it hears, and who hears its commands.

// commandTopic is the resolved name of the topic of commands, "" where nobody tells who listens.
func commandTopic(cfg *Config) string {
	name := msgs.CommandTopic
	if cfg.Arm != nil {
		name = cfg.Arm.CommandTopic
	}
	if topics := graphTopics(cfg, name); len(topics) > 0 {
		return topics[0]
	}
	return ""
}

// sourceTopics are the resolved names of the topics that one node alone must tell: the parts, and the state of a
// Franka. Joint states may come from many nodes, each of which tells its own joints.
func sourceTopics(cfg *Config) []string {
	if cfg.Arm != nil {
		return graphTopics(cfg, msgs.PartsTopic)
	}
	state := msgs.StateTopic
	if cfg.Names.ROS2 != nil {
		state = msgs.RobotStateTopic
	}
	return graphTopics(cfg, state, msgs.PartsTopic)
}

// graphTopics resolves names; there are none where nobody knows who publishes what.
func graphTopics(cfg *Config, names ...string) (topics []string) {
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

// watchNodes follows who publishes what.
func (g *guard) watchNodes(l link) error {
	errs := []error{transport.SubscribeEach(l, "~estop", func(p string, m *msgs.Bool) { g.panel(p, m.Data) }, g.panelGone)}
	if g.lockStep { // a simulator's own business
		return errors.Join(errs...)
	}
	for _, topic := range g.sources {
		errs = append(errs, transport.WatchPublishers(l, topic, func(nodes []string) { g.tellers(topic, nodes) }))
	}
	if g.commands != "" && !g.passive {
		errs = append(errs, transport.WatchPublishers(l, g.commands, func(nodes []string) {
			g.commanders(l.Names().Node, nodes)
		}))
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

// listeners is told how many listen to a topic of this node. A Franka's controller that is gone does not hold the arm,
// and one that comes back must not find a command.
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

// policy is told that an endpoint on a topic did not match this node's for a policy of the quality of service, or that
// one matches (""). The arm does not move while what it is told by, or told through, does not arrive.
func (g *guard) policy(topic, policy string) {
	if topic != g.commands && !slices.Contains(g.sources, topic) || g.passive && topic == g.commands {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.unmatched, topic)
	if policy != "" {
		g.unmatched[topic] = fmt.Sprintf("the other side of %s has another QoS: the policy %q does not match", topic, policy)
	}
	why := ""
	for _, w := range g.unmatched {
		why = w
	}
	g.forbid(badPolicy, why)
}

func nobody(topic string) string { return "nobody listens to " + topic }
