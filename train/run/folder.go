package run

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"korr/internal/atomicfile"
)

// Names inside a run folder.
const (
	ConfigName     = "config.yaml"
	MetricsName    = "metrics.jsonl"
	CheckpointsDir = "checkpoints"
)

// Folder is an open run folder.
type Folder struct{ dir string }

// Create starts a run at dir with its resolved configuration (YAML). The folder
// may exist but hold no run; the error otherwise wraps fs.ErrExist.
func Create(dir string, config []byte) (*Folder, error) {
	f := &Folder{dir: dir}
	if _, err := os.Lstat(f.Path(ConfigName)); err == nil {
		return nil, fmt.Errorf("run folder %s: %w: resume that run or choose another folder", dir, fs.ErrExist)
	}
	if err := os.MkdirAll(f.Path(CheckpointsDir), 0o755); err != nil {
		return nil, fmt.Errorf("run folder %s: %w", dir, err)
	}
	return f, f.WriteFile(ConfigName, config)
}

// Open opens an existing run, to resume or read it.
func Open(dir string) (*Folder, error) {
	f := &Folder{dir: dir}
	if _, err := os.Stat(f.Path(ConfigName)); err != nil {
		return nil, fmt.Errorf("run folder %s: %w: no run was started there", dir, err)
	}
	return f, nil
}

// Dir is the folder's path.
func (f *Folder) Dir() string { return f.dir }

// Path is the path of a file in the folder.
func (f *Folder) Path(elem ...string) string {
	return filepath.Join(append([]string{f.dir}, elem...)...)
}

// Checkpoint is the path of the checkpoint called name.
func (f *Folder) Checkpoint(name string) string {
	return f.Path(CheckpointsDir, name+".safetensors")
}

// Checkpoints lists the names of the complete checkpoints, in alphabetical order.
func (f *Folder) Checkpoints() ([]string, error) {
	entries, err := os.ReadDir(f.Path(CheckpointsDir))
	if err != nil {
		return nil, fmt.Errorf("run folder %s: %w", f.dir, err)
	}
	var names []string
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".safetensors")
		if ok && e.Type().IsRegular() && !strings.HasPrefix(name, ".") {
			names = append(names, name)
		}
	}
	return names, nil
}

// Config returns the configuration the run was started with (YAML).
func (f *Folder) Config() ([]byte, error) {
	b, err := os.ReadFile(f.Path(ConfigName))
	if err != nil {
		return nil, fmt.Errorf("run folder %s: %w", f.dir, err)
	}
	return b, nil
}

// WriteFile replaces a file of the folder: whoever reads it sees the old or the
// complete new content, also after a crash.
func (f *Folder) WriteFile(name string, data []byte) error {
	if err := atomicfile.Write(f.Path(name), data); err != nil {
		return fmt.Errorf("run folder %s: %w", f.dir, err)
	}
	return nil
}
