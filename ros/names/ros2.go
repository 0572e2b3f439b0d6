package names

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"korr/internal/regular"
)

// ROS2 is where a node of ROS 2 lives.
type ROS2 struct {
	Domain    int      // ROS_DOMAIN_ID
	Localhost bool     // ROS_LOCALHOST_ONLY=1 or ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST: this machine alone
	Peers     []string // ROS_STATIC_PEERS
	Humble    bool     // ROS_DISTRO=humble, whose graph messages differ
}

// NewROS2 returns the names of a node of ROS 2 in the global namespace.
func NewROS2(node string, where ROS2) (*Names, error) {
	n := &Names{Namespace: "/", Params: map[string]string{}, ROS2: &where}
	return n, n.finish(node, nil)
}

// SplitROS2 takes ROS 2's arguments, those between --ros-args and -- or the end, out of a command line.
func SplitROS2(args []string) (ros, rest []string) {
	inside := false
	for _, a := range args {
		switch {
		case a == "--ros-args":
			inside = true
		case inside && a == "--":
			inside = false
		case inside:
			ros = append(ros, a)
		default:
			rest = append(rest, a)
		}
	}
	return ros, rest
}

// ParseROS2 reads the arguments of --ros-args (-r from:=to, -p key:=value, --params-file) and the environment: the form
// that `ros2 run` and launch files give. Remappings of ROS 1's form (from:=to) are taken too. Errors name the argument
// or variable at fault.
func ParseROS2(node string, args []string, getenv func(string) string) (*Names, error) {
	n := &Names{Namespace: "/", Params: map[string]string{}}
	where, err := ros2Environment(getenv)
	if err != nil {
		return nil, err
	}
	n.ROS2 = where
	ns := ""
	var remaps [][2]string
	var files []string
	params := map[string]string{}
	for i := 0; i < len(args); i++ {
		value := func() (string, error) {
			if i++; i == len(args) {
				return "", fmt.Errorf("ROS argument %s: a value is missing", args[i-1])
			}
			return args[i], nil
		}
		switch a := args[i]; a {
		case "-r", "--remap":
			v, err := value()
			if err != nil {
				return nil, err
			}
			from, to, ok := strings.Cut(v, ":=")
			if _, own, prefixed := strings.Cut(from, ":"); prefixed { // node:from
				from = own
			}
			switch {
			case !ok:
				return nil, fmt.Errorf("ROS argument -r %s: want FROM:=TO", v)
			case from == "__node" || from == "__name":
				node = to
			case from == "__ns":
				ns = to
			default:
				remaps = append(remaps, [2]string{strings.TrimPrefix(from, "rostopic://"), to})
			}
		case "-p", "--param":
			v, err := value()
			if err != nil {
				return nil, err
			}
			key, text, ok := strings.Cut(v, ":=")
			if !ok || key == "" {
				return nil, fmt.Errorf("ROS argument -p %s: want NAME:=VALUE", v)
			}
			params[key] = text
		case "--params-file":
			v, err := value()
			if err != nil {
				return nil, err
			}
			files = append(files, v)
		case "--log-level", "--log-config-file", "--enclave", "-e":
			if _, err := value(); err != nil { // what logs and is secured is not ours
				return nil, err
			}
		case "--enable-rosout-logs", "--disable-rosout-logs", "--enable-stdout-logs", "--disable-stdout-logs",
			"--enable-external-lib-logs", "--disable-external-lib-logs":
		default:
			from, to, ok := strings.Cut(a, ":=")
			switch {
			case !ok || strings.HasPrefix(a, "-"):
				return nil, fmt.Errorf("ROS argument %q: known are -r, -p, --params-file, --log-level", a)
			case from == "__node" || from == "__name":
				node = to
			case from == "__ns":
				ns = to
			case strings.HasPrefix(from, "_"):
				params[from[1:]] = to
			default:
				remaps = append(remaps, [2]string{from, to})
			}
		}
	}
	if ns != "" {
		if !valid(ns) || ns[0] == '~' {
			return nil, fmt.Errorf("%w: namespace %q", ErrName, ns)
		}
		n.Namespace = clean("/" + ns)
	}
	if err := n.finish(node, remaps); err != nil {
		return nil, err
	}
	n.MasterURI = ""
	for _, f := range files {
		if err := n.paramsFile(f); err != nil {
			return nil, err
		}
	}
	for k, v := range params { // they win over files
		n.Params[k] = v
	}
	return n, nil
}

// ros2Environment reads the variables that ROS 2's nodes obey.
func ros2Environment(getenv func(string) string) (*ROS2, error) {
	w := &ROS2{Humble: getenv("ROS_DISTRO") == "humble"}
	if text := getenv("ROS_DOMAIN_ID"); text != "" {
		id, err := strconv.Atoi(text)
		if err != nil || id < 0 || id > 232 {
			return nil, fmt.Errorf("ROS_DOMAIN_ID=%s: want a number from 0 to 232", text)
		}
		w.Domain = id
	}
	switch r := getenv("ROS_AUTOMATIC_DISCOVERY_RANGE"); r {
	case "", "SUBNET", "SYSTEM_DEFAULT":
		w.Localhost = getenv("ROS_LOCALHOST_ONLY") == "1"
	case "LOCALHOST":
		w.Localhost = true
	default:
		return nil, fmt.Errorf("ROS_AUTOMATIC_DISCOVERY_RANGE=%s: want SUBNET or LOCALHOST", r)
	}
	for p := range strings.SplitSeq(getenv("ROS_STATIC_PEERS"), ";") {
		if p != "" {
			w.Peers = append(w.Peers, p)
		}
	}
	return w, nil
}

// paramsFile reads the parameters of this node from a file of ROS 2's form: a node's name, or /**, then
// ros__parameters.
func (n *Names) paramsFile(path string) error {
	text, err := regular.Read(path, regular.Text)
	if err != nil {
		return err
	}
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	short := n.Node[strings.LastIndex(n.Node, "/")+1:]
	for _, name := range []string{"/**", "**", short, n.Node} { // what is nearer wins
		section, _ := tree[name].(map[string]any)
		params, _ := section["ros__parameters"].(map[string]any)
		if err := n.flatten("", params); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

func (n *Names) flatten(prefix string, tree map[string]any) error {
	for k, v := range tree {
		if sub, ok := v.(map[string]any); ok {
			if err := n.flatten(prefix+k+".", sub); err != nil {
				return err
			}
			continue
		}
		text, err := yaml.Marshal(v)
		if err != nil {
			return err
		}
		n.Params[prefix+k] = strings.TrimSpace(string(text))
	}
	return nil
}
