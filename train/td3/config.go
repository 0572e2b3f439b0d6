package td3

import (
	"fmt"

	"korr/internal/setting"
	"korr/residual"
	"korr/train/replay"
)

// Methods of the residual.
const (
	ResiP = "resip" // the actor reads observation and base action
	KORR  = "korr"  // the actor reads the predicted latent state
)

// Config holds every hyper-parameter; start from Default.
type Config struct {
	Method string `json:"method"` // ResiP or KORR
	// ValueExpansion moves the states that targets bootstrap from to where a look-ahead's model says that the present actor
	// comes to (see expansion).
	ValueExpansion bool `json:"value_expansion,omitempty"`
	// What the actor reads (see residual.Foresight): a published KORR reads the predicted latent alone and trains the
	// Koopman model; a look-ahead's model is frozen, so that what is read is computed once, when a step is stored.
	Condition    residual.Condition `json:"condition"`
	Foresight    []int              `json:"foresight"`     // steps ahead, unless published
	ObserverGain float64            `json:"observer_gain"` // of the disturbance observer of a look-ahead; 0 = none
	CriticOnly   bool               `json:"critic_only"`   // the critics alone read the steps ahead
	// Focus is how many leading coordinates of the normalised observation actor and critics read beside the task's features; 0 = all.
	// Those of the robot's state are enough: the features say where the parts that matter stand to each other and to the tool.
	Focus int    `json:"focus"`
	Seed  uint64 `json:"seed"`
	Steps int    `json:"steps"` // environment steps, over all environments

	Envs           int  `json:"envs"`
	Workers        int  `json:"workers"`         // goroutines that simulate; never changes the result
	LearnerThreads int  `json:"learner_threads"` // goroutines that update the critics; never changes the result
	Overlap        bool `json:"overlap"`         // update while simulating; never changes the result

	Alpha   float64 `json:"alpha"`   // largest residual, of the normalised action
	Execute int     `json:"execute"` // actions executed of every chunk of the base

	ActorHidden  []int   `json:"actor_hidden"`  // widths
	CriticHidden []int   `json:"critic_hidden"` // widths, of each critic
	Critics      int     `json:"critics"`       // in the ensemble; a target takes the lesser of two
	Batch        int     `json:"batch"`         // transitions
	Buffer       int     `json:"buffer"`        // frames of the online buffer
	Gamma        float64 `json:"gamma"`         // per control step
	NStep        int     `json:"n_step"`        // control steps of reward in a target
	Tau          float64 `json:"tau"`           // Polyak averaging of the targets
	TargetMax    float64 `json:"target_max"`    // targets are clipped to [0, TargetMax]: the return's bound; 0 = not clipped
	ActorLR      float64 `json:"actor_lr"`
	CriticLR     float64 `json:"critic_lr"`
	LRDecay      float64 `json:"lr_decay"`       // last share of the run over which all learning rates fall to 0
	GradClip     float64 `json:"grad_clip"`      // on the gradient norm of actor and Koopman model together; 0 = off
	UTD          float64 `json:"utd"`            // critic updates per environment step
	PolicyDelay  int     `json:"policy_delay"`   // critic updates per actor update
	CriticStart  int     `json:"critic_start"`   // environment steps before the critics learn
	CriticWarmUp int     `json:"critic_warm_up"` // critic updates made at once at CriticStart
	ActorStart   int     `json:"actor_start"`    // environment steps before the actor acts and learns
	Penalty      float64 `json:"penalty"`        // weight of the mean squared residual in the actor's loss
	DemoFraction float64 `json:"demo_fraction"`  // of every batch, if there are demonstrations

	// Noise, as standard deviations of the residual's [-1, 1].
	WarmUpNoise     float64 `json:"warm_up_noise"`     // around the base action before ActorStart
	NoiseStart      float64 `json:"noise_start"`       // at ActorStart
	NoiseEnd        float64 `json:"noise_end"`         // after NoiseSteps
	NoiseSteps      int     `json:"noise_steps"`       // environment steps from NoiseStart to NoiseEnd
	NoiseRho        float64 `json:"noise_rho"`         // autocorrelation from step to step
	NoiseFree       float64 `json:"noise_free"`        // share of the environments that act without noise once the actor acts
	TargetNoise     float64 `json:"target_noise"`      // smoothing of the target policy
	TargetNoiseClip float64 `json:"target_noise_clip"` // its bound

	// The Koopman model of KORR.
	KoopmanGradient bool    `json:"koopman_gradient"` // let the actor's gradient into phi, A and B
	KoopmanWeight   float64 `json:"koopman_weight"`   // of the prediction loss; 0 = off
	KoopmanLR       float64 `json:"koopman_lr"`
	ConstrainEvery  int     `json:"constrain_every"` // actor updates between impositions of the spectral bound

	// Episodes.
	MaxSteps          int     `json:"max_steps"`          // cut an episode here (truncated); 0 = the environment's limit
	FailAfter         int     `json:"fail_after"`         // end an episode that has not engaged by this step as failed (terminal); 0 = off
	BootstrapTimeouts bool    `json:"bootstrap_timeouts"` // false treats time-outs as terminal, as the published code does
	Milestone         float64 `json:"milestone"`          // reward when the first pair of an episode engages; 0 = the sparse reward alone
	// Pushes are the strengths of the pushes that NewEnv deals to the environments in turn; for the record.
	Pushes []float64 `json:"pushes"`

	// Reports, in environment steps; 0 = never.
	LogEvery        int  `json:"log_every"`
	CheckpointEvery int  `json:"checkpoint_every"`
	SaveReplay      bool `json:"save_replay"` // into the checkpoint; without it a resumed run collects afresh
	EvalEvery       int  `json:"eval_every"`
	EvalEpisodes    int  `json:"eval_episodes"`
	EvalWorkers     int  `json:"eval_workers"` // 0 = Workers
}

