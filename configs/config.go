package configs

// Config is the whole resolved configuration. The YAML names are the keys of files, of --set and, in upper case with
// KORR_ in front and underscores for dots, of environment variables.
// presets/default.yaml says what every key means.
type Config struct {
	Seed     uint64   `yaml:"seed"`  // of every random stream
	Demos    string   `yaml:"demos"` // folder of demonstrations that training reads
	Sim      Sim      `yaml:"sim"`
	Disturb  Disturb  `yaml:"disturb"`
	Domain   Domain   `yaml:"domain"`
	Collect  Collect  `yaml:"collect"`
	Base     Base     `yaml:"base"`
	Koopman  Koopman  `yaml:"koopman"`
	Residual Residual `yaml:"residual"`
	PPO      PPO      `yaml:"ppo"`
	Eval     Eval     `yaml:"eval"`
	Run      Run      `yaml:"run"`
}

// Sim chooses the simulated task.
type Sim struct {
	Task       string  `yaml:"task"`       // furniture task, such as one_leg
	Randomness string  `yaml:"randomness"` // low, med, high, mixed
	Perturb    float64 `yaml:"perturb"`    // strength; 0 = off, 1 = as published
	MaxSteps   int     `yaml:"max_steps"`  // control steps; 0 = the task's limit
	Workers    int     `yaml:"workers"`    // parallel simulations; 0 = one per core
}

// Disturb makes the simulator's sensors imperfect; package sim/disturb explains it. Noise is a standard deviation.
type Disturb struct {
	RobotPosition float64 `yaml:"robot_position"` // m
	RobotRotation float64 `yaml:"robot_rotation"` // rad
	RobotVelocity float64 `yaml:"robot_velocity"` // m/s
	RobotSpin     float64 `yaml:"robot_spin"`     // rad/s
	RobotGripper  float64 `yaml:"robot_gripper"`  // m
	RobotDelay    int     `yaml:"robot_delay"`    // control steps
	RobotDropout  float64 `yaml:"robot_dropout"`  // probability per control step
	PartPosition  float64 `yaml:"part_position"`  // m
	PartRotation  float64 `yaml:"part_rotation"`  // rad
	PartDelay     int     `yaml:"part_delay"`     // control steps
	PartDropout   float64 `yaml:"part_dropout"`   // probability per part and control step
}

// Domain draws the simulator's physics anew for every episode; package sim/domain explains it. A range is its least and its
// largest value.
type Domain struct {
	Mass     []float64 `yaml:"mass"`     // factors
	Friction []float64 `yaml:"friction"` // factors
	Gain     []float64 `yaml:"gain"`     // factors
	Position float64   `yaml:"position"` // m
	Rotation float64   `yaml:"rotation"` // rad
}

// Collect records demonstrations of the scripted expert.
type Collect struct {
	Episodes    int     `yaml:"episodes"`
	ExecNoise   float64 `yaml:"exec_noise"`   // m, standard deviation on the executed position
	InsertNoise float64 `yaml:"insert_noise"` // m, lateral error of the expert's insertion target
	OnlySuccess bool    `yaml:"only_success"`
}

// Base trains the base policy: chunked behaviour cloning, or one of the diffusion policies of package basepolicy/diffusion.
type Base struct {
	Arch        string  `yaml:"arch"` // mlp-bc, diffusion-mlp, diffusion-unet or diffusion-transformer
	Hidden      []int   `yaml:"hidden"`
	Horizon     int     `yaml:"horizon"` // actions in a chunk
	Execute     int     `yaml:"execute"` // of which are executed
	Steps       int     `yaml:"steps"`   // optimiser steps
	Batch       int     `yaml:"batch"`   // frames
	LR          float64 `yaml:"lr"`
	WeightDecay float64 `yaml:"weight_decay"`
	ValFraction float64 `yaml:"val_fraction"` // of the episodes
	Quaternions bool    `yaml:"quaternions"`  // part rotations as quaternions, not 6D

	Floors     []float64 `yaml:"floors"`      // least extents stretched to [-1, 1]: position, rotation, velocity, width
	InputNoise float64   `yaml:"input_noise"` // m, on parts while training

	// What only diffusion policies have.
	Sampler         string  `yaml:"sampler"`  // NAME[:key=value,...]; empty: the default, or the checkpoint's own
	Cache           string  `yaml:"cache"`    // NAME[:key=value,...]; empty: the checkpoint's own
	Ensemble        float64 `yaml:"ensemble"` // negative = off
	Prediction      string  `yaml:"prediction"`
	Schedule        string  `yaml:"schedule"`
	DiffusionSteps  int     `yaml:"diffusion_steps"`
	ClipSample      bool    `yaml:"clip_sample"`
	StepEmbedDim    int     `yaml:"step_embed_dim"`
	DownDims        []int   `yaml:"down_dims"` // these three: unet
	Kernel          int     `yaml:"kernel"`
	Groups          int     `yaml:"groups"`
	Width           int     `yaml:"width"` // these two: mlp and transformer
	Blocks          int     `yaml:"blocks"`
	Heads           int     `yaml:"heads"`     // transformer
	WarmUp          int     `yaml:"warm_up"`   // optimiser steps
	GradClip        float64 `yaml:"grad_clip"` // 0 = off
	EMAPower        float64 `yaml:"ema_power"`
	EMAMax          float64 `yaml:"ema_max"`
	CheckpointEvery int     `yaml:"checkpoint_every"` // optimiser steps
}

