package imitation

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"korr/basepolicy/carp"
	"korr/internal/layout"
	"korr/internal/memory"
	"korr/internal/nn"
	"korr/internal/seed"
	"korr/sim"
	"korr/train/dataset"
)

// reviveEvery is after how many steps of the tokeniser words that nothing used are given another meaning.
const reviveEvery = 100

// TrainCARP teaches first the tokeniser to rebuild the demonstrated chunks of d, then the transformer its words, with
// Steps steps of AdamW each (package carp has the losses). Of the source it leaves out what drops paths at random.
// Words of the codebook that were not used for a while are moved to what the latents look like; the source leaves them
// unused.
func TrainCARP(ctx context.Context, d *dataset.Dataset, cfg Config) (*carp.Policy, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	net := cfg.carp()
	if err := memory.Check(memory.Need{
		Setting: "base.batch", Value: cfg.Batch,
		Bytes: memory.Batch(cfg.Batch, net.Tokens()*(net.Codebook+net.Depth*(12*net.Embed+net.Heads*net.Tokens()))),
	}); err != nil {
		return nil, err
	}
	data, err := prepare(d, &cfg)
	if err != nil {
		return nil, err
	}
	net.ObsDim, net.Features, net.ActDim = data.observed(), data.features(), sim.ActDim
	if err := net.Validate(); err != nil {
		return nil, err
	}
	t := &coarseToFine{
		cfg: &cfg, data: data, net: net, start: time.Now(),
		policy: &carp.Policy{
			Tokenizer: carp.NewTokenizer(net, seed.Stream(cfg.Seed, "imitation/init", 0)),
			AR:        carp.NewAR(net, seed.Stream(cfg.Seed, "imitation/init", 1)),
			Obs:       data.obs, Act: data.act, Origin: data.origin,
		},
		frames: make([]int, cfg.Batch), obs: make([]float32, cfg.Batch*net.ObsDim),
		chunks: make([]float32, cfg.Batch*net.Horizon*net.ActDim),
	}
	t.tokens = t.policy.Tokenizer.NewPass()
	if err := t.tokenise(ctx); err != nil {
		return nil, err
	}
	if err := t.predict(ctx); err != nil {
		return nil, err
	}
	return t.policy, nil
}

// coarseToFine is a run in progress.
type coarseToFine struct {
	cfg    *Config
	data   *demos
	net    carp.Config
	policy *carp.Policy
	tokens *carp.Tokens
	start  time.Time

	frames      []int
	obs, chunks []float32
}

// draw fills a batch of training frames.
func (t *coarseToFine) draw(what string, step int) *rand.Rand {
	rng := seed.Stream(t.cfg.Seed, what, uint64(step))
	for i := range t.frames {
		t.frames[i] = rng.IntN(t.data.train.len())
	}
	t.data.train.gather(t.obs, t.chunks, t.frames, rng)
	return rng
}

// tokenise trains the tokeniser.
func (t *coarseToFine) tokenise(ctx context.Context) error {
	ps := t.policy.Tokenizer.Params()
	opt := nn.NewAdamW(ps, nn.AdamWConfig{})
	decoded, losses := make([]float32, len(t.chunks)), make([]carp.Losses, t.net.ActDim)
	return t.run(ctx, opt, 0, func(step int) float64 {
		rng := t.draw("imitation/tokens", step)
		t.tokens.Encode(t.chunks, t.cfg.Batch)
		t.tokens.DecodeTo(decoded)
		loss := t.tokens.Loss(losses)
		nn.ZeroGrad(ps)
		t.tokens.Backward()
		if (step+1)%reviveEvery == 0 && step < t.cfg.Steps*3/4 {
			t.tokens.Revive(rng)
		}
		return loss
	}, func(r *Report) { r.TokenRMSE = t.positionError() })
}

