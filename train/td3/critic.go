package td3

import (
	"math/rand/v2"
	"sync"

	"korr/internal/nn"
)

// critic is one member of the ensemble, its target and its optimiser. Members
// share nothing, so that they can be updated at the same time.
type critic struct {
	online, target         *nn.MLP
	onlineTape, targetTape *nn.Tape
	opt                    *nn.AdamW
	q                      []float32 // [batch] of the last forward pass, owned by onlineTape
	next                   []float32 // [batch] target values at the bootstrap states
	dq                     []float32
	loss                   float64 // of the last update
}

func newCritic(cfg *Config, in int, rng *rand.Rand) *critic {
	online := nn.NewMLP(nn.MLPConfig{
		In: in, Hidden: cfg.CriticHidden, Out: 1, LayerNorm: true, OutputBias: true,
		LastStd: 0.1,
	}, rng)
	c := &critic{online: online, target: online.Clone(), dq: make([]float32, cfg.Batch)}
	c.onlineTape, c.targetTape = online.NewTape(cfg.Batch), online.NewTape(cfg.Batch)
	c.opt = nn.NewAdamW(online.Params(), nn.AdamWConfig{LR: float32(cfg.CriticLR)})
	return c
}

// evaluateTarget computes the target values of n inputs [x, r].
func (c *critic) evaluateTarget(in []float32, n int) { c.next = c.target.Forward(c.targetTape, in, n) }

// evaluate computes the values of n inputs [x, r] for a backward pass.
func (c *critic) evaluate(in []float32, n int) { c.q = c.online.Forward(c.onlineTape, in, n) }

// regress takes one step of the squared error towards y [n] and moves the
// target. A loss that is not finite leaves the networks alone.
func (c *critic) regress(in, y []float32, n int, tau float32) {
	c.evaluate(in, n)
	sum := 0.0
	for i, q := range c.q[:n] {
		d := q - y[i]
		sum += float64(d) * float64(d)
		c.dq[i] = 2 * d / float32(n)
	}
	c.loss = sum / float64(n)
	if !finite(c.loss) {
		return
	}
	nn.ZeroGrad(c.online.Params())
	c.online.Backward(c.onlineTape, c.dq[:n], nil)
	c.opt.Step()
	nn.Polyak(c.target.Params(), c.online.Params(), tau)
}

// workers runs a function for 0..n-1 on a fixed set of goroutines, or in the
// caller's when there is one.
type workers struct {
	jobs chan int
	fn   func(i int)
	busy sync.WaitGroup
	done sync.WaitGroup
}

func newWorkers(n int) *workers {
	w := &workers{}
	if n < 2 {
		return w
	}
	w.jobs = make(chan int)
	for range n {
		w.done.Go(func() {
			for i := range w.jobs {
				w.fn(i)
				w.busy.Done()
			}
		})
	}
	return w
}

func (w *workers) each(n int, fn func(i int)) {
	if w.jobs == nil {
		for i := range n {
			fn(i)
		}
		return
	}
	w.fn = fn
	w.busy.Add(n)
	for i := range n {
		w.jobs <- i
	}
	w.busy.Wait()
}

func (w *workers) close() {
	if w.jobs != nil {
		close(w.jobs)
		w.done.Wait()
	}
}
