package lab

import (
	"log/slog"
	"runtime"
	"time"

	"korr/configs"
	"korr/train/lab/settings"
	"korr/train/unit"
)

// Robot is the simulated arm, as datasets name it.
const Robot = "franka_panda"

// Lab is the laboratory of some settings.
type Lab struct {
	Config *settings.Config
	From   configs.Options // that Config was filled from
	Logger *slog.Logger
	// Progress starts telling how far a step is; unit names what is counted. nil: nobody is told.
	Progress func(what, unit string, total int) Progress
	// Cache is the folder that keeps interrupted evaluations; empty: nothing is kept.
	Cache string
}

// Progress is told how far a step is, by one goroutine at a time.
type Progress interface {
	Set(done, total int, note string) // note is shown beside the numbers
	SetOf(done, total int)
	Finish(result string) time.Duration // that the step took
}

// With is the laboratory under other settings.
func (l *Lab) With(c *settings.Config) *Lab {
	own := *l
	own.Config = c
	return &own
}

// Workers is the number of simulations at once.
func (l *Lab) Workers() int {
	if l.Config.Sim.Workers > 0 {
		return l.Config.Sim.Workers
	}
	return runtime.GOMAXPROCS(0)
}

// local does a job's units in this process.
func (l *Lab) local(h unit.Handlers) unit.Executor { return &unit.Local{Handlers: h, Log: l.Logger} }

// begin starts telling about a step.
func (l *Lab) begin(what, unit string, total int) Progress {
	if l.Progress == nil {
		return silence(time.Now())
	}
	return l.Progress(what, unit, total)
}

// silence is the progress that nobody hears, since when.
type silence time.Time

func (silence) Set(int, int, string) {}
func (silence) SetOf(int, int)       {}

func (s silence) Finish(string) time.Duration { return time.Since(time.Time(s)) }
