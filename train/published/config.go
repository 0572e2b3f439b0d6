package published

import (
	"encoding/json"
	"errors"
	"fmt"

	"korr/basepolicy/diffusion"
	"korr/internal/torchfile"
)

// ErrUnsupported marks a checkpoint or policy that is whole but of a kind that the other side does not have.
var ErrUnsupported = errors.New("published: not supported")

func unsupported(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrUnsupported}, args...)...)
}

// config is what is read of the published configuration; the rest is kept as it is.
type config struct {
	Actor struct {
		Name              string         `json:"name"`
		Residual          residualConfig `json:"residual_policy"`
		Network           networkConfig  `json:"diffusion_model"`
		BetaSchedule      string         `json:"beta_schedule"`
		PredictionType    string         `json:"prediction_type"`
		InferenceSteps    int            `json:"inference_steps"`
		NumDiffusionIters int            `json:"num_diffusion_iters"`
		ClipSample        bool           `json:"clip_sample"`
	} `json:"actor"`
	ActionHorizon int `json:"action_horizon"`
	PredHorizon   int `json:"pred_horizon"`
	ObsHorizon    int `json:"obs_horizon"`
	Env           struct {
		Task string `json:"task"`
	} `json:"env"`
	Control struct {
		ControlMode string `json:"control_mode"`
		ActRotRepr  string `json:"act_rot_repr"`
	} `json:"control"`
}

type residualConfig struct {
	Target           string  `json:"_target_,omitempty"`
	ActionScale      float64 `json:"action_scale"`
	ObsLiftDim       int     `json:"obs_lift_dim,omitempty"`
	ActorActivation  string  `json:"actor_activation"`
	CriticActivation string  `json:"critic_activation,omitempty"`
	InitLogstd       float64 `json:"init_logstd"`
	LearnStd         bool    `json:"learn_std"`
}

type networkConfig struct {
	Name     string `json:"name"`
	DownDims []int  `json:"down_dims,omitempty"`
	StepDim  int    `json:"diffusion_step_embed_dim,omitempty"`
	Kernel   int    `json:"kernel_size,omitempty"`
	Groups   int    `json:"n_groups"`
}

// defaultConfig is the published one, for what a file does not say.
func defaultConfig() config {
	var c config
	c.Actor.Residual = residualConfig{ActionScale: 0.1, ActorActivation: "ReLU", InitLogstd: -1}
	c.Actor.Network = networkConfig{Name: "unet", Groups: 8}
	c.Actor.BetaSchedule, c.Actor.PredictionType = diffusion.SquaredCosine, diffusion.PredictNoise
	c.Actor.InferenceSteps, c.Actor.NumDiffusionIters, c.Actor.ClipSample = 16, 100, true
	c.ActionHorizon, c.PredHorizon, c.ObsHorizon = 8, 32, 1
	c.Control.ControlMode, c.Control.ActRotRepr = "pos", "rot_6d"
	return c
}

// readConfig reads the configuration in a checkpoint and returns all of it as JSON too.
func readConfig(v any) (config, string, error) {
	c := defaultConfig()
	if v == nil {
		return c, "", nil
	}
	plain, err := torchfile.Plain(v)
	if err != nil {
		return c, "", fmt.Errorf("config: %w", err)
	}
	text, err := json.Marshal(plain)
	if err != nil {
		return c, "", fmt.Errorf("config: %w", err)
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, "", fmt.Errorf("config: %w", err)
	}
	return c, string(text), c.validate()
}

// validate refuses what no policy of this program does.
func (c *config) validate() error {
	switch {
	case c.Actor.Network.Name != "unet":
		return unsupported("config: actor.diffusion_model.name is %q, want unet", c.Actor.Network.Name)
	case c.ObsHorizon != 1:
		return unsupported("config: obs_horizon is %d, want 1", c.ObsHorizon)
	case c.ActionHorizon < 1 || c.ActionHorizon > c.PredHorizon:
		return fmt.Errorf("config: action_horizon is %d of a pred_horizon of %d", c.ActionHorizon, c.PredHorizon)
	case c.Control.ControlMode != "pos":
		return unsupported("config: control.control_mode is %q: actions here are positions, not changes of them",
			c.Control.ControlMode)
	case c.Control.ActRotRepr != "rot_6d":
		return unsupported("config: control.act_rot_repr is %q, want rot_6d", c.Control.ActRotRepr)
	case c.Actor.Residual.ActorActivation != "ReLU":
		return unsupported("config: actor.residual_policy.actor_activation is %q, want ReLU",
			c.Actor.Residual.ActorActivation)
	case !(c.Actor.Residual.ActionScale >= 0 && c.Actor.Residual.ActionScale <= 1):
		return fmt.Errorf("config: actor.residual_policy.action_scale is %v, want 0 to 1", c.Actor.Residual.ActionScale)
	}
	return nil
}

// process is the noising of the published diffusion policies.
func (c *config) process() diffusion.Process {
	a := &c.Actor
	p := diffusion.Process{
		Steps: a.NumDiffusionIters, Schedule: a.BetaSchedule, Prediction: a.PredictionType,
		Clip: a.ClipSample,
	}
	if p.Prediction == "v_prediction" {
		p.Prediction = diffusion.PredictVelocity
	}
	return p
}

// WarmStep is the diffusion step that the published policies noise the rest of the last chunk to.
const WarmStep = 50

// sampler is how they draw chunks.
func (c *config) sampler() diffusion.SamplerConfig {
	return diffusion.SamplerConfig{
		Method: diffusion.DDIM, Steps: c.Actor.InferenceSteps, Warm: diffusion.WarmPublished,
		WarmStep: min(WarmStep, c.Actor.NumDiffusionIters-1),
	}
}
