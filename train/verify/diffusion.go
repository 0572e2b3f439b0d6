package verify

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"

	"korr/basepolicy/diffusion"
	"korr/internal/seed"
	"korr/internal/tensorfile"
	"korr/train/published"
)

// unetName is the file whose network diffusion.safetensors samples with.
const unetName = "unet.safetensors"

// checkUNet checks the denoiser: its output, batched and one by one, the loss and
// every gradient.
func checkUNet(c *file) error {
	net, err := c.unet()
	if err != nil {
		return err
	}
	cfg := net.Config()
	h, u, d := cfg.Horizon, cfg.ActDim, cfg.ObsDim
	shape, err := c.shape("in.sample", 3)
	if err != nil {
		return err
	}
	n := shape[0]
	var x, cond, steps, target []float32
	if err := c.inputs(
		wanted{&x, "in.sample", []int{n, h, u}}, wanted{&cond, "in.cond", []int{n, d}},
		wanted{&steps, "in.timestep", []int{n}}, wanted{&target, "in.target", []int{n, h, u}},
	); err != nil {
		return err
	}
	p, k := net.NewPass(n), integers(steps)
	y := append([]float32(nil), p.Forward(x, cond, k, n)...)
	c.compare("out.noise_pred", y, Forward, n, h, u)
	loss, dy := 0.0, make([]float32, len(y))
	for i, v := range y {
		e := float64(v) - float64(target[i])
		loss += e * e / float64(len(y))
		dy[i] = float32(2 * e / float64(len(y)))
	}
	c.scalar("out.loss", loss, Forward)
	p.Backward(dy)
	for _, q := range net.Params() {
		c.compare("grad."+q.Name, q.Published(q.Grad), Gradient, q.Shape...)
	}
	single, one := net.NewPass(1), []float32(nil)
	for i := range n {
		one = append(one, single.Forward(x[i*h*u:(i+1)*h*u], cond[i*d:(i+1)*d], k[i:], 1)...)
	}
	c.compareAs("out.noise_pred (one by one)", "out.noise_pred", one, Forward, n, h, u)
	return nil
}

// unet reads the network, whose sizes are those of its tensors; the number of
// groups, which no tensor shows, is in the metadata.
func (c *file) unet() (*diffusion.Network, error) {
	groups, err := c.number("groups", 8)
	if err != nil {
		return nil, err
	}
	sample, err := c.shape("in.sample", 3)
	if err != nil {
		return nil, err
	}
	net, err := published.UNet(c.f, "param.", sample[1], int(groups))
	if err != nil {
		return nil, err
	}
	for _, p := range net.Params() {
		c.seen["param."+p.Name] = true
	}
	return net, nil
}

// checkDiffusion checks the noise schedule and whole DDIM trajectories, with the
// published warm start from a last chunk of zeros.
func checkDiffusion(c *file) error {
	f, err := tensorfile.Read(filepath.Join(c.dir, unetName))
	if err != nil {
		return fmt.Errorf("its denoiser: %w", err)
	}
	net, err := newFile(unetName, f).unet()
	if err != nil {
		return fmt.Errorf("its denoiser: %s: %w", unetName, err)
	}
	levels, err := c.shape("betas", 1)
	if err != nil {
		return err
	}
	process := diffusion.DefaultProcess()
	process.Steps = levels[0]
	if err := process.Validate(); err != nil {
		return err
	}
	s := diffusion.NewSchedule(process)
	c.compare64("betas", "betas", s.Betas, Forward, process.Steps)
	c.compare64("alphas_cumprod", "alphas_cumprod", s.Alphas, Forward, process.Steps)
	if err := c.addNoise(s); err != nil {
		return err
	}
	for i := range c.f.Tensors {
		name, ok := strings.CutSuffix(c.f.Tensors[i].Name, ".timesteps")
		if _, digits := strings.CutPrefix(name, "ddim"); !ok || !digits {
			continue
		}
		if err := c.trajectory(name+".", net, s); err != nil {
			return err
		}
	}
	return nil
}

