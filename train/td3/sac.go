package td3

import (
	"math"
	"math/rand/v2"

	"korr/internal/nn"
)

const (
	// The log of the policy's standard deviation stays between these, softly: lo + (hi-lo) (1+tanh v)/2 for the head's output v.
	logStdMin, logStdMax = -5, 1
	// firstTemperature is where the temperature starts. Values are between 0 and target_max here: the usual 1 would spread the
	// policy before the temperature has come down, and noise kills the reward of a tight insertion.
	firstTemperature = 0.001
	// temperatureRate is the temperature's learning rate by the actor's: it has to follow the entropy within some hundred updates,
	// because the temperature that holds it differs by factors from task to task and from a raw critic to one that learned.
	temperatureRate = 10
	// halfLogTwoPi belongs to the normal density.
	halfLogTwoPi = 0.9189385332046727
)

// gaussian makes the actor's head that of a squashed normal policy, r = tanh(mean + std eps): the first act outputs are the
// mean, the others decide about std. It also holds the temperature.
type gaussian struct {
	act    int
	target float64 // of the entropy

	n                int
	mean, std, slope []float32 // [max, act]; slope is that of log std by the head's output
	eps              []float32 // [max, act] of the sample; 0 for the mean
	logProb          []float32 // [max] of the sample
	weight           float32   // of every sample's log probability in the loss; 0 for the mean

	logTemp []*nn.Param // one number
	opt     *nn.AdamW
}

func newGaussian(cfg *Config, act, rows int) *gaussian {
	g := &gaussian{
		act: act, target: cfg.entropy(act),
		mean: make([]float32, rows*act), std: make([]float32, rows*act), slope: make([]float32, rows*act),
		eps: make([]float32, rows*act), logProb: make([]float32, rows),
		logTemp: nn.NewParams(nn.Param{Name: "log", Shape: []int{1}}),
	}
	g.logTemp[0].Data[0] = float32(math.Log(firstTemperature))
	g.opt = nn.NewAdamW(g.logTemp, nn.AdamWConfig{LR: float32(temperatureRate * cfg.ActorLR)})
	return g
}

// entropy is the target of the policy's entropy, of r in [-1, 1]^act. The usual -1 for every action is the entropy of a normal
// of standard deviation 0.09: about the noise that TD3 explores with.
func (c *Config) entropy(act int) float64 {
	if c.TargetEntropy != 0 {
		return c.TargetEntropy
	}
	return -float64(act)
}

// start sets the bias of an untrained head so that exploration begins with the standard deviation std.
func (g *gaussian) start(head *nn.MLP, std float64) {
	p := head.Params()
	f := (math.Log(std) - logStdMin) / (logStdMax - logStdMin)
	for j := range g.act {
		p[len(p)-1].Data[g.act+j] = float32(math.Atanh(2*f - 1))
	}
}

// read takes the head's outputs [n, 2 act] and writes the policy's mean residuals to r [n, act].
func (g *gaussian) read(r, out []float32, n int) {
	g.n, g.weight = n, 0
	clear(g.eps[:n*g.act])
	for i := range n {
		for j := range g.act {
			k := i*g.act + j
			mean, v := out[2*i*g.act+j], math.Tanh(float64(out[(2*i+1)*g.act+j]))
			g.mean[k] = mean
			g.std[k] = float32(math.Exp(logStdMin + (logStdMax-logStdMin)/2.*(1+v)))
			g.slope[k] = float32((logStdMax - logStdMin) / 2. * (1 - v*v))
			r[k] = float32(math.Tanh(float64(mean)))
		}
	}
}

// at is component k of the residual for the standard normal number eps.
func (g *gaussian) at(k int, eps float32) float32 {
	return float32(math.Tanh(float64(g.mean[k] + g.std[k]*eps)))
}

// sample draws residuals r [n, act] and computes their log probabilities,
// log N(mean + std eps) - sum log(1 - r^2), the latter without the cancellation near |r| = 1.
func (g *gaussian) sample(r []float32, rng *rand.Rand) {
	g.weight = g.temperature() / float32(g.n)
	for i := range g.n {
		sum := 0.0
		for k := i * g.act; k < (i+1)*g.act; k++ {
			e := rng.NormFloat64()
			g.eps[k] = float32(e)
			r[k] = g.at(k, g.eps[k])
			a := math.Abs(float64(g.mean[k] + g.std[k]*g.eps[k]))
			squash := 2 * (math.Ln2 - a - math.Log1p(math.Exp(-2*a)))
			sum -= e*e/2 + math.Log(float64(g.std[k])) + halfLogTwoPi + squash
		}
		g.logProb[i] = float32(sum)
	}
}

// backward turns a loss's derivatives dr [n, act] by the residuals r of the last pass, plus weight sum log p when they were
// sampled, into those by the head's outputs, dout [n, 2 act]. At fixed eps d log p/dg = 2r for g = mean + std eps, and
// d log p/d log std = -1 + 2r std eps.
func (g *gaussian) backward(dout, dr, r []float32) {
	for i := range g.n {
		for j := range g.act {
			k := i*g.act + j
			pre := dr[k]*(1-r[k]*r[k]) + g.weight*2*r[k]
			dout[2*i*g.act+j] = pre
			dout[(2*i+1)*g.act+j] = (pre*g.std[k]*g.eps[k] - g.weight) * g.slope[k]
		}
	}
}

// temperature weighs the entropy in the actor's loss.
func (g *gaussian) temperature() float32 { return float32(math.Exp(float64(g.logTemp[0].Data[0]))) }

// entropy is the estimate by the last samples.
func (g *gaussian) entropy() float64 {
	sum := 0.0
	for _, l := range g.logProb[:g.n] {
		sum -= float64(l)
	}
	return sum / float64(g.n)
}

// tune moves the temperature so that the entropy comes to its target: a step of log alpha (entropy - target).
func (g *gaussian) tune() {
	g.logTemp[0].Grad[0] = float32(g.entropy() - g.target)
	g.opt.Step()
}

// deterministic returns the head that gives the mean alone: what acts once training is over. Its weights are a copy.
func (g *gaussian) deterministic(head *nn.MLP) *nn.MLP {
	cfg := head.Config()
	cfg.Out = g.act
	m := nn.NewMLP(cfg, nil)
	from := head.Params()
	for i, p := range m.Params() {
		copy(p.Data, from[i].Data) // the mean's rows of the last layer come first
	}
	return m
}
