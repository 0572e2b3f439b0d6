package settings

import (
	"errors"

	"korr/basepolicy/acting"
	"korr/cmd/internal/robotcmd"
	"korr/internal/setting"
	"korr/koopman"
	"korr/sim/domain"
	"korr/sim/expert"
	"korr/train/collect"
	"korr/train/imitation"
)

// Config is the whole resolved configuration. The YAML names are the keys of files, of --set and, in upper case with
// KORR_ in front and underscores for dots, of environment variables.
type Config struct {
	// of everything drawn: environments, exploration, initial weights
	Seed  uint64 `yaml:"seed"`
	Demos string `yaml:"demos"` // folder of demonstrations that training reads
	Sim   Sim    `yaml:"sim"`
	// imperfect sensors: noise (standard deviation), delay and dropout of observations, drawn from the episode's
	// seed
	Disturb Disturb `yaml:"disturb"`
	// physics drawn uniformly for every episode from its seed; [1, 1] and 0 = nominal
	Domain  domain.Ranges `yaml:"domain"`
	Collect Collect       `yaml:"collect"`
	// mlp-bc: chunked behaviour cloning, L1 loss; diffusion-*: a network that undoes noise on chunks
	Base Base `yaml:"base"`
	// z' = A z + B u, or (A + g N) z + B u
	Koopman Koopman `yaml:"koopman"`
	// on the frozen base
	Residual Residual `yaml:"residual"`
	// the published names and values
	PPO  PPO               `yaml:"ppo"`
	Eval Eval              `yaml:"eval"`
	Run  robotcmd.Settings `yaml:"run"`
}

// Sim chooses the simulated task.
type Sim struct {
	Task string `yaml:"task"` // furniture task
	// initial part and obstacle displacement: low, med, high, or mixed, drawn anew for every episode
	Randomness string `yaml:"randomness"`
	// strength of the pushes after control steps; 0 = none, 1 = as published
	Perturb float64 `yaml:"perturb"`
	// control steps at 10 Hz before a time-out; 0 = the task's own limit
	MaxSteps int `yaml:"max_steps"`
	Workers  int `yaml:"workers"` // simulations at once; 0 = one per core
	// turns about a joint's axis that count as assembled: symmetric (all that look the same) or published (one,
	// within 20 degrees)
	Yaw string `yaml:"yaw"`
	// wait until the parts rest before the first observation; false: it shows the nominal poses, as published, and
	// the initial push comes with the first control step
	Settle bool `yaml:"settle"`
	// the part tracker: clean, T1, T2, T3 (docs/simulator.md); empty = as disturb.* say
	Sensing string `yaml:"sensing"`
	// the episodes' physics: nominal, or D1, drawn (docs/simulator.md); empty = as domain.* say
	Physics string `yaml:"physics"`
}

// Disturb makes the simulator's sensors imperfect; package sim/disturb explains it. Noise is a standard deviation.
type Disturb struct {
	RobotPosition float64 `yaml:"robot_position"` // m, noise of the tool's position
	RobotRotation float64 `yaml:"robot_rotation"` // rad, of its rotation, about each axis
	RobotVelocity float64 `yaml:"robot_velocity"` // m/s, of its linear velocity
	RobotSpin     float64 `yaml:"robot_spin"`     // rad/s, of its angular velocity
	RobotGripper  float64 `yaml:"robot_gripper"`  // m, of the gripper's width
	RobotDelay    int     `yaml:"robot_delay"`    // control steps before the robot state arrives
	// probability that a control step shows the robot state of the one before
	RobotDropout float64 `yaml:"robot_dropout"`
	PartPosition float64 `yaml:"part_position"` // m, noise of every part's position
	PartRotation float64 `yaml:"part_rotation"` // rad, of its rotation, about each axis
	PartDelay    int     `yaml:"part_delay"`    // control steps before the part poses arrive
	// probability, per part, that a control step shows the pose of the one before
	PartDropout float64 `yaml:"part_dropout"`
	// control steps, bound of what a measurement of the robot comes earlier or later
	RobotJitter float64 `yaml:"robot_jitter"`
	PartJitter  float64 `yaml:"part_jitter"` // control steps, the same of the part poses
	// control steps for which the hand covers a part from the tracker, on average; 0 = never
	PartOcclusion float64 `yaml:"part_occlusion"`
	// probability, per part and control step with the hand near, that it begins to
	PartOcclusionChance float64 `yaml:"part_occlusion_chance"`
	PartOcclusionReach  float64 `yaml:"part_occlusion_reach"` // m from tool point to the part's origin that is near
}

