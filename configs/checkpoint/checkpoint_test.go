package checkpoint

import (
	"os"
	"path/filepath"
	"testing"
)

// TestPath: a file, the folder of a training, a folder of checkpoints; the names of shipped weights are
// theirs, whatever else is called so.
func TestPath(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, path := range []string{
		"runs/korr/checkpoints/policy.safetensors", "runs/korr/checkpoints/best.safetensors",
		"runs/korr/checkpoints/state.safetensors",
		"runs/b/checkpoints/base.safetensors", "runs/k/checkpoints/koopman.safetensors", "one/only.safetensors", "korr",
		"two/a.safetensors", "two/b.safetensors", "runs/begun/checkpoints/.part", "note.txt",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"runs/korr":             "runs/korr/checkpoints/policy.safetensors",
		"runs/korr/checkpoints": "runs/korr/checkpoints/policy.safetensors",
		"runs/b":                "runs/b/checkpoints/base.safetensors", "runs/k/": "runs/k/checkpoints/koopman.safetensors",
		"one": "one/only.safetensors", "x.safetensors": "x.safetensors", "korr": "", "one_leg/korr": "", "nothing": "",
	} {
		if got, err := Path(name); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"./korr", "two", "runs/begun", "note.txt", "runs"} {
		if got, err := Path(name); err == nil {
			t.Errorf("%s: %q", name, got)
		}
	}
}
