package verify

import (
	"math"

	"korr/basepolicy"
	"korr/residual"
	"korr/train/ppo"
)

// check runs everything that the policies have in common.
func (s *subject) check() error {
	cfg := ppo.DefaultConfig()
	s.spy.Actor = s.actor
	agent, err := ppo.NewAgent(&cfg, &s.spy, s.critic, append([]float32(nil), s.logStd...), s.dims, s.n)
	if err != nil {
		return err
	}
	b, err := s.batch()
	if err != nil {
		return err
	}
	if err := s.forward(agent, b); err != nil {
		return err
	}
	s.losses(agent.Gradients(b))
	return s.steps(agent, b)
}

// batch reads the mini-batch, all of whose pairs stay inside an episode.
func (s *subject) batch() (*ppo.Batch, error) {
	n, d := s.n, s.dims
	b := &ppo.Batch{N: n, X: s.x, Pairs: ppo.Pairs{N: n, Obs: columns(s.x, n, d.Obs)}}
	var next []float32
	err := s.inputs(
		wanted{&b.Residual, "in.residual_action", []int{n, d.Act}}, wanted{&b.LogProb, "in.old_log_prob", []int{n}},
		wanted{&b.Advantage, "in.advantage", []int{n}}, wanted{&b.Return, "in.return", []int{n}},
		wanted{&b.Pairs.U, "in.executed_action", []int{n, d.Act}}, wanted{&next, "in.next_obs", []int{n, d.X}},
	)
	b.Pairs.Next = columns(next, n, d.Obs)
	return b, err
}

// columns returns the first w columns of x [n, ...].
func columns(x []float32, n, w int) []float32 {
	var out []float32
	for width := len(x) / n; len(x) > 0; x = x[width:] {
		out = append(out, x[:w]...)
	}
	return out
}

// forward checks residual, value and the Gaussian head.
func (s *subject) forward(agent *ppo.Agent, b *ppo.Batch) error {
	n, u := s.n, s.dims.Act
	mean := s.actor.Forward(s.x, n)
	s.compare("out.residual_mean", mean, Forward, n, u)
	single := make([]float32, n*u)
	for i := range n {
		s.infer(single[i*u:(i+1)*u], s.x[i*s.dims.X:(i+1)*s.dims.X])
	}
	s.compareAs("out.residual_mean (one step)", "out.residual_mean", single, Forward, n, u)
	scaled, err := scaledBy(single, n, u)
	if err != nil {
		return err
	}
	s.compare("out.scaled_residual", scaled, Forward, n, u)

	logProb, entropy := make([]float64, n), make([]float64, n)
	for i := range n {
		logProb[i] = ppo.LogProb(b.Residual[i*u:(i+1)*u], mean[i*u:(i+1)*u], agent.LogStd)
		entropy[i] = ppo.Entropy(agent.LogStd)
	}
	s.compare64("out.log_prob", "out.log_prob", logProb, Forward, n)
	s.compare64("out.entropy", "out.entropy", entropy, Forward, n)
	s.compare("out.value", agent.Values(s.x, n), Forward, n, 1)
	return nil
}

// epsilon is the spacing of single precision at 1.
const epsilon = 1.0 / (1 << 23)

// losses checks the terms of the loss. The policy loss and the KL estimate are
// means of terms of order 1 that mostly cancel: their rounding is that of such
// terms, or what rounding in the residuals makes of them.
func (s *subject) losses(l ppo.Losses) {
	residuals := epsilon * s.spy.sensitivity()
	s.scalar("out.policy_loss", l.Policy, cancelling(l.Policy, math.Max(epsilon, residuals)))
	s.scalar("out.value_loss", l.Value, Forward)
	s.scalar("out.model_loss", l.Model, Forward)
	s.scalar("out.total_loss", l.Total, Forward)
	s.scalar("out.approx_kl", l.ApproxKL, cancelling(l.ApproxKL, math.Max(epsilon, residuals)/2))
}

// cancelling is the tolerance on a loss so small that the rounding of single
// precision exceeds Forward.
func cancelling(loss, rounding float64) float64 {
	return math.Max(Forward, rounding/math.Max(math.Abs(loss), rounding))
}

// spy watches an actor at work.
type spy struct {
	ppo.Actor
	mean, dMean []float32 // the residuals and the loss's derivatives by them
}

func (a *spy) Forward(x []float32, n int) []float32 {
	a.mean = a.Actor.Forward(x, n)
	return a.mean
}

func (a *spy) Backward(dMean []float32) {
	a.dMean = append(a.dMean[:0], dMean...)
	a.Actor.Backward(dMean)
}

// sensitivity is how much the loss changes when every residual changes,
// independently, by the largest one's size.
func (a *spy) sensitivity() float64 {
	largest, square := 0.0, 0.0
	for i, m := range a.mean {
		largest = math.Max(largest, math.Abs(float64(m)))
		square += float64(a.dMean[i]) * float64(a.dMean[i])
	}
	return largest * math.Sqrt(square)
}

// steps checks the gradients that are there, and three optimiser steps.
func (s *subject) steps(agent *ppo.Agent, b *ppo.Batch) error {
	before := make([][]float32, len(s.weights))
	for i, w := range s.weights {
		s.compare("grad."+w.name, w.param.Grad, Gradient, w.param.Shape...)
		before[i] = append([]float32(nil), w.param.Data...)
	}
	norm, err := agent.Step()
	if err != nil {
		return err
	}
	s.scalar("out.grad_norm", norm, Gradient)
	for range 2 {
		if _, err := agent.Update(b); err != nil {
			return err
		}
	}
	for i, w := range s.weights {
		s.compareChange(w.name, before[i], w.param.Data, w.param.Shape...)
	}
	s.compareChange("actor_logstd", s.logStd, agent.LogStd, 1, s.dims.Act)
	return nil
}

// scaledBy returns what the controller adds to a base action of zero for every
// row of the mean residuals [n, u], given by a head that replays them.
func scaledBy(mean []float32, n, u int) ([]float32, error) {
	width := max(u, 3) // a controller's action starts with a position
	unit := &basepolicy.Normalizer{Min: make([]float32, width), Max: make([]float32, width)}
	for i := range width {
		unit.Min[i], unit.Max[i] = -1, 1
	}
	head := &replay{rows: mean, width: u}
	c, err := residual.NewController(residual.Config{
		Base: still{}, Encoder: residual.NewEncoder(unit, unit, nil), Head: head, Alpha: alpha, Squash: residual.Linear,
	})
	if err != nil {
		return nil, err
	}
	obs, act, scaled := make([]float32, width), make([]float32, width), []float32(nil)
	for range n {
		if err := c.ActTo(act, obs); err != nil {
			return nil, err
		}
		scaled = append(scaled, act[:u]...)
	}
	return scaled, nil
}

// still is a base policy that does not move.
type still struct{ basepolicy.Stepwise }

func (still) ActTo(act, _ []float32) error { clear(act); return nil }

// replay is a head that answers with the next of its rows.
type replay struct {
	rows  []float32
	width int
}

func (r *replay) ForwardTo(dst, _ []float32) {
	clear(dst)
	copy(dst, r.rows[:r.width])
	r.rows = r.rows[r.width:]
}
