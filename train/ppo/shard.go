package ppo

import (
	"errors"
	"math"
	"sync"

	"korr/internal/nn"
)

// shard works through a part of every batch, in scratch and gradients of its
// own.
type shard struct {
	actor  Actor
	critic *nn.MLP
	tape   *nn.Tape
	params []*nn.Param // of both
	dMean  []float32   // [rows, Act]
	dValue []float32   // [rows]
	losses Losses      // of its part, as shares of the batch's
}

func newShard(actor Actor, critic *nn.MLP, d Dims, rows int) *shard {
	return &shard{
		actor: actor, critic: critic, tape: critic.NewTape(rows),
		params: append(append([]*nn.Param(nil), actor.Params()...), critic.Params()...),
		dMean:  make([]float32, rows*d.Act), dValue: make([]float32, rows),
	}
}

// twin is an Actor that can share its weights.
type twin interface {
	// Twin returns an actor for batches of the same size that reads this one's
	// weights and has gradients and scratch of its own.
	Twin() (Actor, error)
}

// Split makes the agent work through every batch in so many parts, on so many
// goroutines at a time. The number of parts changes results by rounding, that of
// goroutines changes nothing. It fails for an actor that has no Twin.
func (a *Agent) Split(parts, threads int) error {
	t, ok := a.Actor.(twin)
	if parts < 1 || threads < 1 || !ok && parts > 1 {
		return errors.New("ppo: this actor's batches cannot be split")
	}
	a.shards, a.threads = a.shards[:1], threads
	for range parts - 1 {
		actor, err := t.Twin()
		if err != nil {
			return err
		}
		a.shards = append(a.shards, newShard(actor, twinOf(a.Critic), a.dims, a.rows))
	}
	return nil
}

// twinOf returns a network with the weights of m and gradients of its own.
func twinOf(m *nn.MLP) *nn.MLP {
	c := nn.NewMLP(m.Config(), nil)
	nn.ShareParams(c.Params(), m.Params())
	return c
}

// work computes the losses of a batch and leaves their gradients in the
// parameters.
func (a *Agent) work(b *Batch) Losses {
	parts := len(a.shards)
	part := func(k int) { a.shards[k].gradients(a, b, k, parts) }
	for k := 0; k < parts; k += a.threads {
		var wg sync.WaitGroup
		for i := k + 1; i < min(k+a.threads, parts); i++ {
			wg.Go(func() { part(i) })
		}
		part(k)
		wg.Wait()
	}
	l := a.shards[0].losses
	for _, s := range a.shards[1:] {
		nn.AddGrad(a.params, s.params)
		l.Policy += s.losses.Policy
		l.Value += s.losses.Value
		l.Model += s.losses.Model
		l.ApproxKL += s.losses.ApproxKL
		l.ClipFraction += s.losses.ClipFraction
	}
	return l
}

// gradients works through part k of the batch.
func (s *shard) gradients(a *Agent, b *Batch, k, parts int) {
	s.losses = Losses{}
	nn.ZeroGrad(s.params)
	end := (k + 1) * b.N / parts
	for i := k * b.N / parts; i < end; i += a.rows {
		j := min(i+a.rows, end)
		s.policyBlock(a, b, i, j)
		s.valueBlock(a, b, i, j)
	}
	end = (k + 1) * b.Pairs.N / parts
	for i := k * b.Pairs.N / parts; i < end && a.cfg.ModelCoef > 0; i += a.rows {
		j := min(i+a.rows, end)
		share := float64(j-i) / float64(b.Pairs.N)
		s.losses.Model += share * s.actor.ModelLoss(b.Pairs.rows(i, j, a.dims), float32(a.cfg.ModelCoef*share))
	}
}

// values returns the critic's values [n] of x [n, X].
func (s *shard) values(x []float32, n int) []float32 { return s.critic.Forward(s.tape, x, n) }

// policyBlock adds the clipped surrogate of the steps i..j-1.
func (s *shard) policyBlock(a *Agent, b *Batch, i, j int) {
	l, u, n := &s.losses, a.dims.Act, float64(b.N)
	mean := s.actor.Forward(b.X[i*a.dims.X:j*a.dims.X], j-i)
	lo, hi := 1-a.cfg.ClipCoef, 1+a.cfg.ClipCoef
	for k := i; k < j; k++ {
		r, mu := b.Residual[k*u:(k+1)*u], mean[(k-i)*u:(k-i+1)*u]
		logRatio := LogProb(r, mu, a.LogStd) - float64(b.LogProb[k])
		ratio := math.Exp(logRatio)
		free, clipped := -a.adv[k]*ratio, -a.adv[k]*max(lo, min(hi, ratio))
		l.Policy += max(free, clipped) / n
		l.ApproxKL += (ratio - 1 - logRatio) / n
		if ratio < lo || ratio > hi {
			l.ClipFraction += 1 / n
		}
		slope := 0.0
		if free >= clipped { // d ratio / d log prob = ratio; a clipped ratio is constant
			slope = free / n
		}
		logProbGradTo(s.dMean[(k-i)*u:(k-i+1)*u], r, mu, a.LogStd, slope)
	}
	s.actor.Backward(s.dMean[:(j-i)*u])
}

// valueBlock adds half the squared error of the values of the steps i..j-1.
func (s *shard) valueBlock(a *Agent, b *Batch, i, j int) {
	l, n := &s.losses, float64(b.N)
	for k, v := range s.values(b.X[i*a.dims.X:j*a.dims.X], j-i) {
		e := float64(v) - float64(b.Return[i+k])
		l.Value += 0.5 * e * e / n
		s.dValue[k] = float32(a.cfg.VFCoef * e / n)
	}
	s.critic.Backward(s.tape, s.dValue[:j-i], nil)
}
