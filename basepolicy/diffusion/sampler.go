package diffusion

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
)

// Names of samplers.
const (
	DDPM = "ddpm"
	DDIM = "ddim"
	DPM  = "dpm++" // DPM-Solver++(2M)
)

// What a chunk starts from when a part of the last one was not executed.
const (
	WarmNone = "none" // noise, always
	// the rest of the last chunk, noised to the sampler's first step at or below WarmStep, which is where sampling
	// then begins
	WarmConsistent = "consistent"
	// the same noised to WarmStep, and all steps of the sampler: inconsistent, as the published policies do
	WarmPublished = "published"
)

// SamplerConfig says how chunks are drawn.
type SamplerConfig struct {
	Method   string  `json:"method"`    // ddpm, ddim or dpm++
	Steps    int     `json:"steps"`     // network calls of a cold start
	Eta      float64 `json:"eta"`       // ddim: 0 is deterministic, 1 as random as ddpm
	Warm     string  `json:"warm"`      // none, consistent or published
	WarmStep int     `json:"warm_step"` // diffusion step that a warm start is noised to
	// how a chunk goes on from committed actions: soft (the default), prefix or none
	Inpaint string `json:"inpaint,omitempty"`
}

// DefaultSampler is 16 DDIM steps with the consistent warm start.
func DefaultSampler() SamplerConfig {
	return SamplerConfig{Method: DDIM, Steps: 16, Warm: WarmConsistent, WarmStep: 50}
}

// ParseSampler reads NAME[:key=value,...] with the keys steps, eta, warm, warm_step
// and inpaint; what is not named stays as in base.
func ParseSampler(text string, base SamplerConfig) (SamplerConfig, error) {
	name, rest, _ := strings.Cut(text, ":")
	c := base
	c.Method = name
	for rest != "" {
		var pair string
		pair, rest, _ = strings.Cut(rest, ",")
		key, value, _ := strings.Cut(pair, "=")
		var err error
		switch key {
		case "steps":
			c.Steps, err = strconv.Atoi(value)
		case "eta":
			c.Eta, err = strconv.ParseFloat(value, 64)
		case "warm":
			c.Warm = value
		case "warm_step":
			c.WarmStep, err = strconv.Atoi(value)
		case "inpaint":
			c.Inpaint = value
		default:
			return c, fmt.Errorf("diffusion: sampler %q: unknown key %q: want steps, eta, warm, warm_step or inpaint", text, key)
		}
		if err != nil {
			return c, fmt.Errorf("diffusion: sampler %q: %s is %q, want a number", text, key, value)
		}
	}
	return c, c.validate()
}

func (c SamplerConfig) validate() error {
	switch {
	case c.Method != DDPM && c.Method != DDIM && c.Method != DPM:
		return fmt.Errorf("diffusion: sampler %q is unknown: want %s, %s or %s", c.Method, DDPM, DDIM, DPM)
	case c.Steps < 1:
		return fmt.Errorf("diffusion: a sampler of %d steps, want at least 1", c.Steps)
	case !(c.Eta >= 0 && c.Eta <= 1):
		return fmt.Errorf("diffusion: eta is %v, want 0 to 1", c.Eta)
	case c.Warm != WarmNone && c.Warm != WarmConsistent && c.Warm != WarmPublished:
		return fmt.Errorf("diffusion: warm start %q is unknown: want %s, %s or %s", c.Warm, WarmNone,
			WarmConsistent, WarmPublished)
	case c.Inpaint != "" && c.Inpaint != InpaintSoft && c.Inpaint != InpaintPrefix && c.Inpaint != InpaintNone:
		return fmt.Errorf("diffusion: inpaint is %q: want %s, %s or %s", c.Inpaint, InpaintSoft, InpaintPrefix, InpaintNone)
	case c.WarmStep < 0:
		return fmt.Errorf("diffusion: warm_step is %d, want at least 0", c.WarmStep)
	}
	return nil
}

// Validate reports a sampler that does not fit the process.
func (c SamplerConfig) Validate(p Process) error {
	if err := c.validate(); err != nil {
		return err
	}
	if c.Steps > p.Steps || c.WarmStep >= p.Steps {
		return fmt.Errorf("diffusion: a sampler of %d steps with warm_step %d on a process of %d steps", c.Steps,
			c.WarmStep, p.Steps)
	}
	return nil
}

// String is the form that ParseSampler reads.
func (c SamplerConfig) String() string {
	text := fmt.Sprintf("%s:steps=%d,eta=%g,warm=%s,warm_step=%d", c.Method, c.Steps, c.Eta, c.Warm, c.WarmStep)
	if c.Inpaint != "" {
		text += ",inpaint=" + c.Inpaint
	}
	return text
}

// Sampler draws chunks. It belongs to one goroutine.
type Sampler struct {
	cfg   SamplerConfig
	sched *Schedule
	steps []int // diffusion steps, falling

	out, noise, last []float32 // of one batch: chunk, noise, chunk of the step before
	width            int       // H*U
}

// NewSampler returns a sampler of up to maxBatch chunks of width values. It panics
// when the configuration does not fit the schedule.
func NewSampler(sched *Schedule, cfg SamplerConfig, width, maxBatch int) *Sampler {
	if err := cfg.Validate(sched.Process); err != nil {
		panic(err.Error())
	}
	k := width * maxBatch
	return &Sampler{
		cfg: cfg, sched: sched, steps: samplerSteps(sched.Steps, cfg), width: width,
		out: make([]float32, k), noise: make([]float32, k), last: make([]float32, k),
	}
}