// Collect records demonstrations of the scripted expert.
type Collect struct {
	Recording collect.Config `yaml:",inline"`
	Expert    expert.Config  `yaml:",inline"`
}

// Validate implements the check of package configs.
func (c *Collect) Validate() error { return errors.Join(c.Recording.Validate(), c.Expert.Validate()) }

// Base is about the base policy: how it is trained, and how it acts.
type Base struct {
	Training imitation.Config `yaml:",inline"`
	Acting   acting.Config    `yaml:",inline"`
}

// Validate implements the check of package configs.
func (b *Base) Validate() error {
	err := errors.Join(b.Training.Validate(), b.Acting.Validate())
	if err != nil {
		return err
	}
	return setting.Check("base", setting.Within("execute", b.Acting.Execute, 1, b.Training.Horizon))
}

// Koopman is about the lifted linear model: its data, what it is and how it is trained.
type Koopman struct {
	Base string `yaml:"base"` // base policy whose normalisers are used: shipped weights or a checkpoint
	// reads the robot's state and the task's features, not every part's pose as well: parts that do not matter may be pushed to
	// where no demonstration had them. A published korr needs false
	Focus    bool                `yaml:"focus"`
	Model    koopman.Config      `yaml:",inline"`
	Training koopman.TrainConfig `yaml:",inline"`
	HeldOut  float64             `yaml:"held_out"` // share of the episodes kept for the prediction table
	// episodes of the base policy with a residual's exploration noise to learn from too; 0 = none
	Rollouts int `yaml:"rollouts"`
}

// Validate implements the check of package configs.
func (k *Koopman) Validate() error {
	return errors.Join(k.Model.Validate(), k.Training.Validate(), setting.Check(
		"koopman", setting.Given("base", k.Base, "a base policy"), setting.Within("held_out", k.HeldOut, 0, 0.9), setting.AtLeast("rollouts", k.Rollouts, 0),
	))
}

