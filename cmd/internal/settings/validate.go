package settings

import (
	"fmt"
	"slices"
	"strings"

	"korr/configs"
	"korr/internal/setting"
	"korr/sim"
	"korr/sim/disturb"
	"korr/sim/domain"
)

// Validate checks ranges and choices and returns a *configs.Error naming the first key that is wrong.
func (c *Config) Validate() error {
	for _, r := range slices.Concat(c.simRules(), c.evalRules()) {
		if !r.ok {
			return &configs.Error{Path: r.path, Problem: r.want}
		}
	}
	if c.Koopman.Focus && !c.Residual.Features {
		return setting.Refuse("settings", "koopman.focus", "needs residual.features: without them nothing is left of the parts")
	}
	if r := c.PPORun(); c.Residual.Algorithm == PPOName {
		if err := r.Validate(); err != nil {
			return &configs.Error{Path: "ppo", Problem: err.Error()}
		}
	}
	return nil
}

type rule struct {
	path string
	ok   bool
	want string
}

func atLeast[T int | float64](path string, v, lowest T) rule {
	return rule{path, v >= lowest, fmt.Sprintf("is %v, must be at least %v", v, lowest)}
}

func positive(path string, v float64) rule {
	return rule{path, v > 0, fmt.Sprintf("is %v, must be above 0", v)}
}

func within(path string, v, low, high float64) rule {
	return rule{path, v >= low && v <= high, fmt.Sprintf("is %v, must be between %v and %v", v, low, high)}
}

func oneOf(path, v string, choices ...string) rule {
	return rule{path, slices.Contains(choices, v), fmt.Sprintf("is %q, must be one of %s", v, strings.Join(choices, ", "))}
}

func (c *Config) simRules() []rule {
	return []rule{
		{"sim.task", c.Sim.Task != "", "must name a task"},
		oneOf("sim.randomness", c.Sim.Randomness, append(Randomness(), "mixed")...),
		atLeast("sim.perturb", c.Sim.Perturb, 0.0),
		atLeast("sim.max_steps", c.Sim.MaxSteps, 0),
		atLeast("sim.workers", c.Sim.Workers, 0),
		oneOf("sim.yaw", c.Sim.Yaw, sim.Yaws()...),
		oneOf("sim.sensing", c.Sim.Sensing, append(disturb.Profiles(), "")...),
		oneOf("sim.physics", c.Sim.Physics, append(domain.Profiles(), "")...),
	}
}

func (c *Config) evalRules() []rule {
	e := c.Eval
	rules := []rule{
		{"eval.policies", len(e.Policies) > 0, "must name at least one policy"},
		{"eval.randomness", len(e.Randomness) > 0, "must name at least one level"},
		oneOf("eval.perturb", e.Perturb, "off", "on", "both"),
		positive("eval.strength", e.Strength),
		atLeast("eval.episodes", e.Episodes, 1),
		within("eval.min_success", e.MinSuccess, 0, 1),
	}
	for i, level := range e.Randomness {
		rules = append(rules, oneOf(fmt.Sprintf("eval.randomness[%d]", i), level, Randomness()...))
	}
	for i, name := range e.Sensing {
		rules = append(rules, oneOf(fmt.Sprintf("eval.sensing[%d]", i), name, disturb.Profiles()...))
	}
	for i, name := range e.Physics {
		rules = append(rules, oneOf(fmt.Sprintf("eval.physics[%d]", i), name, domain.Profiles()...))
	}
	return rules
}

// Randomness lists the levels of initial randomness, from the smallest.
func Randomness() []string { return []string{"low", "med", "high"} }
