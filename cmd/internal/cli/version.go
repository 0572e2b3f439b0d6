package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// Physics names the simulator of a task, as checkpoints and datasets name the one that they come from.
type Physics struct {
	Task        string `json:"task"`
	Fingerprint string `json:"fingerprint"`
}

// VersionResult is what the verb version prints.
type VersionResult struct {
	Schema   string    `json:"schema"` // korr.version/1
	Name     string    `json:"name"`
	Version  string    `json:"version"`
	Commit   string    `json:"commit"`   // empty where the build did not record it
	Modified bool      `json:"modified"` // the tree had changes beside the commit
	Date     string    `json:"date"`     // of the commit
	Go       string    `json:"go"`
	System   string    `json:"system"`
	Physics  []Physics `json:"physics"` // empty in a build without the simulator
}

// build is what the binary knows about itself.
func build(name string) VersionResult {
	v := VersionResult{
		Schema: "korr.version/1", Name: name, Version: "unknown", Go: runtime.Version(),
		System: runtime.GOOS + "/" + runtime.GOARCH, Physics: []Physics{},
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Version = info.Main.Version
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		case "vcs.time":
			v.Date = s.Value
		}
	}
	return v
}

// version is the one line of --version.
func version() string {
	b := build("")
	return strings.Join(strings.Fields(b.Version+" "+b.Commit), " ") + ", " + b.Go
}

// NewVersion is the verb version. physics names the simulators of this build; nil where it has none.
func NewVersion(a *App, physics func() []Physics) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "version, commit and physics of this build",
		Long: `Prints the version, the commit that it was built from, and the fingerprint of each task's physics: checkpoints
and datasets carry the fingerprint of the simulator that they come from, and` + a.Name + ` warns when it is another.`,
		Example: "  " + a.Name + " version\n  " + a.Name + " version --json",
		Args:    NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := build(a.Name)
			if physics != nil {
				v.Physics = physics()
			}
			if a.JSON {
				return a.PrintJSON(v)
			}
			return a.printVersion(v)
		},
	}
}

func (a *App) printVersion(v VersionResult) error {
	commit := v.Commit
	switch {
	case commit == "":
		commit = "not recorded: build with make build in a checkout of git"
	case v.Modified:
		commit += ", with changes"
	}
	lines := [][2]string{{v.Name, v.Version}, {"commit", commit}}
	if v.Date != "" {
		lines = append(lines, [2]string{"date", v.Date})
	}
	lines = append(lines, [2]string{"built", v.Go + ", " + v.System})
	for _, p := range v.Physics {
		lines = append(lines, [2]string{"physics", fmt.Sprintf("%-13s %s", p.Task, p.Fingerprint)})
	}
	if len(v.Physics) == 0 {
		lines = append(lines, [2]string{"physics", "none: this build has no simulator"})
	}
	for _, l := range lines {
		if err := a.Printf("%-11s %s\n", l[0], l[1]); err != nil {
			return err
		}
	}
	return nil
}
