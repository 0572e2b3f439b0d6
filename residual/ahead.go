package residual

import "korr/basepolicy"

// NewAheadController is NewController with a base policy whose chunks are planned beside the control loop (see
// basepolicy.Ahead), which the caller closes. cfg.Execute is the policy's. What it does depends on how fast the planning
// is: for a robot on the clock, not for a simulation in lock step.
func (p *Policy) NewAheadController(feats Features, cfg basepolicy.AheadConfig) (*Controller, *basepolicy.Ahead, error) {
	c := p.NewController(feats)
	cfg.Execute = p.Execute
	ahead, err := basepolicy.NewAhead(p.Base.NewChunker(), c.cfg.Encoder.BaseDim(), cfg)
	if err != nil {
		return nil, nil, err
	}
	c.cfg.Base = ahead
	c.phase, c.replan, c.plan, c.prepare = ahead.Phase, ahead.Replan, ahead.PlanTo, ahead.Prepare
	c.chunk = ahead.ChunkInfo
	return c, ahead, nil
}

// Prepare lets a base policy that plans beside the control loop begin at the raw observation obsRaw, and reports
// whether StepTo has an action. Other base policies are always ready. It never waits.
func (c *Controller) Prepare(obsRaw []float32) (ready bool, err error) {
	if c.prepare == nil {
		return true, nil
	}
	enc := c.cfg.Encoder
	enc.EncodeTo(c.xo, obsRaw[:enc.RawDim()])
	return c.prepare(c.xo[:enc.BaseDim()])
}
