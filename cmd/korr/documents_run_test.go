//go:build mujoco && ros2

package main

import (
	"context"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"korr/cmd/internal/cli"
)

// notTyped are the documented lines that TestDocumentsRun leaves out, by how they begin, and why.
var notTyped = map[string]string{
	"make ": "builds this very program; make demo, install and results call verbs that have tests " +
		"of their own",
	"export ":                    "is the shell's",
	"kill %1":                    "is the shell's: what goes on beside is ended with the page",
	"pip install ":               "needs a package index; sim/serve's tests run what it would install",
	"roslaunch ":                 "needs an installation of ROS 1; ros/launch's tests read the files",
	"rosservice ":                "needs an installation of ROS 1",
	"rostopic ":                  "needs an installation of ROS 1",
	"ros2 ":                      "needs an installation of ROS 2",
	"ros/msgs/python.sh ":        "needs Debian's message packages; ros/msgs' tests run it",
	"bin/korr-robot ":            "another program, whose verbs are those of this one",
	"timeout ":                   "is of that program",
	"korr import actor_chkpt.pt": "needs a published checkpoint; train/published's tests read a small one",
	"korr results --queue ":      "is hours of work; TestResults makes it small, through a queue too",
	"korr eval --policy runs/published.safetensors": "is of that checkpoint",
	"korr export runs/published.safetensors":        "is of that checkpoint",
}

// givenTo is what a page takes for granted: files of the repository, a dataset ("demos"), the folder of a training on
// it ("base").
var givenTo = map[string]map[string]string{
	"docs/interop.md": {
		"one_leg_low.zarr": "train/published/testdata/demos.zarr", "square.hdf5": "train/published/testdata/robomimic.hdf5",
		"lab": "demos",
	},
	"docs/learning.md": {"runs/demos": "demos", "runs/base": "base"},
	"docs/sensing.md":  {"runs/demos": "demos"},
}

// TestDocumentsRun types every line of shell that the README and docs show, a page in one folder and in its order, at
// small sizes. What serves, or goes on until it is interrupted, goes on beside the lines after it.
// TestDocumentedCommands looks at the commands in the text around them, which are of long trainings and measurements.
func TestDocumentsRun(t *testing.T) {
	if testing.Short() {
		t.Skip("trains and plays")
	}
	made := t.TempDir()
	demos, base := filepath.Join(made, "demos"), filepath.Join(made, "base")
	ok(t, "collect", "--out", demos, "--episodes", "3") // ones that succeed: stage times come from them
	ok(t, small("train", "base", "--data", demos, "--out", base)...)
	root, err := filepath.Abs(sources.Root)
	if err != nil {
		t.Fatal(err)
	}
	exists := func(path string) bool { _, err := os.Stat(path); return err == nil }
	pages, typed := documents(t), 0
	for _, page := range slices.Sorted(maps.Keys(pages)) {
		if page != "README.md" && !strings.HasPrefix(page, "docs/") {
			continue
		}
		lines := slices.DeleteFunc(shellLines(pages[page]), func(line string) bool {
			return slices.ContainsFunc(slices.Collect(maps.Keys(notTyped)),
				func(start string) bool { return strings.HasPrefix(line, start) })
		})
		typed += len(lines)
		t.Run(page, func(t *testing.T) {
			s := &shell{T: t, root: root, moved: map[string]string{}}
			s.environ = []string{"HOME=" + t.TempDir(), "ROS_MASTER_URI=http://" + freeAddress(t), "ROS_DOMAIN_ID=93"}
			t.Chdir(t.TempDir())
			for name, from := range givenTo[page] {
				if from = made + "/" + from; !exists(from) {
					from = root + strings.TrimPrefix(from, made)
				}
				copyTo(t, name, from)
			}
			for _, line := range lines {
				s.typeLine(line)
			}
		})
	}
	if typed < 50 {
		t.Errorf("only %d lines were typed: are they still recognised?", typed)
	}
}

// shellLines are the lines of a page's blocks of shell, continued ones joined, without comments. A block of another
// language says so.
func shellLines(text string) (out []string) {
	for _, m := range regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		if m[1] != "" {
			continue
		}
		for line := range strings.Lines(strings.ReplaceAll(m[2], "\\\n", " ")) {
			line, _, _ = strings.Cut(line, " #")
			if line = strings.Join(strings.Fields(line), " "); line != "" {
				out = append(out, line)
			}
		}
	}
	return out
}

