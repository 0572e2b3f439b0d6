package settings

import (
	"errors"

	"korr/basepolicy/acting"
	"korr/internal/setting"
	"korr/residual"
	"korr/ros/robot"
	"korr/sim"
	"korr/sim/disturb"
	"korr/sim/domain"
	"korr/sim/expert"
	"korr/sim/mujoco"
	"korr/train/collect"
	"korr/train/eval"
	"korr/train/imitation"
	"korr/train/koopmanfit"
	"korr/train/ppo"
	"korr/train/td3"
)

// Config is the whole resolved configuration. The YAML names are the keys of files, of --set and, in upper case with
// KORR_ in front and underscores for dots, of environment variables.
type Config struct {
	// of everything drawn: environments, exploration, initial weights
	Seed  uint64 `yaml:"seed"`
	Demos string `yaml:"demos"` // folder of demonstrations that training reads, or several, with commas between
	Sim   Sim    `yaml:"sim"`
	// imperfect sensors: noise (standard deviation), delay and dropout of observations, drawn from the episode's
	// seed
	Disturb disturb.Config `yaml:"disturb"`
	// physics drawn uniformly for every episode from its seed; [1, 1] and 0 = nominal
	Domain  domain.Ranges `yaml:"domain"`
	Collect Collect       `yaml:"collect"`
	// mlp-bc: chunked behaviour cloning, L1 loss; diffusion-*: a network that undoes noise on chunks
	Base Base `yaml:"base"`
	// z' = A z + B u, or (A + g N) z + B u
	Koopman koopmanfit.Config `yaml:"koopman"`
	// on the frozen base
	Residual Residual `yaml:"residual"`
	// the published names and values
	PPO  ppo.Config     `yaml:"ppo"`
	Eval eval.Config    `yaml:"eval"`
	Run  robot.Settings `yaml:"run"`
}

// Sim chooses the simulated task.
type Sim struct {
	mujoco.Config `yaml:",inline"`

	Workers int `yaml:"workers"` // simulations at once; 0 = one per core
	// wait until the parts rest before the first observation; false: it shows the nominal poses, as published, and
	// the initial push comes with the first control step
	Settle bool `yaml:"settle"`
	// the part tracker: clean, T1, T2, T3 (docs/simulator.md); empty = as disturb.* say
	Sensing string `yaml:"sensing"`
	// the episodes' physics: nominal, or D1, drawn (docs/simulator.md); empty = as domain.* say
	Physics string `yaml:"physics"`
}

// Validate implements the check of package configs.
func (s *Sim) Validate() error {
	return setting.Check(
		"sim",
		setting.Given("task", s.Task, "a task"),
		setting.OneOf("randomness", s.Randomness, append(sim.Levels(), sim.Mixed)...),
		setting.AtLeast("perturb", s.Perturb, 0),
		setting.AtLeast("max_steps", s.MaxSteps, 0),
		setting.AtLeast("workers", s.Workers, 0),
		setting.OneOf("yaw", string(s.Yaw), sim.Yaws()...),
		setting.OneOf("sensing", s.Sensing, append(disturb.Profiles(), "")...),
		setting.OneOf("physics", s.Physics, append(domain.Profiles(), "")...),
	)
}

// Engine is the engine's configuration without the physics that its episodes draw.
func (s *Sim) Engine() mujoco.Config {
	c := s.Config
	c.Unsettled = !s.Settle
	return c
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

// Residual is about the residual on the frozen base: who trains it, on what, and how. PPO reads the recipe and its own
// section.
type Residual struct {
	// td3; or ppo, which reads the section ppo, and of this one what is before critic_only
	Algorithm string `yaml:"algorithm"`
	Base      string `yaml:"base"`    // frozen base policy: shipped weights or a checkpoint
	Koopman   string `yaml:"koopman"` // Koopman model that korr starts from: shipped weights or a checkpoint
	// of td3: policies that are trained from different seeds, share the steps and are averaged: each alone fails in other
	// episodes
	Members int `yaml:"members"`
	// what stands between the part tracker and base and residual. none: nothing. aligned: the newest pose, moved as the
	// hand that holds the part has moved since. smoothed: that, averaged exponentially. kinematic, koopman, mlp: a Kalman
	// filter with that model of the parts. empty: what the policy was trained behind
	Filter      string `yaml:"filter"`
	FilterModel string `yaml:"filter_model"` // fitted by korr train filter: shipped weights or a file
	td3.Config  `yaml:",inline"`
}

// PPOName is the algorithm that is not TD3.
const PPOName = "ppo"

// Validate implements the check of package configs.
func (r *Residual) Validate() error {
	published := r.Method == residual.MethodKORR && r.Resolved() != residual.Lookahead
	err := setting.Check(
		"residual",
		setting.OneOf("algorithm", r.Algorithm, "td3", PPOName),
		setting.Given("base", r.Base, "a base policy"),
		setting.OneOf("filter", r.Filter, "", "none", "aligned", "smoothed", "kinematic", "koopman", "mlp"),
		setting.Within("members", r.Members, 1, 16),
		setting.Rule{Key: "members", OK: r.Members <= r.Steps, Want: "must be at most residual.steps"},
		setting.Rule{
			Key: "members", OK: r.Members == 1 || r.Algorithm != PPOName,
			Want: "above 1 needs residual.algorithm=td3",
		},
		setting.Rule{
			Key: "members", OK: r.Members == 1 || !published,
			Want: "above 1 does not go with a published korr, whose members would train different Koopman models",
		},
	)
	switch {
	case err != nil:
		return err
	case r.Algorithm != PPOName:
		return r.Config.Validate()
	}
	return errors.Join(r.Recipe.Validate(), setting.Check(
		"residual",
		setting.Rule{Key: "critic_only", OK: !r.CriticOnly, Want: "needs residual.algorithm=td3: set it to false for ppo"},
		setting.Rule{Key: "focus", OK: !r.Focus, Want: "needs residual.algorithm=td3: set it to false for ppo"},
		setting.Rule{Key: "value_expansion", OK: !r.ValueExpansion, Want: "needs residual.algorithm=td3"},
	))
}

// TD3Run is what the trainer of TD3 is given by the settings.
func (c *Config) TD3Run() td3.Config {
	t := c.Residual.Config
	t.Seed, t.Execute = c.Seed, c.Base.Acting.Execute
	return t
}

// PPORun is what the trainer of PPO is given by the settings.
func (c *Config) PPORun() ppo.RunConfig {
	return ppo.RunConfig{
		Config: c.PPO, Recipe: c.Residual.Recipe, DynamicsHidden: c.Koopman.Model.Hidden, Execute: c.Base.Acting.Execute,
		Seed: c.Seed,
	}
}

// Defaults are the settings of the shipped recipe.
func Defaults() *Config {
	return &Config{
		Seed:    1,
		Sim:     Sim{Config: mujoco.Config{Task: "one_leg", Randomness: sim.Low, Yaw: sim.Symmetric}, Settle: true},
		Domain:  domain.DefaultRanges(),
		Collect: Collect{Recording: collect.DefaultConfig()},
		Base:    Base{Training: imitation.DefaultConfig(), Acting: acting.DefaultConfig()},
		Koopman: koopmanfit.DefaultConfig(),
		Residual: Residual{
			Algorithm: "td3", Base: "base", Koopman: "korr", Members: 2, FilterModel: "filter",
			Config: td3.DefaultConfig(),
		},
		PPO:  ppo.DefaultConfig(),
		Eval: eval.DefaultConfig(),
		Run:  robot.DefaultSettings(),
	}
}
