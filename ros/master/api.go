package master

// method is one remote procedure: the names of its arguments, all strings except "value", and its body. The caller
// has checked number and types.
type method struct {
	args  []string
	fn    func(m *Master, a []any) []any
	keeps bool // it registers something, for which there must be room
}

var methods map[string]method

func init() { // a variable initialiser would be an initialisation cycle
	methods = map[string]method{
		"registerPublisher":    {[]string{"caller_id", "topic", "topic_type", "caller_api"}, registerPublisher, true},
		"unregisterPublisher":  {[]string{"caller_id", "topic", "caller_api"}, unregisterPublisher, false},
		"registerSubscriber":   {[]string{"caller_id", "topic", "topic_type", "caller_api"}, registerSubscriber, true},
		"unregisterSubscriber": {[]string{"caller_id", "topic", "caller_api"}, unregisterSubscriber, false},
		"registerService":      {[]string{"caller_id", "service", "service_api", "caller_api"}, registerService, true},
		"unregisterService":    {[]string{"caller_id", "service", "service_api"}, unregisterService, false},
		"lookupNode":           {[]string{"caller_id", "node_name"}, lookupNode, false},
		"lookupService":        {[]string{"caller_id", "service"}, lookupService, false},
		"getPublishedTopics":   {[]string{"caller_id", "subgraph"}, getPublishedTopics, false},
		"getTopicTypes":        {[]string{"caller_id"}, getTopicTypes, false},
		"getSystemState":       {[]string{"caller_id"}, getSystemState, false},
		"getUri":               {[]string{"caller_id"}, func(m *Master, _ []any) []any { return success(m.uri, "") }, false},
		"getPid":               {[]string{"caller_id"}, func(*Master, []any) []any { return success(pid(), "") }, false},
		"shutdown":             {[]string{"caller_id", "msg"}, shutdown, false},
		"setParam":             {[]string{"caller_id", "key", "value"}, setParam, false},
		"getParam":             {[]string{"caller_id", "key"}, getParam, false},
		"deleteParam":          {[]string{"caller_id", "key"}, deleteParam, false},
		"hasParam":             {[]string{"caller_id", "key"}, hasParam, false},
		"searchParam":          {[]string{"caller_id", "key"}, searchParam, false},
		"getParamNames":        {[]string{"caller_id"}, getParamNames, false},
		"subscribeParam":       {[]string{"caller_id", "caller_api", "key"}, subscribeParam, true},
		"unsubscribeParam":     {[]string{"caller_id", "caller_api", "key"}, unsubscribeParam, false},
	}
}

func str(v any) string { return v.(string) }

// enter registers the caller's name and tells those who must know when it replaces another node. It is called with
// the registry locked.
func (m *Master) enter(p party) {
	old, changed := m.reg.enter(p)
	if old == "" {
		return
	}
	m.log.Warn("ROS master: a second node took a name", "node", p.node, "old", old, "new", p.api)
	m.params.dropSubscriber(old)
	m.notify.send(old, "shutdown", "shutdown", "/master", "["+p.node+"] Reason: new node registered with same name")
	for _, topic := range changed {
		m.publisherUpdate(topic)
	}
}

// publisherUpdate tells the topic's subscribers who publishes it now. It is called with the registry locked.
func (m *Master) publisherUpdate(topic string) {
	uris := m.reg.pubs.apis(topic)
	for _, p := range m.reg.subs[topic] {
		m.notify.send(p.api, "topic "+topic, "publisherUpdate", "/master", topic, uris)
	}
}

func registerPublisher(m *Master, a []any) []any {
	p, topic := party{str(a[0]), str(a[3])}, str(a[1])
	m.reg.mu.Lock()
	defer m.reg.mu.Unlock()
	m.enter(p)
	m.reg.pubs.add(topic, p)
	m.reg.setType(topic, str(a[2]), true)
	m.publisherUpdate(topic)
	return success(m.reg.subs.apis(topic), "Registered [%s] as publisher of [%s]", p.node, topic)
}

