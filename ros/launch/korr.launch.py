"""Control node, and a simulated arm unless robot:=franka, on ROS 2. Nothing has to be built or sourced for korr itself:

    ros2 launch /path/to/korr/ros/launch/korr.launch.py
    ros2 launch /path/to/korr/ros/launch/korr.launch.py rviz:=true task:=one_leg
    ros2 launch /path/to/korr/ros/launch/korr.launch.py robot:=franka controller:=crisp yes:=true frame:=fr3_link0

The binary is the one named by KORR, or korr of PATH (korr-robot where that is all there is).
"""

import os
import shutil

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction

# The topic on which a controller takes poses, by the controller's kind.
TARGETS = {
    "franka": "/cartesian_impedance_example_controller/equilibrium_pose",
    "crisp": "/target_pose",
    "cartesian_motion": "/cartesian_motion_controller/target_frame",
    "cartesian_compliance": "/cartesian_compliance_controller/target_frame",
}
DEFAULT = TARGETS["franka"]


def binary():
    return os.environ.get("KORR") or shutil.which("korr") or "korr-robot"


def processes(context):
    def arg(name):
        return context.launch_configurations[name]

    korr, here = binary(), os.path.dirname(os.path.abspath(__file__))
    if arg("controller") not in TARGETS:
        raise RuntimeError("controller:=%s: take one of %s" % (arg("controller"), ", ".join(TARGETS)))
    if arg("robot") not in ("sim", "franka"):
        raise RuntimeError("robot:=%s: take sim or franka" % arg("robot"))
    target, simulated = TARGETS[arg("controller")], arg("robot") == "sim"
    remap = ["--ros-args", "-r", "%s:=%s" % (DEFAULT, target)]
    out = []
    if simulated:
        sim = [korr, "sim", "--ros2", "--task", arg("task"), "--seed", arg("seed")]
        out.append(ExecuteProcess(cmd=sim + arg("sim_args").split() + remap, output="screen"))
    run = [korr, "run", "--robot", "ros2", "--policy", arg("policy"), "--set", "run.frame=" + arg("frame")]
    if simulated or arg("yes") == "true":  # a simulator may move unasked; an arm moves when yes:=true was said
        run.append("--yes")
    params = ["-p", "use_sim_time:=" + arg("use_sim_time")]
    out.append(ExecuteProcess(cmd=run + arg("args").split() + remap + params, output="screen"))
    if arg("rviz") == "true":
        config = os.path.join(here, "rviz", "korr.rviz2.rviz")
        out.append(ExecuteProcess(cmd=["rviz2", "-d", config], output="screen"))
    return out


def generate_launch_description():
    arguments = {
        "robot": ("sim", "sim, or franka: franka_ros2 runs already"),
        "controller": ("franka", "which topic takes the poses: " + ", ".join(TARGETS)),
        "frame": ("panda_link0", "frame_id of the commands; fr3_link0 on a Franka Research 3"),
        "policy": ("korr", "shipped weights, or a checkpoint"),
        "yes": ("false", "move an arm without asking: a launch file cannot answer"),
        "task": ("one_leg", "of the simulator"),
        "seed": ("1", "of the simulator"),
        "use_sim_time": ("false", "the control node lives by /clock"),
        "rviz": ("false", "show it"),
        "args": ("", "more flags of korr run"),
        "sim_args": ("", "more flags of korr sim"),
    }
    declared = [DeclareLaunchArgument(k, default_value=v, description=d) for k, (v, d) in arguments.items()]
    return LaunchDescription(declared + [OpaqueFunction(function=processes)])
