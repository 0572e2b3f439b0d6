package koopman

import (
	"errors"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"testing"

	"gonum.org/v1/gonum/mat"

	"korr/internal/nn"
	"korr/internal/seed"
	"korr/internal/tensorfile"
)

func TestConfigIsChecked(t *testing.T) {
	for name, cfg := range map[string]Config{
		"zero":          {},
		"no room":       {ObsDim: 5, ActDim: 2, LatentDim: 5, StateInclusive: true},
		"hidden":        {ObsDim: 5, ActDim: 2, LatentDim: 8, Hidden: []int{0}},
		"huge":          {ObsDim: 5, ActDim: 2, LatentDim: 1 << 30},
		"not finite":    {ObsDim: 5, ActDim: 2, LatentDim: 8, SpectralBound: math.Inf(1)},
		"state":         {ObsDim: 5, State: 6, ActDim: 2, LatentDim: 8},
		"latent weight": {ObsDim: 5, ActDim: 2, LatentDim: 8, LatentWeight: -1},
	} {
		if _, err := New(cfg, nil); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v, want ErrConfig", name, err)
		}
	}
	m, err := New(inclusive, seed.Stream(1, "m", 0))
	if err != nil {
		t.Fatal(err)
	}
	if c := m.Config(); c.SpectralBound != 1 || c.LatentWeight != 0.1 {
		t.Errorf("defaults %+v", c)
	}
	z := make([]float32, 9)
	m.LiftTo(z, []float32{1, 2, 3, 4, 5})
	if z[4] != 5 || z[5] == 0 && z[6] == 0 && z[7] == 0 && z[8] == 0 {
		t.Errorf("lift %v: want the observation, then features that are not zero", z)
	}
}

// unstable gives A the spectral radius r: a rotation block and a defective one.
func unstable(m *Model, r float32) {
	l := m.cfg.LatentDim
	clear(m.A.Data)
	m.A.Data[1], m.A.Data[l] = -r, r
	for i := 2; i < l; i++ {
		m.A.Data[i*l+i] = 0.5 * r
		if i > 2 {
			m.A.Data[(i-1)*l+i] = 3
		}
	}
}

func TestSpectralBound(t *testing.T) {
	for _, c := range []struct{ bound, radius, want float64 }{
		{0, 1.5, 1},
		{0.9, 1.5, 0.9},
		{0.9, 0.5, 0.5},
		{-1, 1.5, 1.5},
	} {
		cfg := inclusive
		cfg.SpectralBound = c.bound
		m := randomModel(t, cfg, seed.Stream(1, "spectrum", 0))
		unstable(m, float32(c.radius))
		if r := m.Constrain(); math.Abs(r-c.radius) > 1e-6 {
			t.Errorf("Constrain measured %g before, want %g", r, c.radius)
		}
		if r := m.SpectralRadius(); math.Abs(r-c.want) > 2e-5 || c.want != c.radius && r > c.want {
			t.Errorf("bound %g: radius %g after, want %g and no more", c.bound, r, c.want)
		}
		// Independent of the eigenvalue routine: |A^k|^(1/k) tends to the radius.
		if g := gelfand(m.A.Data, cfg.LatentDim); math.Abs(g-c.want) > 0.01 {
			t.Errorf("bound %g: powers of A grow like %g, want %g", c.bound, g, c.want)
		}
	}
	m := randomModel(t, inclusive, seed.Stream(1, "spectrum", 1))
	m.A.Data[3] = float32(math.NaN())
	if r := m.SpectralRadius(); !math.IsNaN(r) {
		t.Errorf("radius %g of a matrix with NaN", r)
	}
}

// gelfand returns |A^1024|^(1/1024) in the Frobenius norm, by squaring.
func gelfand(a []float32, l int) float64 {
	p, q := append([]float32(nil), a...), make([]float32, l*l)
	logNorm := 0.0
	for range 10 {
		nn.MatMul(q, p, p, l, l, l, 0)
		var s float64
		for _, x := range q {
			s += float64(x) * float64(x)
		}
		s = math.Sqrt(s)
		for i := range q {
			p[i] = float32(float64(q[i]) / s)
		}
		logNorm = 2*logNorm + math.Log(s)
	}
	return math.Exp(logNorm / 1024)
}

