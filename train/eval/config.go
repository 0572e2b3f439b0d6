package eval

import (
	"fmt"

	"korr/internal/setting"
	"korr/sim"
	"korr/sim/disturb"
	"korr/sim/domain"
)

// Config measures policies on paired seeds.
type Config struct {
	// policies compared: expert, base, resip, korr or the path of a checkpoint
	Policies []string `yaml:"policies"`
	// levels of initial displacement, each measured: low, med, high
	Randomness []string `yaml:"randomness"`
	Perturb    string   `yaml:"perturb"` // pushes during the episode: off, on, both
	// part trackers, each measured: clean, T1, T2, T3; empty = sim.sensing
	Sensing []string `yaml:"sensing"`
	// physics of the episodes, each measured: nominal, D1; empty = sim.physics
	Physics  []string `yaml:"physics"`
	Strength float64  // of the perturbation when it is on; 1 = as published
	Episodes int      `yaml:"episodes"` // for each policy and condition
}

// DefaultConfig compares the shipped policies.
func DefaultConfig() Config {
	return Config{
		Policies: []string{"base", "resip", "korr"}, Randomness: []string{string(sim.Low)}, Perturb: "both",
		Sensing: []string{}, Physics: []string{}, Strength: 1, Episodes: 20,
	}
}

// Validate reports the first setting that is out of range.
func (c *Config) Validate() error {
	rules := []setting.Rule{
		{Key: "policies", OK: len(c.Policies) > 0, Want: "must name at least one policy"},
		{Key: "randomness", OK: len(c.Randomness) > 0, Want: "must name at least one level"},
		setting.OneOf("perturb", c.Perturb, "off", "on", "both"),
		setting.Above("strength", c.Strength, 0),
		setting.AtLeast("episodes", c.Episodes, 1),
	}
	for i, level := range c.Randomness {
		rules = append(rules, setting.OneOf(fmt.Sprintf("randomness[%d]", i), sim.Randomness(level), sim.Levels()...))
	}
	for i, name := range c.Sensing {
		rules = append(rules, setting.OneOf(fmt.Sprintf("sensing[%d]", i), name, disturb.Profiles()...))
	}
	for i, name := range c.Physics {
		rules = append(rules, setting.OneOf(fmt.Sprintf("physics[%d]", i), name, domain.Profiles()...))
	}
	return setting.Check("eval", rules...)
}

// Conditions are what is measured: every randomness, tracker and physics, without and with pushes as asked. The task
// comes from plain, and the tracker and the physics where none are named.
func (c *Config) Conditions(plain Condition) []Condition {
	orPlain := func(names []string, plain string) []string {
		if len(names) == 0 {
			return []string{plain}
		}
		return names
	}
	var out []Condition
	at := plain
	for _, at.Randomness = range c.Randomness {
		for _, at.Sensing = range orPlain(c.Sensing, plain.Sensing) {
			for _, at.Physics = range orPlain(c.Physics, plain.Physics) {
				if at.Perturb = 0; c.Perturb != "on" {
					out = append(out, at)
				}
				if at.Perturb = c.Strength; c.Perturb != "off" {
					out = append(out, at)
				}
			}
		}
	}
	return out
}
