package td3

import (
	"fmt"

	"korr/internal/setting"
	"korr/residual"
	"korr/sim"
	"korr/train/episodes"
	"korr/train/replay"
)

// Config holds every hyper-parameter; start from DefaultConfig. Fields without a key are for those who call the
// package.
type Config struct {
	episodes.Recipe `yaml:",inline"`

	// the critics alone read what a lookahead or plan adds, the actor what ResiP's reads: the value of a state depends on
	// the rest of the chunk
	CriticOnly bool `json:"critic_only" yaml:"critic_only"`
	// actor and critics read the robot's state and the features, not every part's pose as well: the features say where the
	// parts that matter stand to each other and to the tool
	Focus bool `json:"focus" yaml:"focus"`

	// actor and critics read how old and how sure the filter's estimates of the parts are, and how far off they have been
	Belief bool `json:"belief,omitempty" yaml:"belief"`
	// earlier control steps that actor and critics read: the features and details of each, and the action executed then
	History int `json:"history,omitempty" yaml:"history"`
	// the critics also read features and details of what is so, which the simulator knows, not only of what was estimated.
	// With this, belief or history the demonstrations are seen through residual.trackers and the filter, too
	CriticTruth bool `json:"critic_truth,omitempty" yaml:"critic_truth"`

	Critics  int     `json:"critics" yaml:"critics"` // in the ensemble; a target takes the lesser of two
	Batch    int     `json:"batch" yaml:"batch"`     // transitions in a mini-batch
	Buffer   int     `json:"buffer"`                 // frames of the online buffer
	Gamma    float64 `json:"gamma"`                  // discount per control step
	NStep    int     `json:"n_step"`                 // control steps of reward in a target
	ActorLR  float64 `json:"actor_lr"`               // learning rate of the actor
	CriticLR float64 `json:"critic_lr"`              // learning rate of the critics
	// last share of the run over which the learning rates fall to 0: the policy settles, and no evaluation has to choose
	// one
	LRDecay float64 `json:"lr_decay" yaml:"lr_decay"`
	UTD     float64 `json:"utd" yaml:"utd"` // critic updates per environment step
	Penalty float64 `json:"penalty"`        // weight of the mean squared residual in the actor's loss
	// for the value at a target's end the look-ahead's model moves the state there to where the present actor would have
	// come: the steps recorded on the way followed older ones (see expansion)
	ValueExpansion bool `json:"value_expansion,omitempty" yaml:"value_expansion"`
	// share of every batch that comes from the demonstrations, if there are any
	DemoFraction float64 `json:"demo_fraction"`
	Tau          float64 `json:"tau"`          // Polyak averaging of the targets
	TargetMax    float64 `json:"target_max"`   // targets are clipped to [0, TargetMax]; 0 = the return's bound, negative = not clipped
	GradClip     float64 `json:"grad_clip"`    // on the gradient norm of actor and Koopman model together; 0 = off
	PolicyDelay  int     `json:"policy_delay"` // critic updates per actor update

	// The schedule, in environment steps but for the warm-up.

	CriticStart  int `json:"critic_start" yaml:"critic_start"` // environment steps before the critics learn
	CriticWarmUp int `json:"critic_warm_up"`                   // critic updates made at once when they begin
	ActorStart   int `json:"actor_start" yaml:"actor_start"`   // environment steps before the actor acts and learns

	// Noise, as standard deviations of the residual's [-1, 1].

	WarmUpNoise float64 `json:"warm_up_noise"` // around the base action before ActorStart
	NoiseStart  float64 `json:"noise_start"`   // exploration: standard deviation on the residual's [-1, 1] at first
	NoiseEnd    float64 `json:"noise_end"`     // the same after noise_steps
	NoiseSteps  int     `json:"noise_steps"`   // environment steps over which noise_start becomes noise_end
	NoiseRho    float64 `json:"noise_rho"`     // autocorrelation from step to step
	// share of the environments that act without noise once the actor acts: only they meet what stalls the policy, since
	// noise shakes a stalled peg loose
	NoiseFree       float64 `json:"noise_free"`
	TargetNoise     float64 `json:"target_noise"`      // smoothing of the target policy
	TargetNoiseClip float64 `json:"target_noise_clip"` // its bound

	KoopmanWeight  float64 `json:"koopman_weight"`  // of the prediction loss of a published KORR's model; 0 = off
	KoopmanLR      float64 `json:"koopman_lr"`      // learning rate of a published KORR's model
	ConstrainEvery int     `json:"constrain_every"` // actor updates between impositions of its spectral bound

	// end an episode without progress by this step as failed; 0 = off
	FailAfter int `json:"fail_after" yaml:"fail_after"`
	// reward when the first pair engages: an insertion decides, and the task's reward comes 200 steps later; 0 = sparse
	Milestone float64 `json:"milestone" yaml:"milestone"`
	// for tasks of several pairs, instead of milestone and fail_after: every pair pays 0.3 when its part is grasped and 1
	// when its thread engages, once each, and an episode has failed when it waits twice as long for a new stage as any
	// demonstration did
	Stages bool `json:"stages,omitempty" yaml:"stages"`

	// What a run is given beside the hyper-parameters.

	Seed           uint64 `json:"seed"`
	Workers        int    `json:"workers"`         // goroutines that simulate; never changes the result
	LearnerThreads int    `json:"learner_threads"` // goroutines that update the critics; never changes the result
	Overlap        bool   `json:"overlap"`         // update while simulating; never changes the result
	Execute        int    `json:"execute"`         // actions executed of every chunk of the base

	// Reports, in environment steps; 0 = never.

	LogEvery     int  `json:"log_every"`
	SaveReplay   bool `json:"save_replay"`   // into the checkpoint; without it a resumed run collects afresh
	EvalEvery    int  `json:"eval_every"`    // environment steps between evaluations; 0 = never
	EvalEpisodes int  `json:"eval_episodes"` // of each evaluation
	EvalWorkers  int  `json:"eval_workers"`  // 0 = Workers
}

