package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"korr/cmd/internal/cli"
)

// TestFailedStartsLeaveNothing: a command that cannot come to its end says so before it works, and leaves nothing in
// the way of the corrected one.
func TestFailedStartsLeaveNothing(t *testing.T) {
	for want, args := range map[string][]string{
		"there is no folder no":                {"eval", "--csv", "no/x.csv"},
		"has to end in .png or .svg":           {"eval", "--plot", "x.bmp"},
		"a folder of that name":                {"eval", "--html", "."},
		"there is no folder nowhere":           {"sim", "--record", "nowhere/a.bag"},
		"has to end in .png or .gif or .mp4":   {"sim", "--render", "x.bmp"},
		"leave --episodes out":                 {"sim", "--episode-seed", "3", "--episodes", "2"},
		"there is no file or folder nothing, ": {"eval", "--policy", "nothing"},
		"no file or folder runs/nothing\n":     {"eval", "--policy", "runs/nothing"},
		"shipped for one_leg are base":         {"sim", "--policy", "kor"},
		"none are shipped for lamp":            {"eval", "--task", "lamp", "--policy", "base"},
		"is no checkpoint: the name of one":    {"inspect", "start_test.go"},
		"is a folder without checkpoints":      {"eval", "--policy", "."},
		"there is no run folder nothing":       {"plot", "nothing"},
		"nothing can be written in /proc":      {"demo", "--quick", "--out", "/proc/x/y"},
		"there is no folder nothing: ":         {"train", "base", "--data", "nothing", "--out", "new-run"},
		"--data is missing":                    {"train", "koopman", "--out", "new-run"},
		"folder new.png":                       {"train", "koopman", "--plot", "new.png/x.png", "--out", "new-run"},
		"no.yaml: no such file":                {"run", "--yes", "--robot", "rosbridge", "--arm", "no.yaml"},
	} {
		o := korr(t, append(args, "--quiet")...)
		if o.code != cli.ExitUsage || !strings.Contains(o.err, want) || o.out != "" {
			t.Errorf("%v: code %d, %q lacks %q; %q", args, o.code, o.err, want, o.out)
		}
	}
	for _, path := range []string{"new-run", "no", "nowhere", "korr-demo"} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s was left behind", path)
		}
	}
}

// TestHintsNameFlags: whatever flag a message of this program names exists.
func TestHintsNameFlags(t *testing.T) {
	flags := map[string]bool{"help": true}
	walk(newRoot(&cli.App{Name: "korr"}), func(c *cobra.Command) {
		for _, set := range []*pflag.FlagSet{c.Flags(), c.PersistentFlags()} {
			set.VisitAll(func(f *pflag.Flag) { flags[f.Name] = true })
		}
	})
	named := regexp.MustCompile(`(?:^|[\s(;:,\x60])--([a-z][a-z-]+)`)
	seen := 0
	for _, root := range []string{
		"cmd", "train", "ros", "sim", "residual", "basepolicy", "koopman", "configs",
		"internal",
	} {
		err := filepath.WalkDir(filepath.Join(sources.Root, root), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				lit, ok := n.(*ast.BasicLit)
				if !ok || lit.Kind != token.STRING {
					return true
				}
				text, _ := strconv.Unquote(lit.Value)
				// ROS's own arguments; the queue's and the scheduler's, which are other programs'.
				if strings.Contains(path, "ros/names/") || strings.Contains(path, "train/queue/") ||
					strings.HasSuffix(path, "cmd/korr/launch.go") {
					return true
				}
				for _, m := range named.FindAllStringSubmatch(text, -1) {
					seen++
					if !flags[m[1]] && !others[m[1]] {
						t.Errorf("%s names --%s, which no verb has: %.80q", path, m[1], text)
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen < 50 {
		t.Errorf("only %d flags are named: are they still recognised?", seen)
	}
}

// others are flags of other programs that messages name.
var others = map[string]bool{
	"parts":         true, // examples/python/robomimic_to_zarr.py
	"core":          true, // roslaunch
	"ros-args":      true, // ROS 2
	"net":           true, // unshare and nsenter
	"map-root-user": true, // unshare
}