// Koopman trains the lifted linear model z' = A z + B u.
type Koopman struct {
	Base           string  `yaml:"base"`  // whose normalisers are used: shipped weights' name or a checkpoint's path
	Focus          bool    `yaml:"focus"` // reads the robot's state and the features alone
	Bilinear       bool    `yaml:"bilinear"`
	LatentDim      int     `yaml:"latent_dim"`
	Hidden         []int   `yaml:"hidden"`
	StateInclusive bool    `yaml:"state_inclusive"` // z = [o; phi(o)]
	SpectralBound  float64 `yaml:"spectral_bound"`  // on the spectral radius of A; negative = none
	LatentWeight   float64 `yaml:"latent_weight"`   // of phi's coordinates in the loss
	FirstWeight    float64 `yaml:"first_weight"`    // of the first predicted step in the loss
	Steps          int     `yaml:"steps"`
	Batch          int     `yaml:"batch"`   // windows
	Horizon        int     `yaml:"horizon"` // predicted steps of the loss
	LR             float64 `yaml:"lr"`
	Ridge          float64 `yaml:"ridge"` // of the least-squares start
	ConstrainEvery int     `yaml:"constrain_every"`
	HeldOut        float64 `yaml:"held_out"` // fraction of the episodes
	Rollouts       int     `yaml:"rollouts"` // episodes of the base policy beside the demonstrations
	Quantile       float64 `yaml:"quantile"` // of the demonstrations' steps, below the innovation's limit
	EvalHorizons   []int   `yaml:"eval_horizons"`
}

// Residual trains the residual on a frozen base; package train/td3 explains the fields. PPO takes some of them too.
type Residual struct {
	Algorithm         string    `yaml:"algorithm"`         // td3, sac or ppo
	Method            string    `yaml:"method"`            // korr or resip
	Base              string    `yaml:"base"`              // these two: shipped weights' name or a checkpoint's path
	Koopman           string    `yaml:"koopman"`           // where korr's model starts
	Condition         string    `yaml:"condition"`         // what the actor reads: default, published, goal, nonlinear, lookahead or plan
	Foresight         []int     `yaml:"foresight"`         // control steps ahead that it reads of
	CriticOnly        bool      `yaml:"critic_only"`       // the critics alone read a look-ahead or plan
	ObserverGain      float64   `yaml:"observer_gain"`     // of the disturbance observer; 0 = none
	LQRPrior          float64   `yaml:"lqr_prior"`         // action cost of an LQR correction within a chunk; 0 = none
	InnovationAction  string    `yaml:"innovation_action"` // default, report, shrink, hold, replan
	InnovationSource  string    `yaml:"innovation_source"` // model, change
	InnovationLimit   float64   `yaml:"innovation_limit"`  // multiple of the calibrated limit
	Focus             bool      `yaml:"focus"`
	Features          bool      `yaml:"features"`
	Alpha             float64   `yaml:"alpha"` // largest residual, of the normalised action
	Envs              int       `yaml:"envs"`
	Steps             int       `yaml:"steps"`   // environment steps
	Members           int       `yaml:"members"` // policies that share the steps and are averaged
	ActorHidden       []int     `yaml:"actor_hidden"`
	CriticHidden      []int     `yaml:"critic_hidden"`
	Critics           int       `yaml:"critics"`
	Batch             int       `yaml:"batch"`
	Buffer            int       `yaml:"buffer"` // frames
	Gamma             float64   `yaml:"gamma"`
	NStep             int       `yaml:"n_step"`
	ValueExpansion    bool      `yaml:"value_expansion"` // of korr
	Tau               float64   `yaml:"tau"`
	TargetMax         float64   `yaml:"target_max"`
	ActorLR           float64   `yaml:"actor_lr"`
	CriticLR          float64   `yaml:"critic_lr"`
	GradClip          float64   `yaml:"grad_clip"`
	UTD               float64   `yaml:"utd"`            // critic updates per environment step
	PolicyDelay       int       `yaml:"policy_delay"`   // critic updates per actor update
	CriticStart       int       `yaml:"critic_start"`   // environment steps
	CriticWarmUp      int       `yaml:"critic_warm_up"` // critic updates
	ActorStart        int       `yaml:"actor_start"`    // environment steps
	Pretrain          int       `yaml:"pretrain"`       // actor updates
	Penalty           float64   `yaml:"penalty"`
	TargetEntropy     float64   `yaml:"target_entropy"` // of sac
	DemoFraction      float64   `yaml:"demo_fraction"`
	WarmUpNoise       float64   `yaml:"warm_up_noise"` // these four: of the residual's [-1, 1]
	NoiseStart        float64   `yaml:"noise_start"`
	NoiseEnd          float64   `yaml:"noise_end"`
	NoiseSteps        int       `yaml:"noise_steps"` // environment steps
	NoiseRho          float64   `yaml:"noise_rho"`
	NoiseFree         float64   `yaml:"noise_free"` // share of the environments
	TargetNoise       float64   `yaml:"target_noise"`
	TargetNoiseClip   float64   `yaml:"target_noise_clip"`
	KoopmanGradient   bool      `yaml:"koopman_gradient"`
	KoopmanWeight     float64   `yaml:"koopman_weight"`
	KoopmanLR         float64   `yaml:"koopman_lr"`
	ConstrainEvery    int       `yaml:"constrain_every"` // actor updates
	FailAfter         int       `yaml:"fail_after"`      // control steps; 0 = off
	Milestone         float64   `yaml:"milestone"`       // reward
	Pushes            []float64 `yaml:"pushes"`          // strengths; 1 = as published
	LRDecay           float64   `yaml:"lr_decay"`        // share of the run
	BootstrapTimeouts bool      `yaml:"bootstrap_timeouts"`
	LogEvery          int       `yaml:"log_every"` // environment steps, as the next two
	CheckpointEvery   int       `yaml:"checkpoint_every"`
	SaveReplay        bool      `yaml:"save_replay"`
	EvalEvery         int       `yaml:"eval_every"`
	EvalEpisodes      int       `yaml:"eval_episodes"`
}