func TestSaveLoad(t *testing.T) {
	rng := seed.Stream(1, "save", 0)
	for _, cfg := range kinds {
		m := randomModel(t, cfg, rng)
		path := filepath.Join(t.TempDir(), "k.safetensors")
		if err := m.Save(path); err != nil {
			t.Fatal(err)
		}
		got, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got.Config(), m.Config()) {
			t.Errorf("config %+v, want %+v", got.Config(), m.Config())
		}
		same(t, got, m)
		clone := m.Clone()
		same(t, clone, m)
		clone.A.Data[0]++
		if clone.A.Data[0] == m.A.Data[0] {
			t.Error("the clone shares its weights")
		}
	}
}

func same(t *testing.T, a, b *Model) {
	t.Helper()
	for i, p := range a.Params() {
		if !reflect.DeepEqual(p.Data, b.Params()[i].Data) {
			t.Errorf("%s differs", p.Name)
		}
	}
}

func TestEmbedTwoAndRefuseDamage(t *testing.T) {
	rng := seed.Stream(2, "save", 0)
	a, b := randomModel(t, inclusive, rng), randomModel(t, pure, rng)
	f := &tensorfile.File{}
	a.SaveTo(f, "a.")
	b.SaveTo(f, "b.")
	got, err := LoadFrom(f, "b.")
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, b)

	if _, err := LoadFrom(f, "c."); !errors.Is(err, ErrConfig) {
		t.Errorf("absent model: %v", err)
	}
	f.SetMeta("b.config", `{"obs_dim":5,"act_dim":2,"latent_dim":16384,"hidden":[16384]}`)
	if _, err := LoadFrom(f, "b."); !errors.Is(err, tensorfile.ErrShape) {
		t.Errorf("inflated config: %v", err)
	}
	f.SetMeta("b.config", `{"obs_dim":5,"act_dim":2,"latent_dim":6,"hidden":[12]}`)
	if _, err := LoadFrom(f, "b."); !errors.Is(err, tensorfile.ErrShape) {
		t.Errorf("wrong shape: %v", err)
	}
	f.SetMeta("b.config", `{"obs_dim":5,"colour":1}`)
	if _, err := LoadFrom(f, "b."); !errors.Is(err, ErrConfig) {
		t.Errorf("unknown field: %v", err)
	}
	if tensor, ok := f.Lookup("a.A"); ok {
		tensor.F32[0] = float32(math.Inf(1))
	}
	if _, err := LoadFrom(f, "a."); !errors.Is(err, tensorfile.ErrNotFinite) {
		t.Errorf("infinite weight: %v", err)
	}
}

// TestConstrainLeavesOtherModesAlone: eigenvalues beyond the bound come to lie on
// it, on their own rays, real and complex ones; the others stay.
func TestConstrainLeavesOtherModesAlone(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	m, err := New(Config{ObsDim: 3, ActDim: 1, LatentDim: 24, Hidden: []int{4}, SpectralBound: 1}, rng)
	if err != nil {
		t.Fatal(err)
	}
	for i := range m.A.Data {
		m.A.Data[i] = float32(rng.NormFloat64() * 1.2 / math.Sqrt(24))
	}
	values := func() []complex128 {
		a, _ := denseOf(m.A.Data, 24)
		var eig mat.Eigen
		if !eig.Factorize(a, mat.EigenNone) {
			t.Fatal("no eigenvalues")
		}
		return eig.Values(nil)
	}
	before := values()
	beyond := 0
	m.Constrain()
	after := values()
	if r := m.SpectralRadius(); r > 1 {
		t.Errorf("radius %v after", r)
	}
	for _, l := range before {
		want := l
		if size := cmplx.Abs(l); size > 1 {
			want /= complex(size, 0)
			beyond++
		}
		near := math.Inf(1)
		for _, got := range after {
			near = min(near, cmplx.Abs(got-want))
		}
		if near > 1e-4 {
			t.Errorf("eigenvalue %v: none within %.2g of %v", l, near, want)
		}
	}
	if beyond < 2 || beyond > 20 {
		t.Errorf("%d of 24 eigenvalues were beyond the bound: the test compares little", beyond)
	}
}

