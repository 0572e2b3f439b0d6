package verify

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"korr/internal/tensorfile"
)

// Schema names the JSON form of a Report.
const Schema = "korr.verify/1"

// Tolerances on a tensor's error.
const (
	Forward  = 1e-5 // values
	Gradient = 1e-4
	Change   = 1e-3 // of weights after three optimiser steps
)

// ErrNoReferences marks a folder without any file that this package knows.
var ErrNoReferences = errors.New("verify: no reference files")

// Report is the outcome of all checks.
type Report struct {
	Schema string  `json:"schema"`
	Passed bool    `json:"passed"`
	Checks []Check `json:"checks"`
	// Absent and Unknown are the reference files that the folder lacks, and the
	// safetensors files that are none. Neither was checked.
	Absent  []string `json:"-"`
	Unknown []string `json:"-"`
}

// Check is one quantity of one file.
type Check struct {
	File     string `json:"file"`
	Quantity string `json:"quantity"`
	// Error is nil when no number could be computed; Note then says why.
	Error     *float64 `json:"error"`
	Tolerance float64  `json:"tolerance"`
	OK        bool     `json:"ok"`
	Note      string   `json:"note,omitempty"`
}

// everything is the quantity of a check that concerns a file as a whole.
const everything = "all"

// references lists the known files.
var references = []struct {
	name  string
	check func(*file) error
}{
	{"korr.safetensors", checkKORR},
	{"korr_goal.safetensors", checkKORRGoal},
	{"resip.safetensors", checkResiP},
	{"resip_dynamics.safetensors", checkDynamics},
	{"lqr.safetensors", checkLQR},
	{"gae.safetensors", checkGAE},
	{"geometry.safetensors", checkGeometry},
	{unetName, checkUNet},
	{"diffusion.safetensors", checkDiffusion},
	{"cache_speca.safetensors", checkSpeCa},
	{"cache_bac.safetensors", checkBAC},
	{"carp_tokenizer.safetensors", checkTokenizer},
	{"carp_ar.safetensors", checkAR},
	{"moe_router.safetensors", checkMoE},
	{publishedName, nil}, // no safetensors: see checkCheckpoint
	{expectedName, checkPublished},
}

// Run checks the reference files in dir. A file that cannot be read or used is
// a failed check. The error is about dir itself: it cannot be read, or wraps
// ErrNoReferences.
func Run(dir string) (*Report, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	there := map[string]bool{}
	for _, e := range entries {
		there[e.Name()] = true
	}
	r := &Report{Schema: Schema, Passed: true, Checks: []Check{}}
	for _, ref := range references {
		if !there[ref.name] {
			r.Absent = append(r.Absent, ref.name)
			continue
		}
		delete(there, ref.name)
		r.Checks = append(r.Checks, checkFile(dir, ref.name, ref.check)...)
	}
	for name := range there {
		if strings.HasSuffix(name, ".safetensors") {
			r.Unknown = append(r.Unknown, name)
		}
	}
	slices.Sort(r.Unknown)
	if len(r.Checks) == 0 {
		return nil, fmt.Errorf("%w in %s: want %s or others of its kind", ErrNoReferences, dir, references[0].name)
	}
	for _, c := range r.Checks {
		r.Passed = r.Passed && c.OK
	}
	return r, nil
}

// checkFile returns the checks of one file.
func checkFile(dir, name string, check func(*file) error) []Check {
	failed := func(note string) []Check { return []Check{{File: name, Quantity: everything, Note: note}} }
	if check == nil {
		return checkCheckpoint(dir, name)
	}
	f, err := tensorfile.Read(filepath.Join(dir, name))
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) { // do not repeat the path
			err = path.Err
		}
		return failed(err.Error())
	}
	c := newFile(name, f)
	c.dir = dir
	if err := check(c); err != nil {
		c.checks = append(c.checks, failed(err.Error())...)
		return c.checks
	}
	return c.finish()
}
