package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "korr"

// tags are the Makefile's: with them every package that may use cgo does.
const tags = "mujoco,openblas,ros2"

type pkg struct {
	ImportPath string
	Standard   bool
	Imports    []string // of the package itself, tests left out
	Deps       []string
	CgoFiles   []string
}

func (p pkg) ours() bool {
	if strings.HasPrefix(p.ImportPath, module+"/runs/") { // ignored by git: a checkout's own experiments
		return false
	}
	return p.ImportPath == module || strings.HasPrefix(p.ImportPath, module+"/")
}

// folder is the package's path below the module root.
func (p pkg) folder() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

func list(t *testing.T) map[string]pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-deps", "-tags", tags, "-json=ImportPath,Standard,Imports,Deps,CgoFiles",
		"./...")
	cmd.Dir = "../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	pkgs := map[string]pkg{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs[p.ImportPath] = p
	}
}

// under reports whether folder is one of the roots or below one.
func under(folder string, roots ...string) bool {
	return slices.ContainsFunc(roots, func(r string) bool { return folder == r || strings.HasPrefix(folder, r+"/") })
}

// lab is what the verbs do, put together from everything below them.
const lab = "train/lab"

// The robot's side, the one cgo package among the internals (an opt-in that only a main imports), and the harness: what
// measures and tries the whole house stands above it, wherever its folder is.
var (
	robotSide = []string{"residual", "basepolicy", "koopman", "internal"}
	cgoRooms  = []string{"sim/mujoco", "internal/nn/openblas", "ros/ros2/dds"}
	harness   = []string{
		"internal/bench", "internal/verify", "internal/faults", "internal/demo", "internal/settingdoc", "internal/lane",
		"internal/recorder",
	}
)

// TestHeavyLibrariesHaveOneRoom: a library's import outside its rooms fails.
func TestHeavyLibrariesHaveOneRoom(t *testing.T) {
	rooms := []struct {
		library string
		rooms   []string
	}{
		{"github.com/bluenviron/goroslib", []string{"ros/node"}},
		{"gorgonia.org", []string{"train/gorgonia"}},
		{"github.com/spf13/viper", []string{"configs"}},
		{"github.com/go-viper/mapstructure", []string{"configs"}},
		{"github.com/spf13/cobra", []string{"cmd"}},
		{"gonum.org/v1/netlib", []string{"internal/nn/openblas"}},
		{"github.com/parquet-go/parquet-go", []string{"train/dataset"}},
		{"github.com/foxglove/mcap", []string{"ros/mcap"}},
		{"gonum.org/v1/plot", []string{"internal/plot"}},
		{"github.com/nats-io", []string{"train/queue"}},
	}
	for _, p := range list(t) {
		if !p.ours() {
			continue
		}
		for _, imp := range p.Imports {
			for _, r := range rooms {
				if (imp == r.library || strings.HasPrefix(imp, r.library+"/")) && !under(p.folder(), r.rooms...) {
					t.Errorf("%s imports %s, which belongs in %v", p.ImportPath, imp, r.rooms)
				}
			}
		}
		if len(p.CgoFiles) > 0 && !under(p.folder(), cgoRooms...) {
			t.Errorf("%s has cgo files %v, which belong in %v", p.ImportPath, p.CgoFiles, cgoRooms)
		}
	}
}

// TestRobotSideStaysLight: nothing that the robot's side reaches, however indirectly, is cgo, ROS, cobra or gorgonia.
func TestRobotSideStaysLight(t *testing.T) {
	pkgs := list(t)
	heavy := []string{"github.com/bluenviron/goroslib", "github.com/spf13/cobra", "gorgonia.org", "gonum.org/v1/netlib"}
	seen := 0
	for _, p := range pkgs {
		if !p.ours() || !under(p.folder(), robotSide...) || under(p.folder(), cgoRooms...) || under(p.folder(), harness...) {
			continue
		}
		seen++
		for _, dep := range p.Deps {
			d := pkgs[dep]
			if slices.ContainsFunc(heavy, func(h string) bool { return strings.HasPrefix(dep, h) }) {
				t.Errorf("%s reaches %s", p.ImportPath, dep)
			}
			if !d.Standard && len(d.CgoFiles) > 0 {
				t.Errorf("%s reaches the cgo package %s", p.ImportPath, dep)
			}
		}
	}
	if seen == 0 {
		t.Fatal("no package of the robot's side was listed: the test looks in the wrong place")
	}
}

