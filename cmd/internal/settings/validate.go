package settings

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"korr/configs"

	"korr/sim"
	"korr/sim/disturb"
	"korr/sim/domain"
)

// Validate checks ranges and choices and returns a *configs.Error naming the first key that is wrong.
func (c *Config) Validate() error {
	for _, r := range slices.Concat(c.simRules(), c.sensorRules(), c.trainRules(), c.residualRules(), c.ppoRules(), c.evalRules()) {
		if !r.ok {
			return &configs.Error{Path: r.path, Problem: r.want}
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

func widths(path string, v []int) rule {
	ok := len(v) > 0
	for _, n := range v {
		ok = ok && n > 0
	}
	return rule{path, ok, fmt.Sprintf("is %v, must be a list of positive numbers", v)}
}

// maxForesight bounds residual.foresight.
const maxForesight = 64

func steps(path string, v []int) rule {
	ok := len(v) > 0
	for _, k := range v {
		ok = ok && k >= 1 && k <= maxForesight
	}
	return rule{path, ok, fmt.Sprintf("is %v, must be a list of numbers from 1 to %d", v, maxForesight)}
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

func (c *Config) sensorRules() []rule {
	d := c.Disturb
	rules := []rule{
		within("disturb.robot_delay", float64(d.RobotDelay), 0, 100),
		within("disturb.robot_dropout", d.RobotDropout, 0, 0.99),
		within("disturb.part_delay", float64(d.PartDelay), 0, 100),
		within("disturb.part_dropout", d.PartDropout, 0, 0.99),
		within("disturb.robot_jitter", d.RobotJitter, 0, 100),
		within("disturb.part_jitter", d.PartJitter, 0, 100),
		within("disturb.part_occlusion", d.PartOcclusion, 0, 1000),
		within("disturb.part_occlusion_chance", d.PartOcclusionChance, 0, 1),
		within("disturb.part_occlusion_reach", d.PartOcclusionReach, 0, 10),
	}
	for path, v := range map[string]float64{
		"robot_position": d.RobotPosition, "robot_rotation": d.RobotRotation, "robot_velocity": d.RobotVelocity,
		"robot_spin": d.RobotSpin, "robot_gripper": d.RobotGripper, "part_position": d.PartPosition, "part_rotation": d.PartRotation,
	} {
		rules = append(rules, within("disturb."+path, v, 0, math.Pi))
	}
	return rules
}

func (c *Config) trainRules() []rule {
	k := c.Koopman
	return []rule{
		{"koopman.focus", !k.Focus || c.Residual.Features, "needs residual.features: without them nothing is left of the parts"},
	}
}

func (c *Config) residualRules() []rule {
	r := c.Residual
	return []rule{
		oneOf("residual.algorithm", r.Algorithm, "td3", "ppo"),
		oneOf("residual.method", r.Method, "korr", "resip"),
		oneOf("residual.filter", r.Filter, "none", "aligned", "kinematic", "koopman"),
		oneOf("residual.condition", r.Condition, "default", "published", "goal", "nonlinear", "lookahead", "plan"),
		{"residual.condition", r.Algorithm == "ppo" || r.Condition != "goal" && r.Condition != "nonlinear", r.Condition + " needs residual.algorithm ppo"},
		{"residual.condition", r.Method == "resip" || r.Condition != "nonlinear", "nonlinear needs residual.method resip"},
		{"residual.condition", r.Method == "korr" || r.Condition != "lookahead", "lookahead needs residual.method korr"},
		{"residual.condition", r.Method == "resip" || r.Condition != "plan", "plan needs residual.method resip"},
		steps("residual.foresight", r.Foresight),
		within("residual.observer_gain", r.ObserverGain, 0, 1),
		within("residual.alpha", r.Alpha, 0, 1),
		atLeast("residual.envs", r.Envs, 1),
		atLeast("residual.steps", r.Steps, 1),
		{"residual.members", r.Members >= 1 && r.Members <= min(16, r.Steps), fmt.Sprintf("is %d, must be 1 to 16 and at most residual.steps", r.Members)},
		{"residual.members", r.Members == 1 || r.Algorithm != "ppo" && (r.Method != "korr" || r.Condition != "published"), "above 1 needs residual.algorithm td3, and not a published korr, whose members would train different Koopman models"},
		widths("residual.actor_hidden", r.ActorHidden),
		widths("residual.critic_hidden", r.CriticHidden),
		atLeast("residual.critics", r.Critics, 1),
		atLeast("residual.batch", r.Batch, 2),
		atLeast("residual.buffer", r.Buffer, max(r.Batch, 4*r.Envs*(r.NStep+2))),
		within("residual.gamma", r.Gamma, 0, 1),
		atLeast("residual.n_step", r.NStep, 1),
		{
			"residual.value_expansion", !r.ValueExpansion || r.Algorithm != "ppo" && r.Method == "korr" && r.Condition != "published" && r.NStep > 1,
			"needs residual.algorithm td3, residual.method korr with a look-ahead, whose Koopman model is frozen and residual.n_step above 1",
		},
		within("residual.tau", r.Tau, 0, 1),
		atLeast("residual.target_max", r.TargetMax, 0.0),
		positive("residual.actor_lr", r.ActorLR),
		positive("residual.critic_lr", r.CriticLR),
		positive("residual.koopman_lr", r.KoopmanLR),
		atLeast("residual.koopman_weight", r.KoopmanWeight, 0.0),
		atLeast("residual.grad_clip", r.GradClip, 0.0),
		positive("residual.utd", r.UTD),
		atLeast("residual.policy_delay", r.PolicyDelay, 1),
		atLeast("residual.critic_start", r.CriticStart, 0),
		atLeast("residual.critic_warm_up", r.CriticWarmUp, 0),
		atLeast("residual.actor_start", r.ActorStart, r.CriticStart),
		atLeast("residual.penalty", r.Penalty, 0.0),
		within("residual.demo_fraction", r.DemoFraction, 0, 1),
		within("residual.warm_up_noise", r.WarmUpNoise, 0, 1),
		within("residual.noise_start", r.NoiseStart, 0, 1),
		within("residual.noise_end", r.NoiseEnd, 0, 1),
		atLeast("residual.noise_steps", r.NoiseSteps, 0),
		within("residual.noise_rho", r.NoiseRho, 0, 0.999),
		within("residual.noise_free", r.NoiseFree, 0, 1),
		atLeast("residual.target_noise", r.TargetNoise, 0.0),
		atLeast("residual.target_noise_clip", r.TargetNoiseClip, 0.0),
		atLeast("residual.constrain_every", r.ConstrainEvery, 0),
		atLeast("residual.fail_after", r.FailAfter, 0),
		atLeast("residual.milestone", r.Milestone, 0.0),
		{"residual.focus", !r.Focus || r.Features && r.Algorithm != "ppo", "needs residual.features and residual.algorithm td3"},
		{"residual.focus", !r.Focus || r.Method == "resip" || r.Condition != "published", "does not go with a published korr, which reads its latent alone"},
		{"residual.critic_only", !r.CriticOnly || r.Algorithm != "ppo", "needs residual.algorithm td3"},
		{"residual.pushes", len(r.Pushes) == 0 || slices.Min(r.Pushes) >= 0, "strengths of at least 0"},
		within("residual.lr_decay", r.LRDecay, 0, 1),
		atLeast("residual.log_every", r.LogEvery, 0),
		atLeast("residual.checkpoint_every", r.CheckpointEvery, 0),
		atLeast("residual.eval_every", r.EvalEvery, 0),
		atLeast("residual.eval_episodes", r.EvalEpisodes, 1),
	}
}

func (c *Config) ppoRules() []rule {
	p := c.PPO
	return []rule{
		atLeast("ppo.num_steps", p.NumSteps, 2),
		within("ppo.clip_coef", p.ClipCoef, 0.001, 0.999),
		atLeast("ppo.update_epochs", p.UpdateEpochs, 1),
		within("ppo.num_minibatches", float64(p.NumMinibatches), 1, float64(p.NumSteps*c.Residual.Envs/2)),
		atLeast("ppo.target_kl", p.TargetKL, 0.0),
		atLeast("ppo.vf_coef", p.VFCoef, 0.0),
		atLeast("ppo.ent_coef", p.EntCoef, 0.0),
		atLeast("ppo.max_grad_norm", p.MaxGradNorm, 0.0),
		positive("ppo.learning_rate_actor", p.LearningRateActor),
		positive("ppo.learning_rate_critic", p.LearningRateCritic),
		atLeast("ppo.actor_warmup", p.ActorWarmup, 0),
		positive("ppo.adam_eps", p.AdamEps),
		atLeast("ppo.weight_decay", p.WeightDecay, 0.0),
		within("ppo.gamma", p.Gamma, 0.001, 1),
		within("ppo.gae_lambda", p.GAELambda, 0, 1),
		atLeast("ppo.clip_reward", p.ClipReward, 0.0),
		within("ppo.init_logstd", p.InitLogStd, -10, 2),
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
