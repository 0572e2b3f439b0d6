package run

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"korr/internal/atomicfile"
	"korr/internal/regular"
)

// Names inside a run folder.
const (
	ConfigName     = "config.yaml"
	MetricsName    = "metrics.jsonl"
	CheckpointsDir = "checkpoints"
)

// ErrBusy means that another process trains in the folder.
var ErrBusy = errors.New("another process trains there")

// Folder is an open run folder. It belongs to one goroutine.
type Folder struct {
	Log         *slog.Logger // hears what an operator should know; nil stands for slog.Default()
	TensorBoard bool         // what is recorded from now on goes into a file that TensorBoard reads, too

	dir  string
	lock *os.File // nil while this Folder does not hold the run
	held int      // how often it does
}

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
	if err := atomicfile.Create(f.Path(ConfigName), config); err != nil {
		return nil, fmt.Errorf("run folder %s: %w", dir, err)
	}
	return f, nil
}

// Open opens an existing run, to resume or read it.
func Open(dir string) (*Folder, error) {
	f := &Folder{dir: dir}
	_, err := os.Stat(f.Path(ConfigName))
	if errors.Is(err, fs.ErrNotExist) {
		if _, missing := os.Stat(dir); missing != nil {
			return nil, fmt.Errorf("there is no run folder %s: %w", dir, fs.ErrNotExist)
		}
		return nil, fmt.Errorf("run folder %s: no run was started there: %w", dir, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("run folder %s: %w", dir, err)
	}
	return f, nil
}

// Begun reports whether the run, or a member of it, has left a checkpoint.
func (f *Folder) Begun() bool {
	for _, pattern := range []string{CheckpointsDir, MemberPrefix + "*/" + CheckpointsDir} {
		found, _ := fs.Glob(os.DirFS(f.dir), pattern+"/[^.]*.safetensors")
		if len(found) > 0 {
			return true
		}
	}
	return false
}

// Discard removes the folder of a run that failed before it left anything to go on from: no checkpoint, no members and,
// unless metricsToo, no metrics. A folder in which there is anything else stays as it is.
func (f *Folder) Discard(metricsToo bool) error {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return fmt.Errorf("run folder %s: %w", f.dir, err)
	}
	ours := []string{MetricsName, ConfigName, CheckpointsDir}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), EventsPrefix) {
			ours = append(ours, e.Name())
		} else if !slices.Contains(ours, e.Name()) {
			return nil
		}
	}
	if names, err := os.ReadDir(f.Path(CheckpointsDir)); err != nil || len(names) > 0 {
		return nil
	}
	if records, err := f.Metrics(); !metricsToo && (err != nil || len(records) > 0) {
		return nil
	}
	for _, name := range append(ours, "") { // the folder last
		if err := os.Remove(f.Path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("run folder %s: %w", f.dir, err)
		}
	}
	return nil
}

// Lock makes this the only Folder, of all processes of this machine, that trains in the folder; the error otherwise
// wraps ErrBusy. It removes what a killed process left there half written. The lock ends with the process. It counts:
// each Lock needs its Unlock. On a file system that keeps no locks nothing is locked, and the log says so.
func (f *Folder) Lock() error { return f.lockBy(atomicfile.Hold) }

// lockBy is Lock with the system's call that holds a folder.
func (f *Folder) lockBy(hold func(*os.File) error) error {
	if f.held > 0 {
		f.held++
		return nil
	}
	d, err := os.Open(f.dir)
	if err != nil {
		return fmt.Errorf("run folder %s: %w", f.dir, err)
	}
	switch err := hold(d); {
	case errors.Is(err, atomicfile.ErrHeld):
		return errors.Join(fmt.Errorf("run folder %s: %w: wait for it, or choose another folder", f.dir, ErrBusy), d.Close())
	case err != nil:
		f.log().Warn("the run folder cannot be locked: see to it that nobody else trains there", "folder", f.dir, "err", err)
	}
	f.held, f.lock = 1, d
	atomicfile.Sweep(f.dir, "")
	atomicfile.Sweep(f.Path(CheckpointsDir), "")
	return nil
}

func (f *Folder) log() *slog.Logger {
	if f.Log == nil {
		return slog.Default()
	}
	return f.Log
}

// Unlock lets others train in the folder.
func (f *Folder) Unlock() {
	if f.held--; f.held == 0 {
		_ = f.lock.Close()
		f.lock = nil
	}
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
	b, err := regular.Read(f.Path(ConfigName), regular.Text)
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
