package configs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWeightsBesideTheBinary: another task's weights are read from the folders of the program, and from nowhere else.
func TestWeightsBesideTheBinary(t *testing.T) {
	if b, err := Weights("one_leg", "base"); err != nil || len(b) == 0 {
		t.Fatalf("the weights in the binary: %d bytes, %v", len(b), err)
	}
	t.Chdir(t.TempDir())
	if err := os.MkdirAll("configs/weights/nonesuch", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("configs/weights/nonesuch/base.safetensors", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Weights("nonesuch", "base"); !errors.Is(err, ErrNoWeights) || !strings.Contains(err.Error(),
		"korr train all --task nonesuch") {
		t.Errorf("weights of the folder that the program was started in: %v", err)
	}
	dir := filepath.Join(WeightFolders()[1], "nonesuch")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Skip(err) // the test's program lies where nothing can be written
	}
	t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(filepath.Dir(dir))) })
	if err := os.WriteFile(filepath.Join(dir, "korr.safetensors"), []byte("xyz"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := Weights("nonesuch", "korr"); err != nil || string(b) != "xyz" {
		t.Errorf("weights beside the program: %q, %v", b, err)
	}
	if _, err := Weights("nonesuch/..", "../nonesuch/korr"); err != nil && !errors.Is(err, ErrNoWeights) {
		t.Errorf("a name with folders: %v", err)
	}
	if _, err := Weights("../../etc", "korr"); !errors.Is(err, ErrNoWeights) {
		t.Errorf("a name that leads away: %v", err)
	}
}
