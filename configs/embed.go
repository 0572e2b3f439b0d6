package configs

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed presets
var presets embed.FS

//go:embed weights
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

// Weights returns the shipped safetensors file of a task ("one_leg") and a name ("base", "resip", "korr", "filter").
// The error is ErrNoWeights, wrapped, when there is none.
func Weights(task, name string) ([]byte, error) {
	b, err := weights.ReadFile(path.Join("weights", task, name+".safetensors"))
	if err != nil {
		return nil, fmt.Errorf("configs: %w named %s for task %s; this binary has %q", ErrNoWeights, name, task, ShippedWeights())
	}
	return b, nil
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
