package nn

// Activation is a function of single numbers: it writes y = f(x) and, unless d
// is nil, the derivative d = f'(x). y may be x.
type Activation func(y, d, x []float32)

// Mish is x tanh(log(1 + e^x)) (Misra 2019, arXiv 1908.08681).
func Mish(y, d, x []float32) { kernels.Mish(y, d, x) }

// SiLU is x / (1 + e^-x) (Elfwing et al. 2018, arXiv 1702.03118).
func SiLU(y, d, x []float32) { kernels.SiLU(y, d, x) }

// ActivationPass holds one batch through an Activation.
type ActivationPass struct {
	f    Activation
	n    int
	y, d []float32
}

// NewPass returns a pass for up to so many numbers.
func (f Activation) NewPass(size int) *ActivationPass {
	return &ActivationPass{f: f, y: make([]float32, size), d: make([]float32, size)}
}

// Forward returns y, which belongs to the pass.
func (p *ActivationPass) Forward(x []float32) []float32 {
	p.n = len(x)
	p.f(p.y[:p.n], p.d[:p.n], x)
	return p.y[:p.n]
}

// Backward turns dy into the gradient of x, which it returns.
func (p *ActivationPass) Backward(dy []float32) []float32 {
	dy = dy[:p.n]
	kernels.Mul(dy, p.d)
	return dy
}
