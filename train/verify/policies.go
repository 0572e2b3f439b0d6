package verify

import (
	"fmt"
	"math"

	"korr/basepolicy"
	"korr/internal/nn"
	"korr/koopman"
	"korr/residual"
	"korr/train/ppo"
)

// alpha is the published scale of the residual.
const alpha = 0.1

// weights is a tensor of the file and the parameter it was loaded into.
type weights struct {
	name  string // after "param." and its like
	param *nn.Param
}

// subject is a policy under check.
type subject struct {
	*file
	kind    string
	actor   ppo.Actor
	spy     spy // around the actor
	critic  *nn.MLP
	dims    ppo.Dims
	n       int // steps in the batch
	x       []float32
	logStd  []float32
	weights []weights
	// infer computes the mean residual of one row the way a control tick does.
	infer func(mean, x []float32)
}

func newSubject(c *file, kind string) (*subject, error) {
	if k, ok := c.f.Meta["kind"]; ok && k != kind {
		return nil, fmt.Errorf("metadata: kind is %q, want %q", k, kind)
	}
	in, err := c.shape("in.obs", 2)
	if err != nil {
		return nil, err
	}
	act, err := c.shape("param.actor_logstd", 2)
	if err != nil {
		return nil, err
	}
	s := &subject{file: c, kind: kind, n: in[0], dims: ppo.Dims{Obs: in[1] - act[1], X: in[1], Act: act[1]}}
	if s.n < 2 || s.dims.Obs < 1 {
		return nil, fmt.Errorf("in.obs is %v with %d actions: want two steps or more, and observations", in, act[1])
	}
	return s, c.inputs(
		wanted{&s.x, "in.obs", in},
		wanted{&s.logStd, "param.actor_logstd", []int{1, s.dims.Act}},
	)
}

// load reads a network of the policy.
func (s *subject) load(prefix string) (*nn.MLP, error) {
	m, err := s.network("param." + prefix)
	if err != nil {
		return nil, err
	}
	s.own(prefix, m.Params())
	return m, nil
}

func (s *subject) own(prefix string, ps []*nn.Param) {
	for _, p := range ps {
		s.weights = append(s.weights, weights{prefix + p.Name, p})
	}
}

// loadTwo reads the policy's head and critic.
func (s *subject) loadTwo(head, critic string) (*nn.MLP, error) {
	pi, err := s.load(head)
	if err != nil {
		return nil, err
	}
	s.critic, err = s.load(critic)
	return pi, err
}

// checkResiP checks the plain residual network.
func checkResiP(c *file) error {
	s, err := newSubject(c, "resip")
	if err != nil {
		return err
	}
	head, err := s.loadTwo("actor_mean.", "critic.")
	if err != nil {
		return err
	}
	if s.actor, err = ppo.NewResiP(head, s.dims, s.n); err != nil {
		return err
	}
	s.infer = head.Evaluator().ForwardTo
	return s.check()
}

// checkDynamics checks the network with nonlinear dynamics.
func checkDynamics(c *file) error {
	s, err := newSubject(c, "resip_dynamics")
	if err != nil {
		return err
	}
	model, err := s.load("actor_dyn.")
	if err != nil {
		return err
	}
	head, err := s.loadTwo("actor_mean.", "critic.")
	if err != nil {
		return err
	}
	if s.actor, err = ppo.NewDynamics(model, head, s.dims, s.n); err != nil {
		return err
	}
	f, pi, next := model.Evaluator(), head.Evaluator(), make([]float32, s.dims.Obs)
	s.infer = func(mean, x []float32) {
		f.ForwardTo(next, x)
		pi.ForwardTo(mean, next)
	}
	return s.check()
}

func checkKORR(c *file) error     { return checkKoopman(c, "korr", false) }
func checkKORRGoal(c *file) error { return checkKoopman(c, "korr_goal", true) }

