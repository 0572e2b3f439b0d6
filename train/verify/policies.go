package verify

import (
	"fmt"

	"korr/internal/nn"
	"korr/koopman"
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
	if s.actor, err = ppo.NewResiP(head, s.dims, s.n, nil); err != nil {
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
		return nil, fmt.Errorf("param.actor.lift_transform: reads %d values through %d hidden layers, want %d and at least "+
			"one", cfg.In, len(cfg.Hidden), s.dims.Obs)
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
