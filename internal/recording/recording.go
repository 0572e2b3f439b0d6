// Package recording is what remains of a teleoperated or simulated recording once its messages are decoded: time series
// and marks, without a word of ROS. Package ros/record makes it from a bag; train/collect makes demonstrations of it.
package recording

import (
	"cmp"
	"slices"
	"sort"

	"korr/internal/layout"
)

// Widths of the tracks' samples.
const (
	StateWidth   = layout.State - 1 // position (m), rotation 6D, linear (m/s) and angular (rad/s) velocity; base frame
	CommandWidth = layout.Tool      // position (m) and rotation 6D; base frame
	PoseWidth    = layout.Pose      // of one part: position (m) and quaternion x y z w; tag frame
)

// Track is a time series: what one topic told.
type Track struct {
	Topic  string
	Width  int
	Stamps []int64   // ns since 1970, by the messages' own headers
	Values []float64 // Width a stamp
}

// Add appends a sample.
func (t *Track) Add(stamp int64, values ...float64) {
	t.Stamps = append(t.Stamps, stamp)
	t.Values = append(t.Values, values...)
}

// Len is the number of samples.
func (t *Track) Len() int { return len(t.Stamps) }

// At is sample i.
func (t *Track) At(i int) []float64 { return t.Values[i*t.Width : (i+1)*t.Width] }

// Newest is the index of the newest sample stamped at or before ns, or -1.
func (t *Track) Newest(ns int64) int {
	return sort.Search(len(t.Stamps), func(i int) bool { return t.Stamps[i] > ns }) - 1
}

// Sort puts the samples in the order of their stamps; of equal ones the later recorded stays the later.
func (t *Track) Sort() {
	if slices.IsSorted(t.Stamps) {
		return
	}
	order := make([]int, t.Len())
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(t.Stamps[a], t.Stamps[b]) })
	s := Track{Topic: t.Topic, Width: t.Width}
	for _, i := range order {
		s.Add(t.Stamps[i], t.At(i)...)
	}
	*t = s
}

// Mark is one episode as the recording itself delimits it.
type Mark struct {
	Begin, End int64  // ns; both included
	Seed       uint64 // of a simulated episode
	Judged     bool   // the recording tells how the episode went: Success and Rewards hold
	Success    bool
	Fault      string // why the simulator failed in it; "" = it did not
	Rewards    Track  // of width 1: reward of the control step that ended at the stamp
}

// Stop is a moment at which the arm itself said that it did not follow commands.
type Stop struct {
	At  int64 // ns
	Why string
}

// Note is what a simulator notes about a recording of its own.
type Note struct {
	Task       string  `json:"task"`
	Policy     string  `json:"policy"`
	Randomness string  `json:"randomness"`
	Perturb    float64 `json:"perturb"`
	Simulator  string  `json:"simulator"` // fingerprint of the physics
}

// Recording is one decoded recording. Tracks are sorted by stamp.
type Recording struct {
	Path     string
	Parts    []string // of Poses, in its order
	State    Track    // StateWidth
	Width    Track    // gripper width, m
	Poses    Track    // PoseWidth a part
	Commands Track    // CommandWidth
	Gripper  Track    // goals: +1 closes, -1 opens
	Success  Track    // 1 or 0, as the operator told; empty without such a topic
	Stops    []Stop   // when the arm did not follow commands, by stamp
	Marks    []Mark   // nil: the recording does not delimit episodes
	Note     *Note    // nil: not a simulator's
	Damage   error    // where reading ended early, if that was asked for; nil: it did not
}
