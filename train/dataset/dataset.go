package dataset

import (
	"errors"
	"fmt"
	"math"

	"korr/sim"
)

// Info describes a dataset as a whole.
type Info struct {
	Task      string   // "one_leg"
	Robot     string   // "franka_panda"
	FPS       float64  // control steps per second
	PartNames []string // parts in observation order, the obstacle last
}

// StateDim is the width of an episode's State.
func (i Info) StateDim() int { return sim.StateDim }

// EnvDim is the width of an episode's Env: one pose per part.
func (i Info) EnvDim() int { return sim.PoseDim * len(i.PartNames) }

// ObsDim is the width of a whole raw observation.
func (i Info) ObsDim() int { return i.StateDim() + i.EnvDim() }

// Episode is one demonstration of T frames; the slices are flat and row-major,
// float32 in the units of the package comment.
type Episode struct {
	State    []float32 // [T*16]
	Env      []float32 // [T*EnvDim]
	Action   []float32 // [T*10] what was meant
	Executed []float32 // [T*10] what was executed
	Reward   []float32 // [T]
	Success  bool      // the last frame's step solved the task

	Seed       uint64  // seed the environment was reset with
	Randomness string  // "low", "med" or "high"
	Perturb    float64 // strength of the random pushes; 0 = none, 1 = as published
	ExecNoise  float64 // standard deviation of the position noise on Executed, m
	Simulator  string  // fingerprint of the physics model
	Domain     string  // what the episode drew of its physics, JSON of domain.Draw; empty for the nominal ones
	// from what the demonstrator took over, JSON of collect.Takeover; empty when it acted from the start
	Recovery string
}

// Len is T, the number of frames.
func (e *Episode) Len() int { return len(e.Reward) }

// ObsTo writes the raw observation of frame t, [16+EnvDim], into dst.
func (e *Episode) ObsTo(dst []float32, t int) {
	n := copy(dst, e.State[t*sim.StateDim:(t+1)*sim.StateDim])
	d := len(e.Env) / e.Len()
	copy(dst[n:], e.Env[t*d:(t+1)*d])
}

// ActionAt is the clean action of frame t, [10], shared with the episode.
func (e *Episode) ActionAt(t int) []float32 { return e.Action[t*sim.ActDim : (t+1)*sim.ActDim] }

// ExecutedAt is the executed action of frame t, [10], shared with the episode.
func (e *Episode) ExecutedAt(t int) []float32 { return e.Executed[t*sim.ActDim : (t+1)*sim.ActDim] }

// Check reports slices of inconsistent length, values that are not finite and
// an episode without frames.
func (e *Episode) Check(info Info) error {
	n := e.Len()
	if n == 0 {
		return errors.New("the episode has no frames")
	}
	for _, c := range []struct {
		name  string
		v     []float32
		width int
	}{
		{featState, e.State, info.StateDim()},
		{featEnv, e.Env, info.EnvDim()},
		{featAction, e.Action, sim.ActDim},
		{featExecuted, e.Executed, sim.ActDim},
		{featReward, e.Reward, 1},
	} {
		if len(c.v) != n*c.width {
			return fmt.Errorf("%s has %d values, want %d frames of %d", c.name, len(c.v), n, c.width)
		}
		for i, v := range c.v {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return fmt.Errorf("%s is %v at frame %d, element %d", c.name, v, i/c.width, i%c.width)
			}
		}
	}
	return nil
}

// Dataset is a dataset in memory.
type Dataset struct {
	Path     string // folder it was read from; empty for one made in memory
	Info     Info
	Episodes []Episode
	Stats    Stats // as stored; nil for one made in memory
}

// Append adds an episode after checking it.
func (d *Dataset) Append(e *Episode) error {
	if err := e.Check(d.Info); err != nil {
		return fmt.Errorf("dataset: episode %d: %w", len(d.Episodes), err)
	}
	d.Episodes = append(d.Episodes, *e)
	return nil
}

// Frames is the number of frames of all episodes.
func (d *Dataset) Frames() int {
	n := 0
	for i := range d.Episodes {
		n += d.Episodes[i].Len()
	}
	return n
}

// ObsRows returns the raw observations of all frames, [Frames*ObsDim].
func (d *Dataset) ObsRows() []float32 {
	w := d.Info.ObsDim()
	rows := make([]float32, d.Frames()*w)
	k := 0
	for i := range d.Episodes {
		for t := range d.Episodes[i].Len() {
			d.Episodes[i].ObsTo(rows[k*w:(k+1)*w], t)
			k++
		}
	}
	return rows
}

// ActionRows returns the clean actions of all frames, [Frames*10].
func (d *Dataset) ActionRows() []float32 {
	rows := make([]float32, 0, d.Frames()*sim.ActDim)
	for i := range d.Episodes {
		rows = append(rows, d.Episodes[i].Action...)
	}
	return rows
}

// FormatError says which file of a dataset folder is truncated, inconsistent
// or of another kind.
type FormatError struct {
	Path string // the offending file
	Err  error  // what is wrong with it
}

// Error implements error.
func (e *FormatError) Error() string { return fmt.Sprintf("dataset: %s: %v", e.Path, e.Err) }

// Unwrap returns the cause.
func (e *FormatError) Unwrap() error { return e.Err }
