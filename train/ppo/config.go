package ppo

import "korr/internal/setting"

// Config holds the options of the algorithm, under their published names; start from DefaultConfig. Fields without a
// key are for those who call the package.
type Config struct {
	NumSteps       int     `json:"num_steps" yaml:"num_steps"`         // control steps of every environment in one iteration
	UpdateEpochs   int     `json:"update_epochs" yaml:"update_epochs"` // passes over an iteration's steps
	NumMinibatches int     `json:"num_minibatches"`                    // per pass
	ClipCoef       float64 `json:"clip_coef"`                          // bound on the change of the probability ratio
	TargetKL       float64 `json:"target_kl"`                          // stop the iteration's updates above this approx_kl; 0 = never
	NormAdv        bool    `json:"norm_adv"`                           // normalise advantages in every mini-batch
	VFCoef         float64 `json:"vf_coef"`                            // weight of the critic's loss
	EntCoef        float64 `json:"ent_coef"`                           // the entropy of a fixed log-std is constant: it shows in the total only
	ModelCoef      float64 `json:"model_coef"`                         // weight of the Koopman model's prediction loss
	MaxGradNorm    float64 `json:"max_grad_norm"`                      // over actor, model and critic together; 0 = off

	// of the actor and the Koopman model; falls to 0 along a cosine
	LearningRateActor  float64 `json:"learning_rate_actor"`
	LearningRateCritic float64 `json:"learning_rate_critic"` // of the critic; falls likewise
	ActorWarmup        int     `json:"actor_warmup"`         // iterations over which the actor's rate rises from 0
	AdamEps            float64 `json:"adam_eps"`
	WeightDecay        float64 `json:"weight_decay"` // of AdamW

	Gamma           float64 `json:"gamma"`            // discount per control step
	GAELambda       float64 `json:"gae_lambda"`       // of generalised advantage estimation
	NormalizeReward bool    `json:"normalize_reward"` // divide by the running standard deviation
	ClipReward      float64 `json:"clip_reward"`      // after normalising; 0 = off
	// log standard deviation of the residual's Gaussian; it is not learned
	InitLogStd float64 `json:"init_logstd"`
}

// DefaultConfig returns the published settings.
func DefaultConfig() Config {
	return Config{
		NumSteps: 700, UpdateEpochs: 50, NumMinibatches: 1, ClipCoef: 0.2, TargetKL: 0.1, NormAdv: true,
		VFCoef: 1, EntCoef: 0, ModelCoef: 1, MaxGradNorm: 1,
		LearningRateActor: 3e-4, LearningRateCritic: 5e-3, ActorWarmup: 5, AdamEps: 1e-5, WeightDecay: 1e-6,
		Gamma: 0.999, GAELambda: 0.95, NormalizeReward: true, ClipReward: 5, InitLogStd: -1,
	}
}

// Validate reports the first field that is out of range.
func (c *Config) Validate() error {
	return setting.Check(
		"ppo",
		setting.AtLeast("num_steps", c.NumSteps, 1),
		setting.AtLeast("update_epochs", c.UpdateEpochs, 1),
		setting.AtLeast("num_minibatches", c.NumMinibatches, 1),
		setting.Within("clip_coef", c.ClipCoef, 0.001, 0.999),
		setting.AtLeast("target_kl", c.TargetKL, 0),
		setting.AtLeast("vf_coef", c.VFCoef, 0),
		setting.AtLeast("ent_coef", c.EntCoef, 0),
		setting.AtLeast("model_coef", c.ModelCoef, 0),
		setting.AtLeast("max_grad_norm", c.MaxGradNorm, 0),
		setting.Above("learning_rate_actor", c.LearningRateActor, 0),
		setting.Above("learning_rate_critic", c.LearningRateCritic, 0),
		setting.AtLeast("actor_warmup", c.ActorWarmup, 0),
		setting.Above("adam_eps", c.AdamEps, 0),
		setting.AtLeast("weight_decay", c.WeightDecay, 0),
		setting.AboveUpTo("gamma", c.Gamma, 0, 1),
		setting.Within("gae_lambda", c.GAELambda, 0, 1),
		setting.AtLeast("clip_reward", c.ClipReward, 0),
		setting.Within("init_logstd", c.InitLogStd, -10, 2),
	)
}
