package basepolicy

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"korr/internal/geom"
	"korr/internal/seed"
	"korr/internal/tensorfile"
)

// observations draws n raw observations of an arm and some parts, every number of which moves by its own scale: some by
// metres, some by micrometres, some not at all.
func observations(rng *rand.Rand, n, parts int) []float32 {
	const state = 16
	scale := make([]float64, parts)
	turn := make([]float64, parts)
	centre := make([]geom.Pose, parts)
	normal := func(s float64) geom.Vec3 {
		return geom.Vec3{s * rng.NormFloat64(), s * rng.NormFloat64(), s * rng.NormFloat64()}
	}
	for p := range parts {
		scale[p], turn[p] = math.Pow(10, -7*rng.Float64()), math.Pow(10, -7*rng.Float64())
		if p == 0 {
			scale[p], turn[p] = 0, 0
		}
		centre[p] = geom.Pose{P: normal(0.3), Q: geom.RotVec(normal(2))}
	}
	var rows []float32
	for range n {
		row := make([]float32, state+7*parts)
		geom.VecTo(row, normal(1e-3))
		geom.Rot6DTo(row[3:], geom.RotVec(normal(1e-4)))
		for p := range parts {
			pose := geom.Pose{P: centre[p].P.Add(normal(scale[p])), Q: geom.RotVec(normal(turn[p])).Mul(centre[p].Q).Canonical()}
			geom.PoseTo(row[state+7*p:], pose)
		}
		rows = append(rows, row...)
	}
	return rows
}

// TestFloorKeepsNoiseQuiet: whatever the demonstrations did, 1 mm moves no input of a network by more than 0.02, and
// 0.01 rad none by more than 0.2, with parts read as 6D rotations and as quaternions, the arm's pose included.
func TestFloorKeepsNoiseQuiet(t *testing.T) {
	const (
		distance, angle = 1e-3, 0.01 // of a tracker that is good, m and rad
		perMetre        = 0.02       // largest change of an input by the distance
		perTurn         = 0.2        // by the angle
		rounding        = 1e-4
	)
	for s := range uint64(40) {
		rng := seed.Stream(s, "floors", 0)
		parts := 1 + rng.IntN(6)
		rows := observations(rng, 2+rng.IntN(60), parts)
		width := 16 + 7*parts
		for _, poses := range []int{parts, 0} {
			t.Run(fmt.Sprintf("%d/%d", s, poses), func(t *testing.T) {
				n, err := FitObsNormalizer(rows, width, poses, 0.1)
				if err != nil {
					t.Fatal(err)
				}
				largest := func(move func(p geom.Pose) geom.Pose) (change float64) {
					a, b := make([]float32, n.Dim()), make([]float32, n.Dim())
					raw := make([]float32, width)
					for i := 0; i < len(rows); i += width {
						copy(raw, rows[i:i+width])
						n.NormalizeObsTo(a, raw)
						arm := move(geom.Pose{P: geom.VecAt(raw), Q: geom.Rot6DAt(raw[3:]).Quat()})
						geom.VecTo(raw, arm.P)
						geom.Rot6DTo(raw[3:], arm.Q)
						for at := 16; at < width; at += 7 {
							q := geom.QuatAt(raw[at+3:])
							p := move(geom.PoseAt(raw[at:]))
							if p.Q.Dot(q) < 0 { // noise, not the sign's jump
								p.Q = geom.Quat{-p.Q[0], -p.Q[1], -p.Q[2], -p.Q[3]}
							}
							geom.VecTo(raw[at:], p.P)
							for k, v := range p.Q {
								raw[at+3+k] = float32(v)
							}
						}
						n.NormalizeObsTo(b, raw)
						for j := range a {
							change = max(change, math.Abs(float64(a[j]-b[j])))
						}
					}
					return change
				}
				axis := geom.Vec3{rng.NormFloat64(), rng.NormFloat64(), rng.NormFloat64()}.Unit()
				if c := largest(func(p geom.Pose) geom.Pose { p.P = p.P.Add(axis.Scale(distance)); return p }); c > perMetre+rounding {
					t.Errorf("1 mm changes an input by %.3f, want at most %v", c, perMetre)
				}
				if c := largest(func(p geom.Pose) geom.Pose { p.Q = geom.RotVec(axis.Scale(angle)).Mul(p.Q); return p }); c > perTurn+rounding {
					t.Errorf("0.01 rad changes an input by %.3f, want at most %v", c, perTurn)
				}
			})
		}
	}
}

// TestFloorOfAnObservation: every dimension extends over the floor at least, a range that is wide enough stays as it
// is, and a saved normaliser is the same. Checkpoints from before one number served every kind of number name their
// floors, which Min and Max hold already.
func TestFloorOfAnObservation(t *testing.T) {
	for _, parts := range []int{0, 2} {
		rows := make([]float32, 2*(16+7*2))
		for _, at := range []int{16 + 6, 16 + 7 + 6, 30 + 16 + 6, 30 + 16 + 7 + 6} {
			rows[at] = 1 // w of the identity
		}
		rows[1], rows[30+1] = -5, 5 // y of the arm
		n, err := FitObsNormalizer(rows, 30, parts, 2)
		if err != nil {
			t.Fatal(err)
		}
		want := slices.Repeat([]float32{2}, 30+2*parts)
		want[1] = 10
		got := make([]float32, n.Dim())
		for j := range got {
			got[j] = n.Max[j] - n.Min[j]
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d poses: extents\n%v, want\n%v", parts, got, want)
		}
		var f tensorfile.File
		n.SaveTo(&f, "obs.")
		f.SetMeta("obs.floors", `{"position":1,"rotation":2,"velocity":3,"width":4}`)
		loaded, err := LoadNormalizer(&f, "obs.", n.Dim())
		if err != nil || !reflect.DeepEqual(loaded, n) {
			t.Errorf("loaded %+v, %v; saved %+v", loaded, err, n)
		}
	}
	for _, bad := range []float64{-1, math.NaN(), math.Inf(1)} {
		if _, err := FitObsNormalizer(make([]float32, 60), 30, 0, bad); err == nil {
			t.Errorf("a floor of %v was accepted", bad)
		}
	}
}
