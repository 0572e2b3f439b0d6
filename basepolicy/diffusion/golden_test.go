package diffusion

import (
	"math"
	"testing"

	"korr/internal/nn"
	"korr/internal/seed"
	"korr/internal/tensorfile"
)

func read(t *testing.T, name string) *tensorfile.File {
	t.Helper()
	f, err := tensorfile.Read("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func get(t *testing.T, f *tensorfile.File, name string) []float32 {
	t.Helper()
	v, err := f.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// agree compares by the largest difference over the largest value.
func agree(t *testing.T, what string, got, want []float32, tol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	var diff, scale float64
	for i, w := range want {
		diff = math.Max(diff, math.Abs(float64(got[i]-w)))
		scale = math.Max(scale, math.Abs(float64(w)))
	}
	if !(diff <= tol*scale) {
		t.Errorf("%s: relative error %.2g, at most %.0g", what, diff/scale, tol)
	}
}

var goldenConfig = Config{
	Arch: ArchUNet, ObsDim: 58, ActDim: 10, Horizon: 32, StepDim: 32, DownDims: []int{16, 32, 64}, Kernel: 5, Groups: 8,
}

func goldenUNet(t *testing.T, f *tensorfile.File) *Network {
	t.Helper()
	net := NewNetwork(goldenConfig, nil)
	if err := nn.LoadParams(f, "param.", net.Params()); err != nil {
		t.Fatal(err)
	}
	return net
}

func TestGoldenUNet(t *testing.T) {
	f := read(t, "unet.safetensors")
	net := goldenUNet(t, f)
	x, cond, target := get(t, f, "in.sample"), get(t, f, "in.cond"), get(t, f, "in.target")
	var steps []int
	for _, k := range get(t, f, "in.timestep") {
		steps = append(steps, int(k))
	}
	p := net.NewPass(len(steps))
	y := p.Forward(x, cond, steps, len(steps))
	agree(t, "output", y, get(t, f, "out.noise_pred"), 1e-5)
	dy := make([]float32, len(y))
	var loss float64
	for i, v := range y {
		d := float64(v) - float64(target[i])
		loss += d * d / float64(len(y))
		dy[i] = float32(2 * d / float64(len(y)))
	}
	agree(t, "loss", []float32{float32(loss)}, get(t, f, "out.loss"), 1e-5)
	p.Backward(dy)
	for _, q := range net.Params() {
		agree(t, "gradient of "+q.Name, q.Published(q.Grad), get(t, f, "grad."+q.Name), 1e-4)
	}
	for i := range steps { // one at a time, as on a robot
		w := len(y) / len(steps)
		agree(t, "a single output", p.Forward(x[i*w:], cond[i*58:], steps[i:], 1),
			get(t, f, "out.noise_pred")[i*w:(i+1)*w], 2e-5)
	}
}

func TestGoldenDiffusion(t *testing.T) {
	f := read(t, "diffusion.safetensors")
	net := goldenUNet(t, read(t, "unet.safetensors"))
	s := NewSchedule(DefaultProcess())
	narrow := func(x []float64) []float32 {
		y := make([]float32, len(x))
		for i, v := range x {
			y[i] = float32(v)
		}
		return y
	}
	agree(t, "betas", narrow(s.Betas), get(t, f, "betas"), 1e-5)
	agree(t, "alphas", narrow(s.Alphas), get(t, f, "alphas_cumprod"), 1e-5)
	x, noise := get(t, f, "add_noise.action"), get(t, f, "add_noise.noise")
	noised := make([]float32, len(x))
	for i, k := range get(t, f, "add_noise.timesteps") {
		s.AddNoiseTo(noised[i*320:], x[i*320:(i+1)*320], noise[i*320:], int(k))
	}
	agree(t, "noised chunks", noised, get(t, f, "add_noise.out"), 1e-5)
	for name, steps := range map[string]int{"ddim4.": 4, "ddim16.": 16} {
		sampler := NewSampler(s, SamplerConfig{Method: DDIM, Steps: steps, Warm: WarmPublished, WarmStep: 50}, 320, 3)
		for i, k := range get(t, f, name+"timesteps") {
			if sampler.Steps()[i] != int(k) {
				t.Errorf("%s step %d is %d, want %v", name, i, sampler.Steps()[i], k)
			}
		}
		x := append([]float32(nil), get(t, f, "sample.init_noise")...)
		from := sampler.Start(x, make([]float32, len(x)))
		agree(t, name+"start", x, get(t, f, name+"start"), 1e-5)
		spy := &firstStep{Denoiser: NewDenoiser(net, 3)}
		sampler.Run(x, spy, get(t, f, "sample.cond"), from, 3, nil, nil)
		agree(t, name+"after_first", spy.x, get(t, f, name+"after_first"), 1e-5)
		// The 16 steps multiply roundings: in double precision the same trajectory ends 2.1e-5 away from the reference.
		agree(t, name+"action", x, get(t, f, name+"action"), map[int]float64{4: 1e-5, 16: 5e-5}[steps])
	}
}

// firstStep keeps what the sampler made of the first prediction.
type firstStep struct {
	Denoiser
	x []float32
}

func (f *firstStep) PredictTo(dst, x, cond []float32, i int) {
	if i == 1 {
		f.x = append(f.x, x...)
	}
	f.Denoiser.PredictTo(dst, x, cond, i)
}

// small are networks of odd sizes.
func small() map[string]Config {
	return map[string]Config{
		ArchUNet: {
			Arch: ArchUNet, ObsDim: 5, ActDim: 3, Horizon: 8, StepDim: 6, DownDims: []int{8, 10},
			Kernel: 3, Groups: 2,
		},
		ArchMLP:         {Arch: ArchMLP, ObsDim: 5, ActDim: 3, Horizon: 8, StepDim: 6, Width: 8, Blocks: 2},
		ArchTransformer: {Arch: ArchTransformer, ObsDim: 5, ActDim: 3, Horizon: 8, StepDim: 6, Width: 8, Blocks: 2, Heads: 2},
	}
}

func smallNetwork(cfg Config) *Network {
	rng := seed.Stream(1, cfg.Arch, 0)
	net := NewNetwork(cfg, rng)
	for _, p := range net.Params() {
		for i := range p.Data {
			p.Data[i] += float32(0.1 * rng.NormFloat64())
		}
	}
	return net
}

func noise(purpose string, n int) []float32 {
	rng := seed.Stream(2, purpose, 0)
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

func TestNetworkGradientsByFiniteDifferences(t *testing.T) {
	const n, h = 3, 0.01
	for arch, cfg := range small() {
		net := smallNetwork(cfg)
		p := net.NewPass(n)
		x, cond, r := noise("x", n*24), noise("cond", n*5), noise("r", n*24)
		steps := []int{3, 70, 12}
		loss := func() (sum float64) {
			for i, v := range p.Forward(x, cond, steps, n) {
				sum += float64(v) * float64(r[i])
			}
			return sum
		}
		loss()
		p.Backward(append([]float32(nil), r...))
		for _, q := range net.Params() {
			var worst, scale float64
			for k := range min(len(q.Data), 12) { // a sample
				i := k * len(q.Data) / min(len(q.Data), 12)
				v := q.Data[i]
				at := func(d float32) float64 { q.Data[i] = v + d; return loss() }
				want := (8*(at(h)-at(-h)) - (at(2*h) - at(-2*h))) / (12 * float64(float32(h)))
				q.Data[i] = v
				worst, scale = math.Max(worst, math.Abs(want-float64(q.Grad[i]))), math.Max(scale, math.Abs(want))
			}
			if !(worst <= 2e-3*math.Max(scale, 1)) {
				t.Errorf("%s: %s: gradient off by %.2g of %.2g", arch, q.Name, worst, scale)
			}
		}
	}
}
