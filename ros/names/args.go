package names

import (
	"fmt"
	"net/url"
	"strings"
)

// Parse takes the ROS arguments (name:=value) out of args and returns the node's names and the other arguments in
// their order. getenv is os.Getenv; ROS_MASTER_URI, ROS_IP, ROS_HOSTNAME and ROS_NAMESPACE are read, and arguments win
// over them: __name, __ns, __master, __ip, __hostname, _private parameters and remappings; __log is accepted and
// ignored. Errors name the argument or variable at fault.
func Parse(node string, args []string, getenv func(string) string) (*Names, []string, error) {
	n := &Names{Namespace: "/", MasterURI: getenv("ROS_MASTER_URI"), Params: map[string]string{}}
	ns := getenv("ROS_NAMESPACE")
	n.Host = getenv("ROS_HOSTNAME")
	if n.Host == "" {
		n.Host = getenv("ROS_IP")
	}
	var rest []string
	var remaps [][2]string
	for _, a := range args {
		key, value, ok := strings.Cut(a, ":=")
		switch {
		case !ok || strings.HasPrefix(a, "-"):
			rest = append(rest, a)
		case key == "__name":
			node = value
		case key == "__ns":
			ns = value
		case key == "__master":
			n.MasterURI = value
		case key == "__ip" || key == "__hostname":
			n.Host = value
		case key == "__log":
		case strings.HasPrefix(key, "__"):
			return nil, nil, fmt.Errorf("ROS argument %q: known are __name, __ns, __master, __ip, __hostname, __log", a)
		case strings.HasPrefix(key, "_"):
			if !valid(key[1:]) {
				return nil, nil, fmt.Errorf("ROS argument %q: %w", a, ErrName)
			}
			n.Params[key[1:]] = value
		default:
			remaps = append(remaps, [2]string{key, value})
		}
	}
	if ns != "" {
		if !valid(ns) || ns[0] == '~' {
			return nil, nil, fmt.Errorf("%w: namespace %q", ErrName, ns)
		}
		n.Namespace = clean("/" + ns)
	}
	if err := n.finish(node, remaps); err != nil {
		return nil, nil, err
	}
	if _, err := MasterAddress(n.MasterURI); err != nil {
		return nil, nil, err
	}
	return n, rest, nil
}

// MasterAddress returns the host:port of a master's URI, or an error that says what such a URI looks like.
func MasterAddress(uri string) (string, error) {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "http" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" {
		return "", fmt.Errorf("ROS_MASTER_URI %q: want http://host:port", uri)
	}
	if u.Port() == "" {
		return u.Hostname() + ":11311", nil
	}
	return u.Host, nil
}
