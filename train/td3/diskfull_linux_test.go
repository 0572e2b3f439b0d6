package td3

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"korr/residual"
	"korr/train/run"
)

// TestFullDisk: a run on a disk that fills up ends with the system's error, and what was saved before resumes.
func TestFullDisk(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=4m"); err != nil {
		t.Skip("needs the right to mount a small disk: ", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	cfg, in := shortConfig(residual.MethodResiP), shortInputs(t, residual.MethodResiP)
	cfg.EvalEvery = 0
	var err error
	if in.Run, err = run.Create(filepath.Join(disk, "run"), nil); err != nil {
		t.Fatal(err)
	}
	cfg.Steps = 1600
	if _, err := Train(t.Context(), cfg, in); err != nil {
		t.Fatal(err)
	}
	saved := readState(t, in.Run)
	filler := filepath.Join(disk, "filler")
	if err := fill(filler); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	cfg.Steps, in.Resume = 3200, true
	if _, err := Train(t.Context(), cfg, in); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("on a full disk: %v", err)
	}
	compareStates(t, readState(t, in.Run), saved)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if _, err := Train(t.Context(), cfg, in); err != nil {
		t.Fatal(err)
	}
}

// fill writes until the disk is full.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	for page := make([]byte, 4096); ; {
		if _, err := f.Write(page); err != nil {
			return err
		}
	}
}