// Residual trains the residual on a frozen base; package train/td3 explains the fields. PPO takes some of them too.
type Residual struct {
	// td3, or ppo, which reads the section ppo and of this one the keys before critics, koopman_gradient,
	// koopman_weight, bootstrap_timeouts and checkpoint_every
	Algorithm string `yaml:"algorithm"`
	// korr (reads Koopman predictions) or resip (reads observation and base action)
	Method string `yaml:"method"`
	Base   string `yaml:"base"` // frozen base policy: shipped weights or a checkpoint
	// Koopman model that korr starts from: shipped weights or a checkpoint
	Koopman string `yaml:"koopman"`
	// what stands between the part tracker and base and residual. none: nothing. aligned: the newest pose, moved as the
	// hand that holds the part has moved since. kinematic, koopman: a Kalman filter with that model of the parts
	Filter      string `yaml:"filter"`
	FilterModel string `yaml:"filter_model"` // fitted by korr train filter: shipped weights or a file
	// what the actor reads. published: korr the predicted latent z' alone, which the gradient refines; resip the
	// observation, the base action, its lead over the arm and the phase. lookahead (korr): that and what a frozen
	// Koopman model predicts the rest of the chunk to lead to. plan (resip): that and the commanded positions of the
	// rest of the chunk. goal (of ppo): published, and the observation before the end of a demonstrated success.
	// nonlinear (resip of ppo): what a network with the widths koopman.hidden, which learns along, predicts.
	// default: korr lookahead, resip published
	Condition string `yaml:"condition"`
	Foresight []int  `yaml:"foresight"` // control steps ahead that lookahead and plan read
	// td3: the critics alone read what a lookahead or plan adds, the actor what ResiP's reads: the value of a
	// state depends on the rest of the chunk
	CriticOnly bool `yaml:"critic_only"`
	// of the disturbance observer: a lookahead then reckons with the disturbance and reads it; 0 = none
	ObserverGain float64 `yaml:"observer_gain"`
	// td3: actor and critics read the robot's state and the features, not every part's pose as well
	Focus    bool    `yaml:"focus"`
	Features bool    `yaml:"features"` // task-relative features beside the observation
	Alpha    float64 `yaml:"alpha"`    // largest residual, of the normalised action
	Envs     int     `yaml:"envs"`     // simulations that collect side by side
	Steps    int     `yaml:"steps"`    // environment steps, over all environments and members
	// td3: policies that are trained from different seeds, share the steps and are averaged
	Members      int     `yaml:"members"`
	ActorHidden  []int   `yaml:"actor_hidden"`  // widths of the actor's hidden layers
	CriticHidden []int   `yaml:"critic_hidden"` // widths of each critic's hidden layers
	Critics      int     `yaml:"critics"`       // in the ensemble; a target takes the lesser of two
	Batch        int     `yaml:"batch"`         // transitions in a mini-batch
	Buffer       int     `yaml:"buffer"`        // frames of the replay buffer
	Gamma        float64 `yaml:"gamma"`         // discount per control step
	NStep        int     `yaml:"n_step"`        // control steps of reward in a target
	// td3: for the value at a target's end the look-ahead's model of korr moves the state there to where the
	// present actor would have come: the steps recorded on the way followed older ones
	ValueExpansion bool    `yaml:"value_expansion"`
	Tau            float64 `yaml:"tau"`        // Polyak averaging of the targets
	TargetMax      float64 `yaml:"target_max"` // targets are clipped to [0, target_max]; 0 = not clipped
	ActorLR        float64 `yaml:"actor_lr"`   // learning rate of the actor
	CriticLR       float64 `yaml:"critic_lr"`  // learning rate of the critics
	// largest gradient norm of actor and Koopman model together; 0 = off
	GradClip     float64 `yaml:"grad_clip"`
	UTD          float64 `yaml:"utd"`            // critic updates per environment step
	PolicyDelay  int     `yaml:"policy_delay"`   // critic updates per actor update
	CriticStart  int     `yaml:"critic_start"`   // environment steps before the critics learn
	CriticWarmUp int     `yaml:"critic_warm_up"` // critic updates made at once when they begin
	ActorStart   int     `yaml:"actor_start"`    // environment steps before the actor acts and learns
	Penalty      float64 `yaml:"penalty"`        // weight of the mean squared residual in the actor's loss
	DemoFraction float64 `yaml:"demo_fraction"`  // of every batch, from the demonstrations if there are any
	// exploration: standard deviation on the residual's [-1, 1] before the actor starts
	WarmUpNoise float64 `yaml:"warm_up_noise"`
	NoiseStart  float64 `yaml:"noise_start"` // the same when it starts
	NoiseEnd    float64 `yaml:"noise_end"`   // the same after noise_steps
	NoiseSteps  int     `yaml:"noise_steps"` // environment steps over which noise_start becomes noise_end
	NoiseRho    float64 `yaml:"noise_rho"`   // autocorrelation of the noise from step to step
	// share of the environments that act without noise once the actor acts: only they meet what stalls the policy
	NoiseFree       float64 `yaml:"noise_free"`
	TargetNoise     float64 `yaml:"target_noise"`      // standard deviation that smooths the target policy
	TargetNoiseClip float64 `yaml:"target_noise_clip"` // bound of that smoothing noise
	KoopmanGradient bool    `yaml:"koopman_gradient"`  // the actor's gradient refines the Koopman model
	KoopmanWeight   float64 `yaml:"koopman_weight"`    // weight of the prediction loss; 0 = off
	KoopmanLR       float64 `yaml:"koopman_lr"`        // learning rate of the Koopman model
	ConstrainEvery  int     `yaml:"constrain_every"`   // actor updates between impositions of the spectral bound
	// end an episode without progress by this step as failed; 0 = off
	FailAfter int `yaml:"fail_after"`
	// reward when the first pair engages: an insertion decides, and the task's reward comes 200 steps later; 0 =
	// sparse
	Milestone float64 `yaml:"milestone"`
	// strengths of the pushes, dealt to the environments in turn; empty = sim.perturb in all
	Pushes []float64 `yaml:"pushes"`
	// last share of the run over which the learning rates fall to 0: the policy settles
	LRDecay float64 `yaml:"lr_decay"`
	// false treats time-outs as terminal, as the published code does
	BootstrapTimeouts bool `yaml:"bootstrap_timeouts"`
	// environment steps between lines of the metrics; 0 = at the end only
	LogEvery        int `yaml:"log_every"`
	CheckpointEvery int `yaml:"checkpoint_every"` // environment steps between checkpoints; 0 = at the end only
	// keep the replay buffer in the checkpoint; without it a resumed run collects afresh
	SaveReplay   bool `yaml:"save_replay"`
	EvalEvery    int  `yaml:"eval_every"`    // environment steps between evaluations; 0 = never
	EvalEpisodes int  `yaml:"eval_episodes"` // episodes of each
}

