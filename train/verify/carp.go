package verify

import (
	"fmt"
	"strconv"
	"strings"

	"korr/basepolicy/carp"
	"korr/internal/nn"
)

// carpConfig reads the sizes of a tokeniser, and of a transformer where there is one, off the metadata.
func (c *file) carpConfig() (carp.Config, error) {
	cfg := carp.Published()
	cfg.ObsDim = 1
	var err error
	whole := func(key string, at *int) {
		v, e := c.number(key, float64(*at))
		if e != nil || v != float64(int(v)) {
			err = fmt.Errorf("metadata: %s is %q, want a whole number", key, c.f.Meta[key])
		}
		*at = int(v)
	}
	whole("action_dim", &cfg.ActDim)
	whole("horizon", &cfg.Horizon)
	whole("codebook", &cfg.Codebook)
	whole("width", &cfg.Width)
	whole("channels", &cfg.Channels)
	whole("phi_layers", &cfg.PhiLayers)
	whole("embed_dim", &cfg.Embed)
	whole("depth", &cfg.Depth)
	whole("heads", &cfg.Heads)
	whole("mlp_ratio", &cfg.MLPRatio)
	steps := 1
	whole("obs_steps", &steps)
	whole("obs_dim", &cfg.ObsDim)
	cfg.ObsDim *= max(1, steps)
	if err != nil {
		return cfg, err
	}
	if cfg.Residual, err = c.number("quant_resi", cfg.Residual); err != nil {
		return cfg, err
	}
	if cfg.Beta, err = c.number("beta", cfg.Beta); err != nil {
		return cfg, err
	}
	if text, ok := c.f.Meta["scales"]; ok {
		if cfg.Scales, err = wholes(text); err != nil {
			return cfg, err
		}
	}
	if text, ok := c.f.Meta["channel_mult"]; ok {
		mult, err := wholes(text)
		if err != nil || len(mult) != 2 {
			return cfg, fmt.Errorf("metadata: channel_mult is %q, want two numbers", text)
		}
		cfg.Mult = [2]int(mult)
	}
	for key, want := range map[string]string{"lookup": "cosine", "attn_l2_norm": "true", "shared_adaln": "false"} {
		if got, ok := c.f.Meta[key]; ok && got != want {
			return cfg, fmt.Errorf("metadata: %s is %q; only %s is implemented", key, got, want)
		}
	}
	return cfg, cfg.Validate()
}

// wholes reads numbers with commas between.
func wholes(text string) ([]int, error) {
	var out []int
	for part := range strings.SplitSeq(text, ",") {
		v, err := strconv.Atoi(part)
		if err != nil {
			return nil, fmt.Errorf("metadata: %q is no list of whole numbers", text)
		}
		out = append(out, v)
	}
	return out, nil
}

// weights loads parameters and keeps book of their tensors.
func (c *file) weights(prefix string, ps []*nn.Param) error {
	for _, p := range ps {
		c.seen[prefix+p.Name] = true
	}
	return nn.LoadParams(c.f, prefix, ps)
}

// checkTokenizer checks CARP's tokeniser: latent, words, reconstruction, losses and every gradient.
func checkTokenizer(c *file) error {
	cfg, err := c.carpConfig()
	if err != nil {
		return err
	}
	t := carp.NewTokenizer(cfg, nil)
	if err := c.weights("param.", t.Params()); err != nil {
		return err
	}
	shape, err := c.shape("input.actions", 3)
	if err != nil {
		return err
	}
	n, u := shape[0], cfg.ActDim
	chunks, err := c.input("input.actions", n, cfg.Horizon, u)
	if err != nil {
		return err
	}
	pass := t.NewPass()
	pass.Encode(chunks, n)
	size := n * cfg.Width * cfg.Horizon / 4
	latent, quantised := make([]float32, u*size), make([]float32, u*size)
	for d := range u {
		pass.LatentTo(latent[d*size:(d+1)*size], quantised[d*size:(d+1)*size], d)
	}
	c.compare("latent", latent, Forward)
	c.compare("quantised", quantised, Forward)
	for s, p := range cfg.Scales {
		words := make([]int, n*p*u)
		pass.WordsTo(words, s)
		got := make([]float32, 0, len(words)) // the reference has [B, U, positions]
		for i := range n {
			for d := range u {
				for k := range p {
					got = append(got, float32(words[(i*p+k)*u+d]))
				}
			}
		}
		c.compare(fmt.Sprintf("idx.scale%d", s), got, 0, n, u, p)
	}
	decoded, losses := make([]float32, len(chunks)), make([]carp.Losses, u)
	pass.DecodeTo(decoded)
	c.compare("reconstruction", decoded, Forward, shape...)
	total := pass.Loss(losses)
	var vq, l2, l1 []float64
	for _, l := range losses {
		vq, l2, l1 = append(vq, l.VQ), append(l2, l.L2), append(l1, l.L1)
	}
	c.compare64("loss.vq", "loss.vq", vq, Forward, u)
	c.compare64("loss.rec_l2", "loss.rec_l2", l2, Forward, u)
	c.compare64("loss.rec_l1", "loss.rec_l1", l1, Forward, u)
	c.scalar("loss.total", total, Forward)
	pass.Backward()
	for _, p := range t.Params() {
		c.compare("grad."+p.Name, p.Published(p.Grad), Gradient, p.Shape...)
	}
	return nil
}

