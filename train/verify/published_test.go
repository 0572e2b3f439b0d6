package verify

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"korr/internal/tensorfile"
)

// layouts are folders with a checkpoint in the published layout: the reference, and every class in other sizes
// (train/published/testdata/make.py).
var layouts = []string{"golden", "base", "korr", "korr_goal", "resip", "resip_dynamics"}

func TestPublishedLayoutsAgree(t *testing.T) {
	for _, name := range layouts {
		t.Run(name, func(t *testing.T) {
			r := run(t, filepath.Join("../published/testdata", name))
			if !r.Passed || len(r.Checks) < 60 {
				t.Errorf("passed %v, %d checks", r.Passed, len(r.Checks))
			}
			for _, c := range r.Checks {
				if !c.OK {
					t.Errorf("%s %s: %+v", c.File, c.Quantity, c)
				}
				if c.Quantity == "action" {
					t.Logf("action: %.1e", *c.Error)
				}
			}
		})
	}
}

// TestPublishedLayoutSeesDamage: a wrong expectation and a damaged checkpoint fail.
func TestPublishedLayoutSeesDamage(t *testing.T) {
	for name, spoil := range map[string]func(dir string){
		"another action": func(dir string) {
			edit(t, filepath.Join(dir, expectedName), func(f *tensorfile.File) { x, _ := f.Lookup("action"); x.F32[5] += 0.01 })
		},
		"another residual": func(dir string) {
			edit(t, filepath.Join(dir, expectedName), func(f *tensorfile.File) {
				x,
					_ := f.Lookup("scaled_residual")
				x.F32[0] *= 1.1
			})
		},
		"more steps": func(dir string) {
			edit(t, filepath.Join(dir, expectedName), func(f *tensorfile.File) { f.SetMeta("ddim_steps", "6") })
		},
		"an unknown tensor": func(dir string) {
			edit(t, filepath.Join(dir, expectedName), func(f *tensorfile.File) { f.Add("what", []float32{1}) })
		},
		"a truncated checkpoint": func(dir string) {
			path := filepath.Join(dir, publishedName)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, b[:len(b)/2], 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS("../published/testdata/korr")); err != nil {
			t.Fatal(err)
		}
		spoil(dir)
		r := run(t, dir)
		if r.Passed {
			t.Errorf("%s: nothing noticed", name)
		}
		for _, c := range r.Checks {
			if !c.OK && c.Note == "" && c.Error == nil || strings.Contains(c.Note, dir) {
				t.Errorf("%s: %+v", name, c)
			}
		}
	}
}
