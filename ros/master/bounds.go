package master

import (
	"errors"
	"fmt"
	"strings"
)

// What is kept for peers is bounded, because anybody may send: names before anything walks along them, parameters and
// registrations in their sum. A whole tree of parameters nests less deeply than package xmlrpc reads.
const (
	maxName   = 1024     // bytes of a name, a URI or a key
	maxLevels = 48       // of a name, and of the tree of parameters
	maxValues = 200_000  // parameters, and structs that hold some
	maxSize   = 64 << 20 // bytes of all parameters, and of their values that wait to be told
	maxKept   = 10_000   // registrations of all kinds
)

// checkName refuses a name of unreasonable length or depth.
func checkName(v any) error {
	name, _ := v.(string)
	switch levels := strings.Count(name, "/"); {
	case len(name) > maxName:
		return fmt.Errorf("a name of %d bytes, at most %d are taken", len(name), maxName)
	case levels > maxLevels:
		return fmt.Errorf("a name of %d levels, at most %d are taken", levels, maxLevels)
	}
	return nil
}

// weight is what a value costs to keep.
type weight struct{ size, values int }

// weigh adds up a value whose top stands at a level of the tree. Decoding has bounded its depth.
func (w *weight) weigh(v any, level int) error {
	w.values++
	w.size += 64
	switch x := v.(type) {
	case string:
		w.size += len(x)
	case []byte:
		w.size += len(x)
	case []any:
		for _, e := range x {
			if err := w.weigh(e, level+1); err != nil {
				return err
			}
		}
	case map[string]any:
		for k, e := range x {
			if err := checkName(k); err != nil {
				return err
			}
			w.size += len(k)
			if err := w.weigh(e, level+1); err != nil {
				return err
			}
		}
	}
	if level > maxLevels {
		return fmt.Errorf("nested deeper than %d levels", maxLevels)
	}
	return nil
}

// room says why a value may not be set at a key, nil if it may.
func (t *paramTree) room(key string, v any) error {
	levels := len(split(key))
	w := weight{values: levels}
	if levels > maxLevels {
		return fmt.Errorf("nested deeper than %d levels", maxLevels)
	}
	if err := errors.Join(w.weigh(v, levels), w.weigh(t.root, 0)); err != nil {
		return err
	}
	if w.values > maxValues || w.size > maxSize {
		return fmt.Errorf("the parameters are full (%d values of %d, %d bytes of %d): delete some", w.values, maxValues,
			w.size, maxSize)
	}
	return nil
}

// room says why nothing more can be registered, nil if it can. Types of topics that nobody uses any more make room.
func (m *Master) room() error {
	m.reg.mu.Lock()
	defer m.reg.mu.Unlock()
	if m.reg.kept()+m.params.kept() >= maxKept {
		for topic := range m.reg.types {
			if len(m.reg.pubs[topic])+len(m.reg.subs[topic]) == 0 {
				delete(m.reg.types, topic)
			}
		}
	}
	if n := m.reg.kept() + m.params.kept(); n >= maxKept {
		return fmt.Errorf("the master keeps %d registrations and takes no more", n)
	}
	return nil
}

// kept counts what the registry holds.
func (r *registry) kept() int {
	n := len(r.nodes) + len(r.services) + len(r.types)
	for _, t := range []table{r.pubs, r.subs} {
		for _, ps := range t {
			n += len(ps)
		}
	}
	return n
}

// kept counts those who want to hear of parameters.
func (t *paramTree) kept() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, ps := range t.subs {
		n += 1 + len(ps)
	}
	return n
}
