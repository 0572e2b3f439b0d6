package residual

import (
	"math"
	"slices"
	"testing"

	"korr/basepolicy"
)

// identity is a normaliser that changes nothing.
func identity(dim int) *basepolicy.Normalizer {
	n := &basepolicy.Normalizer{Min: make([]float32, dim), Max: make([]float32, dim)}
	for i := range dim {
		n.Min[i], n.Max[i] = -1, 1
	}
	return n
}

// sumFeatures is a feature set of two numbers: the sum of the raw observation and its negative.
type sumFeatures struct{}

func (sumFeatures) Dim() int { return 2 }

func (sumFeatures) DetailDim() int { return 1 }

func (sumFeatures) DetailTo(dst, obsRaw []float32) { dst[0] = 10 * obsRaw[0] }

func (sumFeatures) FeaturesTo(dst, obsRaw []float32) {
	var s float32
	for _, v := range obsRaw {
		s += v
	}
	dst[0], dst[1] = s, -s
}

func TestEncoder(t *testing.T) {
	obs := &basepolicy.Normalizer{Min: []float32{0, 0, -1, 0}, Max: []float32{1, 2, 1, 1}}
	act := &basepolicy.Normalizer{Min: []float32{0, -1, 0, -1}, Max: []float32{2, 1, 0.04, 1}}
	e := NewEncoder(obs, act, sumFeatures{})
	if e.RawDim() != 4 || e.Dim() != 6 || e.ActDim() != 4 || e.ActorInputDim() != 6+4+3+1 {
		t.Fatalf("dims %d %d %d %d", e.RawDim(), e.Dim(), e.ActDim(), e.ActorInputDim())
	}
	raw := []float32{0.5, 2, 0.25, 40}
	xo := make([]float32, e.Dim())
	e.EncodeTo(xo, raw)
	if want := []float32{0, 1, 0.25, 3, 42.75, -42.75}; !slices.Equal(xo, want) {
		t.Errorf("x_o = %v, want %v", xo, want)
	}
	// u_b commands (1.01, 0, 0.02): 0.51 m, -2 m and -0.23 m ahead of the arm; then 5 mm.
	ub := []float32{0.01, 0, 0, 0.5}
	x := make([]float32, e.ActorInputDim())
	e.ActorInputTo(x, xo, ub, raw, 0.75)
	want := append(append(append(slices.Clone(xo), ub...), 2, -2, -2), 0.75)
	if !slices.Equal(x, want) {
		t.Errorf("x = %v, want %v", x, want)
	}
	raw[2] = 0.015
	e.ActorInputTo(x, xo, ub, raw, 0.75)
	if lead := x[12]; math.Abs(float64(lead)-0.25) > 1e-6 {
		t.Errorf("lead %g, want 0.005 m / 0.02 m", lead)
	}
	// Focused on two coordinates: the others go, and the detail comes.
	f := e.Focused(2)
	if f.in.Observed().Len() != 2+2 || f.ActorInputDim() != 4+4+3+1+1 || f.Dim() != 6 || f.Focus() != (Focus{2, 1}) {
		t.Fatalf("focused: dims %d %d %d, %+v", f.in.Observed().Len(), f.ActorInputDim(), f.Dim(), f.Focus())
	}
	y := make([]float32, f.ActorInputDim())
	f.ActorInputTo(y, xo, ub, raw, 0.75)
	if want := append(append(slices.Clone(xo[:2]), x[4:]...), 5); !slices.Equal(y, want) {
		t.Errorf("focused: x = %v, want %v", y, want)
	}
	if e.ActorInputDim() != 14 || e.Focused(0).ActorInputDim() != 14 {
		t.Error("focusing changed the encoder, or 0 is a focus")
	}
}

func TestEncoderWithoutFeatures(t *testing.T) {
	e := NewEncoder(identity(58), identity(10), nil)
	if e.Dim() != 58 || e.ActorInputDim() != 72 {
		t.Errorf("dims %d %d", e.Dim(), e.ActorInputDim())
	}
	a := []float32{-1, -0.5, 0, 0.5, 1, 2, 3, 4, 5, 6}
	b := make([]float32, 10)
	e.DenormalizeActionTo(b, a)
	e.NormalizeActionTo(b, b)
	if !slices.Equal(a, b) {
		t.Errorf("%v came back as %v", a, b)
	}
}

func TestEncoderPanics(t *testing.T) {
	for name, f := range map[string]func(){
		"constant dimension": func() {
			NewEncoder(&basepolicy.Normalizer{Min: make([]float32, 5), Max: make([]float32, 5)}, identity(10), nil)
		},
		"focus on more than there is": func() { NewEncoder(identity(58), identity(10), sumFeatures{}).Focused(59) },
		"focus without features":      func() { NewEncoder(identity(58), identity(10), nil).Focused(16) },
		"narrow action":               func() { NewEncoder(identity(58), identity(2), nil) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}