func unregisterPublisher(m *Master, a []any) []any {
	p, topic := party{str(a[0]), str(a[2])}, str(a[1])
	m.reg.mu.Lock()
	defer m.reg.mu.Unlock()
	if !m.reg.pubs.remove(topic, p) {
		return success(0, "[%s] is not a publisher of [%s]", p.node, topic)
	}
	m.publisherUpdate(topic)
	m.reg.leave(p)
	return success(1, "Unregistered [%s] as publisher of [%s]", p.node, topic)
}

func registerSubscriber(m *Master, a []any) []any {
	p, topic := party{str(a[0]), str(a[3])}, str(a[1])
	m.reg.mu.Lock()
	defer m.reg.mu.Unlock()
	m.enter(p)
	m.reg.subs.add(topic, p)
	m.reg.setType(topic, str(a[2]), false)
	return success(m.reg.pubs.apis(topic), "Subscribed to [%s]", topic)
}

func unregisterSubscriber(m *Master, a []any) []any {
	p, topic := party{str(a[0]), str(a[2])}, str(a[1])
	m.reg.mu.Lock()
	defer m.reg.mu.Unlock()
	if !m.reg.subs.remove(topic, p) {
		return success(0, "[%s] is not a subscriber of [%s]", p.node, topic)
	}
	m.reg.leave(p)
	return success(1, "Unregistered [%s] as subscriber of [%s]", p.node, topic)
}

func registerService(m *Master, a []any) []any {
	p, name := party{str(a[0]), str(a[3])}, str(a[1])
	m.reg.mu.Lock()
	defer m.reg.mu.Unlock()
	m.enter(p)
	m.reg.services[name] = service{party: p, uri: str(a[2])} // the newest provider wins
	return success(1, "Registered [%s] as provider of [%s]", p.node, name)
}

func unregisterService(m *Master, a []any) []any {
	name := str(a[1])
	m.reg.mu.Lock()
	defer m.reg.mu.Unlock()
	s, ok := m.reg.services[name]
	if !ok || s.uri != str(a[2]) {
		return success(0, "[%s] is not a provider of [%s]", a[0], name)
	}
	delete(m.reg.services, name)
	m.reg.leave(s.party)
	return success(1, "Unregistered [%s] as provider of [%s]", a[0], name)
}

func lookupNode(m *Master, a []any) []any {
	m.reg.mu.Lock()
	defer m.reg.mu.Unlock()
	if api, ok := m.reg.nodes[str(a[1])]; ok {
		return success(api, "node api")
	}
	return []any{-1, "unknown node [" + str(a[1]) + "]", ""}
}

func lookupService(m *Master, a []any) []any {
	m.reg.mu.Lock()
	defer m.reg.mu.Unlock()
	if s, ok := m.reg.services[str(a[1])]; ok {
		return success(s.uri, "rosrpc URI: [%s]", s.uri)
	}
	return []any{-1, "no provider", ""}
}

func getPublishedTopics(m *Master, a []any) []any {
	m.reg.mu.Lock()
	defer m.reg.mu.Unlock()
	return success(m.reg.typeList(func(topic string) bool {
		return len(m.reg.pubs[topic]) > 0 && below(topic, str(a[1]))
	}), "current topics")
}

func getTopicTypes(m *Master, _ []any) []any {
	m.reg.mu.Lock()
	defer m.reg.mu.Unlock()
	return success(m.reg.typeList(func(string) bool { return true }), "current system state")
}

func getSystemState(m *Master, _ []any) []any {
	m.reg.mu.Lock()
	defer m.reg.mu.Unlock()
	return success([]any{m.reg.pubs.state(), m.reg.subs.state(), m.reg.serviceState()}, "current system state")
}

func shutdown(m *Master, a []any) []any {
	m.log.Warn("ROS master: asked to shut down", "by", a[0], "reason", a[1])
	select {
	case m.stop <- str(a[1]):
	default:
	}
	return success(0, "shutdown")
}
