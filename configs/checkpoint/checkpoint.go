// Package checkpoint finds checkpoints and shipped weights by the names that people type, and reads the policies in them.
package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"korr/configs"
	"korr/internal/tensorfile"
	"korr/internal/usage"
	"korr/sim"
)

// Names inside the folder of a training.
const (
	runCheckpoints = "checkpoints"
	extension      = ".safetensors"
)

// preferred are the checkpoints that a run is for, before those that it keeps on the way.
var preferred = []string{"policy", "base", "koopman", "filter"}

// Open reads a checkpoint: a path that ends in .safetensors, the folder of a training, or else the name of
// shipped weights with or without the task before it; task is for a name without.
func Open(name, task string) (*tensorfile.File, error) {
	file, err := Path(name)
	switch {
	case err != nil:
		return nil, err
	case file != "":
		return tensorfile.Read(file)
	}
	weights := name
	if t, w, ok := strings.Cut(name, "/"); ok {
		task, weights = t, w
	}
	b, err := configs.Weights(task, weights)
	if err != nil {
		return nil, usage.Errorf("%s", notFound(name, task))
	}
	return tensorfile.Decode(b)
}

// Path is the file that a checkpoint's name stands for: itself, or of the folder of a training the checkpoint
// that the training was for. It is empty for a name that can only be that of shipped weights.
func Path(name string) (string, error) {
	if strings.HasSuffix(name, extension) {
		return name, nil
	}
	if slices.ContainsFunc(configs.ShippedWeights(), func(w string) bool { return w == name || path.Base(w) == name }) {
		return "", nil // whatever is called so here: ./korr is another
	}
	st, err := os.Stat(name)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", usage.Wrap(err)
	case err != nil:
		return "", nil
	case !st.IsDir():
		return "", usage.Errorf("%s is no checkpoint: the name of one ends in %s (korr inspect says what a file is)",
			name, extension)
	}
	return inFolder(name)
}

// inFolder finds the checkpoint of a training's folder.
func inFolder(dir string) (string, error) {
	folder := dir
	if st, err := os.Stat(filepath.Join(dir, runCheckpoints)); err == nil && st.IsDir() {
		folder = filepath.Join(dir, runCheckpoints)
	}
	files, err := os.ReadDir(folder)
	if err != nil {
		return "", usage.Wrap(err)
	}
	var names []string
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), extension); ok && !strings.HasPrefix(name, ".") {
			names = append(names, name)
		}
	}
	for _, name := range preferred {
		if slices.Contains(names, name) {
			return filepath.Join(folder, name+extension), nil
		}
	}
	switch {
	case len(names) == 1:
		return filepath.Join(folder, names[0]+extension), nil
	case len(names) > 1:
		return "", usage.Errorf("%s holds several checkpoints: name one of %s", folder, strings.Join(names,
			extension+", ")+extension)
	case folder != dir:
		return "", usage.Errorf("%s holds no checkpoint yet: its training has not come so far", folder)
	}
	return "", usage.Errorf("%s is a folder without checkpoints: name the folder of a training, or a file that ends "+
		"in %s", dir, extension)
}

// notFound says what was looked for under a name.
func notFound(name, task string) string {
	var shipped, others []string
	for _, w := range configs.ShippedWeights() {
		if t, short, _ := strings.Cut(w, "/"); t == task {
			shipped = append(shipped, short)
		} else {
			others = append(others, w)
		}
	}
	out := fmt.Sprintf("there is no file or folder %s", name)
	if _, err := sim.TaskByName(task); err != nil && strings.Contains(name, "/") {
		return out // a path
	}
	out += ", and no shipped weights of that name"
	switch {
	case len(shipped) > 0:
		out += fmt.Sprintf("; shipped for %s are %s", task, strings.Join(shipped, ", "))
	default:
		out += fmt.Sprintf("; none are shipped for %s, only %s: train some, or choose --task one_leg", task,
			strings.Join(others, ", "))
	}
	return out
}
