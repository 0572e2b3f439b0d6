package residual

import "korr/basepolicy"

// maxWaitingBridge bounds what is executed of an old chunk while another process is late with the next: it may never
// come, and the arm is to hold within three control steps.
const maxWaitingBridge = 2

// NewAheadController is NewController with a base policy whose chunks are planned beside the control loop (see
// basepolicy.Ahead), which the caller closes. cfg.Execute is the policy's. What it does depends on how fast the
// planning is: for a robot on the clock, not for a simulation in lock step.
func (p *Policy) NewAheadController(
	feats Features, cfg basepolicy.AheadConfig,
) (*Controller, *basepolicy.Ahead, error) {
	if err := p.Validate(); err != nil {
		return nil, nil, err
	}
	cfg.Execute = p.Execute
	if p.Base.About().Waits {
		cfg.Bridge = min(cfg.Bridge, maxWaitingBridge)
	}
	ahead, err := basepolicy.NewAhead(p.Base.NewChunker(), p.Base.About().InputDim(), cfg)
	if err != nil {
		return nil, nil, err
	}
	c, err := p.controller(feats, ahead)
	if err != nil {
		ahead.Close()
		return nil, nil, err
	}
	return c, ahead, nil
}
