// Package expert holds scripted experts: policies that see exact poses (the raw observation) and assemble a task, the
// source of demonstrations. An expert needs no engine: it works wherever observations and actions are exchanged.
//
// A script goes on from any state that it can see. It is a loop that looks at the newest observation, does the next
// thing (screw.goOn, screw.goOnPlacing) and looks again, until nothing is left to do; then it returns, and is asked
// again a control step later. Whether a part is in the hand is judged by the fingers' opening and by where the tool's
// point is in the part's box. A part without a lying grasp (the hood, the base of the round table) that has fallen over
// is not picked up.
package expert

import (
	"fmt"
	"iter"
	"math/rand/v2"

	"korr/internal/geom"
	"korr/internal/layout"
	"korr/internal/seed"
	"korr/internal/setting"
	"korr/sim"
)

// Config tunes an expert.
type Config struct {
	// m, standard deviation of the lateral error of the expert's insertion target, drawn at every step
	InsertNoise float64
}

// Validate reports the first setting that is out of range.
func (c *Config) Validate() error {
	return setting.Check("expert", setting.Within("insert_noise", c.InsertNoise, 0, 0.05))
}

// Expert is a scripted policy; it implements sim.Policy. Not safe for concurrent use.
type Expert struct {
	cfg    Config
	task   *sim.Task
	script func(*arm)
	rng    *rand.Rand
	obs    []float32
	next   func() (command, bool)
	stop   func()
}

// command is one target of the tool: pose in the base frame and gripper (-1 open, +1 closed).
type command struct {
	pose geom.Pose
	grip float32
}

// New returns the expert of a task, or an error for a task that has none.
func New(task *sim.Task, cfg Config) (*Expert, error) {
	scripts := map[string]func(*arm){
		"one_leg": screwTable, "lamp": buildLamp, "round_table": buildRoundTable, "square_table": screwSquareTable,
		"mug_rack": hangMug, "peg_hole": pegInHole,
	}
	s, ok := scripts[task.Name]
	if !ok {
		return nil, fmt.Errorf("no scripted expert for task %q", task.Name)
	}
	e := &Expert{cfg: cfg, task: task, script: s, obs: make([]float32, task.ObsDim())}
	e.Reset(0)
	return e, nil
}

// Reset forgets the episode; the seed drives the insertion noise.
func (e *Expert) Reset(episode uint64) {
	e.Close()
	e.rng = seed.Stream(episode, "expert", 0)
	e.next, e.stop = iter.Pull(func(yield func(command) bool) {
		defer func() {
			if r := recover(); r != nil && r != errStopped {
				panic(r)
			}
		}()
		a := &arm{e: e, yield: yield, grip: -1}
		a.pose = a.tool()
		a.readYaw()
		for { // a script returns when nothing is left to do
			e.script(a)
			a.step()
		}
	})
}

// Close stops the running script. The expert may be reset afterwards.
func (e *Expert) Close() {
	if e.stop != nil {
		e.stop()
		e.next, e.stop = nil, nil
	}
}

// ActTo writes the next action (sim.ActDim values) for the raw observation.
func (e *Expert) ActTo(act, obs []float32) error {
	if len(obs) != len(e.obs) || len(act) != sim.ActDim {
		return fmt.Errorf("expert: %d observations and %d actions, want %d and %d", len(obs), len(act),
			len(e.obs), sim.ActDim)
	}
	copy(e.obs, obs)
	c, ok := e.next()
	if !ok {
		return fmt.Errorf("expert: the script of %s ended", e.task.Name)
	}
	layout.ToolTo(act, c.pose)
	act[layout.Gripper] = c.grip
	return nil
}
