package filter

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"korr/internal/tensorfile"
)

// fittedTable is a filter fitted to a leg that slips.
func fittedTable(t *testing.T) *Fitted {
	t.Helper()
	f, err := Fit(table, slipping(rand.New(rand.NewPCG(1, 9)), 8))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFileRoundTrip(t *testing.T) {
	f := fittedTable(t)
	var file tensorfile.File
	if err := f.SaveTo(&file, "filter.", "one_leg"); err != nil {
		t.Fatal(err)
	}
	got, task, err := LoadFrom(&file, "filter.")
	if err != nil || task != "one_leg" {
		t.Fatal(task, err)
	}
	if len(got.Scene.Joints) != 1 || got.Scene.Parts[1] != table.Parts[1] {
		t.Errorf("the scene is %+v", got.Scene)
	}
	for i := range f.Nets {
		for m, net := range f.Nets[i] {
			if (net == nil) != (got.Nets[i][m] == nil) {
				t.Fatalf("part %d, mode %d: a network came or went", i, m)
			}
			if net != nil && !slices.Equal(net.Params()[0].Data, got.Nets[i][m].Params()[0].Data) {
				t.Errorf("part %d, mode %d: the network's weights differ", i, m)
			}
		}
	}
	for i := range f.W {
		for m := range f.W[i] {
			if (f.W[i][m] == nil) != (got.W[i][m] == nil) {
				t.Fatalf("part %d, mode %d: a matrix came or went", i, m)
			}
			for k, v := range f.W[i][m] {
				if math.Abs(v-got.W[i][m][k]) > 1e-6*math.Abs(v)+1e-12 {
					t.Fatalf("part %d, mode %d: %g became %g", i, m, v, got.W[i][m][k])
				}
			}
			for k, v := range f.Kinematic[i][m] {
				if math.Abs(v-got.Kinematic[i][m][k]) > 1e-6*math.Abs(v) {
					t.Fatalf("part %d, mode %d: covariance %g became %g", i, m, v, got.Kinematic[i][m][k])
				}
			}
		}
	}
}

// TestFileRefuses: damaged and foreign files are errors, never panics, and never a filter.
func TestFileRefuses(t *testing.T) {
	fitted := fittedTable(t)
	for name, damage := range map[string]func(f *tensorfile.File){
		"no scene":    func(f *tensorfile.File) { delete(f.Meta, sceneKey) },
		"not JSON":    func(f *tensorfile.File) { f.SetMeta(sceneKey, "{") },
		"unknown key": func(f *tensorfile.File) { f.SetMeta(sceneKey, `{"task":"","scene":{},"x":1}`) },
		"no such part": func(f *tensorfile.File) {
			f.SetMeta(sceneKey, strings.Replace(f.Meta[sceneKey], `"Male":1`, `"Male":9`, 1))
		},
		"fewer parts":   func(f *tensorfile.File) { f.SetMeta(sceneKey, `{"task":"","scene":{"Parts":[{}]}}`) },
		"no covariance": func(f *tensorfile.File) { clear(f.Tensors[0].F32) },
		"not symmetric": func(f *tensorfile.File) { f.Tensors[1].F32[1] = 1 },
		"not finite":    func(f *tensorfile.File) { f.Tensors[2].F32[0] = float32(math.NaN()) },
		"foreign network": func(f *tensorfile.File) {
			f.SetMeta(sceneKey, strings.Replace(f.Meta[sceneKey], `"hidden":[32`, `"hidden":[99999`, 1))
		},
		"missing tensors": func(f *tensorfile.File) { f.Tensors = f.Tensors[:1] },
	} {
		file := new(tensorfile.File)
		if err := fitted.SaveTo(file, "", "one_leg"); err != nil {
			t.Fatal(err)
		}
		damage(file)
		if _, _, err := LoadFrom(file, ""); err == nil {
			t.Errorf("%s: loaded", name)
		}
	}
}
