package basepolicy

import "fmt"

// Floors are the least extents, by kind of number, over which a dimension of an observation is stretched to [-1, 1].
//
// Demonstrations hardly move some dimensions: a part that nobody touches varies by a millimetre. Stretched over its own
// extent, half a millimetre of a tracker's noise would be a full swing of the input. A floor keeps a tracker's noise
// small beside the range in every dimension. The zero value sets no floors but MinRange, as published.
type Floors struct {
	Position float64 `json:"position"` // m
	Rotation float64 `json:"rotation"` // of an element of a 6D rotation or of a quaternion
	Velocity float64 `json:"velocity"` // m/s, and rad/s of an angular velocity
	Width    float64 `json:"width"`    // m, of the gripper's opening
}

// EqualFloors is one floor for every kind of number. With 0.1, the default (docs/learning.md compares it with 0.2), 1 mm of
// noise in a part's position is 0.02 in its input, 0.01 rad in its rotation at most 0.2.
func EqualFloors(v float64) Floors { return Floors{Position: v, Rotation: v, Velocity: v, Width: v} }

// Validate reports floors that are negative or not finite.
func (f Floors) Validate() error {
	for _, v := range []float64{f.Position, f.Rotation, f.Velocity, f.Width} {
		if !(v >= 0 && v <= 1e3) {
			return fmt.Errorf("floors of an observation's extents are %v, want four finite numbers that are not negative", f)
		}
	}
	return nil
}

// Widths of the arm's state at the head of an observation, in its order (see sim: position, 6D rotation, linear
// velocity, angular velocity, gripper's width).
const (
	armPosition = 3
	armRotation = 6
	armVelocity = 6
)

// each returns the floor of every dimension of an observation: the arm's state, then poses of poseDim numbers each,
// three of a position and the rest of a rotation. A row that ends inside a pose has nothing more.
func (f Floors) each(dim, poseDim int) []float32 {
	floors := make([]float32, dim)
	for j := range floors {
		v := f.Rotation
		switch at := j - armPosition - armRotation - armVelocity - 1; {
		case at >= 0 && at%poseDim < 3, j < armPosition:
			v = f.Position
		case at == -1:
			v = f.Width
		case at < 0 && j >= armPosition+armRotation:
			v = f.Velocity
		}
		floors[j] = float32(v)
	}
	return floors
}