// checkAR checks CARP's transformer: logits with the demonstrated words given, the loss and every gradient, and what it
// decodes by itself.
func checkAR(c *file) error {
	cfg, err := c.carpConfig()
	if err != nil {
		return err
	}
	tok, ar := carp.NewTokenizer(cfg, nil), carp.NewAR(cfg, nil)
	if err := c.weights("tokenizer.", tok.Params()); err != nil {
		return err
	}
	if err := c.weights("param.", ar.Params()); err != nil {
		return err
	}
	t, ok := c.f.Lookup("input.obs")
	if !ok || len(t.Shape) < 2 {
		return fmt.Errorf("input.obs is missing")
	}
	n, u, tokens := t.Shape[0], cfg.ActDim, cfg.Tokens()
	obs, err := c.input("input.obs")
	if err != nil {
		return err
	}
	if len(obs) != n*cfg.ObsDim {
		return fmt.Errorf("input.obs: %v, want %d values for each of %d", t.Shape, cfg.ObsDim, n)
	}
	first := cfg.Scales[0] * u
	var chunks, words, target []float32
	if err := c.inputs(
		wanted{&chunks, "input.actions", []int{n, cfg.Horizon, u}},
		wanted{&words, "input.tokens", []int{n, tokens - first, cfg.Width}},
		wanted{&target, "target.idx", []int{n, tokens}},
	); err != nil {
		return err
	}
	given := tok.NewPass()
	given.Encode(chunks, n)
	c.compareAs("target.idx (of the tokeniser)", "target.idx", singles(given.Words()), 0, n, tokens)
	c.compareAs("input.tokens (of the tokeniser)", "input.tokens", given.Inputs(), Forward, n, tokens-first, cfg.Width)
	pass := ar.NewPass(n)
	pass.Observe(obs, n)
	logits := pass.Forward(words)
	v, at := cfg.Codebook, 0
	for s, p := range cfg.Scales {
		c.compare(fmt.Sprintf("logits.scale%d", s), middle(logits, n, tokens*v, at*v, p*u*v), Forward, n, p*u, v)
		at += p * u
	}
	idx := integers(target)
	last := cfg.Scales[len(cfg.Scales)-1] * u
	var ends []int
	for i := range n {
		ends = append(ends, idx[(i+1)*tokens-last:(i+1)*tokens]...)
	}
	c.scalar("loss.last_scale", pass.Loss(middle(logits, n, tokens*v, (tokens-last)*v, last*v), ends), Forward)
	c.scalar("loss.total", pass.Loss(logits, idx), Forward)
	pass.Backward(logits)
	for _, p := range ar.Params() {
		c.compare("grad."+p.Name, p.Published(p.Grad), Gradient, p.Shape...)
	}
	free := carp.NewDecoder(tok, ar, n)
	free.Watch = func(scale int, logits []float32, words []int) {
		p := cfg.Scales[scale] * u
		c.compare(fmt.Sprintf("decode.logits.scale%d", scale), logits, Forward, n, p, v)
		c.compare(fmt.Sprintf("decode.idx.scale%d", scale), singles(words), 0, n, p)
	}
	decoded := make([]float32, n*cfg.Horizon*u)
	free.ChunksTo(decoded, obs, n)
	c.compare("decode.actions", decoded, Forward, n, cfg.Horizon, u)
	return nil
}

// middle is a copy of so many values from each of n rows.
func middle(x []float32, n, width, from, count int) []float32 {
	var out []float32
	for i := range n {
		out = append(out, x[i*width+from:][:count]...)
	}
	return out
}
