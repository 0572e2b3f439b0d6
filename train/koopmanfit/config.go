package koopmanfit

import (
	"errors"

	"korr/internal/setting"
	"korr/koopman"
)

// Config is the section koopman: the lifted linear model: its data, what it is and how it is trained.
type Config struct {
	// reads the robot's state and the task's features, not every part's pose as well: parts that do not matter may be
	// pushed to where no demonstration had them. A published korr needs false
	Focus    bool                `yaml:"focus"`
	Model    koopman.Config      `yaml:",inline"`
	Training koopman.TrainConfig `yaml:",inline"`
	HeldOut  float64             // share of the episodes kept for the prediction table
	// episodes of the base policy with a residual's exploration noise to learn from too; 0 = none
	Rollouts int `yaml:"rollouts"`
}

// DefaultConfig is the recipe of the shipped model.
func DefaultConfig() Config {
	return Config{
		Focus: true, Model: koopman.DefaultConfig(), Training: koopman.DefaultTrainConfig(), HeldOut: 0.1,
		Rollouts: 60,
	}
}

// Validate implements the check of package configs.
func (c *Config) Validate() error {
	return errors.Join(c.Model.Validate(), c.Training.Validate(), setting.Check(
		"koopman", setting.Within("held_out", c.HeldOut, 0, 0.9),
		setting.AtLeast("rollouts", c.Rollouts, 0),
	))
}
