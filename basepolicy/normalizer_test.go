package basepolicy

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"korr/internal/geom"
	"korr/internal/seed"
	"korr/internal/tensorfile"
)

func TestFitNormalizer(t *testing.T) {
	rows := []float32{
		-1, 5, 0.2, 0.00001,
		3, 5, 0.4, 0.00002,
		1, 5, 0.3, 0,
	}
	n, err := FitNormalizer(rows, 4)
	if err != nil {
		t.Fatal(err)
	}
	wantMin, wantMax := []float32{-1, 4, 0.2, -1}, []float32{3, 6, 0.4, 1.00002}
	for j := range wantMin {
		if n.Min[j] != wantMin[j] || n.Max[j] != wantMax[j] {
			t.Errorf("dimension %d: [%v, %v], want [%v, %v]", j, n.Min[j], n.Max[j], wantMin[j], wantMax[j])
		}
	}
	got := make([]float32, 4)
	n.NormalizeTo(got, rows[8:])
	for j, want := range []float32{0, 0, 0, 0} {
		if math.Abs(float64(got[j]-want)) > 2e-5 {
			t.Errorf("normalised dimension %d = %v, want %v", j, got[j], want)
		}
	}
}

func TestFitNormalizerRefuses(t *testing.T) {
	nan := float32(math.NaN())
	tests := []struct {
		name string
		rows []float32
		dim  int
		want string
	}{
		{"empty", nil, 2, "no rows"},
		{"ragged", []float32{1, 2, 3}, 2, "no rows"},
		{"no dimensions", []float32{1}, 0, "no rows"},
		{"NaN", []float32{1, 2, 3, nan}, 2, "row 1, dimension 1"},
		{"infinite", []float32{1, float32(math.Inf(-1))}, 1, "row 1, dimension 0"},
		{"too large to widen", []float32{1e9, 1e9}, 1, "dimension 0 runs"},
	}
	for _, tt := range tests {
		if _, err := FitNormalizer(tt.rows, tt.dim); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

func TestNormalizeRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	rows := make([]float32, 100*10)
	for i := range rows {
		rows[i] = float32(rng.NormFloat64()) * float32(1+i%10)
	}
	n, err := FitNormalizer(rows, 10)
	if err != nil {
		t.Fatal(err)
	}
	x := append([]float32(nil), rows...)
	n.NormalizeTo(x, x)
	lo, hi := float32(1), float32(-1)
	for _, v := range x {
		lo, hi = min(lo, v), max(hi, v)
	}
	if lo != -1 || hi != 1 {
		t.Errorf("normalised data spans [%v, %v], want [-1, 1]", lo, hi)
	}
	n.DenormalizeTo(x, x)
	for i := range x {
		if math.Abs(float64(x[i]-rows[i])) > 1e-5*(1+math.Abs(float64(rows[i]))) {
			t.Fatalf("value %d came back as %v, was %v", i, x[i], rows[i])
		}
	}
}

func TestNormalizeObsClamps(t *testing.T) {
	n := &Normalizer{Min: []float32{0, 0, 0}, Max: []float32{1, 1, 1}}
	got := make([]float32, 3)
	n.NormalizeObsTo(got, []float32{-10, 0.5, 10})
	if got[0] != -ObsLimit || got[1] != 0 || got[2] != ObsLimit {
		t.Errorf("clamped observation %v, want [-3 0 3]", got)
	}
	n.NormalizeTo(got, []float32{-10, 0.5, 10})
	if got[0] != -21 || got[2] != 19 {
		t.Errorf("unclamped %v, want [-21 0 19]", got)
	}
}

func TestNormalizerSaveLoad(t *testing.T) {
	n := &Normalizer{Min: []float32{0, -2}, Max: []float32{1, 7}}
	var f tensorfile.File
	n.SaveTo(&f, "obs.")
	got, err := LoadNormalizer(&f, "obs.", 2)
	if err != nil {
		t.Fatal(err)
	}
	if got.Min[1] != -2 || got.Max[1] != 7 {
		t.Errorf("loaded %+v", got)
	}
	if _, err := LoadNormalizer(&f, "obs.", 3); err == nil {
		t.Error("a normalizer of 2 dimensions was loaded as one of 3")
	}
	f.Tensors[1].F32 = []float32{1, -2}
	if _, err := LoadNormalizer(&f, "obs.", 2); err == nil || !strings.Contains(err.Error(), "dimension 1") {
		t.Errorf("an empty range was loaded: %v", err)
	}
}

func TestNormalizeDoesNotAllocate(t *testing.T) {
	n := &Normalizer{Min: []float32{0, 0}, Max: []float32{1, 1}}
	x := make([]float32, 2)
	if a := testing.AllocsPerRun(100, func() { n.NormalizeObsTo(x, x); n.DenormalizeTo(x, x) }); a != 0 {
		t.Errorf("%v allocations", a)
	}
}

// TestObsNormalizerSign reads the two quaternions of one rotation alike, and rows without poses as they are.
func TestObsNormalizerSign(t *testing.T) {
	rng := seed.Stream(1, "obs", 0)
	const head, poses, raw = 2, 3, 2 + 3*7
	rows := make([]float32, 40*raw)
	for i := range rows {
		rows[i] = float32(rng.NormFloat64())
	}
	for i := 0; i < len(rows); i += raw {
		for p := range poses {
			q := geom.QuatAt(rows[i+head+7*p+3:]).Normalize()
			geom.QuatTo(rows[i+head+7*p+3:], q)
		}
	}
	n, err := FitObsNormalizer(rows, raw, poses, 0)
	if err != nil {
		t.Fatal(err)
	}
	if n.Dim() != raw+2*poses || n.RawDim() != raw {
		t.Fatalf("maps %d to %d values, want %d to %d", n.RawDim(), n.Dim(), raw, raw+2*poses)
	}
	flipped := slices.Clone(rows)
	for i := 0; i < len(rows); i += raw {
		for k := range 4 {
			flipped[i+head+7+3+k] *= -1
		}
	}
	a, b := make([]float32, 40*n.Dim()), make([]float32, 40*n.Dim())
	n.NormalizeObsTo(a, rows)
	n.NormalizeObsTo(b, flipped)
	for i := range a {
		if math.Abs(float64(a[i]-b[i])) > 1e-5 {
			t.Fatalf("value %d is %v for q and %v for -q", i, a[i], b[i])
		}
		if a[i] < -1-1e-5 || a[i] > 1+1e-5 {
			t.Fatalf("value %d of the fitted rows is %v, outside [-1, 1]", i, a[i])
		}
	}
	var f tensorfile.File
	n.SaveTo(&f, "obs.")
	got, err := LoadNormalizer(&f, "obs.", n.Dim())
	if err != nil || !reflect.DeepEqual(got, n) {
		t.Errorf("loaded %+v, %v; saved %+v", got, err, n)
	}
	f.SetMeta("obs.poses", "9999")
	if _, err := LoadNormalizer(&f, "obs.", n.Dim()); err == nil {
		t.Error("a file with more poses than dimensions was accepted")
	}
	if _, err := FitObsNormalizer(rows, raw, 4, 0); err == nil {
		t.Error("more poses than the row holds were accepted")
	}
}