// DefaultConfig is the recipe of the shipped residuals, found on one_leg (see the package comment and
// docs/learning.md). With two critics the actor exploits what one of them gets wrong. Half of the environments are
// pushed, harder than published: what is learned there holds at the published strength, and without. About 200 steps
// lie between an insertion and its reward.
func DefaultConfig() Config {
	return Config{
		Recipe: episodes.DefaultRecipe(), CriticOnly: true, Focus: true,
		Critics: 5, Batch: 128, Buffer: 300_000, Gamma: 0.995, NStep: 5,
		ActorLR: 2e-4, CriticLR: 5e-4, LRDecay: 0.5, UTD: 0.5, Penalty: 0.1, DemoFraction: 0.5,
		Tau: 0.01, GradClip: 1, PolicyDelay: 2,
		CriticStart: 6000, CriticWarmUp: 2000, ActorStart: 15_000,
		WarmUpNoise: 0.15, NoiseStart: 0.1, NoiseEnd: 0.04, NoiseSteps: 80_000, NoiseRho: 0.8, NoiseFree: 0.5,
		TargetNoise: 0.1, TargetNoiseClip: 0.3, KoopmanWeight: 1, KoopmanLR: 2e-4, ConstrainEvery: 200,
		FailAfter: 200, Milestone: 1,
		Seed: 1, Workers: 2, LearnerThreads: 1, Overlap: true, Execute: 4,
		LogEvery: 2000, SaveReplay: true, EvalEpisodes: 32,
	}
}

// maxCritics bounds the ensemble, so that a damaged file cannot ask for terabytes.
const maxCritics = 1 << 10

// Validate reports the first field that is out of range.
func (c *Config) Validate() error {
	if err := c.Recipe.Validate(); err != nil {
		return err
	}
	if err := setting.Check(
		"td3",
		setting.AtLeast("execute", c.Execute, 1),
		setting.Within("critics", c.Critics, 1, maxCritics),
		setting.Within("batch", c.Batch, 2, replay.MaxCapacity),
		setting.AtLeast("n_step", c.NStep, 1),
		setting.Within("buffer", c.Buffer, max(c.Batch, 4*c.Envs*(c.NStep+2)), replay.MaxCapacity),
		setting.AboveUpTo("gamma", c.Gamma, 0, 1),
		setting.AboveUpTo("tau", c.Tau, 0, 1),
		setting.Above("actor_lr", c.ActorLR, 0),
		setting.Above("critic_lr", c.CriticLR, 0),
		setting.AtLeast("koopman_weight", c.KoopmanWeight, 0),
		setting.Above("koopman_lr", c.KoopmanLR, 0),
		setting.Within("lr_decay", c.LRDecay, 0, 1),
		setting.AtLeast("grad_clip", c.GradClip, 0),
		setting.Above("utd", c.UTD, 0),
		setting.AtLeast("policy_delay", c.PolicyDelay, 1),
		setting.AtLeast("critic_start", c.CriticStart, 0),
		setting.AtLeast("critic_warm_up", c.CriticWarmUp, 0),
		setting.AtLeast("actor_start", c.ActorStart, c.CriticStart),
		setting.Within("demo_fraction", c.DemoFraction, 0, 1),
	); err != nil {
		return err
	}
	if err := setting.Check(
		"td3",
		setting.Within("warm_up_noise", c.WarmUpNoise, 0, 1),
		setting.Within("noise_start", c.NoiseStart, 0, 1),
		setting.Within("noise_end", c.NoiseEnd, 0, 1),
		setting.AtLeast("noise_steps", c.NoiseSteps, 0),
		setting.FromBelow("noise_rho", c.NoiseRho, 0, 1),
		setting.Within("noise_free", c.NoiseFree, 0, 1),
		setting.AtLeast("target_noise", c.TargetNoise, 0),
		setting.AtLeast("target_noise_clip", c.TargetNoiseClip, 0),
		setting.AtLeast("penalty", c.Penalty, 0),
		setting.AtLeast("milestone", c.Milestone, 0),
		setting.AtLeast("fail_after", c.FailAfter, 0),
		setting.AtLeast("constrain_every", c.ConstrainEvery, 0),
		setting.AtLeast("eval_every", c.EvalEvery, 0),
		setting.Rule{
			Key: "eval_episodes", OK: c.EvalEvery == 0 || c.EvalEpisodes >= 1,
			Want: "must be at least 1 when eval_every is set",
		},
	); err != nil {
		return err
	}
	return c.validateInput()
}

