package td3

import (
	"math"
	"slices"
	"strings"
	"testing"

	"korr/sim"
)

// sacLoss is the actor's loss of the present batch for the normal numbers eps, by its definition.
func sacLoss(l *learner, eps []float32) float64 {
	d, b, g := small, l.cfg.Batch, l.actor.gauss
	l.actor.forward(l.x, b)
	loss, in := 0.0, make([]float32, d.x+d.act)
	for i := range b {
		copy(in, l.x[i*d.x:(i+1)*d.x])
		logp := 0.0
		for j := range d.act {
			k := i*d.act + j
			std, e := float64(g.std[k]), float64(eps[k])
			r := math.Tanh(float64(g.mean[k]) + std*e)
			logp += -e*e/2 - math.Log(std*math.Sqrt(2*math.Pi)) - math.Log(1-r*r)
			loss += l.cfg.Penalty * r * r / float64(b*d.act)
			in[d.x+j] = float32(r)
		}
		loss += float64(g.temperature()) * logp / float64(b)
		var q [1]float32
		l.critics[0].online.Evaluator().ForwardTo(q[:], in)
		loss -= float64(q[0]) / float64(b)
	}
	if m := l.actor.model; m != nil {
		p := &l.pair
		loss += l.cfg.KoopmanWeight * float64(m.LatentLoss(m.NewTape(b, 1), p.obs, p.u, p.next, p.n, 0))
	}
	return loss
}

// TestSACGradient compares the gradients of both halves of the head, and of the model before it, with finite differences.
func TestSACGradient(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"resip":         func(*Config) {},
		"critics alone": func(c *Config) { c.CriticOnly = true },
		"korr":          func(c *Config) { c.Method = KORR },
	} {
		t.Run(name, func(t *testing.T) {
			l := newSmallLearner(t, func(c *Config) {
				c.SAC, c.GradClip, c.ActorLR, c.KoopmanLR, c.CriticLR, c.Penalty = true, 0, 1e-30, 1e-30, 1e-30, 0.7
				change(c)
			})
			g := l.actor.gauss
			g.logTemp[0].Data[0] = -1
			l.sample()
			if err := l.updateActor(); err != nil {
				t.Fatal(err)
			}
			eps := slices.Clone(g.eps)
			checkGradients(t, l.actor.params, func() float64 { return sacLoss(l, eps) }, 5e-4)
		})
	}
}

// TestLogProbability: the densities of a fine grid of residuals add up to one, and sample reports those of what it draws.
func TestLogProbability(t *testing.T) {
	cfg := Default()
	g := newGaussian(&cfg, 1, 1)
	rng := newStream(1, "test")
	r, out := make([]float32, 1), []float32{0.4, -0.3}
	density := func(r float64) float64 {
		z := (math.Atanh(r) - float64(g.mean[0])) / float64(g.std[0])
		return math.Exp(-z*z/2) / (float64(g.std[0]) * math.Sqrt(2*math.Pi)) / (1 - r*r)
	}
	g.read(r, out, 1)
	sum, n := 0.0, 20_000
	for i := range n {
		sum += density(-1+(2*float64(i)+1)/float64(n)) * 2 / float64(n)
	}
	if math.Abs(sum-1) > 1e-3 {
		t.Fatalf("the density adds up to %v", sum)
	}
	for range 100 {
		g.read(r, out, 1)
		g.sample(r, rng.Rand)
		if want := math.Log(density(float64(r[0]))); math.Abs(want-float64(g.logProb[0])) > 1e-3 {
			t.Errorf("log probability %v of %v, want %v", g.logProb[0], r[0], want)
		}
	}
	out[0] = 40 // saturated: 1 - r^2 is zero in every precision
	g.read(r, out, 1)
	if g.sample(r, rng.Rand); !finite(float64(g.logProb[0])) {
		t.Errorf("log probability %v of a saturated residual", g.logProb[0])
	}
}

