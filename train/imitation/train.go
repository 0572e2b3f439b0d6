package imitation

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"korr/basepolicy"
	"korr/internal/memory"
	"korr/internal/nn"
	"korr/internal/seed"
	"korr/sim"
	"korr/train/dataset"
)

// ErrDiverged marks a run whose loss stopped being finite.
var ErrDiverged = errors.New("the loss is not finite: lower the learning rate")

// Train trains the kind of base policy that the configuration asks for (see TrainBase, TrainDiffusion and TrainCARP).
func Train(ctx context.Context, d *dataset.Dataset, cfg Config) (basepolicy.Policy, error) {
	switch {
	case cfg.Diffusion():
		return TrainDiffusion(ctx, d, cfg)
	case cfg.Arch == ArchCARP:
		return TrainCARP(ctx, d, cfg)
	}
	m, err := TrainBase(ctx, d, cfg)
	if err != nil {
		return nil, err // not m: a nil *MLP in the interface would not be nil
	}
	return m, nil
}

// TrainBase clones the demonstrations of d, in positions relative to the tool. It fits the normalizers on the
// training episodes, stops with the context's error when ctx ends, and wraps
// ErrDiverged when the loss does.
func TrainBase(ctx context.Context, d *dataset.Dataset, cfg Config) (*basepolicy.MLP, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := memory.Check(
		memory.Need{Setting: "base.batch", Value: cfg.Batch, Bytes: memory.Batch(cfg.Batch, d.Info.ObsDim(), cfg.Widths())},
		memory.Need{Setting: "base.horizon", Value: cfg.Horizon, Bytes: memory.Batch(cfg.Batch,
			sim.ActDim) * float64(cfg.Horizon)},
	); err != nil {
		return nil, err
	}
	data, err := prepare(d, &cfg)
	if err != nil {
		return nil, err
	}
	net := basepolicy.MLPConfig{
		ObsDim: data.observed(), ActDim: sim.ActDim, Horizon: cfg.Horizon, Hidden: cfg.Widths(),
		Features: data.features(), Relative: true,
	}
	if err := net.Validate(); err != nil {
		return nil, fmt.Errorf("imitation: %w", err)
	}
	m := basepolicy.NewMLP(net, data.obs, data.act, seed.Stream(cfg.Seed, "imitation/init", 0))
	m.Origin = data.origin
	data.relate(m.Relative)
	l := newLearner(m.Net, data.train, cfg)
	l.val = data.val
	if err := l.run(ctx); err != nil {
		return nil, err
	}
	return m, nil
}

// split holds out a seeded choice of episodes.
func split(d *dataset.Dataset, runSeed uint64, valFraction float64) (train, val *dataset.Dataset, err error) {
	n := len(d.Episodes)
	held := int(math.Round(valFraction * float64(n)))
	if valFraction > 0 {
		held = max(held, 1)
	}
	if held >= n {
		return nil, nil, fmt.Errorf("imitation: %d episodes, %d of them held out: none to train on", n, held)
	}
	order := seed.Stream(runSeed, "imitation/split", 0).Perm(n)
	slices.Sort(order[:held])
	slices.Sort(order[held:])
	pick := func(idx []int) *dataset.Dataset {
		s := &dataset.Dataset{Info: d.Info}
		for _, i := range idx {
			s.Episodes = append(s.Episodes, d.Episodes[i])
		}
		return s
	}
	return pick(order[held:]), pick(order[:held]), nil
}

