package settings

import (
	"korr/configs"
	"korr/internal/setting"
)

// Validate checks what sections want of each other; each has checked itself.
func (c *Config) Validate() error {
	if c.Koopman.Focus && !c.Residual.Features {
		return setting.Refuse("settings", "koopman.focus", "needs residual.features: without them nothing is left of the "+
			"parts")
	}
	if r := c.PPORun(); c.Residual.Algorithm == PPOName {
		if err := r.Validate(); err != nil {
			return &configs.Error{Path: "ppo", Problem: err.Error()}
		}
	}
	return nil
}