// TestSACExploration: the first policy's spread is noise_start, its standard deviation stays within bounds, and environments without
// noise act by the mean.
func TestSACExploration(t *testing.T) {
	cfg, in := shortConfig(ResiP), pointInputs(t)
	cfg.SAC, cfg.NoiseStart, cfg.Envs, cfg.NoiseFree, cfg.NoiseEnd = true, 0.12, 4, 0.5, 0
	tr := newTestTrainer(t, &cfg, &in)
	if err := tr.begin(); err != nil {
		t.Fatal(err)
	}
	ro, u := tr.rollout, sim.ActDim
	square, n := 0.0, 0
	for range 600 {
		r := slices.Clone(tr.actor.forward(ro.x, cfg.Envs))
		ro.choose(r, cfg.sigma(1<<20))
		if !slices.Equal(ro.r[:2*u], r[:2*u]) {
			t.Fatal("an environment without noise does not act by the mean")
		}
		for k := 2 * u; k < 4*u; k++ {
			e := float64(ro.r[k] - r[k])
			square += e * e
			n++
		}
	}
	if std := math.Sqrt(square / float64(n)); math.Abs(std-0.12) > 0.012 {
		t.Errorf("standard deviation %v of the first actions, want noise_start 0.12", std)
	}
	g := tr.actor.gauss
	for _, v := range []float32{-1e6, 1e6} {
		out := make([]float32, 2*u)
		for i := range out {
			out[i] = v
		}
		g.read(make([]float32, u), out, 1)
		if s := math.Log(float64(g.std[0])); s < logStdMin-1e-5 || s > logStdMax+1e-5 || !finite(s) {
			t.Errorf("log standard deviation %v for the output %v", s, v)
		}
	}
}

// TestTemperatureHoldsTheEntropy: where critics care for nothing the policy comes to the entropy asked for, from above and below.
func TestTemperatureHoldsTheEntropy(t *testing.T) {
	for _, target := range []float64{-3, -0.5} {
		l := newSmallLearner(t, func(c *Config) {
			c.SAC, c.TargetEntropy, c.ActorLR, c.Penalty = true, target, 2e-3, 0
		})
		p := l.actor.head.Params()
		clear(p[len(p)-2].Data)
		sum := 0.0
		for step := range 4000 {
			l.sample()
			if err := l.updateActor(); err != nil {
				t.Fatal(err)
			}
			if step >= 3000 {
				sum += l.actor.gauss.entropy() / 1000
			}
		}
		if math.Abs(sum-target) > 0.2 {
			t.Errorf("entropy %v, want %v; temperature %v", sum, target, l.actor.gauss.temperature())
		}
	}
}

// TestSACTargets: they are the clipped values of sampled residuals, without the entropy.
func TestSACTargets(t *testing.T) {
	l := newSmallLearner(t, func(c *Config) { c.SAC, c.TargetMax = true, 0 })
	l.actor.gauss.logTemp[0].Data[0] = 5 // nothing of it may be seen
	l.sample()
	l.targets()
	in, w := make([]float32, small.x+small.act), small.x+small.act
	for i := range l.cfg.Batch {
		copy(in, l.next[i*w:(i+1)*w])
		for j := range small.act {
			k := i*small.act + j
			if want := l.actor.gauss.at(k, l.actor.gauss.eps[k]); in[small.x+j] != want || l.actor.gauss.eps[k] == 0 {
				t.Fatalf("row %d: residual %v, want the sample %v", i, in[small.x+j], want)
			}
		}
		least := float32(math.Inf(1))
		for _, c := range l.critics {
			var q [1]float32
			c.target.Evaluator().ForwardTo(q[:], in)
			least = min(least, q[0])
		}
		if want := l.ret[i] + l.disc[i]*least; math.Abs(float64(want-l.y[i])) > 1e-5 {
			t.Errorf("row %d: target %v, want %v", i, l.y[i], want)
		}
	}
}

// TestSACRefusals: settings that make no sense are named.
func TestSACRefusals(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"noise_start":    func(c *Config) { c.SAC, c.NoiseStart = true, 0 },
		"target_entropy": func(c *Config) { c.TargetEntropy = -3 },
		"for sac":        func(c *Config) { c.SAC, c.TargetEntropy = true, 3 },
	} {
		c := Default()
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	cfg, in := shortConfig(ResiP), pointInputs(t)
	cfg.SAC, cfg.TargetEntropy = true, -40
	if _, err := Train(t.Context(), cfg, in); err == nil || !strings.Contains(err.Error(), "target_entropy") {
		t.Errorf("an entropy that the bounds of the standard deviation exclude: %v", err)
	}
	sac, td3 := Default(), Default()
	sac.SAC = true
	if strings.Contains(td3.identity(), "sac") || sac.identity() == td3.identity() {
		t.Errorf("identity %s: runs of td3 from before sac could not be resumed, or as one of sac", td3.identity())
	}
}
