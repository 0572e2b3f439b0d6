package robot

import (
	"errors"
	"log/slog"
	"time"

	"korr/ros/msgs"
	"korr/ros/names"
)

// Config describes the control node.
type Config struct {
	Names         *names.Names
	Parts         []string      // of the policy's observation, in its order, the obstacle last
	LockStep      bool          // wait for complete observations of a simulator in lock step
	ReportedTwist bool          // take O_dP_EE_d, which a simulator measures, instead of J(q) dq
	Deadman       bool          // require ~deadman
	Sim           string        // the simulator's node, for Reset; "" = msgs.SimNode
	Frame         string        // frame_id of commands; "" = "panda_link0"
	Gripper       Gripper       // how to grip
	Wait          bool          // Open waits for a master instead of failing
	Poll          time.Duration // of the master; 0 = 1 s
	OnResetFault  func() error  // serves ~reset_fault; nil = refused
	Logger        *slog.Logger  // nil = silent
}

// Gripper are the parameters of gripper goals; zero values take the defaults named.
type Gripper struct {
	OpenWidth float64       // m, where opening ends; 0.08
	Speed     float64       // m/s; 0.1
	Force     float64       // N, of a grasp; 40
	Timeout   time.Duration // until a goal must be acknowledged; 1 s, in lock step 10 s
}

// withDefaults checks the configuration and fills it in.
func (c Config) withDefaults() (Config, error) {
	if c.Names == nil || len(c.Parts) == 0 {
		return c, errors.New("robot: Config needs Names and Parts")
	}
	if c.Sim == "" {
		c.Sim = "/" + msgs.SimNode
	}
	if c.Frame == "" {
		c.Frame = "panda_link0"
	}
	g := &c.Gripper
	if g.OpenWidth == 0 {
		g.OpenWidth = 0.08
	}
	if g.Speed == 0 {
		g.Speed = 0.1
	}
	if g.Force == 0 {
		g.Force = 40
	}
	if g.Timeout == 0 {
		g.Timeout = time.Second
		if c.LockStep { // nothing moves meanwhile, and a busy machine is no fault
			g.Timeout = 10 * time.Second
		}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}
