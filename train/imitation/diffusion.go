package imitation

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"gonum.org/v1/gonum/blas/blas32"

	"korr/basepolicy/diffusion"
	"korr/internal/memory"
	"korr/internal/nn"
	"korr/internal/seed"
	"korr/sim"
	"korr/train/dataset"
)

// TrainDiffusion teaches a network to undo noise on the demonstrated chunks of d:
//
//	L = mean (net(x_k, k, o_t) - target)^2,  x_k the chunk at o_t noised to a random step k,
//
// by AdamW with warm-up and cosine, and returns a policy with the exponential
// average of its weights (Chi et al. 2023, arXiv 2303.04137). It stops with the
// context's error when ctx ends, its state saved, and wraps ErrDiverged when the
// loss does.
func TrainDiffusion(ctx context.Context, d *dataset.Dataset, cfg Config) (*diffusion.Policy, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.Network = cfg.network()
	n := cfg.Network // a unet halves the chunk as it widens; a transformer and an mlp keep their width
	wide := cfg.Horizon * (sim.ActDim + 4*(max(1, n.Blocks)*n.Width+sum(n.DownDims)))
	if err := memory.Check(memory.Need{Setting: "base.batch", Value: cfg.Batch, Bytes: memory.Batch(cfg.Batch,
		wide)}); err != nil {
		return nil, err
	}
	data, err := prepare(d, &cfg)
	if err != nil {
		return nil, err
	}
	cfg.Network.ObsDim, cfg.Network.Features, cfg.Network.ActDim = data.observed(), data.features(), sim.ActDim
	if err := cfg.Network.Validate(); err != nil {
		return nil, err
	}
	t := newDenoising(&cfg, data)
	if err := t.resume(); err != nil {
		return nil, err
	}
	if err := t.run(ctx); err != nil {
		return nil, err
	}
	return t.policy(), nil
}

// denoising is a run in progress. Everything random is drawn from streams named
// by the step, so that a resumed run is the run it would have been.
type denoising struct {
	cfg    *Config
	data   *demos
	sched  *diffusion.Schedule
	net    *diffusion.Network
	opt    *nn.AdamW
	ema    *nn.EMA
	parts  []*part
	frames []int
	step   int // steps done
}

// part is one goroutine's share of every batch.
type part struct {
	net             *diffusion.Network // the first is the run's, the others share its weights
	pass            diffusion.Pass
	frames, steps   []int
	obs, chunk      []float32
	noise, noised   []float32
	target          []float32
	sum             float64 // of squared errors
	chunkDim, total int     // width of a chunk; elements of the whole batch
}

func newDenoising(cfg *Config, data *demos) *denoising {
	t := &denoising{
		cfg: cfg, data: data, sched: diffusion.NewSchedule(cfg.Process),
		net:    diffusion.NewNetwork(cfg.Network, seed.Stream(cfg.Seed, "imitation/init", 0)),
		frames: make([]int, cfg.Batch),
	}
	t.opt = nn.NewAdamW(t.net.Params(), nn.AdamWConfig{WeightDecay: float32(cfg.WeightDecay)})
	t.ema = nn.NewEMA(t.net.Params(), cfg.EMAPower, cfg.EMAMax)
	width := cfg.Network.Horizon * cfg.Network.ActDim
	for i := range cfg.Shards {
		from, to := cfg.Batch*i/cfg.Shards, cfg.Batch*(i+1)/cfg.Shards
		n := to - from
		p := &part{net: t.net, frames: t.frames[from:to], steps: make([]int, n), chunkDim: width, total: cfg.Batch * width}
		if i > 0 {
			p.net = t.net.Sharing()
		}
		p.pass = p.net.NewPass(n)
		p.obs = make([]float32, n*cfg.Network.ObsDim)
		for _, buf := range []*[]float32{&p.chunk, &p.noise, &p.noised, &p.target} {
			*buf = make([]float32, n*width)
		}
		t.parts = append(t.parts, p)
	}
	return t
}

func (t *denoising) run(ctx context.Context) error {
	start, first := time.Now(), t.step
	var sum float64
	since := 0
	for t.step < t.cfg.Steps {
		if err := ctx.Err(); err != nil {
			if saved := t.save(); saved != nil {
				return saved
			}
			return fmt.Errorf("imitation: stopped at step %d of %d: %w", t.step, t.cfg.Steps, err)
		}
		lr := t.cfg.warmCosine(t.step)
		loss := t.update(lr)
		if math.IsNaN(loss) || math.IsInf(loss, 0) {
			return fmt.Errorf("imitation: step %d: %w", t.step, ErrDiverged)
		}
		sum += loss
		since++
		done := t.step == t.cfg.Steps
		if t.cfg.Progress != nil && (done || t.cfg.ReportEvery > 0 && t.step%t.cfg.ReportEvery == 0) {
			r := Report{Step: t.step, Loss: sum / float64(since), LR: lr, Elapsed: time.Since(start)}
			if t.data.val != nil {
				var err error
				if r.ValLoss, r.ValL1, err = t.validate(); err != nil {
					return err
				}
			}
			t.cfg.Progress(r)
			sum, since = 0, 0
		}
		if done && t.step > first || t.cfg.CheckpointEvery > 0 && t.step%t.cfg.CheckpointEvery == 0 {
			if err := t.save(); err != nil {
				return err
			}
		}
	}
	return nil
}