// Default is the recipe that worked on one_leg (see the package comment).
func Default() Config {
	return Config{
		Method: ResiP, Seed: 1, Steps: 200_000, Condition: residual.Published, Foresight: []int{1, 4, 8},
		Envs: 16, Workers: 2, LearnerThreads: 1, Overlap: true,
		Alpha: 0.1, Execute: 8,
		ActorHidden: []int{128, 128}, CriticHidden: []int{128, 128}, Critics: 2,
		Batch: 128, Buffer: 300_000, Gamma: 0.99, NStep: 5, Tau: 0.01, TargetMax: 1,
		ActorLR: 2e-4, CriticLR: 5e-4, GradClip: 1, UTD: 0.125, PolicyDelay: 2,
		CriticStart: 6000, CriticWarmUp: 500, ActorStart: 15_000, Penalty: 0.2, DemoFraction: 0.5,
		WarmUpNoise: 0.15, NoiseStart: 0.15, NoiseEnd: 0.08, NoiseSteps: 100_000, NoiseRho: 0.8,
		TargetNoise: 0.1, TargetNoiseClip: 0.3,
		KoopmanGradient: true, KoopmanWeight: 1, KoopmanLR: 2e-4, ConstrainEvery: 200,
		BootstrapTimeouts: true, Pushes: []float64{},
		LogEvery: 2000, CheckpointEvery: 25_000, SaveReplay: true, EvalEvery: 50_000, EvalEpisodes: 32,
	}
}

