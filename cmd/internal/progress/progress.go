// Package progress tells whoever waits how far a long step is.
package progress

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"korr/cmd/internal/cli"
)

// lineEvery is how often progress is told where there is no terminal.
const lineEvery = 5 * time.Second

// Progress tells how far a long step is: a bar on a terminal, a line now and then elsewhere, nothing when quiet. Its
// methods are called from one goroutine at a time.
type Progress struct {
	what  string
	out   io.Writer // nil when quiet
	bar   *progressbar.ProgressBar
	start time.Time
	last  time.Time
	now   func() time.Time
}

// New starts telling about a step on w, which is not written to when quiet; unit names what is counted.
func New(w io.Writer, quiet bool, what, unit string, total int) *Progress {
	start := time.Now()
	p := &Progress{what: what, start: start, last: start, now: time.Now}
	if quiet {
		return p
	}
	p.out = w
	if cli.OnTerminal(w) {
		p.bar = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString(unit),
			progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionSetWidth(24), progressbar.OptionClearOnFinish())
	}
	return p
}

// Set says that done of total are done, which may differ from the total at the start; note is shown beside it.
func (p *Progress) Set(done, total int, note string) {
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

// SetOf is Set without a note.
func (p *Progress) SetOf(done, total int) { p.Set(done, total, "") }

// Finish replaces the bar by one line with the time taken and what came out.
func (p *Progress) Finish(result string) time.Duration {
	took := p.now().Sub(p.start)
	if p.bar != nil {
		_ = p.bar.Finish()
	}
	if p.out != nil {
		fmt.Fprintf(p.out, "%s: %s in %s\n", p.what, result, took.Round(100*time.Millisecond))
	}
	return took
}
