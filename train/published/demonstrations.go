package published

import (
	"archive/zip"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"korr/internal/geom"
	"korr/internal/layout"
	"korr/internal/zarr"
	"korr/sim"
	"korr/train/dataset"
)

// Names of the arrays of published demonstrations: N frames of E episodes, one after the other.
const (
	arrayState   = "robot_state"  // [N, 16], or [N, 14] with a quaternion
	arrayParts   = "parts_poses"  // [N, 7P], the obstacle last
	arrayAction  = "action/pos"   // [N, 10] where the tool shall be
	arrayReward  = "reward"       // [N]
	arrayEnds    = "episode_ends" // [E] frames up to and with each episode
	arraySuccess = "success"      // [E]
	arraySource  = "pickle_file"  // [E] what an episode was made of
)

// defaultFPS is the rate of every published task.
const defaultFPS = 10

// ErrDemonstrations marks demonstrations that are whole arrays but make no sense.
var ErrDemonstrations = errors.New("published: bad demonstrations")

// Demonstrations are an opened zarr store.
type Demonstrations struct {
	Path     string
	Info     dataset.Info
	Warnings []string // what may be wrong with the store

	state, parts, action, reward []float32
	ends                         []int
	success                      []float64 // nil: any reward counts
	sources                      []string  // nil when unknown
	randomness                   string
	stateDim                     int
}

// IsDemonstrations says whether a folder is a zarr v2 store.
func IsDemonstrations(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, ".zgroup"))
	return err == nil
}

// IsZipStore says whether a file is a zarr v2 store in a zip archive.
func IsZipStore(path string) bool {
	z, err := zip.OpenReader(path)
	if err != nil {
		return false
	}
	defer z.Close()
	return slices.ContainsFunc(z.File, func(f *zip.File) bool {
		return f.Name == ".zgroup" ||
			strings.HasSuffix(f.Name, "/.zgroup")
	})
}

// OpenDemonstrations reads the arrays of the store in dir, images left out. task overrides the store's own; a task that
// package sim does not know gets numbered parts. The error names the file and wraps ErrDemonstrations or one of package
// zarr's.
func OpenDemonstrations(dir, task string) (*Demonstrations, error) {
	g, err := zarr.Open(dir)
	if err != nil {
		return nil, err
	}
	d := &Demonstrations{Path: dir}
	if err := d.readFrames(g); err != nil {
		return nil, err
	}
	if err := d.readEpisodes(g); err != nil {
		return nil, err
	}
	if err := d.describe(g, task); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDemonstrations, dir, err)
	}
	return d, nil
}

// warn notes chunks that an array lacks.
func (d *Demonstrations) warn(a *zarr.Array) {
	if n := len(a.Missing); n > 0 {
		d.Warnings = append(d.Warnings, fmt.Sprintf("%s lacks %d chunks, the first is %s; their values are taken for the "+
			"fill value, which is right only if the writer left them out on purpose", a.Path, n, a.Missing[0]))
	}
}

// frames reads an array of N rows; widths lists those allowed, none for a plain number.
func (d *Demonstrations) frames(g *zarr.Group, name string, widths ...int) ([]float32, int, error) {
	a, err := g.Array(name)
	if err != nil {
		return nil, 0, err
	}
	width := 1
	switch {
	case len(a.Shape) == 2:
		width = a.Shape[1]
	case len(a.Shape) != 1:
		return nil, 0, fmt.Errorf("%w: %s is %v, want rows", ErrDemonstrations, a.Path, a.Shape)
	}
	ok := len(widths) == 0 && width == 1
	for _, w := range widths {
		ok = ok || width == w || w < 0 && width > 0 && width%-w == 0
	}
	if !ok {
		return nil, 0, fmt.Errorf("%w: %s is %v, want rows of %v", ErrDemonstrations, a.Path, a.Shape, widths)
	}
	v, err := a.Float32()
	d.warn(a)
	return v, width, err
}

