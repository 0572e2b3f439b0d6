package ppo

import (
	"fmt"

	"korr/internal/setting"
	"korr/residual"
	"korr/train/episodes"
)

// RunConfig is a run: the algorithm and the recipe that every trainer of a residual shares.
type RunConfig struct {
	Config
	episodes.Recipe

	Iterations     int    `json:"iterations"`      // of Envs x NumSteps environment steps; 0 = as many as cover Steps
	DynamicsHidden []int  `json:"dynamics_hidden"` // widths of the network of the condition nonlinear
	Execute        int    `json:"execute"`         // actions executed of every chunk of the base
	Seed           uint64 `json:"seed"`
	Workers        int    `json:"workers"` // goroutines that simulate; never changes the result
}

// PerIteration is the number of environment steps of an iteration.
func (c *RunConfig) PerIteration() int { return c.Envs * c.NumSteps }

// WholeIterations is the number of iterations of the run, at least one.
func (c *RunConfig) WholeIterations() int {
	if c.Iterations > 0 {
		return c.Iterations
	}
	return max(1, (c.Steps+c.PerIteration()-1)/c.PerIteration())
}

// saves reports whether a checkpoint is due after an iteration, counted from 1.
func (c *RunConfig) saves(iteration int) bool {
	every := (c.CheckpointEvery + c.PerIteration() - 1) / c.PerIteration()
	return iteration == c.Iterations || every > 0 && iteration%every == 0
}

// Validate reports the first field that is out of range.
func (c *RunConfig) Validate() error {
	if err := c.Config.Validate(); err != nil {
		return err
	}
	if err := c.Recipe.Validate(); err != nil {
		return err
	}
	return setting.Check(
		"ppo",
		setting.AtLeast("iterations", c.Iterations, 0),
		setting.AtLeast("execute", c.Execute, 1),
		setting.Rule{
			Key: "num_minibatches", OK: 2*c.NumMinibatches <= c.PerIteration(),
			Want: fmt.Sprintf("is %d, which leaves less than two of %d steps for each", c.NumMinibatches, c.PerIteration()),
		},
		setting.Rule{
			Key: "condition", OK: !c.nonlinear() || c.Method == residual.MethodResiP && len(c.DynamicsHidden) > 0,
			Want: "is nonlinear, which needs the method resip and hidden layers of the predicting network",
		},
	)
}

func (c *RunConfig) goal() bool { return c.Condition == episodes.GoalCondition }

func (c *RunConfig) nonlinear() bool { return c.Condition == episodes.Nonlinear }
