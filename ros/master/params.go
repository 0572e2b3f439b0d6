package master

import (
	"slices"
	"sort"
	"strings"
	"sync"
)

// paramTree is the parameter server: a tree of structs whose leaves are values.
type paramTree struct {
	mu   sync.Mutex
	root map[string]any
	subs map[string][]party // key to those that want its changes
}

func newParamTree() *paramTree {
	return &paramTree{root: map[string]any{}, subs: map[string][]party{}}
}

// keyOf makes a parameter's name absolute: ~private of the caller, relative to the caller's namespace, or global.
func keyOf(caller, key string) string {
	if !strings.HasPrefix(caller, "/") {
		caller = "/" + caller
	}
	switch {
	case strings.HasPrefix(key, "/"):
	case strings.HasPrefix(key, "~"):
		key = caller + "/" + key[1:]
	default:
		key = caller[:strings.LastIndex(caller, "/")+1] + key
	}
	return "/" + strings.Join(split(key), "/")
}

func split(key string) []string {
	return strings.FieldsFunc(key, func(r rune) bool { return r == '/' })
}

// get returns the value at a key and whether there is one.
func (t *paramTree) get(key string) (any, bool) {
	var v any = t.root
	for _, p := range split(key) {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		if v, ok = m[p]; !ok {
			return nil, false
		}
	}
	return v, true
}

// set writes a value; intermediate values that are no structs give way to one.
func (t *paramTree) set(key string, v any) {
	parts := split(key)
	if len(parts) == 0 {
		if m, ok := v.(map[string]any); ok {
			t.root = m
		}
		return
	}
	m := t.root
	for _, p := range parts[:len(parts)-1] {
		next, ok := m[p].(map[string]any)
		if !ok {
			next = map[string]any{}
			m[p] = next
		}
		m = next
	}
	m[parts[len(parts)-1]] = v
}

// drop removes a key and reports whether it was there.
func (t *paramTree) drop(key string) bool {
	parts := split(key)
	if len(parts) == 0 {
		return false
	}
	parent, ok := t.get("/" + strings.Join(parts[:len(parts)-1], "/"))
	m, isMap := parent.(map[string]any)
	last := parts[len(parts)-1]
	if _, has := m[last]; !ok || !isMap || !has {
		return false
	}
	delete(m, last)
	return true
}

// search looks for the first part of key in the caller's namespaces, the innermost first.
func (t *paramTree) search(caller, key string) (string, bool) {
	if strings.HasPrefix(key, "/") {
		_, ok := t.get(key)
		return key, ok
	}
	parts := split(key)
	if len(parts) == 0 {
		return "", false
	}
	ns := split(caller)
	for i := len(ns); i >= 0; i-- {
		prefix := "/" + strings.Join(append(append([]string{}, ns[:i]...), parts[0]), "/")
		if _, ok := t.get(prefix); ok {
			return "/" + strings.Join(append(append([]string{}, ns[:i]...), parts...), "/"), true
		}
	}
	return "", false
}

// leaves appends the keys of all values below v, sorted.
func leaves(keys []string, prefix string, v any) []string {
	m, ok := v.(map[string]any)
	if !ok {
		return append(keys, prefix)
	}
	names := make([]string, 0, len(m))
	for k := range m {
		names = append(names, k)
	}
	sort.Strings(names)
	for _, k := range names {
		keys = leaves(keys, prefix+"/"+k, m[k])
	}
	return keys
}

// clone copies a value so that a caller may keep it while the tree changes.
func clone(v any) any {
	switch x := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(x))
		for k, e := range x {
			m[k] = clone(e)
		}
		return m
	case []any:
		s := make([]any, len(x))
		for i, e := range x {
			s[i] = clone(e)
		}
		return s
	}
	return v
}

// update is one thing that a subscriber has to hear.
type update struct {
	api   string
	key   string
	value any
}

// updates lists who hears what of a new value at key: a subscriber of the key or of what holds it hears of the key,
// unless it is who set it (by); a subscriber of something inside the value hears of that, and an empty struct stands
// for what is no longer there. This is what rosmaster sends.
func (t *paramTree) updates(key string, value any, by string) (out []update) {
	prefix := strings.TrimSuffix(key, "/") + "/"
	for sub, who := range t.subs {
		at := sub
		v := value
		switch inside, isStruct := value.(map[string]any); {
		case sub == key || strings.HasPrefix(prefix, strings.TrimSuffix(sub, "/")+"/"):
			at = key
		case !isStruct || !strings.HasPrefix(sub, prefix):
			continue
		default:
			var ok bool
			if v, ok = (&paramTree{root: inside}).get(strings.TrimPrefix(sub, prefix)); !ok {
				v = map[string]any{}
			}
		}
		for _, p := range who {
			if at != key || p.node != by {
				out = append(out, update{p.api, at, v})
			}
		}
	}
	return out
}

