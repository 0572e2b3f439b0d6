package soak

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"korr/internal/atomicfile"
	"korr/internal/usage"
	"korr/sim"
	"korr/sim/domain"
)

// mostGrowth is how much memory may grow over a soak before it counts as a leak, a fraction.
const mostGrowth = 0.1

// Physics are the ranges that a soak draws when the settings draw nothing.
func Physics() domain.Ranges {
	return domain.Ranges{
		Mass: [2]float64{0.5, 2}, Friction: [2]float64{0.5, 2}, Gain: [2]float64{0.7, 1.4},
		Position: 0.005, Rotation: 0.1,
	}
}

// Report is a state and what to think of it.
type Report struct {
	*State
	Growth float64 `json:"memory_growth"` // fraction, last third over first
	Rate   float64 `json:"steps_per_second"`
	Passed bool    `json:"passed"`
}

// Report judges the state.
func (s *State) Report() *Report {
	r := &Report{State: s, Growth: Growth(s.Memory)}
	if s.Seconds > 0 {
		r.Rate = float64(s.Steps) / s.Seconds
	}
	r.Passed = s.Broken == 0 && r.Growth <= mostGrowth
	return r
}

// Verdict says what must not happen and did; empty when nothing did.
func (r *Report) Verdict() string {
	if r.Passed {
		return ""
	}
	return fmt.Sprintf("%d broken episodes, memory grew by %.0f %%", r.Broken, 100*r.Growth)
}

// WriteText prints the report in a few lines.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d steps, %d episodes, %.0f steps/s; %d environments opened; %d bad actions refused\n", r.Steps,
		r.Episodes, r.Rate, r.Opened, r.Refused)
	for _, f := range r.Faults {
		fmt.Fprintf(&b, "  %s, episode %d, step %d: %s\n", f.Task, f.Episode, f.Step, f.Error)
	}
	fmt.Fprintf(&b, "%d episodes ended as unstable, %d broken; %d MiB resident, growth %.1f %%\n", r.Unstable, r.Broken,
		r.Memory[len(r.Memory)-1].Bytes>>20, 100*r.Growth)
	_, err := io.WriteString(w, b.String())
	return err
}

// KeepIn has the state kept in a file, and takes up what an earlier run left there.
func (c *Config) KeepIn(path string) error {
	c.Save = func(s *State) error {
		data, err := json.Marshal(s)
		if err != nil {
			return err
		}
		return atomicfile.Write(path, data)
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	c.Resume = new(State)
	if err := json.Unmarshal(data, c.Resume); err != nil {
		return fmt.Errorf("%s is no checkpoint of a soak (delete it to start anew): %w", path, err)
	}
	return nil
}

// ParseEpisode reads TASK:NUMBER, as a report names an episode.
func ParseEpisode(text string) (task string, number int64, err error) {
	task, digits, _ := strings.Cut(text, ":")
	number, err = strconv.ParseInt(digits, 10, 64)
	if err != nil || number < 0 || !slices.Contains(sim.TaskNames(), task) {
		return "", 0, usage.Errorf("--episode %s: want task:number, as a soak reports them, with a task of %s", text,
			strings.Join(sim.TaskNames(), ", "))
	}
	return task, number, nil
}