// checkKoopman checks KORR, with or without a goal.
func checkKoopman(c *file, kind string, withGoal bool) error {
	s, err := newSubject(c, kind)
	if err != nil {
		return err
	}
	model, err := s.koopman()
	if err != nil {
		return err
	}
	head, err := s.loadTwo("actor.inverse_dynamics.", "critic.backbone.")
	if err != nil {
		return err
	}
	var opts ppo.KORROptions
	if withGoal {
		if opts.Goal, err = c.input("in.goal_obs", 1, s.dims.Obs); err != nil {
			return err
		}
	}
	if s.actor, err = ppo.NewKORR(model, head, s.dims, s.n, opts); err != nil {
		return err
	}
	s.lift(model, head, opts.Goal)
	return s.check()
}

// koopman reads lift and dynamics.
func (s *subject) koopman() (*koopman.Model, error) {
	phi, err := s.network("param.actor.lift_transform.")
	if err != nil {
		return nil, err
	}
	cfg := phi.Config()
	if cfg.OutputBias {
		return nil, fmt.Errorf("param.actor.lift_transform: the last layer has a bias, which a lift does not")
	}
	if len(cfg.Hidden) == 0 || cfg.In != s.dims.Obs {
		return nil, fmt.Errorf("param.actor.lift_transform: reads %d values through %d hidden layers, want %d and at least one", cfg.In, len(cfg.Hidden), s.dims.Obs)
	}
	model, err := koopman.New(koopman.Config{
		ObsDim: cfg.In, ActDim: s.dims.Act, LatentDim: cfg.Out, Hidden: cfg.Hidden, SpectralBound: -1,
	}, nil)
	if err != nil {
		return nil, err
	}
	nn.CopyParams(model.Phi.Params(), phi.Params())
	s.own("actor.lift_transform.", model.Phi.Params())
	for _, w := range []weights{{"actor.backbone._g_affine", model.A}, {"actor.backbone._u_affine", model.B}} {
		v, err := s.input("param."+w.name, w.param.Shape...)
		if err != nil {
			return nil, err
		}
		copy(w.param.Data, v)
		s.weights = append(s.weights, w)
	}
	return model, nil
}

// lift checks lift and prediction, for single observations and batched, and
// sets infer.
func (s *subject) lift(model *koopman.Model, head *nn.MLP, goal []float32) {
	d, l := s.dims, model.LatentDim()
	p, pi := model.Predictor(), head.Evaluator()
	in := make([]float32, 2*l) // [z', phi(goal)]
	z := make([]float32, l)
	if goal != nil {
		p.LiftTo(in[l:], goal)
		s.compare("out.z_goal", in[l:], Forward, 1, l)
	}
	s.infer = func(mean, x []float32) {
		p.LiftTo(z, x[:d.Obs])
		p.PredictTo(in[:l], z, x[d.Obs:d.Obs+d.Act])
		pi.ForwardTo(mean, in)
	}
	var zs, next, obs, ub []float32
	mean := make([]float32, d.Act)
	for i := range s.n {
		x := s.x[i*d.X : (i+1)*d.X]
		s.infer(mean, x)
		zs, next = append(zs, z...), append(next, in[:l]...)
		obs, ub = append(obs, x[:d.Obs]...), append(ub, x[d.Obs:]...)
	}
	s.compare("out.z", zs, Forward, s.n, l)
	s.compareAs("out.z_next (one step)", "out.z_next", next, Forward, s.n, l)
	s.compare("out.z_next", model.PredictBatch(model.NewTape(s.n, 1), obs, ub, s.n), Forward, s.n, l)
}

// check runs everything that the policies have in common.
func (s *subject) check() error {
	cfg := ppo.Default()
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
		Base: still{}, Encoder: residual.NewEncoder(unit, unit, basepolicy.ObsLimit, nil), Head: head, Alpha: alpha, Squash: residual.Linear,
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
type still struct{}

func (still) Reset(uint64)                 {}
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