// Validate reports the first field that is out of range.
func (c *Config) Validate() error {
	if c.Method != ResiP && c.Method != KORR {
		return fmt.Errorf("td3: method %q, want %s or %s", c.Method, ResiP, KORR)
	}
	f := c.foresight()
	if err := f.Validate(residual.Method(c.Method)); err != nil {
		return fmt.Errorf("td3: %w", err)
	}
	if c.ValueExpansion && (c.Method != KORR || c.latent() || c.NStep < 2) {
		return fmt.Errorf("td3: value_expansion needs method %s with condition %s, whose Koopman model is frozen, and n_step of 2 or more",
			KORR, residual.Lookahead)
	}
	for _, r := range []struct {
		name string
		ok   bool
		want string
	}{
		{"steps", c.Steps >= 1, "at least 1"},
		{"envs", c.Envs >= 1, "at least 1"},
		{"alpha", c.Alpha > 0 && c.Alpha <= 1, "in (0, 1]"},
		{"execute", c.Execute >= 1, "at least 1"},
		{"actor_hidden", widths(c.ActorHidden), "widths of 1 to 16384"},
		{"critic_hidden", widths(c.CriticHidden), "widths of 1 to 16384"},
		{"critics", c.Critics >= 1, "at least 1"},
		{"batch", c.Batch >= 2, "at least 2"},
		{"n_step", c.NStep >= 1, "at least 1"},
		{"envs", c.Envs <= 1<<16, "at most 65536"},
		{"critics", c.Critics <= 1<<10, "at most 1024"},
		{"buffer", c.Buffer >= max(c.Batch, 4*c.Envs*(c.NStep+2)), "room for a batch and for 4 (n_step+2) frames of every environment"},
		{"buffer", c.Buffer <= replay.MaxCapacity, "at most 16777216 frames"},
		{"gamma", c.Gamma > 0 && c.Gamma <= 1, "in (0, 1]"},
		{"tau", c.Tau > 0 && c.Tau <= 1, "in (0, 1]"},
		{"target_max", c.TargetMax >= 0, "at least 0"},
		{"actor_lr", c.ActorLR > 0, "above 0"},
		{"critic_lr", c.CriticLR > 0, "above 0"},
		{"koopman_lr", c.KoopmanLR > 0 || c.Method != KORR, "above 0"},
		{"lr_decay", c.LRDecay >= 0 && c.LRDecay <= 1, "in [0, 1]"},
		{"milestone", c.Milestone >= 0, "at least 0"},
		{"focus", c.Focus >= 0 && (c.Focus == 0 || !c.latent()), "0 for a korr that reads its latent, else at least 0"},
		{"grad_clip", c.GradClip >= 0, "at least 0"},
		{"utd", c.UTD > 0, "above 0"},
		{"policy_delay", c.PolicyDelay >= 1, "at least 1"},
		{"actor_start", c.CriticStart >= 0 && c.ActorStart >= c.CriticStart, "at least critic_start"},
		{"demo_fraction", c.DemoFraction >= 0 && c.DemoFraction <= 1, "in [0, 1]"},
		{"noise_rho", c.NoiseRho >= 0 && c.NoiseRho < 1, "in [0, 1)"},
		{"noise_free", c.NoiseFree >= 0 && c.NoiseFree <= 1, "in [0, 1]"},
		{"noise", min(c.WarmUpNoise, c.NoiseStart, c.NoiseEnd, c.TargetNoise, c.TargetNoiseClip) >= 0, "at least 0"},
		{"koopman_weight", c.KoopmanWeight >= 0, "at least 0"},
		{"penalty", c.Penalty >= 0, "at least 0"},
		{"fail_after", c.FailAfter >= 0 && c.MaxSteps >= 0, "fail_after and max_steps of at least 0"},
		{"eval_episodes", c.EvalEvery <= 0 || c.EvalEpisodes >= 1, "at least 1 when eval_every is set"},
	} {
		if !r.ok {
			return fmt.Errorf("td3: %s out of range: want %s", r.name, r.want)
		}
	}
	return nil
}

// foresight is what the actor reads of the steps ahead.
func (c *Config) foresight() residual.Foresight {
	if c.Condition == residual.Published || c.Condition == "" {
		return residual.Foresight{Condition: residual.Published}
	}
	return residual.Foresight{Condition: c.Condition, Steps: c.Foresight, ObserverGain: c.ObserverGain, CriticOnly: c.CriticOnly}
}

// latent reports whether the actor reads the predicted latent itself, and
// trains the model with it.
func (c *Config) latent() bool { return c.reads() == residual.ReadsLatent }

// reads is what the actor reads.
func (c *Config) reads() residual.Reads {
	f := c.foresight()
	return f.Actor(residual.Method(c.Method))
}

func widths(w []int) bool {
	for _, n := range w {
		if n < 1 || n > setting.MaxWidth {
			return false
		}
	}
	return len(w) > 0
}

// rate is the factor on the learning rates at an environment step: 1, and over the last LRDecay of the run it falls to 0.
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
