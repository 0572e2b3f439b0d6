package ppo

import "fmt"

// Config holds the options of the update, under their published names; start
// from Default.
type Config struct {
	ClipCoef       float64 `json:"clip_coef"`       // of the probability ratio
	UpdateEpochs   int     `json:"update_epochs"`   // passes over an iteration's data
	NumMinibatches int     `json:"num_minibatches"` // per pass
	TargetKL       float64 `json:"target_kl"`       // stop the iteration's updates above this approx_kl; 0 = never
	NormAdv        bool    `json:"norm_adv"`        // normalise advantages in every mini-batch
	VFCoef         float64 `json:"vf_coef"`
	EntCoef        float64 `json:"ent_coef"` // the entropy of a fixed log-std is constant: it shows in the total only
	ModelCoef      float64 `json:"model_coef"`
	MaxGradNorm    float64 `json:"max_grad_norm"` // over actor, model and critic together; 0 = off

	LearningRateActor  float64 `json:"learning_rate_actor"`
	LearningRateCritic float64 `json:"learning_rate_critic"`
	ActorWarmup        int     `json:"actor_warmup"` // iterations over which the actor's rate rises from 0
	AdamEps            float64 `json:"adam_eps"`
	WeightDecay        float64 `json:"weight_decay"`

	Gamma             float64 `json:"gamma"`
	GAELambda         float64 `json:"gae_lambda"`
	NormalizeReward   bool    `json:"normalize_reward"`   // divide by the running standard deviation
	ClipReward        float64 `json:"clip_reward"`        // after normalising; 0 = off
	BootstrapTimeouts bool    `json:"bootstrap_timeouts"` // false treats time-outs as terminal, as the published code does
}

// Default returns the published settings, but for time-outs, which bootstrap.
func Default() Config {
	return Config{
		ClipCoef: 0.2, UpdateEpochs: 50, NumMinibatches: 1, TargetKL: 0.1, NormAdv: true,
		VFCoef: 1, EntCoef: 0, ModelCoef: 1, MaxGradNorm: 1,
		LearningRateActor: 3e-4, LearningRateCritic: 5e-3, ActorWarmup: 5, AdamEps: 1e-5, WeightDecay: 1e-6,
		Gamma: 0.999, GAELambda: 0.95, NormalizeReward: true, ClipReward: 5, BootstrapTimeouts: true,
	}
}

// Validate reports the first field that is out of range.
func (c *Config) Validate() error {
	for _, r := range []struct {
		name string
		ok   bool
		want string
	}{
		{"clip_coef", c.ClipCoef > 0 && c.ClipCoef < 1, "in (0, 1)"},
		{"update_epochs", c.UpdateEpochs >= 1, "at least 1"},
		{"num_minibatches", c.NumMinibatches >= 1, "at least 1"},
		{"target_kl", c.TargetKL >= 0, "at least 0"},
		{"vf_coef, ent_coef and model_coef", min(c.VFCoef, c.EntCoef, c.ModelCoef) >= 0, "at least 0"},
		{"max_grad_norm", c.MaxGradNorm >= 0, "at least 0"},
		{"learning_rate_actor", c.LearningRateActor > 0, "above 0"},
		{"learning_rate_critic", c.LearningRateCritic > 0, "above 0"},
		{"actor_warmup", c.ActorWarmup >= 0, "at least 0"},
		{"adam_eps", c.AdamEps > 0, "above 0"},
		{"weight_decay", c.WeightDecay >= 0, "at least 0"},
		{"gamma", c.Gamma > 0 && c.Gamma <= 1, "in (0, 1]"},
		{"gae_lambda", c.GAELambda >= 0 && c.GAELambda <= 1, "in [0, 1]"},
		{"clip_reward", c.ClipReward >= 0, "at least 0"},
	} {
		if !r.ok {
			return fmt.Errorf("ppo: %s out of range: want %s", r.name, r.want)
		}
	}
	return nil
}
