package robot

import (
	"fmt"
	"io"
	"time"

	"korr/basepolicy"
	"korr/residual/loop"
)

// ResetTimeout bounds the start of an episode, the connection of the nodes included.
const ResetTimeout = 20 * time.Second

// ReportSchema names the JSON form of a Report.
const ReportSchema = "korr.run/1"

// Report says what a control node did: what korr run prints with --json.
type Report struct {
	Schema   string          `json:"schema"` // ReportSchema
	Policy   string          `json:"policy"`
	Episodes []EpisodeReport `json:"episodes"`
	Chunks   *Chunks         `json:"chunks,omitempty"` // when they are planned beside the loop
	loop.TallyResult
}

// Chunks says how the planning beside the loop went.
type Chunks struct {
	Planned uint64  `json:"planned"`
	Bridged uint64  `json:"bridged"` // actions of an old chunk, because the next was late
	Late    uint64  `json:"late"`    // control steps without an action
	Longest float64 `json:"longest_ms"`

	Calls     float64 `json:"calls"`     // of a diffusion policy's network, for the chunks planned
	Accepted  uint64  `json:"accepted"`  // its steps without a call
	Rejected  uint64  `json:"rejected"`  // forecasts that a cache refused
	Shortened uint64  `json:"shortened"` // chunks cut short because their forecasts were off
}

// EpisodeReport is an episode of a simulator.
type EpisodeReport struct {
	Seed    uint64 `json:"seed"`
	Steps   uint32 `json:"steps"`
	Success bool   `json:"success"`
}

// NewChunks is the report on the planner's statistics.
func NewChunks(s basepolicy.AheadStats) *Chunks {
	return &Chunks{
		Planned: s.Planned, Bridged: s.Bridged, Late: s.Late, Longest: float64(s.Longest.Microseconds()) / 1e3,
		Calls: s.Calls, Accepted: s.Accepted, Rejected: s.Rejected, Shortened: s.Shortened,
	}
}

// WriteText prints it in two lines, the second where a diffusion policy planned; c may be nil.
func (c *Chunks) WriteText(w io.Writer) error {
	if c == nil {
		return nil
	}
	const planned = "chunks   %d planned beside the loop, the slowest in %.2f ms; %d actions bridged, %d control steps " +
		"without one\n"
	if _, err := fmt.Fprintf(w, planned, c.Planned, c.Longest, c.Bridged, c.Late); err != nil || c.Calls == 0 {
		return err
	}
	_, err := fmt.Fprintf(w, "network  %.1f calls a chunk; %d forecasts taken, %d refused, %d chunks cut short\n",
		c.Calls/float64(max(1, c.Planned)), c.Accepted, c.Rejected, c.Shortened)
	return err
}