// readFrames reads what every frame has.
func (d *Demonstrations) readFrames(g *zarr.Group) (err error) {
	if mode, ok := g.Attrs["rotation_mode"]; ok && mode != "rot_6d" {
		return fmt.Errorf("%w: %s: rotation_mode is %v, want rot_6d", ErrDemonstrations, d.Path, mode)
	}
	if d.state, d.stateDim, err = d.frames(g, arrayState, sim.StateDim, sim.StateDim-2); err != nil {
		return err
	}
	n := len(d.state) / d.stateDim
	width := 0
	if d.parts, width, err = d.frames(g, arrayParts, -sim.PoseDim); err != nil {
		return err
	}
	d.Info.PartNames = make([]string, width/sim.PoseDim)
	if d.action, _, err = d.frames(g, arrayAction, sim.ActDim); err != nil {
		if errors.Is(err, zarr.ErrMissing) {
			err = fmt.Errorf("%w (changes alone, action/delta, are not imported)", err)
		}
		return err
	}
	if d.reward, _, err = d.frames(g, arrayReward); err != nil {
		return err
	}
	for _, a := range []struct {
		name string
		rows int
	}{{arrayParts, len(d.parts) / width}, {arrayAction, len(d.action) / sim.ActDim}, {arrayReward, len(d.reward)}} {
		if a.rows != n {
			return fmt.Errorf("%w: %s: %s has %d frames, %s %d", ErrDemonstrations, d.Path, a.name, a.rows, arrayState, n)
		}
	}
	return nil
}

// readEpisodes reads what every episode has.
func (d *Demonstrations) readEpisodes(g *zarr.Group) error {
	a, err := g.Array(arrayEnds)
	if err != nil {
		return err
	}
	ends, err := a.Float64()
	if err != nil {
		return err
	}
	d.warn(a)
	before := 0
	for i, e := range ends {
		if e != math.Trunc(e) || e <= float64(before) || e > float64(len(d.reward)) {
			return fmt.Errorf("%w: %s: episode %d ends at frame %v, the one before at %d, and there are %d", ErrDemonstrations,
				a.Path, i, e, before, len(d.reward))
		}
		before = int(e)
		d.ends = append(d.ends, before)
	}
	if before != len(d.reward) {
		return fmt.Errorf("%w: %s: the last episode ends at frame %d of %d", ErrDemonstrations, a.Path, before, len(d.reward))
	}
	if g.Has(arraySuccess) {
		if a, err = g.Array(arraySuccess); err != nil {
			return err
		}
		if d.success, err = a.Float64(); err != nil {
			return err
		}
		d.warn(a)
		if len(d.success) != len(d.ends) {
			return fmt.Errorf("%w: %s has %d episodes, %s %d", ErrDemonstrations, a.Path, len(d.success), arrayEnds, len(d.ends))
		}
	}
	if a, err = g.Array(arraySource); err == nil { // only for messages
		if s, err := a.Strings(); err == nil && len(s) == len(d.ends) {
			d.sources = s
		}
	}
	return nil
}

// describe fills in the dataset's description.
func (d *Demonstrations) describe(g *zarr.Group, task string) error {
	d.randomness, _ = g.Attrs["randomness"].(string)
	d.Info.Robot, d.Info.FPS = "franka_panda", defaultFPS
	if fps, ok := g.Attrs["fps"]; ok {
		v, number := fps.(float64)
		if !number || !(v > 0 && v <= 1000) {
			return fmt.Errorf("the attribute fps is %s, want a number from 0 to 1000", asJSON(fps))
		}
		d.Info.FPS = v
	}
	if d.Info.Task = task; task == "" {
		var err error
		if d.Info.Task, err = storedTask(g); err != nil {
			return err
		}
	}
	poses := len(d.Info.PartNames)
	if known, err := sim.TaskByName(d.Info.Task); err == nil {
		if n := len(known.PartNames()); n != poses {
			return fmt.Errorf("%s has %d poses, task %s has %d with the obstacle", arrayParts, poses, known.Name, n)
		}
		d.Info.PartNames = known.PartNames()
		return nil
	}
	for i := range d.Info.PartNames {
		d.Info.PartNames[i] = fmt.Sprintf("part%d", i)
	}
	if names, ok := g.Attrs["part_names"].([]any); ok && len(names) == poses {
		for i, v := range names {
			if s, ok := v.(string); ok && s != "" {
				d.Info.PartNames[i] = s
			}
		}
	}
	return nil
}

// asJSON shows an attribute as it was written.
func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

// storedTask is the store's only task, of an attribute or an array of texts.
func storedTask(g *zarr.Group) (string, error) {
	if s, ok := g.Attrs["task"].(string); ok {
		return s, nil
	}
	var unread error
	for _, name := range []string{"task", "furniture"} {
		a, err := g.Array(name)
		if errors.Is(err, zarr.ErrMissing) {
			continue
		}
		var tasks []string
		if err == nil {
			tasks, err = a.Strings()
		}
		if err != nil {
			unread = errors.Join(unread, fmt.Errorf("array %s: %w", name, err))
			continue
		}
		if tasks = slices.Compact(slices.Sorted(slices.Values(tasks))); len(tasks) > 1 {
			return "", fmt.Errorf("array %s names several tasks, %.200q: a dataset has one; choose which it is (--task)",
				name, tasks)
		}
		if len(tasks) == 1 && tasks[0] != "" {
			return tasks[0], nil
		}
	}
	return "", errors.Join(errors.New("the store does not say its task: name it (--task)"), unread)
}