// PPO holds what only residual.algorithm ppo reads, under the published names; package train/ppo explains the fields.
type PPO struct {
	NumSteps       int     `yaml:"num_steps"`       // control steps of every environment in one iteration
	ClipCoef       float64 `yaml:"clip_coef"`       // bound on the change of the probability ratio
	UpdateEpochs   int     `yaml:"update_epochs"`   // passes over an iteration's steps
	NumMinibatches int     `yaml:"num_minibatches"` // in an epoch
	TargetKL       float64 `yaml:"target_kl"`       // ends an iteration's epochs early; 0 = never
	NormAdv        bool    `yaml:"norm_adv"`        // normalise advantages in every mini-batch
	VFCoef         float64 `yaml:"vf_coef"`         // weight of the critic's loss
	EntCoef        float64 `yaml:"ent_coef"`        // weight of the entropy
	// largest norm of a gradient, over actor, Koopman model and critic together; 0 = off
	MaxGradNorm float64 `yaml:"max_grad_norm"`
	// of the actor and the Koopman model; falls to 0 along a cosine
	LearningRateActor  float64 `yaml:"learning_rate_actor"`
	LearningRateCritic float64 `yaml:"learning_rate_critic"` // of the critic; falls likewise
	ActorWarmup        int     `yaml:"actor_warmup"`         // iterations over which the actor's rate rises from 0
	AdamEps            float64 `yaml:"adam_eps"`             // Adam's epsilon
	WeightDecay        float64 `yaml:"weight_decay"`         // of AdamW
	Gamma              float64 `yaml:"gamma"`                // discount per control step
	GAELambda          float64 `yaml:"gae_lambda"`           // of generalised advantage estimation
	NormalizeReward    bool    `yaml:"normalize_reward"`     // divide by the running standard deviation
	ClipReward         float64 `yaml:"clip_reward"`          // bound on the normalised reward; 0 = off
	// log standard deviation of the residual's Gaussian; it is not learned
	InitLogStd float64 `yaml:"init_logstd"`
}

// Eval measures policies on paired seeds.
type Eval struct {
	// policies compared: expert, base, resip, korr or the path of a checkpoint
	Policies []string `yaml:"policies"`
	// levels of initial displacement, each measured: low, med, high
	Randomness []string `yaml:"randomness"`
	Perturb    string   `yaml:"perturb"` // pushes during the episode: off, on, both
	// part trackers, each measured: clean, T1, T2, T3; empty = sim.sensing
	Sensing []string `yaml:"sensing"`
	// physics of the episodes, each measured: nominal, D1; empty = sim.physics
	Physics    []string `yaml:"physics"`
	Strength   float64  `yaml:"strength"`    // of the perturbation when it is on; 1 = as published
	Episodes   int      `yaml:"episodes"`    // for each policy and condition
	MinSuccess float64  `yaml:"min_success"` // exit 3 when a rate falls below it
}

