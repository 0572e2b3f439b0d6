package diffusion

// Denoiser is what a Sampler sees of a network. Whatever saves network calls, a
// cache or a forecast, is a Denoiser around another.
type Denoiser interface {
	// Begin announces a run over n chunks: the diffusion steps that PredictTo will be
	// asked for, in order. The slice must not be changed or kept beyond the run.
	Begin(steps []int, n int)
	// PredictTo writes the network's output [n*H*U] for the noisy chunks x [n*H*U] at
	// the i-th announced step, under observations cond [n*D].
	PredictTo(dst, x, cond []float32, i int)
}

// NewDenoiser returns the denoiser that calls the network every time, for up to
// maxBatch chunks.
func NewDenoiser(net *Network, maxBatch int) Denoiser {
	return &direct{pass: net.NewPass(maxBatch), batch: make([]int, maxBatch)}
}

type direct struct {
	pass  Pass
	steps []int
	batch []int
	n     int
}

func (d *direct) Begin(steps []int, n int) { d.steps, d.n = steps, n }

func (d *direct) PredictTo(dst, x, cond []float32, i int) {
	for j := range d.n {
		d.batch[j] = d.steps[i]
	}
	copy(dst, d.pass.Forward(x, cond, d.batch, d.n))
}
