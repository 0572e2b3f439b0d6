package robot

import (
	"errors"
	"log/slog"
	"time"

	"korr/ros/msgs"
	"korr/ros/names"
	"korr/ros/transport"
)

// Config describes the control node.
type Config struct {
	Names         *names.Names
	Parts         []string      // of the policy's observation, in its order, the obstacle last
	LockStep      bool          // wait for complete observations of a simulator in lock step
	PartStamps    bool          // the policy reads how old each part's pose is: /tf tells, or else the array's stamp
	ReportedTwist bool          // take a Franka's O_dP_EE_d, which a simulator measures, instead of J(q) dq
	Arm           *ArmFile      // nil: a Franka arm as franka_ros shows it
	URL           string        // of a rosbridge server; "" = ROS 1
	ROS1          bool          // the rosbridge server is in front of ROS 1
	Passive       bool          // command nothing: no publisher of commands, no gripper, no recovery
	Deadman       bool          // require ~deadman
	Policy        string        // who decides, for ~status
	Faulted       string        // the fault of the run before, which nobody has reset: ~enable starts the loop; "" = none
	OnFault       func(error)   // told of a fault that Serve keeps, or ends with; may be nil
	OnReset       func()        // told that an operator reset the fault; may be nil
	Sim           string        // the simulator's node, for Reset; "" = msgs.SimNode
	Frame         string        // frame_id of commands; "" = "panda_link0", or the arm file's
	PartsFrame    string        // frame_id of the parts' poses; "" = msgs.TagFrame
	Gripper       Gripper       // how to grip
	Wait          bool          // Open waits for a master instead of failing
	Poll          time.Duration // of the master, or the silence of a rosbridge server that counts as loss; 0 = 1 s
	Logger        *slog.Logger  // nil = silent
	Tap           transport.Tap // sees the topics, for viewers; may be nil
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
	if c.PartsFrame == "" {
		c.PartsFrame = msgs.TagFrame
	}
	if c.Frame == "" {
		c.Frame = "panda_link0"
		if c.Arm != nil {
			c.Frame = c.Arm.Frame
		}
	}
	if c.LockStep && (c.Arm != nil || c.URL != "") {
		return c, errors.New("robot: only the simulator node, a Franka arm over ROS 1, runs in lock step")
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