// Defaults are the settings of the shipped recipe.
func Defaults() *Config {
	return &Config{
		Seed:  1,
		Demos: "",
		Sim: Sim{
			Task:       "one_leg",
			Yaw:        "symmetric",
			Settle:     true,
			Randomness: "low",
			Perturb:    0,
			MaxSteps:   0,
			Workers:    0,
		},
		Disturb: Disturb{
			RobotPosition: 0,
			RobotRotation: 0,
			RobotVelocity: 0,
			RobotSpin:     0,
			RobotGripper:  0,
			RobotDelay:    0,
			RobotDropout:  0,
			PartPosition:  0,
			PartRotation:  0,
			PartDelay:     0,
			PartDropout:   0,
		},
		Domain:  domain.DefaultRanges(),
		Collect: Collect{Recording: collect.DefaultConfig()},
		Base:    Base{Training: imitation.DefaultConfig(), Acting: acting.DefaultConfig()},
		Koopman: Koopman{
			Base: "base", Focus: true, Model: koopman.DefaultConfig(), Training: koopman.DefaultTrainConfig(), HeldOut: 0.1, Rollouts: 60,
		},
		Residual: Residual{
			Algorithm:         "td3",
			Method:            "korr",
			Base:              "base",
			Koopman:           "koopman",
			Filter:            "none",
			FilterModel:       "filter",
			Condition:         "default",
			Foresight:         []int{1, 4, 8},
			CriticOnly:        false,
			ObserverGain:      0,
			Focus:             false,
			Features:          true,
			Alpha:             0.1,
			Envs:              16,
			Steps:             200000,
			Members:           1,
			ActorHidden:       []int{128, 128},
			CriticHidden:      []int{128, 128},
			Critics:           2,
			Batch:             128,
			Buffer:            300000,
			Gamma:             0.99,
			NStep:             5,
			ValueExpansion:    false,
			Tau:               0.01,
			TargetMax:         1,
			ActorLR:           0.0002,
			CriticLR:          0.0005,
			GradClip:          1,
			UTD:               0.125,
			PolicyDelay:       2,
			CriticStart:       6000,
			CriticWarmUp:      500,
			ActorStart:        15000,
			Penalty:           0.2,
			DemoFraction:      0.5,
			WarmUpNoise:       0.15,
			NoiseStart:        0.15,
			NoiseEnd:          0.08,
			NoiseSteps:        100000,
			NoiseRho:          0.8,
			NoiseFree:         0,
			TargetNoise:       0.1,
			TargetNoiseClip:   0.3,
			KoopmanGradient:   true,
			KoopmanWeight:     1,
			KoopmanLR:         0.0002,
			ConstrainEvery:    200,
			FailAfter:         0,
			Milestone:         0,
			Pushes:            []float64{},
			LRDecay:           0,
			BootstrapTimeouts: true,
			LogEvery:          2000,
			CheckpointEvery:   25000,
			SaveReplay:        true,
			EvalEvery:         50000,
			EvalEpisodes:      32,
		},
		PPO: PPO{
			NumSteps:           700,
			ClipCoef:           0.2,
			UpdateEpochs:       50,
			NumMinibatches:     1,
			TargetKL:           0.1,
			NormAdv:            true,
			VFCoef:             1,
			EntCoef:            0,
			MaxGradNorm:        1,
			LearningRateActor:  0.0003,
			LearningRateCritic: 0.005,
			ActorWarmup:        5,
			AdamEps:            0.00001,
			WeightDecay:        0.000001,
			Gamma:              0.999,
			GAELambda:          0.95,
			NormalizeReward:    true,
			ClipReward:         5,
			InitLogStd:         -1,
		},
		Eval: Eval{
			Policies:   []string{"base", "resip", "korr"},
			Randomness: []string{"low"},
			Perturb:    "both",
			Sensing:    []string{},
			Physics:    []string{},
			Strength:   1,
			Episodes:   20,
			MinSuccess: 0,
		},
		Run: robotcmd.DefaultSettings(),
	}
}
