package simnode

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"korr/ros/names"
	"korr/ros/simarm"
	"korr/ros/transport"
	"korr/sim"
	"korr/sim/disturb"
)

// Config describes a served simulator.
type Config struct {
	Names    *names.Names
	Env      sim.Env // must implement ArmState; the caller closes it after the server
	LockStep bool
	Seed     uint64  // of the episode that runs before the first ~reset
	Hz       float64 // real time: rate of the robot's messages, a divisor of SliceHz; 0 = 50
	// Sensing is how parts and robot are seen. In lock step it does to the messages what sim/disturb does in process, bit
	// for bit. In real time it is for the parts alone, and a tracker that is late without a jitter gets one of half a
	// control step.
	Sensing disturb.Config
	PartsHz float64 // real time: frames of the part tracker per second, at most SliceHz; 0 = Hz
	// PartsDelay and PartsJitter are when a frame arrives after its exposure, in real time, and by how much it is earlier
	// or later: in place of Sensing's, which count control steps. 0 = Sensing's.
	PartsDelay, PartsJitter time.Duration
	// lock step: an unanswered observation is published again after this, then twice this, ... 1 s; 0 = 100 ms
	Resend time.Duration
	Wait   bool          // New waits for a master instead of failing
	OpenAt float64       // m; a gripper goal to at least this width opens, a smaller one closes; 0 = 0.03
	Logger *slog.Logger  // nil = silent
	Tap    transport.Tap // sees the topics, for viewers; may be nil
}

// trackerJitter is by how much a late tracker's messages come earlier or later in real time (control steps).
const trackerJitter = 0.5

// SliceHz is the rate of physics slices and of /clock in real time.
const SliceHz = 100

// ErrNoArm means that the environment does not tell its arm's state.
var ErrNoArm = errors.New("the simulator does not report its arm (ArmStateTo): it cannot be served over ROS")

// withDefaults checks the configuration and fills it in.
func (c Config) withDefaults() (Config, error) {
	if c.Names == nil || c.Env == nil {
		return c, errors.New("simnode: Config needs Names and Env")
	}
	if _, ok := c.Env.(simarm.State); !ok {
		return c, ErrNoArm
	}
	if c.Hz == 0 {
		c.Hz = 50
	}
	if every := SliceHz / c.Hz; !(c.Hz >= 1) || every < 1 || every != math.Trunc(every) {
		return c, fmt.Errorf("simnode: messages at %g Hz: take a divisor of %d, such as 100, 50, 25, 20 or 10", c.Hz, SliceHz)
	}
	if !(c.PartsHz >= 0 && c.PartsHz <= SliceHz) {
		return c, fmt.Errorf("simnode: parts at %g Hz: take 0 (as often as the arm) to %d", c.PartsHz, SliceHz)
	}
	if c.PartsDelay < 0 || c.PartsJitter < 0 || c.PartsJitter > c.PartsDelay || c.LockStep && c.PartsDelay > 0 {
		return c, fmt.Errorf("simnode: parts %v late, give or take %v: in real time, not below 0 and no jitter above the "+
			"delay", c.PartsDelay,
			c.PartsJitter)
	}
	if err := c.Sensing.Validate(); err != nil {
		return c, err
	}
	if !c.LockStep {
		if c.Sensing.Robot != (disturb.Robot{}) {
			return c, errors.New("simnode: in real time the arm tells its true state: leave disturb.robot_* out, or use lock " +
				"step or ~perturb")
		}
		if c.Sensing.Parts.Delay > 0 && c.Sensing.Parts.Jitter == 0 {
			c.Sensing.Parts.Jitter = trackerJitter
		}
	}
	if hz := c.Env.Spec().ControlHz; !(hz > 0) {
		return c, fmt.Errorf("simnode: the environment's control rate is %g Hz", hz)
	}
	if c.Resend == 0 {
		c.Resend = 100 * time.Millisecond
	}
	if c.OpenAt == 0 {
		c.OpenAt = 0.03
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}