// addNoise checks the noising of chunks.
func (c *file) addNoise(s *diffusion.Schedule) error {
	shape, err := c.shape("add_noise.action", 3)
	if err != nil {
		return err
	}
	var x, noise, steps []float32
	if err := c.inputs(
		wanted{&x, "add_noise.action", shape}, wanted{&noise, "add_noise.noise", shape}, wanted{
			&steps, "add_noise.timesteps",
			shape[:1],
		},
	); err != nil {
		return err
	}
	out, w := make([]float32, len(x)), shape[1]*shape[2]
	for i, k := range integers(steps) {
		if k < 0 || k >= s.Steps {
			return fmt.Errorf("add_noise.timesteps: %d is outside 0 to %d", k, s.Steps-1)
		}
		s.AddNoiseTo(out[i*w:(i+1)*w], x[i*w:(i+1)*w], noise[i*w:(i+1)*w], k)
	}
	c.compare("add_noise.out", out, Forward, shape...)
	return nil
}

// trajectory checks one sampling run.
func (c *file) trajectory(prefix string, net *diffusion.Network, s *diffusion.Schedule) error {
	cfg := net.Config()
	shape, err := c.shape("sample.init_noise", 3)
	if err != nil {
		return err
	}
	var cond, noise []float32
	n, h, u := shape[0], cfg.Horizon, cfg.ActDim
	if err := c.inputs(wanted{&cond, "sample.cond", []int{n, cfg.ObsDim}}, wanted{&noise, "sample.init_noise", []int{
		n, h,
		u,
	}}); err != nil {
		return err
	}
	t, err := c.shape(prefix+"timesteps", 1)
	if err != nil {
		return err
	}
	config := diffusion.SamplerConfig{
		Method: diffusion.DDIM, Steps: t[0], Warm: diffusion.WarmPublished,
		WarmStep: min(published.WarmStep, s.Steps-1),
	}
	if err := config.Validate(s.Process); err != nil {
		return err
	}
	run := func(rounding float32, rng *rand.Rand) (start, first, end []float32) {
		sampler := diffusion.NewSampler(s, config, h*u, n)
		x := append([]float32(nil), noise...)
		from := sampler.Start(x, make([]float32, len(x)))
		start = append(start, x...)
		w := &watched{Denoiser: diffusion.NewDenoiser(net, n), rounding: rounding, rng: rng}
		sampler.Run(x, w, cond, from, n, nil, nil)
		if w.first == nil {
			w.first = x
		}
		return start, w.first, x
	}
	steps := diffusion.NewSampler(s, config, h*u, 1).Steps()
	k := make([]float32, len(steps))
	for i, v := range steps {
		k[i] = float32(v)
	}
	c.compare(prefix+"timesteps", k, 0, len(k))
	start, first, end := run(0, nil)
	c.compare(prefix+"start", start, Forward, n, h, u)
	c.compare(prefix+"after_first", first, Forward, n, h, u)
	bound := Forward
	for i := range uint64(4) {
		_, _, other := run(networkRounding, seed.Stream(1, "verify/rounding", i))
		bound = math.Max(bound, relativeError(wide(other), wide(end), nil))
	}
	c.compare(prefix+"action", end, math.Min(bound, Change), n, h, u)
	if bound > Forward {
		c.note("rounding in single precision allowed for: the steps multiply it")
	}
	return nil
}

// networkRounding is a tenth of what a network's output may be off. What becomes
// of it in a trajectory is allowed for.
const networkRounding = 1e-6

// watched keeps what the sampler made of the first prediction, and may disturb
// predictions by a relative amount.
type watched struct {
	diffusion.Denoiser
	rounding float32
	rng      *rand.Rand
	first    []float32
}

func (w *watched) PredictTo(dst, x, cond []float32, i int) {
	if i == 1 {
		w.first = append([]float32(nil), x...)
	}
	w.Denoiser.PredictTo(dst, x, cond, i)
	if w.rounding == 0 {
		return
	}
	var top float32
	for _, v := range dst {
		top = max(top, v, -v)
	}
	for j := range dst {
		dst[j] += w.rounding * top * (2*w.rng.Float32() - 1)
	}
}

func integers(x []float32) []int {
	k := make([]int, len(x))
	for i, v := range x {
		k[i] = int(v)
	}
	return k
}
