package faults

import (
	_ "embed"
	"math"
	"os"

	"korr/ros/msgs"
)

// jointArm describes the toy arm as an arm of joint states, which takes poses.
//
//go:embed joint_arm.yaml
var jointArm []byte

// writeJointArm writes the description to a file, which the caller removes.
func writeJointArm() (path string, err error) {
	f, err := os.CreateTemp("", "korr_arm_*.yaml")
	if err != nil {
		return "", err
	}
	if _, err = f.Write(jointArm); err == nil {
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
	return []Case{
		lie("1e300 rad of joint 4", "joint panda_joint4", msgs.PerturbSet, 3, 1e300),
		lie("a turn more of joint 5", "joint panda_joint5", msgs.PerturbAdd, 4, 2*math.Pi),
		lie("a joint out of its limits", "outside its limits", msgs.PerturbSet, 3, 0.2),
		lie("NaN of joint 1", "not finite", msgs.PerturbNaN),
		lie("joint 1 0.4 rad aside", "leapt", msgs.PerturbAdd, 0, 0.4),
		lie("fingers 1e30 m apart", "width", msgs.PerturbSet, 7, 1e30),
		lie("too few positions", "", msgs.PerturbLength).silent(),
	}
}

// silent is a lie that makes the messages be about something else: the arm holds because it hears nothing of its arm.
func (c Case) silent() Case {
	c.State, c.says, c.Recovery = hold, old, "joints right; "+byItself
	return c
}
