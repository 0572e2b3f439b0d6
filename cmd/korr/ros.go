package main

import (
	"strings"

	"korr/ros/names"
)

// takesROS annotates the commands that take ROS arguments (name:=value).
const takesROS = "korr_takes_ros_arguments"

var rosAnnotation = map[string]string{takesROS: "yes"}

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

// rosNames is the identity of a node: the ROS arguments win over the environment, and run.master over ROS_MASTER_URI.
func (a *app) rosNames(node string) (*names.Names, error) {
	args := a.rosArgs
	if a.cfg.Run.Master != "" {
		args = append([]string{"__master:=" + a.cfg.Run.Master}, args...)
	}
	n, _, err := names.Parse(node, args, a.getenv)
	if err != nil {
		return nil, &codedError{exitUsage, err}
	}
	return n, nil
}

// getenv looks a variable up in the app's own environment.
func (a *app) getenv(name string) string {
	for _, kv := range a.environ {
		if k, v, _ := strings.Cut(kv, "="); k == name {
			return v
		}
	}
	return ""
}