// simulators names the physics model of the episodes, or all of them.
func simulators(d *dataset.Dataset) string {
	var all []string
	for i := range d.Episodes {
		if s := d.Episodes[i].Simulator; !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return strings.Join(all, ", ")
}

// shard is one goroutine's part of every batch, on its own copy of the network
// (the first shard trains the network itself).
type shard struct {
	net    *nn.MLP
	tape   *nn.Tape
	frames []int
	x, y   []float32
	dy     []float32
	sum    float64 // of |error| over the part
	noise  *rand.Rand
}

// learner is a run in progress.
type learner struct {
	cfg    Config
	data   *samples
	val    *samples // nil without held-out episodes
	rng    *rand.Rand
	opt    *nn.AdamW
	shards []*shard
}

func newLearner(net *nn.MLP, data *samples, cfg Config) *learner {
	l := &learner{
		cfg: cfg, data: data, rng: seed.Stream(cfg.Seed, "imitation/batch", 0),
		opt: nn.NewAdamW(net.Params(), nn.AdamWConfig{LR: float32(cfg.LR), WeightDecay: float32(cfg.WeightDecay)}),
	}
	for i := range cfg.Shards {
		n := cfg.Batch*(i+1)/cfg.Shards - cfg.Batch*i/cfg.Shards
		s := &shard{
			net: net, frames: make([]int, n),
			x: make([]float32, n*net.In()), y: make([]float32, n*net.Out()), dy: make([]float32, n*net.Out()),
		}
		s.noise = seed.Stream(cfg.Seed, "imitation/observed", uint64(i))
		if i > 0 {
			s.net = net.Clone()
		}
		s.tape = s.net.NewTape(n)
		l.shards = append(l.shards, s)
	}
	return l
}

// run trains for cfg.Steps steps.
func (l *learner) run(ctx context.Context) error {
	start := time.Now()
	var sum float64
	since := 0
	for step := range l.cfg.Steps {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("imitation: stopped at step %d of %d: %w", step, l.cfg.Steps, err)
		}
		lr := l.cfg.LR * (1 + math.Cos(math.Pi*float64(step)/float64(l.cfg.Steps))) / 2
		loss := l.step(lr)
		if math.IsNaN(loss) || math.IsInf(loss, 0) {
			return fmt.Errorf("imitation: step %d: %w", step+1, ErrDiverged)
		}
		sum += loss
		since++
		done := step + 1
		if l.cfg.Progress != nil && (done == l.cfg.Steps || l.cfg.ReportEvery > 0 && done%l.cfg.ReportEvery == 0) {
			l.cfg.Progress(Report{
				Step: done, Loss: sum / float64(since), ValLoss: l.valLoss(), LR: lr,
				Elapsed: time.Since(start),
			})
			sum, since = 0, 0
		}
	}
	return nil
}

// step draws a batch, updates the network and returns the batch's loss.
func (l *learner) step(lr float64) float64 {
	for _, s := range l.shards {
		for i := range s.frames {
			s.frames[i] = l.rng.IntN(l.data.len())
		}
	}
	scale := 1 / float32(l.cfg.Batch*l.shards[0].net.Out())
	var wg sync.WaitGroup
	for _, s := range l.shards[1:] {
		wg.Go(func() {
			nn.CopyParams(s.net.Params(), l.shards[0].net.Params())
			s.gradient(l.data, scale)
		})
	}
	l.shards[0].gradient(l.data, scale)
	wg.Wait()
	var sum float64
	params := l.shards[0].net.Params()
	for i, s := range l.shards {
		sum += s.sum
		if i > 0 {
			sumGrads(params, s.net.Params())
		}
	}
	l.opt.LR = float32(lr)
	l.opt.Step()
	return sum * float64(scale)
}

// gradient computes the part's gradient into the shard's network.
func (s *shard) gradient(data *samples, scale float32) {
	data.gather(s.x, s.y, s.frames, s.noise)
	nn.ZeroGrad(s.net.Params())
	p := s.net.Forward(s.tape, s.x, len(s.frames))
	s.sum = l1(s.dy, p[:len(s.dy)], s.y, scale)
	s.net.Backward(s.tape, s.dy, nil)
}

// valLoss is the mean loss on all held-out frames.
func (l *learner) valLoss() float64 {
	if l.val == nil {
		return 0
	}
	s := l.shards[0]
	out := s.net.Out()
	var sum float64
	frames := make([]int, 0, len(s.frames))
	for at := 0; at < l.val.len(); at += len(frames) {
		frames = frames[:0]
		for t := at; t < min(at+cap(frames), l.val.len()); t++ {
			frames = append(frames, t)
		}
		l.val.gather(s.x, s.y, frames, nil)
		p := s.net.Forward(s.tape, s.x, len(frames))
		n := len(frames) * out
		sum += l1(nil, p[:n], s.y[:n], 0)
	}
	return sum / float64(l.val.len()*out)
}