// Len is the number of episodes.
func (d *Demonstrations) Len() int { return len(d.ends) }

// Frames is the number of frames of all episodes.
func (d *Demonstrations) Frames() int { return len(d.reward) }

// Episode returns an episode, with quaternions turned to w >= 0. The error names episode and frame.
func (d *Demonstrations) Episode(i int) (dataset.Episode, error) {
	from, to := 0, d.ends[i]
	if i > 0 {
		from = d.ends[i-1]
	}
	n, width := to-from, d.Info.EnvDim()
	e := dataset.Episode{
		State: make([]float32, n*sim.StateDim), Env: append([]float32(nil), d.parts[from*width:to*width]...),
		Action: append([]float32(nil), d.action[from*sim.ActDim:to*sim.ActDim]...), Reward: append([]float32(nil),
			d.reward[from:to]...),
		Randomness: d.randomness, Simulator: "imported from " + filepath.Base(d.Path), Seed: uint64(i),
	}
	e.Executed = append([]float32(nil), e.Action...)
	for t := range n {
		row := d.state[(from+t)*d.stateDim : (from+t+1)*d.stateDim]
		if d.stateDim == sim.StateDim {
			copy(e.State[t*sim.StateDim:], row)
		} else if err := unitQuat(row[layout.Vector:][:layout.Quaternion]); err != nil {
			return e, d.at(i, t, arrayState, err)
		} else {
			geom.State16To(e.State[t*sim.StateDim:], row)
		}
		e.Success = e.Success || e.Reward[t] > 0
	}
	if d.success != nil {
		rewarded := e.Success
		if e.Success = d.success[i] > 0; e.Success && !rewarded && len(d.Warnings) > 0 {
			return e, d.where(i, fmt.Errorf("it succeeded and has no reward, and the store lacks chunks (%s): was a copy "+
				"interrupted?", d.Warnings[0]))
		}
	}
	if err := e.Check(d.Info); err != nil { // lengths and finite numbers
		return e, d.where(i, err)
	}
	return e, d.checkRotations(i, &e)
}

// checkRotations refuses rotations that are none, and fixes the sign of quaternions.
func (d *Demonstrations) checkRotations(i int, e *dataset.Episode) error {
	for t := range e.Len() {
		if err := dataset.CheckTool(e.State[t*sim.StateDim:]); err != nil {
			return d.at(i, t, arrayState, err)
		}
		if err := dataset.CheckTool(e.ActionAt(t)); err != nil {
			return d.at(i, t, arrayAction, err)
		}
		for p := range d.Info.PartNames {
			pose := e.Env[t*d.Info.EnvDim()+p*sim.PoseDim:][:sim.PoseDim]
			q := pose[3:]
			if err := dataset.CheckPart(pose); err != nil {
				return d.at(i, t, arrayParts, fmt.Errorf("part %d (%s): %w", p, d.Info.PartNames[p], err))
			}
			if q[3] < 0 {
				for k := range q {
					q[k] = -q[k]
				}
			}
		}
	}
	return nil
}

// rotationTolerance is how far a rotation's rows or a quaternion may be from unit length: single precision and a
// recording's rounding are far below.
const rotationTolerance = 0.02

func unitQuat(q []float32) error {
	var n float64
	for _, v := range q[:4] {
		n += float64(v) * float64(v)
	}
	if !(math.Abs(math.Sqrt(n)-1) <= rotationTolerance) {
		return fmt.Errorf("the quaternion %v has length %.3g, want 1", q[:4], math.Sqrt(n))
	}
	return nil
}

// at says where something is wrong.
func (d *Demonstrations) at(episode, frame int, array string, err error) error {
	return d.where(episode, fmt.Errorf("frame %d: %s: %w", frame, array, err))
}

func (d *Demonstrations) where(episode int, err error) error {
	source := ""
	if d.sources != nil {
		source = fmt.Sprintf(" (%.200s)", d.sources[episode])
	}
	return fmt.Errorf("%w: %s: episode %d%s: %w", ErrDemonstrations, d.Path, episode, source, err)
}