// TestImportsPointDown: every layer names all it may import of the module; a new folder must be given a place.
func TestImportsPointDown(t *testing.T) {
	layers := map[string][]string{
		"internal":   {},
		"basepolicy": {"internal"},
		"koopman":    {"internal"},
		"residual":   {"basepolicy", "koopman", "internal"},
		"sim":        {"internal"},
		"configs":    {"sim", "residual", "basepolicy", "internal"},
		"train":      {"sim", "residual", "basepolicy", "koopman", "internal"},
		"ros":        {"sim", "residual", "basepolicy", "koopman", "internal"},
		"harness":    {"configs", "train", "ros", "sim", "residual", "basepolicy", "koopman", "internal"},
		"lab":        {"harness", "configs", "train", "ros", "sim", "residual", "basepolicy", "koopman", "internal"},
		"cmd":        {"lab", "harness", "configs", "train", "ros", "sim", "residual", "basepolicy", "koopman", "internal"},
	}
	for _, p := range list(t) {
		if !p.ours() {
			continue
		}
		layer := layerOf(p.folder())
		allowed, ok := layers[layer]
		if !ok {
			t.Errorf("%s: folder %q has no layer in this test", p.ImportPath, layer)
			continue
		}
		for _, imp := range p.Imports {
			d := pkg{ImportPath: imp}
			if to := layerOf(d.folder()); d.ours() && to != layer && !slices.Contains(allowed, to) {
				t.Errorf("%s imports %s: %s may import only %v", p.ImportPath, imp, layer, allowed)
			}
		}
	}
}

// What the arm's computer is given.
const (
	robotCommand = "cmd/korr-robot"
	// 31 are viper and what it reads, the layering library of both commands; 5 reach policy servers, 4 ROS 2; one measures
	// a tracker.
	mostPackages = 345
	mostBytes    = 25_000_000 // of the static binary as it ships, without symbols
)

// TestRobotCommandStaysSmall: the robot's command links no training, no simulator, no plotting and nothing that
// measures the house, few packages in all, and is a small static file.
func TestRobotCommandStaysSmall(t *testing.T) {
	pkgs := list(t)
	p, ok := pkgs[module+"/"+robotCommand]
	if !ok {
		t.Fatal("there is no " + robotCommand)
	}
	if n := len(p.Deps) + 1; n > mostPackages {
		t.Errorf("%s links %d packages, at most %d: go list -deps ./%s", robotCommand, n, mostPackages, robotCommand)
	}
	heavy := []string{
		"gorgonia.org", "github.com/parquet-go", "gonum.org/v1/plot", "gonum.org/v1/netlib", "github.com/prometheus",
		"github.com/nats-io", "github.com/foxglove",
	}
	rooms := append([]string{"train", "internal/plot", "internal/pictures"}, harness...)
	for _, dep := range p.Deps {
		d := pkgs[dep]
		if slices.ContainsFunc(heavy, func(h string) bool { return strings.HasPrefix(dep, h) }) {
			t.Errorf("%s links %s", robotCommand, dep)
		}
		if d.ours() && (under(d.folder(), rooms...) || strings.HasPrefix(d.folder(), "sim/")) {
			t.Errorf("%s links %s, which belongs to the laboratory", robotCommand, dep)
		}
	}
	if testing.Short() {
		return
	}
	binary := filepath.Join(t.TempDir(), "korr-robot")
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", binary, "./"+robotCommand) // as make robot does
	build.Dir = "../.."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if info, err := os.Stat(binary); err != nil || info.Size() > mostBytes {
		t.Errorf("the binary: %v, %v; at most %d bytes", info, err, mostBytes)
	}
}

// layerOf is the layer of a folder: its first part, but for the harness.
func layerOf(folder string) string {
	if under(folder, harness...) {
		return "harness"
	}
	if under(folder, lab) {
		return "lab"
	}
	layer, _, _ := strings.Cut(folder, "/")
	return layer
}