func (t *paramTree) dropSubscriber(api string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, who := range t.subs {
		if t.subs[key] = slices.DeleteFunc(who, func(p party) bool { return p.api == api }); len(t.subs[key]) == 0 {
			delete(t.subs, key)
		}
	}
}

// slashed is a key as callbacks have it, with a slash at its end.
func slashed(key string) string { return strings.TrimSuffix(key, "/") + "/" }

// paramUpdate tells the subscribers of a new value at key. It is called with the tree locked.
func (m *Master) paramUpdate(key string, value any, by string) {
	for _, u := range m.params.updates(key, value, by) {
		m.notify.send(u.api, "param "+u.key, "paramUpdate", "/master", slashed(u.key), clone(u.value))
	}
}

func setParam(m *Master, a []any) []any {
	key := keyOf(str(a[0]), str(a[1]))
	if _, isStruct := a[2].(map[string]any); key == "/" && !isStruct {
		return failure("the root of the parameters takes a struct, not a %T", a[2])
	}
	m.params.mu.Lock()
	defer m.params.mu.Unlock()
	if err := m.params.room(key, a[2]); err != nil {
		return failure("parameter %s: %v", key, err)
	}
	m.params.set(key, a[2])
	m.paramUpdate(key, a[2], str(a[0]))
	return success(0, "parameter %s set", key)
}

func getParam(m *Master, a []any) []any {
	key := keyOf(str(a[0]), str(a[1]))
	m.params.mu.Lock()
	defer m.params.mu.Unlock()
	if v, ok := m.params.get(key); ok {
		return success(clone(v), "Parameter [%s]", key)
	}
	return failure("Parameter [%s] is not set", key)
}

func deleteParam(m *Master, a []any) []any {
	key := keyOf(str(a[0]), str(a[1]))
	m.params.mu.Lock()
	defer m.params.mu.Unlock()
	if key == "/" || !m.params.drop(key) {
		return failure("parameter [%s] is not set", key)
	}
	m.paramUpdate(key, map[string]any{}, "")
	return success(0, "parameter %s deleted", key)
}

func hasParam(m *Master, a []any) []any {
	key := keyOf(str(a[0]), str(a[1]))
	m.params.mu.Lock()
	defer m.params.mu.Unlock()
	_, ok := m.params.get(key)
	return success(ok, "%s", key) // the status text must be the key
}

func searchParam(m *Master, a []any) []any {
	m.params.mu.Lock()
	defer m.params.mu.Unlock()
	if key, ok := m.params.search(str(a[0]), str(a[1])); ok {
		return success(key, "Found [%s]", key)
	}
	return []any{-1, "Cannot find parameter [" + str(a[1]) + "] in an upwards search", ""}
}

func getParamNames(m *Master, _ []any) []any {
	m.params.mu.Lock()
	defer m.params.mu.Unlock()
	keys := []string{}
	if len(m.params.root) > 0 {
		keys = leaves(keys, "", m.params.root)
	}
	return success(keys, "Parameter names")
}

func subscribeParam(m *Master, a []any) []any {
	key, p := keyOf(str(a[0]), str(a[2])), party{str(a[0]), str(a[1])}
	m.params.mu.Lock()
	defer m.params.mu.Unlock()
	if !slices.Contains(m.params.subs[key], p) {
		m.params.subs[key] = append(m.params.subs[key], p)
	}
	v, ok := m.params.get(key)
	if !ok {
		v = map[string]any{}
	}
	return success(clone(v), "Subscribed to parameter [%s]", key)
}

func unsubscribeParam(m *Master, a []any) []any {
	key, p := keyOf(str(a[0]), str(a[2])), party{str(a[0]), str(a[1])}
	m.params.mu.Lock()
	defer m.params.mu.Unlock()
	if m.params.subs[key] = slices.DeleteFunc(m.params.subs[key],
		func(q party) bool { return q == p }); len(m.params.subs[key]) == 0 {
		delete(m.params.subs, key)
	}
	return success(1, "Unsubscribe to parameter [%s]", key) // also when there was nothing to end, as rosmaster
}