// PPO holds what only residual.algorithm ppo reads, under the published names; package train/ppo explains the fields.
type PPO struct {
	NumSteps           int     `yaml:"num_steps"` // control steps of every environment in one iteration
	ClipCoef           float64 `yaml:"clip_coef"`
	UpdateEpochs       int     `yaml:"update_epochs"`
	NumMinibatches     int     `yaml:"num_minibatches"`
	TargetKL           float64 `yaml:"target_kl"` // 0 = none
	NormAdv            bool    `yaml:"norm_adv"`
	VFCoef             float64 `yaml:"vf_coef"`
	EntCoef            float64 `yaml:"ent_coef"`
	MaxGradNorm        float64 `yaml:"max_grad_norm"` // 0 = none
	LearningRateActor  float64 `yaml:"learning_rate_actor"`
	LearningRateCritic float64 `yaml:"learning_rate_critic"`
	ActorWarmup        int     `yaml:"actor_warmup"` // iterations
	AdamEps            float64 `yaml:"adam_eps"`
	WeightDecay        float64 `yaml:"weight_decay"`
	Gamma              float64 `yaml:"gamma"`
	GAELambda          float64 `yaml:"gae_lambda"`
	NormalizeReward    bool    `yaml:"normalize_reward"`
	ClipReward         float64 `yaml:"clip_reward"` // 0 = none
	InitLogStd         float64 `yaml:"init_logstd"` // of the residual's Gaussian, fixed
}

// Eval measures policies on paired seeds.
type Eval struct {
	Policies   []string `yaml:"policies"`
	Randomness []string `yaml:"randomness"`
	Perturb    string   `yaml:"perturb"`  // off, on, both
	Strength   float64  `yaml:"strength"` // of the perturbation when on
	Episodes   int      `yaml:"episodes"`
	MinSuccess float64  `yaml:"min_success"` // a gate on every rate
}

// Run closes the loop over ROS.
type Run struct {
	Robot            string  `yaml:"robot"`       // ros1 or rosbridge
	URL              string  `yaml:"url"`         // of the rosbridge server
	ROSVersion       int     `yaml:"ros_version"` // behind the rosbridge server: 1 or 2
	Arm              string  `yaml:"arm"`         // file that describes the arm; empty: a Franka
	Policy           string  `yaml:"policy"`      // a shipped one's name or a checkpoint's path
	Master           string  `yaml:"master"`      // empty: ROS_MASTER_URI
	RateHz           float64 `yaml:"rate_hz"`
	Lead             int     `yaml:"lead"`   // control steps; 0 = chunks are planned in the control step
	Bridge           int     `yaml:"bridge"` // actions
	Resume           bool    `yaml:"resume"`
	Deadman          bool    `yaml:"deadman"`
	MaxAgePeriods    int     `yaml:"max_age_periods"`
	MaxMisses        int     `yaml:"max_misses"`
	TrackingError    float64 `yaml:"tracking_error"` // m; 0 = off
	TrackingTicks    int     `yaml:"tracking_ticks"`
	TrackingSpeed    float64 `yaml:"tracking_speed"` // m/s; 0 = off
	CPUs             string  `yaml:"cpus"`           // "2,3"; empty = any
	Priority         int     `yaml:"priority"`       // SCHED_FIFO; 0 = none
	LockMemory       bool    `yaml:"lock_memory"`
	GCPercent        int     `yaml:"gc_percent"`      // 0 = Go's own
	MemoryLimitMB    int     `yaml:"memory_limit_mb"` // 0 = none
	Metrics          string  `yaml:"metrics"`         // host:port; empty = none
	MetricsTokenFile string  `yaml:"metrics_token_file"`
}
