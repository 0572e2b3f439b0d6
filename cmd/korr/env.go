package main

import (
	"errors"
	"runtime"

	"korr/cmd/internal/cli"
	"korr/sim"
	"korr/sim/disturb"
	"korr/sim/mujoco"
	"korr/train/eval"
)

// newEnv makes the simulator of an evaluation's condition.
func (a *app) newEnv(c eval.Condition) (sim.Env, error) {
	env, err := mujoco.New(a.simulator(c))
	if err != nil {
		return nil, err // not env: a nil *mujoco.Env in the interface would not be nil
	}
	return a.sensed(env)
}

// sensed shows the environment, which it owns from then on, through the sensors of disturb.*.
func (a *app) sensed(env sim.Env) (sim.Env, error) {
	shown, err := disturb.Wrap(env, a.disturbance())
	if err != nil {
		return nil, errors.Join(err, env.Close())
	}
	return shown, nil
}

// newArm makes the simulator that a ROS node serves as an arm: what it publishes is the engine's own state.
func (a *app) newArm(c eval.Condition) (sim.Env, error) {
	if a.disturbance().On() {
		return nil, cli.UsageErrorf("disturb.* is not applied over ROS, where the simulator publishes its own state: leave it out, or leave ROS out")
	}
	return a.newEnv(c)
}

// disturbance is the setting of disturb.*.
func (a *app) disturbance() disturb.Config {
	d := a.Config.Disturb
	return disturb.Config{
		Robot: disturb.Robot{
			Position: d.RobotPosition, Rotation: d.RobotRotation, Velocity: d.RobotVelocity, Spin: d.RobotSpin,
			Gripper: d.RobotGripper, Delay: d.RobotDelay, Dropout: d.RobotDropout,
		},
		Parts: disturb.Parts{Position: d.PartPosition, Rotation: d.PartRotation, Delay: d.PartDelay, Dropout: d.PartDropout},
	}
}

// condition is the setting of sim.* alone.
func (a *app) condition() eval.Condition {
	return eval.Condition{Task: a.Config.Sim.Task, Randomness: a.Config.Sim.Randomness, Perturb: a.Config.Sim.Perturb}
}

// workers is the number of simulations at once.
func (a *app) workers() int {
	if a.Config.Sim.Workers > 0 {
		return a.Config.Sim.Workers
	}
	return runtime.GOMAXPROCS(0)
}
