package episodes

import (
	"errors"

	"korr/internal/setting"
	"korr/residual"
	"korr/sim/disturb"
)

// What an actor may read beside residual's conditions.
const (
	// ByMethod is KORR's look-ahead, and for ResiP the published input.
	ByMethod residual.Condition = "default"
	// Goal is the published input and the encoded observation at the end of a demonstrated success; of PPO.
	GoalCondition residual.Condition = "goal"
	// Nonlinear is what a learned nonlinear network predicts the base action to lead to, and nothing else: what a Koopman
	// model's linearity is compared with. ResiP's, of PPO; the network learns as KORR's model does.
	Nonlinear residual.Condition = "nonlinear"
)

// Recipe is what every trainer of a residual is told: whose residual, what its actor reads, and how much of it is
// trained.
type Recipe struct {
	// korr (reads Koopman predictions) or resip (reads observation and base action)
	Method residual.Method `json:"method" yaml:"method"`
	// what the actor reads. published: korr the predicted latent z' alone, which the gradient refines; resip the
	// observation, the base action, its lead over the arm and the phase. lookahead (korr): that and what a frozen Koopman
	// model predicts the rest of the chunk to lead to. plan (resip): that and the commanded positions of the rest of the
	// chunk. goal (of ppo): published, and the observation before the end of a demonstrated success. nonlinear (resip of
	// ppo): what a network with the widths koopman.hidden, which learns along, predicts. default: korr lookahead, resip
	// published
	Condition residual.Condition `json:"condition" yaml:"condition"`
	Foresight []int              `json:"foresight" yaml:"foresight"` // control steps ahead that lookahead and plan read
	// of the disturbance observer: a lookahead then reckons with the disturbance and reads it; 0 = none
	ObserverGain float64 `json:"observer_gain" yaml:"observer_gain"`
	Features     bool    `json:"features" yaml:"features"`           // task-relative features beside the observation
	Alpha        float64 `json:"alpha" yaml:"alpha"`                 // largest residual, of the normalised action
	ActorHidden  []int   `json:"actor_hidden" yaml:"actor_hidden"`   // widths of the actor's hidden layers
	CriticHidden []int   `json:"critic_hidden" yaml:"critic_hidden"` // widths of each critic's hidden layers

	Envs  int `json:"envs" yaml:"envs"`   // simulations that collect side by side
	Steps int `json:"steps" yaml:"steps"` // environment steps, over all environments and members
	// control steps that end a training episode without an outcome; 0 = the task's limit
	MaxSteps int `json:"max_steps" yaml:"max_steps"`
	// false treats time-outs as terminal, as the published code does
	BootstrapTimeouts bool `json:"bootstrap_timeouts" yaml:"bootstrap_timeouts"`
	// strengths of the pushes, dealt to the environments in turn; empty = sim.perturb in all
	Pushes []float64 `json:"pushes" yaml:"pushes"`
	// part trackers (clean, T1, T2, T3) that base and residual see through in training, behind residual.filter; each goes
	// to as many environments in a row as there are pushes. empty = sim.sensing in all
	Trackers []string `json:"trackers,omitempty" yaml:"trackers"`

	KoopmanGradient bool `json:"koopman_gradient" yaml:"koopman_gradient"` // the actor's gradient refines a published korr's model

	// environment steps between checkpoints; 0 = at the end only
	CheckpointEvery int `json:"checkpoint_every" yaml:"checkpoint_every"`
}

// maxEnvs bounds the environments, so that a damaged file cannot ask for terabytes.
const maxEnvs = 1 << 16

// DefaultRecipe is how the shipped KORR is trained.
func DefaultRecipe() Recipe {
	return Recipe{
		Method: residual.MethodKORR, Condition: ByMethod, Foresight: []int{1, 4, 8}, ObserverGain: 0.02, Features: true,
		Alpha: 0.1, ActorHidden: []int{128, 128}, CriticHidden: []int{128, 128},
		Envs: 16, Steps: 300_000, MaxSteps: 450, BootstrapTimeouts: true, Pushes: []float64{0, 2.1}, Trackers: []string{},
		KoopmanGradient: true, CheckpointEvery: 25_000,
	}
}

// Resolved is the condition, the default resolved.
func (r *Recipe) Resolved() residual.Condition {
	switch {
	case r.Condition == "":
		return residual.Published
	case r.Condition != ByMethod:
		return r.Condition
	case r.Method == residual.MethodKORR:
		return residual.Lookahead
	}
	return residual.Published
}

// Ahead is what is read of the steps ahead.
func (r *Recipe) Ahead() residual.Foresight {
	if c := r.Resolved(); c == residual.Lookahead || c == residual.Plan {
		return residual.Foresight{Condition: c, Steps: r.Foresight, ObserverGain: r.ObserverGain}
	}
	return residual.Foresight{Condition: residual.Published}
}

// Validate reports the first setting that is out of range.
func (r *Recipe) Validate() error {
	err := setting.Check(
		"residual",
		setting.OneOf("method", r.Method, residual.MethodResiP, residual.MethodKORR),
		setting.OneOf("condition", r.Resolved(), residual.Published, residual.Lookahead, residual.Plan,
			GoalCondition, Nonlinear),
		setting.Counts("foresight", r.Foresight, residual.MaxForesight),
		setting.Within("observer_gain", r.ObserverGain, 0, 1),
		setting.AboveUpTo("alpha", r.Alpha, 0, 1),
		setting.Widths("actor_hidden", r.ActorHidden),
		setting.Widths("critic_hidden", r.CriticHidden),
		setting.Within("envs", r.Envs, 1, maxEnvs),
		setting.AtLeast("steps", r.Steps, 1),
		setting.AtLeast("max_steps", r.MaxSteps, 0),
		setting.AtLeast("checkpoint_every", r.CheckpointEvery, 0),
	)
	for _, p := range r.Pushes {
		err = errors.Join(err, setting.Check("residual", setting.AtLeast("pushes", p, 0)))
	}
	for _, t := range r.Trackers {
		err = errors.Join(err, setting.Check("residual", setting.OneOf("trackers", t, disturb.Profiles()...)))
	}
	if err != nil {
		return err
	}
	f := r.Ahead()
	if err := f.Validate(r.Method); err != nil {
		return setting.Refuse("residual", "condition", err.Error())
	}
	return nil
}

// Deal is what environment i of those that collect meets: the strength of its pushes and its part tracker, or the
// settings given for all where the recipe lists none. Every push meets every tracker.
func (r *Recipe) Deal(i int, push float64, tracker string) (float64, string) {
	n := max(1, len(r.Pushes))
	if len(r.Pushes) > 0 {
		push = r.Pushes[i%n]
	}
	if m := len(r.Trackers); m > 0 {
		tracker = r.Trackers[i/n%m]
	}
	return push, tracker
}
