package published

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"korr/basepolicy/diffusion"
	"korr/internal/regular"
	"korr/internal/tensorfile"
	"korr/internal/usage"
	"korr/sim"
)

// Import is what is brought into this program's formats, and where to.
type Import struct {
	Path string // a PyTorch checkpoint, a zarr store of demonstrations, or a LeRobot dataset of other software
	Out  string // a .safetensors file for a checkpoint, a folder for demonstrations
	Goal string // of a policy that reads one: a safetensors file with the normalised goal observation as goal_obs
	Task string // where the file does not say it or says another

	OnlySuccess bool // leave out demonstrations that failed
	Resample    bool // make demonstrations of a multiple of the control loop's rate demonstrations at that rate

	Log      *slog.Logger
	Progress func(done, total int) // of demonstrations; may be nil
}

// Imported is what became of it.
type Imported interface {
	WriteText(w io.Writer) error
}

// Run brings it in. What is damaged or of another kind is refused, and nothing is left at the destination.
func (o *Import) Run(ctx context.Context) (Imported, error) {
	kind, err := kindOf(o.Path)
	if err != nil {
		return nil, err
	}
	switch kind {
	case aZarrStore:
		return o.store(ctx)
	case aLeRobotDataset:
		return o.dataset(ctx)
	}
	return o.checkpoint()
}

// kind is what a path holds.
type kind int

// The kinds.
const (
	aCheckpoint kind = iota
	aZarrStore
	aLeRobotDataset
)

// hdf5Magic begins every HDF5 file.
const hdf5Magic = "\x89HDF\r\n\x1a\n"

// kindOf recognises what lies at path.
func kindOf(path string) (kind, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, fmt.Errorf("import: %w", err)
	}
	if info.IsDir() {
		if IsDemonstrations(path) {
			return aZarrStore, nil
		}
		if _, err := os.Stat(filepath.Join(path, "meta", "info.json")); err == nil {
			return aLeRobotDataset, nil
		}
		return 0, fmt.Errorf("import %s: the folder is no zarr v2 store (it has no .zgroup) and no LeRobot dataset "+
			"(meta/info.json)", path)
	}
	f, _, err := regular.Open(path)
	if err != nil {
		return 0, fmt.Errorf("import: %w", err)
	}
	defer f.Close()
	head := make([]byte, len(hdf5Magic))
	if n, err := io.ReadFull(f, head); err == nil && string(head[:n]) == hdf5Magic {
		return 0, usage.Errorf("%s is HDF5: convert it with examples/python/robomimic_to_zarr.py and import the result",
			path)
	}
	if IsZipStore(path) {
		return 0, usage.Errorf("%s is a zarr store in a zip archive: unpack it (unzip %s -d STORE.zarr) and import the "+
			"folder", path, path)
	}
	return aCheckpoint, nil
}

// ImportedCheckpoint is what became of a checkpoint.
type ImportedCheckpoint struct {
	Schema  string   `json:"schema"` // korr.import/1
	File    string   `json:"file"`
	Class   string   `json:"class"`
	Task    string   `json:"task"`
	Obs     int      `json:"obs_dim"`
	Horizon int      `json:"horizon"`
	Sampler any      `json:"sampler"`
	Kept    []string `json:"kept"` // tensors that acting does not need

	sampler diffusion.SamplerConfig
}

func (o *Import) checkpoint() (Imported, error) {
	if !strings.HasSuffix(o.Out, ".safetensors") {
		return nil, usage.Errorf("import: --out %s: a checkpoint's name ends in .safetensors", o.Out)
	}
	goal, err := readGoal(o.Goal)
	if err != nil {
		return nil, err
	}
	c, err := ReadCheckpoint(o.Path, Options{Task: o.Task, Goal: goal})
	if err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	task, err := sim.TaskByName(c.Policy.Task)
	if err != nil {
		return nil, usage.Errorf("import %s: %v (--task)", o.Path, err)
	}
	about := c.Policy.Base.About()
	if about.Obs.RawDim() != task.ObsDim() {
		return nil, fmt.Errorf("import %s: the policy reads observations of %d values, task %s has %d (--task names another)",
			o.Path, about.Obs.RawDim(), task.Name, task.ObsDim())
	}
	f, err := c.File()
	if err != nil {
		return nil, fmt.Errorf("import %s: %w", o.Path, err)
	}
	if err := os.MkdirAll(filepath.Dir(o.Out), 0o755); err != nil {
		return nil, err
	}
	if err := tensorfile.Write(o.Out, f); err != nil {
		return nil, err
	}
	r := ImportedCheckpoint{
		"korr.import/1", o.Out, string(c.Class), task.Name, about.ObsDim(), about.Horizon, c.Sampler(),
		c.Kept, c.Sampler(),
	}
	return &r, nil
}

// WriteText prints it in a sentence.
func (r *ImportedCheckpoint) WriteText(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s: %s for task %s, observations of %d values, chunks of %d actions; %s; %d tensors that acting "+
		"does not need are kept\n",
		r.File, r.Class, r.Task, r.Obs, r.Horizon, r.sampler, len(r.Kept))
	return err
}

// readGoal reads the observation that --goal names.
func readGoal(path string) ([]float32, error) {
	if path == "" {
		return nil, nil
	}
	f, err := tensorfile.Read(path)
	if err != nil {
		return nil, fmt.Errorf("--goal: %w", err)
	}
	goal, err := f.Get("goal_obs")
	if err != nil {
		return nil, fmt.Errorf("--goal %s: %w", path, err)
	}
	return goal, nil
}
