package koopman

import (
	"context"
	"errors"
	"fmt"

	"korr/internal/nn"
	"korr/internal/seed"
)

// ErrDiverged marks a training run whose loss stopped being a number.
var ErrDiverged = errors.New("koopman: training diverged")

// TrainConfig sets a training run; zero values mean the defaults given.
type TrainConfig struct {
	// Steps is the number of optimiser steps (3000).
	Steps int
	// Batch is the number of windows per step (64).
	Batch int
	// Horizon is the number of predicted steps per window (20).
	Horizon int
	// LR is the first learning rate, falling linearly to zero (1e-3).
	LR float32
	// WeightDecay is AdamW's (0).
	WeightDecay float32
	// Ridge regularises the least-squares start (1e-3); negative skips it and
	// keeps the model's present A and B.
	Ridge float64
	// ConstrainEvery is the number of steps between projections onto the
	// spectral bound (100). The run always ends with one.
	ConstrainEvery int
	// Seed seeds the choice of windows.
	Seed uint64
	// Progress, if set, hears the loss of every step.
	Progress func(step int, loss float64)
}

func (c *TrainConfig) defaults() {
	c.Steps = orDefault(c.Steps, 3000)
	c.Batch = orDefault(c.Batch, 64)
	c.Horizon = orDefault(c.Horizon, 20)
	c.LR = orDefault(c.LR, 1e-3)
	c.Ridge = orDefault(c.Ridge, 1e-3)
	c.ConstrainEvery = orDefault(c.ConstrainEvery, 100)
}

func orDefault[T int | float32 | float64](x, def T) T {
	if x == 0 {
		return def
	}
	return x
}

// check refuses what defaults cannot mend.
func (c *TrainConfig) check() error {
	if c.Steps < 0 || c.Batch < 0 || c.Horizon < 0 || c.LR < 0 || c.WeightDecay < 0 || c.ConstrainEvery < 0 {
		return fmt.Errorf("%w: training steps %d, batch %d, horizon %d, rate %g, weight decay %g, constrain every %d: none may be negative",
			ErrConfig, c.Steps, c.Batch, c.Horizon, c.LR, c.WeightDecay, c.ConstrainEvery)
	}
	return nil
}

// Train fits m to the episodes: a least-squares start of A and B for the
// present phi, then multi-step training of phi, A and B. Equal inputs and seed
// give equal weights. On an error (ErrData, ErrSingular, ErrDiverged or ctx's)
// m holds the last constrained weights, which are valid.
func Train(ctx context.Context, m *Model, episodes []Episode, cfg TrainConfig) error {
	if err := cfg.check(); err != nil {
		return err
	}
	cfg.defaults()
	win, err := newWindows(episodes, m.cfg.ObsDim, m.cfg.ActDim, cfg.Horizon)
	if err != nil {
		return err
	}
	if cfg.Ridge > 0 {
		if err := m.FitEpisodes(episodes, cfg.Ridge); err != nil {
			return err
		}
	}
	tape := m.NewTape(cfg.Batch, cfg.Horizon)
	return descend(ctx, cfg, win, m.params,
		func(obs, us []float32) float64 {
			return float64(m.WindowLoss(tape, obs, us, cfg.Batch, cfg.Horizon, 1))
		},
		func() { m.Constrain() })
}

// descend runs Adam with a linearly falling rate over random windows. step
// adds the gradients of one batch and returns its loss; settle runs now and
// then and at the end, and what it leaves is what an error goes back to.
func descend(ctx context.Context, cfg TrainConfig, win *windows, params []*nn.Param,
	step func(obs, us []float32) float64, settle func(),
) error {
	opt := nn.NewAdamW(params, nn.AdamWConfig{WeightDecay: cfg.WeightDecay})
	rng := seed.Stream(cfg.Seed, "koopman windows", 0)
	obs := make([]float32, (cfg.Horizon+1)*cfg.Batch*win.d)
	us := make([]float32, cfg.Horizon*cfg.Batch*win.u)
	settle()
	good := newSnapshot(params)
	for i := range cfg.Steps {
		if err := ctx.Err(); err != nil {
			good.restore()
			return fmt.Errorf("koopman: stopped at step %d: %w", i, err)
		}
		win.draw(obs, us, cfg.Batch, rng)
		nn.ZeroGrad(params)
		loss := step(obs, us)
		if loss-loss != 0 {
			good.restore()
			return fmt.Errorf("%w: loss %g at step %d, rate %g", ErrDiverged, loss, i, opt.LR)
		}
		opt.LR = cfg.LR * (1 - float32(i)/float32(cfg.Steps))
		opt.Step()
		if (i+1)%cfg.ConstrainEvery == 0 || i+1 == cfg.Steps {
			settle()
			good.take()
		}
		if cfg.Progress != nil {
			cfg.Progress(i, loss)
		}
	}
	return nil
}
