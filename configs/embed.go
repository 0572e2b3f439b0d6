package configs

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed presets
var presets embed.FS

// What run and demo need is in the binary; the weights of other tasks are files beside it, see Weights.
//
//go:embed weights/README.md weights/one_leg
var weights embed.FS

// ErrNoWeights means that the binary ships no weights of that name.
var ErrNoWeights = errors.New("no shipped weights")

// Presets lists the embedded presets by name.
func Presets() []string {
	var names []string
	entries, _ := fs.ReadDir(presets, "presets") // embedded: cannot fail
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	slices.Sort(names)
	return names
}

func readPreset(name string) (map[string]any, error) {
	b, err := presets.ReadFile("presets/" + name + ".yaml")
	if err != nil {
		return nil, &Error{Source: "preset " + name, Problem: "does not exist; there are " + strings.Join(Presets(), ", ")}
	}
	return parse(b, "preset "+name)
}

// Weights returns the shipped safetensors file of a task ("one_leg") and a name ("base", "resip", "korr", "filter"):
// the one in the binary, else that of a folder beside it (see WeightFolders). The error is ErrNoWeights, wrapped, when
// there is none.
func Weights(task, name string) ([]byte, error) {
	file := path.Join(task, name+".safetensors")
	b, err := weights.ReadFile(path.Join("weights", file))
	if err == nil {
		return b, nil
	}
	folders := WeightFolders()
	if !filepath.IsLocal(file) {
		folders = nil
	}
	for _, dir := range folders {
		b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(file)))
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return b, err
		}
	}
	return nil, fmt.Errorf("configs: %w named %s for task %s; this binary has %q, and there is no %s in %s: korr train "+
		"all --task %s makes one",
		ErrNoWeights, name, task, ShippedWeights(), file, strings.Join(folders, " or "), task)
}

// WeightFolders are where weights are looked for that the binary does not hold, relative to the program, never to the
// folder that it is started in: share/korr/weights of an installation, configs/weights of a checkout with its bin/korr.
func WeightFolders() []string {
	program, err := os.Executable()
	if err != nil {
		return nil
	}
	if resolved, err := filepath.EvalSymlinks(program); err == nil {
		program = resolved
	}
	top := filepath.Dir(filepath.Dir(program))
	return []string{filepath.Join(top, "share", "korr", "weights"), filepath.Join(top, "configs", "weights")}
}

// ShippedWeights lists the embedded weights as "task/name", sorted.
func ShippedWeights() []string {
	var names []string
	_ = fs.WalkDir(weights, "weights", func(p string, _ fs.DirEntry, _ error) error {
		if strings.HasSuffix(p, ".safetensors") {
			names = append(names, strings.TrimSuffix(strings.TrimPrefix(p, "weights/"), ".safetensors"))
		}
		return nil
	})
	slices.Sort(names)
	return names
}
