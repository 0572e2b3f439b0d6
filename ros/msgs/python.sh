#!/bin/sh
# Makes Python modules of the messages in this folder, for rospy and ROS's command-line tools on machines without catkin
# and without franka_ros:
#
#	ros/msgs/python.sh DIR
#	export PYTHONPATH=DIR/python ROS_PACKAGE_PATH=DIR/share:$ROS_PACKAGE_PATH
#
# It needs genpy (Debian: python3-genpy) and the standard messages (ros-std-msgs, ros-actionlib-msgs).
set -eu
[ $# = 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
mkdir -p "$1"
out=$(CDPATH= cd -- "$1" && pwd)
gen=${GENPY:-/usr/lib/genpy} python=${PYTHON:-/usr/bin/python3} # another Python may lack genpy
[ -x "$gen/genmsg_py.py" ] || { echo "$gen/genmsg_py.py is missing: install python3-genpy, or set GENPY to its folder" >&2; exit 1; }

# The seven messages of an action, as actionlib_msgs' genaction.py makes them.
expand() { # FILE.action OUTDIR
	name=$(basename "$1" .action)
	awk -v to="$2/$name" 'BEGIN { part[0] = "Goal"; part[1] = "Result"; part[2] = "Feedback"; for (k in part) printf "" > (to part[k] ".msg") }
		/^---/ { n++; next } { print > (to part[n+0] ".msg") }' "$1"
	printf 'Header header\nactionlib_msgs/GoalID goal_id\n%sGoal goal\n' "$name" > "$2/${name}ActionGoal.msg"
	printf 'Header header\nactionlib_msgs/GoalStatus status\n%sResult result\n' "$name" > "$2/${name}ActionResult.msg"
	printf 'Header header\nactionlib_msgs/GoalStatus status\n%sFeedback feedback\n' "$name" > "$2/${name}ActionFeedback.msg"
	printf '%sActionGoal action_goal\n%sActionResult action_result\n%sActionFeedback action_feedback\n' "$name" "$name" "$name" > "$2/${name}Action.msg"
}

for pkg in franka_msgs franka_gripper korr_msgs; do
	share=$out/share/$pkg py=$out/python/$pkg
	mkdir -p "$share/msg" "$py/msg"
	cp "$here/$pkg/package.xml" "$share/"
	for f in "$here/$pkg"/msg/*.msg; do [ ! -e "$f" ] || cp "$f" "$share/msg/"; done
	for f in "$here/$pkg"/action/*.action; do [ ! -e "$f" ] || expand "$f" "$share/msg"; done
	include="-I $pkg:$share/msg -I std_msgs:/usr/share/std_msgs/msg -I actionlib_msgs:/usr/share/actionlib_msgs/msg"
	: > "$py/__init__.py"
	# shellcheck disable=SC2086 # the options are words
	"$python" "$gen/genmsg_py.py" $include -p "$pkg" -o "$py/msg" "$share"/msg/*.msg
	"$python" "$gen/genmsg_py.py" --initpy -p "$pkg" -o "$py/msg"
	if [ -d "$here/$pkg/srv" ]; then
		mkdir -p "$share/srv" "$py/srv"
		cp "$here/$pkg"/srv/*.srv "$share/srv/"
		# shellcheck disable=SC2086
		"$python" "$gen/gensrv_py.py" $include -p "$pkg" -o "$py/srv" "$share"/srv/*.srv
		"$python" "$gen/gensrv_py.py" --initpy -p "$pkg" -o "$py/srv"
	fi
done