// validateInput compares what actor and critics read.
func (c *Config) validateInput() error {
	reads := c.Resolved()
	return setting.Check(
		"td3",
		setting.Rule{
			Key: "condition", OK: reads != episodes.GoalCondition && reads != episodes.Nonlinear,
			Want: fmt.Sprintf("is %s, which needs residual.algorithm=ppo", reads),
		},
		setting.Within("history", c.History, 0, residual.MaxHistory),
		setting.Rule{
			Key: "history", OK: c.History == 0 && !c.CriticTruth || c.Features,
			Want: "and critic_truth need residual.features: those are what is read",
		},
		setting.Rule{
			Key: "belief", OK: !c.latent() || !c.Belief && c.History == 0, Want: "and history do not go with a published " +
				"korr, which reads its latent alone",
		},
		setting.Rule{Key: "focus", OK: !c.Focus || c.Features, Want: "needs residual.features: without them nothing is " +
			"left of the parts"},
		setting.Rule{
			Key: "focus", OK: !c.Focus || !c.latent(),
			Want: "does not go with a published korr, which reads its latent alone: set residual.focus=false",
		},
		setting.Rule{
			Key: "value_expansion", OK: !c.ValueExpansion || c.Method == residual.MethodKORR && !c.latent() && c.NStep > 1,
			Want: "needs residual.method=korr with a lookahead, whose Koopman model is frozen, and residual.n_step above 1",
		},
	)
}

// foresight is what the networks read of the steps ahead.
func (c *Config) foresight() residual.Foresight {
	f := c.Ahead()
	f.CriticOnly = c.CriticOnly && f.Condition != residual.Published
	return f
}

// sight is what the networks read of the senses beside the present.
func (c *Config) sight() residual.Sight {
	return residual.Sight{Belief: c.Belief, History: c.History, Truth: c.CriticTruth}
}

// focus is how many leading coordinates of the normalised observation actor and critics read beside the task's
// features; 0 = all.
func (c *Config) focus() int {
	if c.Focus {
		return sim.StateDim
	}
	return 0
}

// latent reports whether the actor reads the predicted latent itself, and
// trains the model with it.
func (c *Config) latent() bool { return c.reads() == residual.ReadsLatent }

// reads is what the actor reads.
func (c *Config) reads() residual.Reads {
	f := c.foresight()
	return f.Actor(c.Method)
}

// targetMax bounds the targets from above, 0 for not: no return exceeds what an episode can earn, which is the reward
// and the milestone's, or with stages what they pay.
func (c *Config) targetMax(stages *episodes.StageRules) float64 {
	switch {
	case c.TargetMax != 0:
	case stages != nil:
		return stages.Most()
	default:
		return 1 + c.Milestone
	}
	return max(0, c.TargetMax)
}

// milestone is the reward when the first pair engages; stages pay in its place.
func (c *Config) milestone() float64 {
	if c.Stages {
		return 0
	}
	return c.Milestone
}

// rate is the factor on the learning rates at an environment step: 1, and over the last LRDecay of the run it falls to
// 0.
func (c *Config) rate(step int) float64 {
	left := 1 - float64(step)/float64(c.Steps)
	if c.LRDecay == 0 || left >= c.LRDecay {
		return 1
	}
	return max(0, left/c.LRDecay)
}

// sigma is the standard deviation of the exploration noise at an environment
// step.
func (c *Config) sigma(step int) float64 {
	if step < c.ActorStart {
		return c.WarmUpNoise
	}
	if c.NoiseSteps <= 0 {
		return c.NoiseEnd
	}
	f := min(1, float64(step-c.ActorStart)/float64(c.NoiseSteps))
	return c.NoiseStart + f*(c.NoiseEnd-c.NoiseStart)
}