// predict trains the transformer.
func (t *coarseToFine) predict(ctx context.Context) error {
	ar := t.policy.AR
	pass := ar.NewPass(t.cfg.Batch)
	opt := nn.NewAdamW(ar.Params(), nn.AdamWConfig{WeightDecay: float32(t.cfg.WeightDecay)})
	rmse := t.positionError()
	return t.run(ctx, opt, t.cfg.Steps, func(step int) float64 {
		t.draw("imitation/batch", step)
		t.tokens.Encode(t.chunks, t.cfg.Batch)
		pass.Observe(t.obs, t.cfg.Batch)
		logits := pass.Forward(t.tokens.Inputs())
		loss := pass.Loss(logits, t.tokens.Words())
		nn.ZeroGrad(ar.Params())
		pass.Backward(logits)
		return loss
	}, func(r *Report) {
		r.TokenRMSE = rmse
		r.ValL1 = t.drawnError()
	})
}

// run makes Steps steps of opt; done counts those of the phase before, measure completes a report.
func (t *coarseToFine) run(ctx context.Context, opt *nn.AdamW, done int, gradient func(step int) float64,
	measure func(r *Report),
) error {
	var sum float64
	since := 0
	for step := range t.cfg.Steps {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("imitation: stopped at step %d of %d: %w", done+step, 2*t.cfg.Steps, err)
		}
		loss := gradient(step)
		if math.IsNaN(loss) || math.IsInf(loss, 0) {
			return fmt.Errorf("imitation: step %d: %w", done+step+1, ErrDiverged)
		}
		lr := t.cfg.warmCosine(step)
		opt.LR = float32(lr)
		opt.Step()
		sum += loss
		since++
		last := step+1 == t.cfg.Steps
		if t.cfg.Progress != nil && (last || t.cfg.ReportEvery > 0 && (step+1)%t.cfg.ReportEvery == 0) {
			r := Report{Step: done + step + 1, Loss: sum / float64(since), LR: lr, Elapsed: time.Since(t.start)}
			measure(&r)
			t.cfg.Progress(r)
			sum, since = 0, 0
		}
	}
	return nil
}

// evaluationFrames bounds the frames that reports look at.
const evaluationFrames = 256

// held are frames that reports look at, of held-out episodes where there are some, and their chunks.
func (t *coarseToFine) held() (obs, chunks []float32, n int) {
	from := t.data.val
	if from == nil {
		from = t.data.train
	}
	n = min(evaluationFrames, from.len())
	frames := make([]int, n)
	for i := range frames {
		frames[i] = i * from.len() / n
	}
	obs, chunks = make([]float32, n*t.net.ObsDim), make([]float32, n*t.net.Horizon*t.net.ActDim)
	from.gather(obs, chunks, frames, seed.Stream(t.cfg.Seed, "imitation/held", 0))
	return obs, chunks, n
}

// positionError is how far rebuilt chunks are from demonstrated ones: root mean square of a coordinate, m.
func (t *coarseToFine) positionError() float64 {
	_, chunks, n := t.held()
	pass, decoded := t.policy.Tokenizer.NewPass(), make([]float32, len(chunks))
	pass.Encode(chunks, n)
	pass.DecodeTo(decoded)
	var sum float64
	for i := 0; i < len(chunks); i += t.net.ActDim {
		for j := range layout.Vector {
			e := float64(decoded[i+j]-chunks[i+j]) * float64(t.data.act.Max[j]-t.data.act.Min[j]) / 2
			sum += e * e
		}
	}
	return math.Sqrt(sum / float64(len(chunks)/t.net.ActDim*layout.Vector))
}

// drawnError is the mean absolute error of drawn chunks, normalised; 0 without held-out episodes.
func (t *coarseToFine) drawnError() float64 {
	if t.data.val == nil {
		return 0
	}
	obs, chunks, n := t.held()
	drawn := make([]float32, len(chunks))
	carp.NewDecoder(t.policy.Tokenizer, t.policy.AR, n).ChunksTo(drawn, obs, n)
	return l1(nil, drawn, chunks, 0) / float64(len(chunks))
}
