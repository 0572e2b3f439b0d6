package names

import (
	"errors"
	"fmt"
	"strings"
)

// ErrName marks a string that is no ROS graph name.
var ErrName = errors.New("not a ROS name")

// Names is the identity of a node and the way it resolves names. The zero value is not usable; see New and Parse.
type Names struct {
	Node      string            // absolute name of the node, "/korr"
	Namespace string            // absolute namespace, "/" or "/arm"
	MasterURI string            // "http://127.0.0.1:11311"
	Host      string            // address to be reached at; "" = the one that faces the master
	Params    map[string]string // private parameters (_key:=value): YAML text by key
	ROS2      *ROS2             // of a node of ROS 2; nil in ROS 1
	remaps    map[string]string // resolved name to resolved name
}

// DefaultMaster is the master of a machine that sets no ROS_MASTER_URI.
const DefaultMaster = "http://127.0.0.1:11311"

// New returns the names of a node in the global namespace at the given master, without remappings.
func New(node, master string) (*Names, error) {
	n := &Names{Namespace: "/", MasterURI: master}
	return n, n.finish(node, nil)
}

// finish validates the node's name and resolves the remappings against it.
func (n *Names) finish(node string, remaps [][2]string) error {
	if strings.ContainsAny(node, "/~") || !valid(node) {
		return fmt.Errorf("%w: node name %q (letters, digits and _; use __ns:= for a namespace)", ErrName, node)
	}
	if n.MasterURI == "" {
		n.MasterURI = DefaultMaster
	}
	n.Node = join(n.Namespace, node)
	n.remaps = map[string]string{}
	for _, r := range remaps {
		from, err := n.expand(r[0])
		if err != nil {
			return fmt.Errorf("remapping %s:=%s: %w", r[0], r[1], err)
		}
		to, err := n.expand(r[1])
		if err != nil {
			return fmt.Errorf("remapping %s:=%s: %w", r[0], r[1], err)
		}
		n.remaps[from] = to
	}
	return nil
}

// Resolve returns the absolute name that a topic, service or action name of this node stands for: ~private, relative
// or /absolute, then remapped once. Errors wrap ErrName.
func (n *Names) Resolve(name string) (string, error) {
	abs, err := n.expand(name)
	if err != nil {
		return "", err
	}
	if to, ok := n.remaps[abs]; ok {
		return to, nil
	}
	return abs, nil
}

// MustResolve is Resolve for names that the program itself wrote; it panics on a malformed one.
func (n *Names) MustResolve(name string) string {
	s, err := n.Resolve(name)
	if err != nil {
		panic(err)
	}
	return s
}

// expand makes a name absolute without remapping it.
func (n *Names) expand(name string) (string, error) {
	if !valid(name) {
		return "", fmt.Errorf("%w: %q", ErrName, name)
	}
	switch name[0] {
	case '/':
		return clean(name), nil
	case '~':
		return join(n.Node, name[1:]), nil
	}
	return join(n.Namespace, name), nil
}

// valid reports whether s may be a graph name: a letter, / or ~ first, then letters, digits, _ and /.
func valid(s string) bool {
	for i, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		switch {
		case letter || c == '/':
		case i == 0 && c == '~':
		case i > 0 && (c >= '0' && c <= '9' || c == '_'):
		default:
			return false
		}
	}
	return s != "" && s != "~"
}

// clean removes double and trailing slashes from an absolute name.
func clean(s string) string {
	var parts []string
	for p := range strings.SplitSeq(s, "/") {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return "/" + strings.Join(parts, "/")
}

func join(ns, name string) string { return clean(ns + "/" + name) }