// TestBilinearSpectralBound: with the hand open and shut the radius is at most the bound, and what was within it stays.
func TestBilinearSpectralBound(t *testing.T) {
	m := randomModel(t, bilinear, seed.Stream(1, "spectrum", 2))
	l := bilinear.LatentDim
	// open: A + N = 0.5, shut: A - N = 1.5 on the diagonal, so that one end alone is beyond the bound
	for i := range m.A.Data {
		m.A.Data[i], m.N.Data[i] = 0, 0
		if i%(l+1) == 0 {
			m.A.Data[i], m.N.Data[i] = 1, -0.5
		}
	}
	if r := m.Constrain(); math.Abs(r-1.5) > 1e-6 {
		t.Errorf("radius %g before, want 1.5", r)
	}
	if r := m.SpectralRadius(); r > 1 || r < 0.999 {
		t.Errorf("radius %g after, want 1 and no more", r)
	}
	z, next := make([]float32, l), make([]float32, l)
	z[0] = 1
	clear(m.B.Data)
	for g, want := range map[float32]float32{1: 0.5, -1: 1, 0: 0.75, 7: 0.5, -7: 1} { // beyond +-1 as at +-1
		m.PredictTo(next, z, []float32{0, g})
		if math.Abs(float64(next[0]-want)) > 1e-4 {
			t.Errorf("gripper %g: factor %g, want %g", g, next[0], want)
		}
	}
}

// TestBilinearFit: least squares finds the matrices of a bilinear system, which a linear model cannot follow, and so
// does an adapter that starts from it predict.
func TestBilinearFit(t *testing.T) {
	rng := seed.Stream(1, "bilinear", 0)
	truth := randomModel(t, bilinear, rng)
	for i := range truth.N.Data { // well within the bound, which the fit imposes
		truth.A.Data[i] *= 0.4
		truth.N.Data[i] *= 0.05
	}
	cfg := bilinear
	fit, err := New(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	// Without the lift's part both are of the observation alone: phi is zero, and so are the rows and columns it
	// stands for.
	l, d, n := cfg.LatentDim, cfg.ObsDim, 600
	for i := range l {
		for j := range l {
			if i >= d || j >= d {
				truth.A.Data[i*l+j], truth.N.Data[i*l+j] = 0, 0
			}
		}
	}
	for i := d * cfg.ActDim; i < len(truth.B.Data); i++ {
		truth.B.Data[i] = 0
	}
	obs, us, next := gaussian(rng, n*d), gaussian(rng, n*cfg.ActDim), make([]float32, n*d)
	z, zn := make([]float32, l), make([]float32, l)
	for i := range n {
		copy(z, obs[i*d:(i+1)*d])
		truth.PredictTo(zn, z, us[i*2:(i+1)*2])
		copy(next[i*d:], zn[:d])
	}
	if err := fit.FitLeastSquares(obs, us, next, n, 1e-9); err != nil {
		t.Fatal(err)
	}
	for k, p := range fit.dynamics() {
		for i, v := range p.Data {
			if want := truth.dynamics()[k].Data[i]; math.Abs(float64(v-want)) > 1e-3 {
				t.Fatalf("%s[%d]: %g, want %g", p.Name, i, v, want)
			}
		}
	}
	if _, err := fit.Fold(nn.NewMLP(nn.MLPConfig{In: l, Hidden: []int{4}, Out: 2}, rng)); !errors.Is(err, ErrConfig) {
		t.Errorf("folded a bilinear model: %v", err)
	}
}
