package ros2

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"korr/ros/msgs"
	"korr/ros/ros2/dds"
	"korr/ros/rosidl"
)

// discoveryTopic is where participants tell which nodes they hold.
const discoveryTopic = "ros_discovery_info"

// graph is what the node knows of the others, and tells of itself.
type graph struct {
	node *Node
	info *dds.Writer // of discoveryTopic

	mu       sync.Mutex
	readers  []dds.GUID              // of this node
	writers  []dds.GUID              // of this node
	others   map[dds.GUID]string     // node by its endpoints
	holders  map[dds.GUID][]dds.GUID // endpoints by the participant that told of them
	topics   map[dds.GUID]string     // writers of the domain
	watched  map[string][]*watched   // by topic
	leaving  map[string][]func(dds.GUID)
	finished bool
}

type watched struct {
	fn   func([]string)
	last []string
	told bool
}

func (g *graph) open(n *Node) (err error) {
	g.node = n
	g.others, g.holders, g.topics = map[dds.GUID]string{}, map[dds.GUID][]dds.GUID{}, map[dds.GUID]string{}
	g.watched, g.leaving = map[string][]*watched{}, map[string][]func(dds.GUID){}
	idl, err := rosidl.For[msgs.ParticipantEntities16]()
	if err != nil {
		return err
	}
	keep := dds.QoS{Reliable: true, TransientLocal: true, Depth: 1}
	if g.info, err = n.part.NewWriter(discoveryTopic, idl.DDS(), keep, hashOf(idl.Hash()), nil); err != nil {
		return err
	}
	all := keep
	all.KeepAll = true
	if _, err = n.part.NewReader(discoveryTopic, idl.DDS(), all, hashOf(idl.Hash()), g.heard, nil); err != nil {
		return err
	}
	g.mu.Lock()
	g.announce()
	g.mu.Unlock()
	return n.part.WatchGraph(g.endpoint)
}

// mine adds an endpoint of this node and tells the others.
func (g *graph) mine(id dds.GUID, writer bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if writer {
		g.writers = append(g.writers, id)
	} else {
		g.readers = append(g.readers, id)
	}
	g.announce()
}

// bye tells the others that the node is gone.
func (g *graph) bye() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.finished = true
	g.announce()
}

// announce writes which nodes this participant holds. It is called with mu held.
func (g *graph) announce() {
	if g.info == nil {
		return
	}
	node := g.node.cfg.Names.Node
	at := strings.LastIndex(node, "/")
	space, name := "/"+strings.Trim(node[:at], "/"), node[at+1:]
	var m any
	if g.node.cfg.Humble {
		x := &msgs.ParticipantEntities24{Gid: gid24(g.node.part.GUID())}
		if !g.finished {
			x.NodeEntitiesInfoSeq = []msgs.NodeEntities24{{
				NodeNamespace: space, NodeName: name, ReaderGidSeq: each(g.readers, gid24), WriterGidSeq: each(g.writers, gid24),
			}}
		}
		m = x
	} else {
		x := &msgs.ParticipantEntities16{Gid: gid16(g.node.part.GUID())}
		if !g.finished {
			x.NodeEntitiesInfoSeq = []msgs.NodeEntities16{{
				NodeNamespace: space, NodeName: name, ReaderGidSeq: each(g.readers, gid16), WriterGidSeq: each(g.writers, gid16),
			}}
		}
		m = x
	}
	data, err := rosidl.Marshal(m)
	if err == nil {
		err = g.info.Write(data)
	}
	if err != nil {
		g.node.log.Warn("the node could not be announced", "err", err)
	}
}

func gid16(g dds.GUID) msgs.Gid16 { return msgs.Gid16{Data: g} }

func gid24(g dds.GUID) (out msgs.Gid24) {
	copy(out.Data[:], g[:])
	return out
}

func each[A, B any](in []A, f func(A) B) (out []B) {
	for _, x := range in {
		out = append(out, f(x))
	}
	return out
}

