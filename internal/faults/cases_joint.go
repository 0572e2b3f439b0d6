package faults

import (
	"bytes"
	_ "embed"
	"math"
	"os"
	"strings"

	"korr/ros/msgs"
	"korr/ros/robot"
	"korr/ros/robot/chain"
)

// jointArm describes the toy arm as an arm of joint states, which takes poses.
//
//go:embed joint_arm.yaml
var jointArm []byte

// trajectoryTopic is where an arm listens that takes trajectories; the relay moves the toy arm as they say.
const trajectoryTopic = "/arm_controller/command"

// jointArmBy is the description of an arm that takes poses, or trajectories.
func jointArmBy(trajectories bool) []byte {
	if !trajectories {
		return jointArm
	}
	return bytes.Replace(jointArm, []byte("command: pose\ncommand_topic: "+msgs.CommandTopic),
		[]byte("command: trajectory\ntime_from_start: 0.1\ncommand_topic: "+trajectoryTopic), 1)
}

// jointChain is the arm's kinematics.
func jointChain() (*chain.Chain, error) {
	f, err := robot.ParseArm(jointArmBy(true), "")
	if err != nil {
		return nil, err
	}
	return f.Chain.Chain("")
}

// writeJointArm writes the description to a file, which the caller removes.
func writeJointArm(trajectories bool) (path string, err error) {
	f, err := os.CreateTemp("", "korr_arm_*.yaml")
	if err != nil {
		return "", err
	}
	if _, err = f.Write(jointArmBy(trajectories)); err == nil {
		err = f.Close()
	}
	return f.Name(), err
}

// jointLies are arms of joint states that tell what cannot be.
func jointLies() []Case {
	lie := func(name, says, kind string, value ...float64) Case {
		c := injection("joint arm tells "+name, fault, "joints right; "+resets, []string{says}, kind, "joints", value...)
		c.joints = true
		return c
	}
	lies := []Case{
		lie("1e300 rad of joint 4", "joint panda_joint4", msgs.PerturbSet, 3, 1e300),
		lie("a turn more of joint 5", "joint panda_joint5", msgs.PerturbAdd, 4, 2*math.Pi),
		lie("a joint out of its limits", "outside its limits", msgs.PerturbSet, 3, 0.2),
		lie("NaN of joint 1", "not finite", msgs.PerturbNaN),
		lie("joint 1 0.4 rad aside", "leapt", msgs.PerturbAdd, 0, 0.4),
		lie("fingers 1e30 m apart", "width", msgs.PerturbSet, 7, 1e30),
		lie("too few positions", "", msgs.PerturbLength).silent(),
	}
	for _, c := range lies[:4] {
		c.Name = strings.Replace(c.Name, "joint arm tells", "joint arm on trajectories tells", 1)
		c.trajectories, c.relay = true, true
		c.links = overROS1 | overBridge // not measured over ROS 2 yet: docs/faults-ros2.md has no such rows
		lies = append(lies, c)
	}
	return lies
}

// silent is a lie that makes the messages be about something else: the arm holds because it hears nothing of its arm.
func (c Case) silent() Case {
	c.State, c.says, c.Recovery = hold, old, "joints right; "+byItself
	return c
}
