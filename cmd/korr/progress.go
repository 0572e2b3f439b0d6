package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"korr/cmd/internal/cli"
)

// lineEvery is how often progress is told where there is no terminal.
const lineEvery = 5 * time.Second

// progress tells how far a long step is: a bar on a terminal, a line now and then elsewhere, nothing when quiet. Its
// methods are called from one goroutine at a time.
type progress struct {
	what  string
	out   io.Writer // nil when quiet
	bar   *progressbar.ProgressBar
	start time.Time
	last  time.Time
	now   func() time.Time
}

// progress starts telling about a step; unit names what is counted.
func (a *app) progress(what, unit string, total int) *progress {
	start := time.Now()
	p := &progress{what: what, start: start, last: start, now: time.Now}
	if a.Quiet {
		return p
	}
	p.out = a.Err
	if cli.OnTerminal(a.Err) {
		p.bar = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(a.Err), progressbar.OptionSetDescription(what),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString(unit),
			progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionSetWidth(24), progressbar.OptionClearOnFinish())
	}
	return p
}

// set says that done of total are done, which may differ from the total at the start; note is shown beside it.
func (p *progress) set(done, total int, note string) {
	if p.out == nil {
		return
	}
	if p.bar != nil {
		if p.bar.GetMax() != total {
			p.bar.ChangeMax(total)
		}
		if note != "" {
			p.bar.Describe(p.what + " " + note)
		}
		_ = p.bar.Set(done) // a bar that cannot be drawn stops nothing
		return
	}
	now := p.now()
	if now.Sub(p.last) < lineEvery {
		return
	}
	p.last = now
	if note != "" {
		note = ", " + note
	}
	fmt.Fprintf(p.out, "%s: %d/%d%s (%s)\n", p.what, done, total, note, now.Sub(p.start).Round(time.Second))
}

// setOf is set without a note.
func (p *progress) setOf(done, total int) { p.set(done, total, "") }

// finish replaces the bar by one line with the time taken and what came out.
func (p *progress) finish(result string) time.Duration {
	took := p.now().Sub(p.start)
	if p.bar != nil {
		_ = p.bar.Finish()
	}
	if p.out != nil {
		fmt.Fprintf(p.out, "%s: %s in %s\n", p.what, result, took.Round(100*time.Millisecond))
	}
	return took
}
