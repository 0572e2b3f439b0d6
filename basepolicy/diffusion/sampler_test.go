package diffusion

import (
	"math"
	"math/rand/v2"
	"testing"

	"korr/internal/seed"
)

// gaussianDenoiser is the exact denoiser of values distributed as N(mean, std^2).
type gaussianDenoiser struct {
	s         *Schedule
	mean, std float64
	steps     []int
	calls     int
}

func (g *gaussianDenoiser) Begin(steps []int, _ int) { g.steps = steps }

func (g *gaussianDenoiser) PredictTo(dst, x, _ []float32, i int) {
	g.calls++
	a := g.s.Alphas[g.steps[i]]
	signal, rest := math.Sqrt(a), math.Sqrt(1-a)
	for j, v := range x {
		e := rest * (float64(v) - signal*g.mean) / (a*g.std*g.std + 1 - a)
		chunk := (float64(v) - rest*e) / signal
		switch g.s.Prediction {
		case PredictNoise:
			dst[j] = float32(e)
		case PredictChunk:
			dst[j] = float32(chunk)
		default:
			dst[j] = float32(signal*e - rest*chunk)
		}
	}
}

func moments(x []float32) (mean, std float64) {
	for _, v := range x {
		mean += float64(v) / float64(len(x))
	}
	for _, v := range x {
		std += (float64(v) - mean) * (float64(v) - mean) / float64(len(x))
	}
	return mean, math.Sqrt(std)
}

// TestSamplersDrawTheDistribution: with the exact denoiser every sampler ends in
// the distribution of the data, whatever is predicted.
func TestSamplersDrawTheDistribution(t *testing.T) {
	const width, mean, std = 6000, 0.3, 0.1
	for _, text := range []string{"ddim:steps=50", "ddim:steps=100,eta=1", "ddpm:steps=100", "dpm++:steps=50"} {
		for _, prediction := range []string{PredictNoise, PredictChunk, PredictVelocity} {
			cfg, err := ParseSampler(text, DefaultSampler())
			if err != nil {
				t.Fatal(err)
			}
			s := NewSchedule(Process{Steps: 100, Schedule: SquaredCosine, Prediction: prediction})
			d := &gaussianDenoiser{s: s, mean: mean, std: std}
			x := noise("sampler", width)
			NewSampler(s, cfg, width, 1).Run(x, d, nil, 0, 1, []*rand.Rand{seed.Stream(3, "sampler", 0)}, nil)
			m, sd := moments(x)
			if math.Abs(m-mean) > 0.01 || math.Abs(sd-std) > 0.02 || d.calls != cfg.Steps {
				t.Errorf("%s, %s: mean %.3f, standard deviation %.3f after %d calls, want %.3f and %.3f", text,
					prediction, m, sd, d.calls, mean, std)
			}
		}
	}
}

// TestMultistepIsOfHigherOrder: at equal calls DPM-Solver++(2M) ends closer to
// where many steps do than DDIM.
func TestMultistepIsOfHigherOrder(t *testing.T) {
	const width = 500
	s := NewSchedule(Process{Steps: 1000, Schedule: SquaredCosine, Prediction: PredictNoise})
	end := func(text string) []float32 {
		cfg, err := ParseSampler(text, DefaultSampler())
		if err != nil {
			t.Fatal(err)
		}
		x := noise("order", width)
		NewSampler(s, cfg, width, 1).Run(x, &gaussianDenoiser{s: s, mean: 0.3, std: 0.8}, nil, 0, 1, nil, nil)
		return x
	}
	exact, ddim, dpm := end("dpm++:steps=900"), end("ddim:steps=12"), end("dpm++:steps=12")
	distance := func(x []float32) (d float64) {
		for i, v := range x {
			d += math.Abs(float64(v - exact[i]))
		}
		return d
	}
	if 2*distance(dpm) > distance(ddim) {
		t.Errorf("distance %.3f for dpm++, %.3f for ddim: want less than half", distance(dpm), distance(ddim))
	}
}

func TestWarmStarts(t *testing.T) {
	s := NewSchedule(DefaultProcess())
	for text, want := range map[string]struct{ from, level int }{
		"ddim:steps=16,warm=consistent": {7, 48},
		"ddim:steps=16,warm=published":  {0, 50},
		"ddim:steps=16,warm=none":       {0, -2},
		"ddim:steps=4,warm=consistent":  {1, 50},
		"ddim:steps=4,warm_step=0":      {3, 0},
	} {
		cfg, err := ParseSampler(text, DefaultSampler())
		if err != nil {
			t.Fatal(err)
		}
		z, rest := noise("z", 12), noise("rest", 12)
		x := append([]float32(nil), z...)
		sampler := NewSampler(s, cfg, 12, 1)
		if from := sampler.Start(x, rest); from != want.from {
			t.Errorf("%s begins at %d, want %d", text, from, want.from)
		}
		if want.level >= -1 {
			s.AddNoiseTo(z, rest, z, want.level)
		}
		agree(t, text, x, z, 1e-6)
		if sampler.Start(x, nil) != 0 {
			t.Errorf("%s: a cold start leaves out steps", text)
		}
	}
}

func TestParseSampler(t *testing.T) {
	for _, text := range []string{
		"euler", "ddim:steps=0", "ddim:steps=x", "ddim:eta=2", "ddim:eta=NaN",
		"ddim:warm=hot", "ddim:speed=3", "ddim:warm_step=-1",
	} {
		if c, err := ParseSampler(text, DefaultSampler()); err == nil {
			t.Errorf("%q became %v", text, c)
		}
	}
	c, err := ParseSampler("ddim:steps=4,eta=0.5,warm=none,warm_step=20", DefaultSampler())
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ParseSampler(c.String(), SamplerConfig{}); err != nil || again != c {
		t.Errorf("%v became %v, %v", c, again, err)
	}
	if c.Validate(Process{Steps: 3}) == nil {
		t.Error("four steps of three were accepted")
	}
}
