// Package robotcmd is the verbs that the arm's computer needs, run, inspect and doctor, for the commands korr and
// korr-robot. It links no training, no simulator and no plotting.
package robotcmd

import (
	"strings"

	"korr/basepolicy/acting"
	"korr/cmd/internal/cli"
	"korr/configs/checkpoint"
	"korr/internal/tensorfile"
	"korr/residual"
	"korr/ros/record"
	"korr/ros/robot"
)

// CacheUsage explains a flag that several verbs have.
const CacheUsage = "how a diffusion base saves network calls, `NAME[:key=value,...]`; " +
	"none = not at all (default: the checkpoint's own)"

// App is what these verbs are given.
type App struct {
	*cli.App
	// Sections are the settings as they stand; a node's private parameters may change them after the flags did.
	Sections func() Sections
	// OtherSimulator is told the name of a policy that is about to act in a simulator.
	OtherSimulator func(name string, p *residual.Policy)
	// SetFilter puts between the tracker and a policy what the settings say; nil leaves it what it was trained behind.
	SetFilter func(p *residual.Policy) error
	// Dataset prints what is in a dataset's folder; nil in a command that reads none.
	Dataset func(path string) error
	// Recordings opens MCAP files and bags, NewRecording makes an MCAP file; nil in a command that knows bags alone.
	Recordings   record.Opener
	NewRecording func(path string) (record.Store, error)
}

// Sections are the settings that these verbs read.
type Sections struct {
	Seed   uint64
	Task   string
	Acting *acting.Config
	Run    *robot.Settings
}

// LoadPolicy reads a policy of the settings' task.
func (a *App) LoadPolicy(name string) (*residual.Policy, error) {
	s := a.Sections()
	p, err := checkpoint.Policy(name, s.Task, s.Acting)
	if err == nil && a.SetFilter != nil {
		err = a.SetFilter(p)
	}
	return p, err
}

// OpenWeights reads a checkpoint, or shipped weights of the settings' task.
func (a *App) OpenWeights(name string) (*tensorfile.File, error) {
	return checkpoint.Open(name, a.Sections().Task)
}

// examples names the command in its examples.
func (a *App) examples(text string) string { return strings.ReplaceAll(text, "$korr", a.Name) }
