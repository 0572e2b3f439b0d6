package nn

// FiLM scales and shifts every channel of a sequence x [rows, Channels] by an
// embedding e [2, Channels] of its own: y = e_0 x + e_1 (Perez et al. 2018, arXiv
// 1709.07871). It has no parameters; a Linear makes e.
type FiLM struct {
	n, rows, channels int
	x, e              []float32
	y, de             []float32
}

// NewFiLM returns a FiLM for batches of up to maxBatch sequences.
func NewFiLM(maxBatch, rows, channels int) *FiLM {
	return &FiLM{rows: rows, channels: channels, y: make([]float32, maxBatch*rows*channels)}
}

// Forward returns y, which belongs to f; x and e must not change before Backward.
func (f *FiLM) Forward(x, e []float32, n int) []float32 {
	c, k := f.channels, f.rows*f.channels
	f.n, f.x, f.e = n, x[:n*k], e[:n*2*c]
	for i := range n {
		s := f.e[i*2*c:]
		kernels.Affine(f.y[i*k:(i+1)*k], x[i*k:(i+1)*k], s[:c], s[c:2*c])
	}
	return f.y[:n*k]
}

// Backward turns dy into the gradient of x, and returns it and that of e, which
// belongs to f.
func (f *FiLM) Backward(dy []float32) (dx, de []float32) {
	c, k := f.channels, f.rows*f.channels
	de = grow(&f.de, f.n*2*c)
	clear(de)
	for i := range f.n {
		d := de[i*2*c:]
		kernels.AffineGrad(dy[i*k:(i+1)*k], f.x[i*k:(i+1)*k], f.e[i*2*c:][:c], d[:c], d[c:2*c])
	}
	return dy[:f.n*k], de
}