// heard learns which node has which endpoints, in either form.
func (g *graph) heard(s *dds.Sample) {
	names := map[dds.GUID]string{}
	note := func(space, name string, ids []dds.GUID) {
		full := strings.TrimRight(space, "/") + "/" + name
		for _, id := range ids {
			names[id] = full
		}
	}
	var holder dds.GUID
	var m16 msgs.ParticipantEntities16
	if rosidl.Unmarshal(s.Data, &m16) == nil {
		holder = m16.Gid.Data
		from := func(x msgs.Gid16) dds.GUID { return x.Data }
		for _, e := range m16.NodeEntitiesInfoSeq {
			note(e.NodeNamespace, e.NodeName, append(each(e.ReaderGidSeq, from), each(e.WriterGidSeq, from)...))
		}
	} else {
		var m24 msgs.ParticipantEntities24
		if err := rosidl.Unmarshal(s.Data, &m24); err != nil {
			g.node.log.Debug("a participant tells nothing that can be read of its nodes", "err", err)
			return
		}
		holder = dds.GUID(m24.Gid.Data[:16])
		from := func(x msgs.Gid24) dds.GUID { return dds.GUID(x.Data[:16]) }
		for _, e := range m24.NodeEntitiesInfoSeq {
			note(e.NodeNamespace, e.NodeName, append(each(e.ReaderGidSeq, from), each(e.WriterGidSeq, from)...))
		}
	}
	g.mu.Lock()
	for _, id := range g.holders[holder] {
		delete(g.others, id)
	}
	g.holders[holder] = slices.Collect(maps.Keys(names))
	maps.Copy(g.others, names)
	calls := g.changes()
	g.mu.Unlock()
	for _, f := range calls {
		f()
	}
}

// endpoint learns of a reader or writer that came or went.
func (g *graph) endpoint(e dds.Endpoint) {
	if !e.Writer {
		return
	}
	var calls []func()
	g.mu.Lock()
	if !e.Gone {
		if topic, ok := strings.CutPrefix(e.Topic, "rt"); ok {
			g.topics[e.GUID] = topic
		}
	} else {
		for _, f := range g.leaving[g.topics[e.GUID]] {
			calls = append(calls, func() { f(e.GUID) })
		}
		delete(g.topics, e.GUID)
	}
	calls = append(calls, g.changes()...)
	g.mu.Unlock()
	for _, f := range calls {
		f()
	}
}

func (g *graph) onGone(topic string, f func(dds.GUID)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.leaving[topic] = append(g.leaving[topic], f)
}

// watch tells fn who publishes a topic, from now on.
func (g *graph) watch(topic string, fn func([]string)) {
	g.mu.Lock()
	w := &watched{fn: fn}
	g.watched[topic] = append(g.watched[topic], w)
	calls := g.changes()
	g.mu.Unlock()
	for _, f := range calls {
		f()
	}
}

// changes are the calls that tell who publishes what where that has changed. It is called with mu held.
func (g *graph) changes() (calls []func()) {
	if len(g.watched) == 0 {
		return nil
	}
	now := map[string][]string{}
	for id, topic := range g.topics {
		if g.watched[topic] != nil {
			now[topic] = append(now[topic], g.name(id))
		}
	}
	for topic, all := range g.watched {
		nodes := now[topic]
		slices.Sort(nodes)
		for _, w := range all {
			if w.told && slices.Equal(nodes, w.last) {
				continue
			}
			w.told, w.last = true, nodes
			calls = append(calls, func() { w.fn(slices.Clone(nodes)) })
		}
	}
	return calls
}

// name is the node that a writer belongs to, or the writer's own number while no node claims it. Another node of this
// one's name is not this one.
func (g *graph) name(id dds.GUID) string {
	me := g.node.cfg.Names.Node
	switch name := g.others[id]; {
	case slices.Contains(g.writers, id):
		return me
	case name == me:
		return name + " (another of this name)"
	case name != "":
		return name
	}
	return "of writer " + id.String()
}
