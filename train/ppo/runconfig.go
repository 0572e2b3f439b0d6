package ppo

import (
	"errors"
	"fmt"
	"math"

	"korr/residual"
)

// RunConfig holds every hyper-parameter of a run; start from DefaultRun.
type RunConfig struct {
	Config
	Method string `json:"method"` // residual.MethodResiP or MethodKORR
	// Foresight is what the actor reads of the steps ahead; the model of a look-ahead is frozen.
	Foresight residual.Foresight `json:"foresight"`
	// Goal makes a published actor read the encoded observation of a demonstrated success too.
	Goal bool `json:"goal"`
	// Nonlinear makes ResiP read what a learned nonlinear network predicts the base action to lead to, and nothing else: what
	// a Koopman model's linearity is compared with. The network learns as KORR's model does.
	Nonlinear      bool   `json:"nonlinear_dynamics"`
	DynamicsHidden []int  `json:"dynamics_hidden"` // widths of that network
	Seed           uint64 `json:"seed"`

	Iterations int `json:"iterations"` // of Envs x NumSteps environment steps
	NumSteps   int `json:"num_steps"`  // per environment and iteration
	Envs       int `json:"num_envs"`
	Workers    int `json:"workers"`   // goroutines that simulate; never changes the result
	MaxSteps   int `json:"max_steps"` // cut an episode here (truncated); 0 = the environment's limit

	Alpha           float64 `json:"action_scale"` // of the residual, in normalised actions
	Execute         int     `json:"execute"`      // actions executed of every chunk of the base
	InitLogStd      float64 `json:"init_logstd"`  // fixed
	ActorHidden     []int   `json:"actor_hidden"`
	CriticHidden    []int   `json:"critic_hidden"`
	KoopmanGradient bool    `json:"koopman_gradient"` // let the policy's gradient into phi, A and B
	CheckpointEvery int     `json:"checkpoint_every"` // iterations; 0 = at the end only
}

// DefaultRun returns the published settings, at a size for one machine.
func DefaultRun() RunConfig {
	return RunConfig{
		Config: Default(), Method: string(residual.MethodKORR), Foresight: residual.Foresight{Condition: residual.Published}, Seed: 1,
		Iterations: 100, NumSteps: 700, Envs: 16, Workers: 2,
		Alpha: 0.1, Execute: 8, InitLogStd: -1, ActorHidden: []int{256, 256}, CriticHidden: []int{256, 256}, DynamicsHidden: []int{256, 256},
		KoopmanGradient: true, CheckpointEvery: 10,
	}
}

// Validate reports the first field that is out of range.
func (c *RunConfig) Validate() error {
	if err := c.Config.Validate(); err != nil {
		return err
	}
	if c.Foresight.CriticOnly {
		return errors.New("ppo: a foresight that the critic alone reads is not implemented: set critic_only=false or train with td3")
	}
	if err := c.Foresight.Validate(residual.Method(c.Method)); err != nil {
		return fmt.Errorf("ppo: %w", err)
	}
	for _, r := range []struct {
		name string
		ok   bool
		want string
	}{
		{"method", c.Method == string(residual.MethodResiP) || c.Method == string(residual.MethodKORR), "resip or korr"},
		{"iterations", c.Iterations >= 1, "at least 1"},
		{"num_envs and num_steps", c.Envs >= 1 && c.NumSteps >= 1 && c.Envs*c.NumSteps >= 2*c.NumMinibatches, "two steps for each of num_minibatches"},
		{"action_scale", c.Alpha > 0 && c.Alpha <= 1, "in (0, 1]"},
		{"execute", c.Execute >= 1, "at least 1"},
		{"init_logstd", math.Abs(c.InitLogStd) < 20, "in (-20, 20)"},
		{"actor_hidden and critic_hidden", len(c.ActorHidden) > 0 && len(c.CriticHidden) > 0, "at least one layer"},
		{"goal", !c.Goal || c.published() && !c.Nonlinear, "the condition published, and no nonlinear dynamics"},
		{"nonlinear_dynamics", !c.Nonlinear || c.Method == string(residual.MethodResiP) && c.published(), "the method resip with the condition published"},
		{"dynamics_hidden", !c.Nonlinear || len(c.DynamicsHidden) > 0, "at least one layer"},
		{"max_steps and checkpoint_every", c.MaxSteps >= 0 && c.CheckpointEvery >= 0, "at least 0"},
	} {
		if !r.ok {
			return fmt.Errorf("ppo: %s out of range: want %s", r.name, r.want)
		}
	}
	return nil
}

func (c *RunConfig) published() bool {
	return c.Foresight.Condition == residual.Published || c.Foresight.Condition == ""
}