// update draws a batch, updates the network and its average, and returns the loss.
func (t *denoising) update(lr float64) float64 {
	rng := seed.Stream(t.cfg.Seed, "imitation/batch", uint64(t.step))
	for i := range t.frames {
		t.frames[i] = rng.IntN(t.data.train.len())
	}
	var wg sync.WaitGroup
	for i, p := range t.parts {
		wg.Go(func() {
			noise := seed.Stream(t.cfg.Seed, "imitation/noise", uint64(t.step*len(t.parts)+i))
			p.gradient(t.data.train, t.sched, noise)
		})
	}
	wg.Wait()
	params := t.net.Params()
	var sum float64
	for i, p := range t.parts {
		sum += p.sum
		if i > 0 {
			sumGrads(params, p.net.Params())
		}
	}
	if t.cfg.GradClip > 0 {
		nn.ClipGradNorm(params, float32(t.cfg.GradClip))
	}
	t.opt.LR = float32(lr)
	t.opt.Step()
	t.ema.Update(params)
	t.step++
	return sum / float64(t.parts[0].total)
}

// sumGrads adds src's gradients to dst's.
func sumGrads(dst, src []*nn.Param) {
	for i, d := range dst {
		n := len(d.Grad)
		blas32.Axpy(1, blas32.Vector{N: n, Inc: 1, Data: src[i].Grad}, blas32.Vector{N: n, Inc: 1, Data: d.Grad})
	}
}

// gradient computes the part's gradient into its network.
func (p *part) gradient(data *samples, sched *diffusion.Schedule, rng *rand.Rand) {
	y := p.forward(data, sched, rng)
	scale := 2 / float32(p.total)
	for i, v := range y {
		p.target[i] = scale * (v - p.target[i])
	}
	nn.ZeroGrad(p.net.Params())
	p.pass.Backward(p.target)
}

// forward noises the part's chunks, leaves the target and the sum of squared
// errors, and returns the network's output.
func (p *part) forward(data *samples, sched *diffusion.Schedule, rng *rand.Rand) []float32 {
	data.gather(p.obs, p.chunk, p.frames, rng)
	n, w := len(p.frames), p.chunkDim
	for i := range n {
		p.steps[i] = rng.IntN(sched.Steps)
		at, to := i*w, (i+1)*w
		for j := at; j < to; j++ {
			p.noise[j] = float32(rng.NormFloat64())
		}
		sched.AddNoiseTo(p.noised[at:to], p.chunk[at:to], p.noise[at:to], p.steps[i])
		sched.TargetTo(p.target[at:to], p.chunk[at:to], p.noise[at:to], p.steps[i])
	}
	y := p.pass.Forward(p.noised, p.obs, p.steps, n)
	p.sum = 0
	for i, v := range y {
		d := float64(v - p.target[i])
		p.sum += d * d
	}
	return y
}

// valFrames bounds the held-out frames of a report.
const valFrames = 256

// validate returns the averaged weights' loss, and the mean absolute error of the
// chunks they draw, on the same held-out frames and noise every time.
func (t *denoising) validate() (loss, l1 float64, err error) {
	n := min(valFrames, t.data.val.len())
	w := t.parts[0].chunkDim
	policy := t.policy()
	p := &part{
		net: policy.Net, pass: policy.Net.NewPass(n), frames: make([]int, n), steps: make([]int, n), chunkDim: w,
		total: n * w,
		obs:   make([]float32, n*t.cfg.Network.ObsDim), chunk: make([]float32, n*w), noise: make([]float32, n*w),
		noised: make([]float32, n*w), target: make([]float32, n*w),
	}
	for i := range p.frames {
		p.frames[i] = i * t.data.val.len() / n
	}
	p.forward(t.data.val, t.sched, seed.Stream(t.cfg.Seed, "imitation/validate", 0))
	drawn, rngs := make([]float32, n*w), make([]*rand.Rand, n)
	for i := range rngs {
		rngs[i] = seed.Stream(t.cfg.Seed, "imitation/draw", uint64(i))
	}
	if err := policy.NewBatch(n).ChunksTo(drawn, p.obs, nil, rngs); err != nil {
		return 0, 0, fmt.Errorf("imitation: step %d: %w", t.step, err)
	}
	for i, v := range drawn {
		l1 += math.Abs(float64(v - p.chunk[i]))
	}
	return p.sum / float64(n*w), l1 / float64(n*w), nil
}

// policy is what the run has learned so far, with weights of its own.
func (t *denoising) policy() *diffusion.Policy {
	net := diffusion.NewNetwork(t.cfg.Network, nil)
	nn.CopyParams(net.Params(), t.ema.Params)
	return &diffusion.Policy{
		Net: net, Process: t.cfg.Process, Sampler: t.cfg.Sampler,
		Obs: t.data.obs, Act: t.data.act, Origin: t.data.origin,
	}
}

func sum(widths []int) (n int) {
	for _, w := range widths {
		n += w
	}
	return n
}
