package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"korr/ros/names"
	"korr/ros/node"
	"korr/ros/ros2/dds"
)

// takesROS annotates the commands that take ROS arguments (name:=value).
const takesROS = "korr_takes_ros_arguments"

// ROSAnnotation marks a command that takes ROS arguments.
var ROSAnnotation = map[string]string{takesROS: "yes"}

// splitROS takes the ROS arguments out of a command line, before the flags are parsed: roslaunch appends them.
func splitROS(args []string) (ros, rest []string) {
	for _, a := range args {
		if strings.Contains(a, ":=") && !strings.HasPrefix(a, "-") {
			ros = append(ros, a)
		} else {
			rest = append(rest, a)
		}
	}
	return ros, rest
}

// ROSNames is the identity of a node: the ROS arguments win over the environment, and a master that is named over
// ROS_MASTER_URI.
func (a *App) ROSNames(node, master string) (*names.Names, error) {
	args := a.ROSArgs
	if master != "" {
		args = append([]string{"__master:=" + master}, args...)
	}
	n, _, err := names.Parse(node, args, a.getenv)
	if err != nil {
		return nil, Usage(err)
	}
	return n, nil
}

// ROS2Names is the identity of a node of ROS 2: --ros-args win over the environment. It is an error where this program
// was built without ROS 2.
func (a *App) ROS2Names(node string) (*names.Names, error) {
	if !dds.Available {
		return nil, Usage(dds.ErrAbsent)
	}
	n, err := names.ParseROS2(node, append(slices.Clone(a.ROS2Args), a.ROSArgs...), a.getenv)
	if err != nil {
		return nil, Usage(err)
	}
	return n, nil
}

// ros2Own are parameters that every node of ROS 2 has; they are no settings.
var ros2Own = []string{"use_sim_time", "start_type_description_service"}

// ROS2Params lets the parameters of a node of ROS 2 change settings, as ROSParams does those of ROS 1.
func (a *App) ROS2Params(n *names.Names) error {
	var set []string
	for k, v := range n.Params {
		if !slices.Contains(ros2Own, k) && !strings.HasPrefix(k, "qos_overrides.") {
			set = append(set, k+"="+v)
		}
	}
	slices.Sort(set)
	o := a.Layers
	o.Set = append(set, o.Set...)
	if err := a.Fill(o); err != nil {
		return fmt.Errorf("parameters of %s: %w", n.Node, err)
	}
	a.Layers = o
	return nil
}

// masterStarts is how long a master may take from the line before, "korr sim --ros --master &", to its first answer.
const masterStarts = 3 * time.Second

// ROSParams lets the node's private parameters, of the command line (_sim/task:=lamp) or of a launch file, change
// settings: above files and environment, below flags. A parameter that is no setting is an error.
// wait retries until there is a master; without, one that was started a moment ago is still found.
func (a *App) ROSParams(ctx context.Context, n *names.Names, wait bool) error {
	begun := time.Now()
	tree, err := node.PrivateParams(ctx, n)
	for none := (*node.MasterError)(nil); errors.As(err, &none) && (wait || time.Since(begun) < masterStarts); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(250 * time.Millisecond):
		}
		tree, err = node.PrivateParams(ctx, n)
	}
	if err != nil {
		return err
	}
	set := settings("", tree)
	slices.Sort(set)
	o := a.Layers
	o.Set = append(set, o.Set...)
	if err := a.Fill(o); err != nil {
		return fmt.Errorf("private parameters of %s: %w", n.Node, err)
	}
	a.Layers = o
	return nil
}

// NodeEnd is the error of a node that has ended: rosnode kill is no failure.
func (a *App) NodeEnd(err error) error {
	if errors.Is(err, node.ErrShutdown) {
		a.Log.Info("told to shut down")
		return nil
	}
	return err
}

// settings turns a tree of parameters into key=value.
func settings(prefix string, tree map[string]any) (out []string) {
	for k, v := range tree {
		if sub, ok := v.(map[string]any); ok {
			out = append(out, settings(prefix+k+".", sub)...)
			continue
		}
		text, isText := v.(string)
		if b, err := json.Marshal(v); !isText && err == nil { // JSON is YAML
			text = string(b)
		}
		out = append(out, prefix+k+"="+text)
	}
	return out
}

// CacheDir is the folder of this program in the user's cache, after the XDG base directories; empty where the app's
// environment names neither a cache nor a home.
func (a *App) CacheDir() string {
	if dir := a.getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "korr")
	}
	if home := a.getenv("HOME"); home != "" {
		return filepath.Join(home, ".cache", "korr")
	}
	return ""
}

// getenv looks a variable up in the app's own environment.
func (a *App) getenv(name string) string {
	for _, kv := range a.Environ {
		if k, v, _ := strings.Cut(kv, "="); k == name {
			return v
		}
	}
	return ""
}
