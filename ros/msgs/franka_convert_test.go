package msgs

import (
	"math"
	"math/rand/v2"
	"testing"

	"korr/internal/geom"
)

// TestStateSurvivesROS2: what a policy reads of a state is the same after it crossed ROS 2, bit for bit.
func TestStateSurvivesROS2(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var q geom.Quat
		for i := range q {
			q[i] = rng.NormFloat64()
		}
		r := q.Mat()
		var m FrankaState
		m.OTEE = [16]float64{
			r[0], r[3], r[6], 0, r[1], r[4], r[7], 0, r[2], r[5], r[8], 0, rng.NormFloat64(),
			rng.NormFloat64(), rng.NormFloat64(), 1,
		}
		checkSame(t, &m)
	}
}

// TestRoundingIsKept: where an element lies between two float32 numbers, to the last digits, the plain quaternion often
// rounds to the other one.
func TestRoundingIsKept(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	missed := 0
	for range 2_000 {
		low := float32(0.2 + 0.6*rng.Float64())
		tie := (float64(low) + float64(math.Nextafter32(low, 2))) / 2
		y := 0.3 * rng.Float64()
		z := math.Sqrt((1-tie)/2 - y*y)
		if math.IsNaN(z) {
			continue
		}
		x := 0.1 * rng.Float64()
		r := geom.Quat{x, y, z, math.Sqrt(1 - x*x - y*y - z*z)}.Mat()
		plain := r.Quat().Mat()
		if float32(plain[0]) != float32(r[0]) {
			missed++
		}
		checkSame(t, &FrankaState{OTEE: [16]float64{
			r[0], r[3], r[6], 0, r[1], r[4], r[7], 0, r[2], r[5], r[8], 0, 0, 0, 0,
			1,
		}})
	}
	if missed < 10 {
		t.Errorf("the plain quaternion missed %d times: the test looks in the wrong place", missed)
	}
	t.Logf("the plain quaternion missed %d of 2,000", missed)
}

func checkSame(t *testing.T, m *FrankaState) {
	t.Helper()
	back, _ := m.RobotState().State()
	for _, i := range []int{0, 4, 8, 1, 5, 9, 12, 13, 14} {
		if float32(back.OTEE[i]) != float32(m.OTEE[i]) {
			t.Fatalf("element %d of O_T_EE is %v before and %v after", i, m.OTEE[i], back.OTEE[i])
		}
	}
}

// TestStateIsJudged: what a message of ROS 2 lacks is an error.
func TestStateIsJudged(t *testing.T) {
	good := func() *FrankaRobotState {
		s := FrankaState{OTEE: [16]float64{0: 1, 5: 1, 10: 1, 15: 1}}
		s.OTEED, s.OTEEC, s.FTEE, s.EETK = s.OTEE, s.OTEE, s.OTEE, s.OTEE
		return s.RobotState()
	}
	if _, err := good().State(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*FrankaRobotState){
		"six joints":       func(m *FrankaRobotState) { m.MeasuredJointState.Position = m.MeasuredJointState.Position[:6] },
		"no velocities":    func(m *FrankaRobotState) { m.MeasuredJointState.Velocity = nil },
		"another order":    func(m *FrankaRobotState) { n := m.MeasuredJointState.Name; n[0], n[1] = n[1], n[0] },
		"no orientation":   func(m *FrankaRobotState) { m.OTEE.Pose.Orientation = Quaternion{} },
		"half of one":      func(m *FrankaRobotState) { m.OTEE.Pose.Orientation = Quaternion{W: 0.5} },
		"a NaN in it":      func(m *FrankaRobotState) { m.OTEE.Pose.Orientation.X = math.NaN() },
		"names for others": func(m *FrankaRobotState) { m.MeasuredJointState.Name = m.MeasuredJointState.Name[:3] },
	} {
		m := good()
		spoil(m)
		if _, err := m.State(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