// copyTo makes a file or a folder of another one.
func copyTo(t *testing.T, to, from string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o644)
	} else {
		err = os.CopyFS(to, os.DirFS(from))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// shell types the lines of one page.
type shell struct {
	*testing.T
	root    string // of the repository
	environ []string
	moved   map[string]string // addresses and folders of the page, and those in their place here
	serves  bool              // a line before this one goes on
	lacks   string            // the package that a line before this one lacked
}

// typeLine runs one line; what does not end by itself is interrupted with the page, or at once when nothing needs it.
func (s *shell) typeLine(line string) {
	s.Helper()
	words := commandsOf(s.here(line))[0]
	if words[0] == "python3" {
		s.python(words[1:], strings.HasSuffix(line, "&"))
		return
	}
	if s.lacks != "" && regexp.MustCompile(`remote:|runs/refined|square\.zarr`).MatchString(line) {
		s.Logf("not typed, Python lacks %s: %s", s.lacks, line)
		return
	}
	args := small(words[1:]...)
	if args[0] == "run" && !s.serves {
		s.beside("sim", "--ros", "--master") // the page takes an arm for granted
		time.Sleep(3 * time.Second)
	}
	ctx, cancel := context.WithCancelCause(context.Background()) // the test's own ends before its cleanup
	done := make(chan output, 1)
	go func() { done <- korrIn(ctx, s.environ, args...) }()
	end := func() {
		cancel(cli.ErrInterrupted)
		if o := <-done; o.code != cli.ExitInterrupted && o.code != cli.ExitOK {
			s.Errorf("%s: code %d\n%s%s", line, o.code, o.out, o.err)
		}
	}
	switch has := func(flag string) bool { return slices.Contains(args, flag) }; {
	case strings.HasSuffix(line, "&"), args[0] == "queue", args[0] == "sim" && (args[1] == "serve" || has("--ros") ||
		has("--ros2")):
		s.Cleanup(end)
		s.serves = true
		if !has("--master") { // of which the next line may be pasted with it
			time.Sleep(3 * time.Second) // as long as a reader needs for the next line
		}
		if args[0] == "queue" {
			s.beside("worker", "--join", args[slices.Index(args, "--dir")+1])
		}
	case has("--view"), args[0] == "run" && !has("--episodes"):
		time.Sleep(3 * time.Second)
		end()
	default:
		o := <-done
		cancel(nil)
		if o.code != cli.ExitOK && !(args[0] == "doctor" && o.code == cli.ExitGate) { // what this machine lacks
			s.Fatalf("%s: code %d\n%s%s", line, o.code, o.out, o.err)
		}
	}
}

// beside runs a command of korr until the page ends.
func (s *shell) beside(args ...string) {
	ctx, cancel := context.WithCancelCause(context.Background())
	done := make(chan output, 1)
	go func() { done <- korrIn(ctx, s.environ, args...) }()
	s.Cleanup(func() { cancel(cli.ErrInterrupted); <-done })
}

// here is a line with addresses that are free, and with paths that there are on this machine.
func (s *shell) here(line string) string {
	for _, at := range []string{"127.0.0.1:8080", "127.0.0.1:8000", "0.0.0.0:4222", "/shared/queue", "/tmp/korr.sock"} {
		if s.moved[at] == "" {
			s.moved[at] = freeAddress(s.T)
			if strings.HasPrefix(at, "/") {
				s.moved[at] = filepath.Join(s.TempDir(), "s")
			}
		}
		line = strings.ReplaceAll(line, at, s.moved[at])
	}
	if _, port, err := net.SplitHostPort(s.moved["127.0.0.1:8000"]); err == nil {
		line = strings.ReplaceAll(line, "--port 8000", "--port "+port)
	}
	for _, folder := range []string{"examples/python/", "configs/weights/"} {
		line = strings.ReplaceAll(line, " "+folder, " "+s.root+"/"+folder)
	}
	return line
}

// python runs a line of Python; a package that is not here is logged.
func (s *shell) python(args []string, beside bool) {
	s.Helper()
	cmd := exec.Command("/usr/bin/python3", args...)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	out := make(chan error, 1)
	var text strings.Builder
	cmd.Stdout, cmd.Stderr = &text, &text
	if err := cmd.Start(); err != nil {
		s.lacks = "itself"
		return
	}
	go func() { out <- cmd.Wait() }()
	var err error
	if beside {
		select {
		case err = <-out:
		case <-time.After(5 * time.Second):
			s.Cleanup(func() { _ = cmd.Process.Kill(); <-out }) // it serves until then
			return
		}
	} else {
		err = <-out
	}
	lacking := regexp.MustCompile(`No module named '(\w+)'`).FindStringSubmatch(text.String())
	switch {
	case lacking != nil:
		s.lacks = lacking[1]
		s.Logf("not run, Python lacks %s: %v", s.lacks, args)
	case err != nil:
		s.Fatalf("python3 %v: %v\n%s", args, err, text.String())
	}
}

// small is a line at sizes under which nothing is learned and everything runs.
func small(args ...string) []string {
	verb := args[0]
	if verb == "train" || verb == "bench" || verb == "launch" {
		verb += " " + args[1]
	}
	sizes := map[string]string{"--episodes": "1", "--steps": "160", "--chunks": "4"}
	more := []string{"--set", "sim.max_steps=30"}
	switch verb {
	case "collect":
		sizes["--episodes"] = "3" // one is held out
		more = append(more, "--set", "collect.episodes=3", "--set", "collect.only_success=false")
		if slices.Contains(args, "--take-over") {
			sizes["--episodes"], more = "1", nil // a whole one: an expert takes over when the policy has stalled
		}
	case "train base", "train koopman":
		sizes["--steps"] = "200"
		more = append(slices.Clone(tiny), "--set", "base.steps=4", "--set", "koopman.steps=4", "--set", "base.batch=16")
	case "train residual", "train all":
		more = append(slices.Clone(tiny), "--set", "residual.steps=160", "--set", "base.steps=4", "--set", "koopman.steps=4",
			"--set", "eval.episodes=1")
		if verb == "train all" {
			more = append(more, "--set", "residual.stages=false") // nobody gets that far
		}
	case "train filter":
		more = append(more, "--episodes", "3", "--held-out", "1")
	case "train cache":
		more = append(more, "--runs", "4")
	case "eval":
		more = append(more, "--set", "eval.episodes=1")
	case "run", "import", "inspect", "plot", "queue", "doctor", "version", "launch slurm":
		more = nil
	}
	if args = slices.Clone(args); verb == "run" && !slices.Contains(args, "--yes") {
		more = append(more, "--yes")
	}
	args = slices.DeleteFunc(args, func(a string) bool { return a == "--submit" })
	for i := range args[:len(args)-1] {
		if n, known := sizes[args[i]]; known {
			args[i+1] = n
		}
	}
	at := len(args)
	if i := slices.Index(args, "--ros-args"); i >= 0 {
		at = i
	}
	return slices.Insert(args, at, more...)
}