// samplerSteps spaces the steps as the published schedulers do: from 0 upwards in
// strides for DDPM and DDIM, evenly from the last step down for DPM-Solver++.
func samplerSteps(total int, cfg SamplerConfig) []int {
	steps := make([]int, cfg.Steps)
	for i := range steps {
		steps[i] = (cfg.Steps - 1 - i) * (total / cfg.Steps)
		if cfg.Method == DPM {
			steps[i] = int(math.RoundToEven(float64(cfg.Steps-i) * float64(total-1) / float64(cfg.Steps)))
		}
	}
	return steps
}

// Config returns the sampler's configuration.
func (s *Sampler) Config() SamplerConfig { return s.cfg }

// Steps are the diffusion steps of a cold start, falling.
func (s *Sampler) Steps() []int { return s.steps }

// warmFrom is the index of the step that a consistent warm start begins at.
func (s *Sampler) warmFrom() int {
	for i, k := range s.steps {
		if k <= s.cfg.WarmStep {
			return i
		}
	}
	return len(s.steps) - 1
}

// Start turns the noise in x [n*H*U] into where a run begins, and returns the
// index of its first step: 0 for a cold start. rests holds for each chunk what the
// last one left, a whole chunk shifted to the present; nil is a cold start.
func (s *Sampler) Start(x, rests []float32) int {
	if rests == nil || s.cfg.Warm == WarmNone {
		return 0
	}
	if s.cfg.Warm == WarmPublished {
		s.sched.AddNoiseTo(x, rests, x, s.cfg.WarmStep)
		return 0
	}
	from := s.warmFrom()
	s.sched.AddNoiseTo(x, rests, x, s.steps[from])
	return from
}

// Run denoises x [n*H*U] in place from the step of index from, with observations
// cond [n*D]. rngs [n] draw what a stochastic sampler adds, one for each chunk, so
// that a chunk does not depend on its batch; a deterministic one takes nil. fixed
// may be nil.
func (s *Sampler) Run(x []float32, d Denoiser, cond []float32, from, n int, rngs []*rand.Rand, fixed *Fixed) {
	x = x[:n*s.width]
	steps := s.steps[from:]
	d.Begin(steps, n)
	for i, k := range steps {
		next := -1
		if i+1 < len(steps) {
			next = steps[i+1]
		}
		if fixed != nil {
			fixed.pin(x, s.sched, s.width, k)
		}
		out, noise := s.out[:len(x)], s.noise[:len(x)]
		d.PredictTo(out, x, cond, i)
		s.sched.split(out, noise, x, k)
		if fixed != nil {
			fixed.lean(out, s.width)
		}
		switch s.cfg.Method {
		case DDIM:
			s.ddim(x, out, noise, k, next, rngs)
		case DDPM:
			s.ddpm(x, out, k, next, rngs)
		default:
			before := -1
			if i > 0 {
				before = steps[i-1]
			}
			s.dpm(x, out, before, k, next)
		}
	}
	if fixed != nil {
		fixed.pin(x, s.sched, s.width, -1)
	}
}

// ddim: x = sqrt(a') x_0 + sqrt(1 - a' - sigma^2) e + sigma z.
func (s *Sampler) ddim(x, chunk, noise []float32, k, next int, rngs []*rand.Rand) {
	a, b := s.sched.alpha(k), s.sched.alpha(next)
	sigma := s.cfg.Eta * math.Sqrt((1-b)/(1-a)*(1-a/b))
	signal, rest := s.sched.scales(next)
	if sigma > 0 {
		rest = float32(math.Sqrt(math.Max(0, 1-b-sigma*sigma)))
	}
	for i, v := range chunk {
		x[i] = signal*v + rest*noise[i]
	}
	s.perturb(x, sigma, rngs)
}

// ddpm draws from the posterior of x_next given x_k and the predicted chunk.
func (s *Sampler) ddpm(x, chunk []float32, k, next int, rngs []*rand.Rand) {
	a, b := s.sched.alpha(k), s.sched.alpha(next)
	kept := a / b
	fromChunk, fromX := float32(math.Sqrt(b)*(1-kept)/(1-a)), float32(math.Sqrt(kept)*(1-b)/(1-a))
	for i, v := range chunk {
		x[i] = fromChunk*v + fromX*x[i]
	}
	if next >= 0 {
		s.perturb(x, math.Sqrt((1-b)/(1-a)*(1-kept)), rngs)
	}
}

// perturb adds noise of the given standard deviation, drawn for each chunk from
// its own generator.
func (s *Sampler) perturb(x []float32, sigma float64, rngs []*rand.Rand) {
	if sigma == 0 {
		return
	}
	for i := range x {
		x[i] += float32(sigma * rngs[i/s.width].NormFloat64())
	}
}

// dpm is the second-order multistep update in terms of predicted chunks; the
// first and the last step are of first order.
func (s *Sampler) dpm(x, chunk []float32, before, k, next int) {
	if next < 0 { // no noise is left: the chunk itself
		copy(x, chunk)
		return
	}
	half := func(k int) float64 { a := s.sched.alpha(k); return 0.5 * math.Log(a/(1-a)) } // log signal-to-noise ratio
	h := half(next) - half(k)
	a, b := s.sched.alpha(k), s.sched.alpha(next)
	keep, move := float32(math.Sqrt((1-b)/(1-a))), float32(-math.Sqrt(b)*math.Expm1(-h))
	var c float32
	if before >= 0 {
		c = float32(h / (2 * (half(k) - half(before))))
	}
	for i, v := range chunk {
		d := v
		if before >= 0 {
			d += c * (v - s.last[i])
		}
		s.last[i] = v
		x[i] = keep*x[i] + move*d
	}
}
