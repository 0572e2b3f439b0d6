package action

import (
	"fmt"
	"math"
	"strings"

	"korr/internal/geom"
	"korr/internal/layout"
	"korr/sim"
)

// Rotation is how a form writes rotations.
type Rotation int

// The rotations, by width 6, 4 and 3.
const (
	Rot6D Rotation = iota
	Quaternion
	AxisAngle
)

var (
	rotationNames = [...]string{Rot6D: "6d", Quaternion: "quat", AxisAngle: "axis-angle"}
	rotationDims  = [...]int{Rot6D: 6, Quaternion: 4, AxisAngle: 3}
)

const deltaPrefix = "delta-"

// Form is a way to write an action; the zero value is the canonical one.
type Form struct {
	Rotation Rotation
	Delta    bool // against the tool's measured pose instead of absolute
}

// Canonical is the form that engines take: absolute, rotation 6D.
var Canonical Form

// Names lists the forms ParseForm knows.
func Names() []string {
	var n []string
	for _, prefix := range []string{"", deltaPrefix} {
		for _, r := range rotationNames {
			n = append(n, prefix+r)
		}
	}
	return n
}

// ParseForm reads a form's name, or returns an error that lists the known ones.
func ParseForm(name string) (Form, error) {
	rest, delta := strings.CutPrefix(name, deltaPrefix)
	for r, n := range rotationNames {
		if n == rest {
			return Form{Rotation: Rotation(r), Delta: delta}, nil
		}
	}
	return Form{}, fmt.Errorf("action form %q is not known: use %s", name, strings.Join(Names(), ", "))
}

// String is the form's name.
func (f Form) String() string {
	if f.Delta {
		return deltaPrefix + rotationNames[f.Rotation]
	}
	return rotationNames[f.Rotation]
}

// Dim is the number of elements: 10, 8 or 7.
func (f Form) Dim() int { return 3 + rotationDims[f.Rotation] + 1 }

// Bounds are the least and largest values of the elements, each [Dim]: positions within 1 m as FurnitureSim's, rotation
// vectors within pi, everything else within 1. They describe the space; nothing clips to them.
func (f Form) Bounds() (low, high []float32) {
	low, high = make([]float32, f.Dim()), make([]float32, f.Dim())
	for i := range high {
		high[i] = 1
		if f.Rotation == AxisAngle && i >= 3 && i < 6 {
			high[i] = math.Pi
		}
		low[i] = -high[i]
	}
	return low, high
}

// Check returns an error that wraps sim.ErrAction unless act has Dim finite values.
func (f Form) Check(act []float32) error {
	if len(act) != f.Dim() {
		return fmt.Errorf("%w: %d values, want %d (form %s)", sim.ErrAction, len(act), f.Dim(), f)
	}
	for i, v := range act {
		if x := float64(v); math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Errorf("%w: element %d is %v", sim.ErrAction, i, v)
		}
	}
	return nil
}

// DecodeTo writes the canonical form (length sim.ActDim) of act (length Dim) into dst. state begins with the tool's
// measured position and 6D rotation, as every observation does; absolute forms do not read it. dst must not overlap
// act, unless the form is canonical.
func (f Form) DecodeTo(dst, act, state []float32) {
	if f == Canonical {
		copy(dst[:sim.ActDim], act)
		return
	}
	pose := geom.Pose{P: geom.VecAt(act), Q: f.rotationAt(act[3:])}
	if f.Delta {
		tool := layout.ToolAt(state)
		pose = geom.Pose{P: tool.P.Add(pose.P), Q: tool.Q.Mul(pose.Q)}
	}
	layout.ToolTo(dst, pose)
	dst[layout.Gripper] = act[f.Dim()-1]
}

// EncodeTo is the inverse of DecodeTo: it writes act (length Dim) for a canonical action (length sim.ActDim).
// Quaternions have w >= 0, rotation vectors at most pi.
func (f Form) EncodeTo(act, canonical, state []float32) {
	if f == Canonical {
		copy(act, canonical[:sim.ActDim])
		return
	}
	pose := layout.ToolAt(canonical)
	if f.Delta {
		tool := layout.ToolAt(state)
		pose = geom.Pose{P: pose.P.Sub(tool.P), Q: tool.Q.Inv().Mul(pose.Q)}
	}
	geom.VecTo(act, pose.P)
	f.rotationTo(act[3:], pose.Q)
	act[f.Dim()-1] = canonical[layout.Gripper]
}

// Convert writes the actions of T frames in another form: src [T*from.Dim], states [T*w] with w >= 9 the frames'
// observations or robot states (not read, and may be nil, between absolute forms), dst [T*to.Dim].
func Convert(dst, src, states []float32, from, to Form) error {
	n := len(src) / from.Dim()
	if len(src) != n*from.Dim() || len(dst) != n*to.Dim() {
		return fmt.Errorf("action: %d values of form %s into %d of form %s: the frames do not match", len(src), from,
			len(dst), to)
	}
	w := 0
	if (from.Delta || to.Delta) && n > 0 {
		if w = len(states) / n; len(states) != n*w || w < layout.Tool {
			return fmt.Errorf("action: %d values of states for %d frames: deltas need the tool's pose of every frame",
				len(states), n)
		}
	}
	var canonical [sim.ActDim]float32
	for t := range n {
		state := states[t*w : t*w+w]
		act := src[t*from.Dim() : (t+1)*from.Dim()]
		if err := from.Check(act); err != nil {
			return fmt.Errorf("action: frame %d: %w", t, err)
		}
		from.DecodeTo(canonical[:], act, state)
		to.EncodeTo(dst[t*to.Dim():(t+1)*to.Dim()], canonical[:], state)
	}
	return nil
}

func (f Form) rotationAt(s []float32) geom.Quat {
	switch f.Rotation {
	case Quaternion:
		return geom.QuatAt(s)
	case AxisAngle:
		return geom.RotVec(geom.VecAt(s))
	default:
		return geom.Rot6DAt(s).Quat()
	}
}

func (f Form) rotationTo(s []float32, q geom.Quat) {
	switch f.Rotation {
	case Quaternion:
		geom.QuatTo(s, q)
	case AxisAngle:
		geom.VecTo(s, q.RotVec())
	default:
		geom.Rot6DTo(s, q)
	}
}
