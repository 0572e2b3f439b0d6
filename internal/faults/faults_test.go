package faults

import (
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"korr/internal/geom"
	"korr/ros/msgs"
	"korr/ros/simarm"
	"korr/ros/toyarm"
)

// TestPageListsEveryFault: docs/faults.md has a row of every fault over every link that it was made over, and ROS 2 has
// a page of its own.
func TestPageListsEveryFault(t *testing.T) {
	for _, link := range AllLinks {
		name := "faults.md"
		if link == ROS2 {
			name = "faults-ros2.md"
		}
		page, err := os.ReadFile("../../docs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range Cases() {
			if c.Over(link) != strings.Contains(string(page), "\n| "+c.Name+" | "+link+" |") {
				t.Errorf("%q over %s is not where it belongs: run korr verify faults --out docs/%s", c.Name, link, name)
			}
		}
	}
}

// TestJudge: a command that is not finite, too far, or outside is found, and so is one that answers nothing.
func TestJudge(t *testing.T) {
	at := time.Unix(100, 0)
	arm := &msgs.FrankaState{Header: msgs.Header{Stamp: at}}
	copy(arm.OTEE[:], []float64{1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, 0, 0.5, 0, 0.2, 1})
	down := geom.Quat{1, 0, 0, 0}
	truth := framesOf(0, geom.Pose{P: geom.Vec3{0.5, 0, 0.2}, Q: down})
	liar := *arm
	liar.OTEE[13] = 0.1
	for name, tc := range map[string]struct {
		stamp time.Time
		pose  geom.Pose
		bad   string
		lies  bool
	}{
		"a lie followed": {at, geom.Pose{P: geom.Vec3{0.55, 0.15, 0.2}, Q: down}, "measured position", true},
		"a lie held": {
			at.Add(time.Millisecond),
			geom.Pose{P: geom.Vec3{0.5, 0.1, 0.2}, Q: down},
			"without an observation", true,
		},
		"good": {at, geom.Pose{P: geom.Vec3{0.55, 0, 0.2}, Q: down}, "", false},
		"hold": {at.Add(time.Millisecond), geom.Pose{P: geom.Vec3{0.5, 0, 0.2}, Q: down}, "", false},
		"far":  {at, geom.Pose{P: geom.Vec3{0.61, 0, 0.2}, Q: down}, "measured position", false},
		"turned": {
			at,
			geom.Pose{P: geom.Vec3{0.5, 0, 0.2}, Q: geom.RotVec(geom.Vec3{0, 0, 1.2}).Mul(down)},
			"measured rotation", false,
		},
		"NaN": {at, geom.Pose{P: geom.Vec3{math.NaN(), 0, 0.2}, Q: down}, "finite", false},
		"answers nothing": {
			at.Add(time.Millisecond),
			geom.Pose{P: geom.Vec3{0.55, 0, 0.2}, Q: down},
			"without an observation", false,
		},
	} {
		now := time.Unix(1000, 0)
		j := &judge{now: func() time.Time { return now }}
		for i := range 25 { // in time around the command
			if i == 20 {
				j.command(&msgs.PoseStamped{Header: msgs.Header{Stamp: tc.stamp}, Pose: msgs.PoseOf(tc.pose)})
			}
			j.frames(truth)
			if tc.lies {
				j.arm(&liar)
			} else {
				j.arm(arm)
			}
			now = now.Add(10 * time.Millisecond)
		}
		n, _, broken := j.verdict()
		if n != 1 || (tc.bad == "") != (len(broken) == 0) || len(broken) > 0 && !strings.Contains(broken[0], tc.bad) {
			t.Errorf("%s: %v", name, broken)
		}
	}
	j := &judge{now: time.Now} // blind: it has heard nothing for long
	j.arm(arm)
	j.command(&msgs.PoseStamped{Pose: msgs.PoseOf(geom.Pose{P: geom.Vec3{0.55, 0, 0.2}, Q: down})})
	if n, unseen, broken := j.verdict(); n != 1 || unseen != 1 || len(broken) != 0 {
		t.Errorf("blind: %d poses, %d unseen, %v", n, unseen, broken)
	}
	j = &judge{now: time.Now}
	low := *arm
	low.OTEE[14] = 0.01
	j.frames(framesOf(0, geom.Pose{P: geom.Vec3{0.5, 0, 0.01}, Q: down}))
	j.arm(&low)
	j.command(&msgs.PoseStamped{Header: msgs.Header{Stamp: at}, Pose: msgs.PoseOf(geom.Pose{
		P: geom.Vec3{0.5, 0, -0.02},
		Q: down,
	})})
	if _, _, broken := j.verdict(); len(broken) != 1 || !strings.Contains(broken[0], "workspace") {
		t.Errorf("below the table: %v", broken)
	}
}

// TestSentInAStop: a command is one that went out after the stop by its tick, or by its pose if no tick tells of it;
// one that only comes late is none.
func TestSentInAStop(t *testing.T) {
	at, quiet := time.Unix(100, 0), time.Unix(1000, 0)
	command := func(tick uint64, x float32) *msgs.Action {
		return &msgs.Action{Tick: tick - 1, Sent: true, Command: []float32{x, 0, 0.2, 1, 0, 0, 0, 1, 0, 0}}
	}
	pose := func(x float32, stamp time.Time) *msgs.PoseStamped {
		return &msgs.PoseStamped{Header: msgs.Header{Stamp: stamp}, Pose: msgs.PoseOf(geom.Pose{P: geom.Vec3{
			float64(x), 0,
			float64(float32(0.2)),
		}, Q: geom.IdentityQuat})}
	}
	for name, tc := range map[string]struct {
		ticks        []uint64 // that say so, of commands to as many metres as their place in the list
		late         []int    // of those, poses that come late
		other        bool     // a pose comes late that no tick tells of
		told, untold int
	}{
		"in time":              {ticks: []uint64{6, 7}},
		"late":                 {ticks: []uint64{6, 7}, late: []int{0, 1}},
		"after it moves again": {ticks: []uint64{7, 12}, late: []int{1}},
		"in the stop":          {ticks: []uint64{7, 9}, late: []int{1}, told: 1},
		"in the stop, twice":   {ticks: []uint64{7}, late: []int{0, 0}, untold: 1},
		"untold":               {ticks: []uint64{7}, other: true, untold: 1},
	} {
		now := quiet.Add(-time.Second)
		j := &judge{now: func() time.Time { return now }, measured: map[int64][]claim{at.UnixNano(): nil}}
		j.command(pose(0.7, at.Add(1))) // the hold's own answers nothing
		for i, tick := range tc.ticks {
			j.action(command(tick, float32(i)))
		}
		now = quiet.Add(time.Second)
		for _, i := range tc.late {
			j.command(pose(float32(i), at))
		}
		if tc.other {
			j.command(pose(0.9, at))
		}
		if told, untold := j.sentIn(8, 12, 0, quiet); told != tc.told || untold != tc.untold {
			t.Errorf("%s: %d told and %d untold, want %d and %d", name, told, untold, tc.told, tc.untold)
		}
		if told, _ := j.sentIn(8, 12, len(tc.ticks), quiet); told != 0 {
			t.Errorf("%s: commands from before the trial count", name)
		}
	}
}

// TestStalls: a goroutine that did not run is noticed.
func TestStalls(t *testing.T) {
	s := &stalls{late: []stall{{time.Unix(10, 0), time.Second}, {time.Unix(20, 0), 2 * time.Second}}}
	if s.since(time.Unix(15, 0)) != 2*time.Second || s.since(time.Unix(30, 0)) != 0 {
		t.Error("stalls are not found by their time")
	}
}

// framesOf are the arm's frames when its tool is at a pose.
func framesOf(seq uint32, tool geom.Pose) *msgs.TFMessage {
	m := &msgs.TFMessage{}
	parent := msgs.BaseFrame
	add := func(child string, p geom.Pose) {
		m.Transforms = append(m.Transforms, msgs.TransformStamped{
			Header: msgs.Header{Seq: seq, FrameId: parent}, ChildFrameId: child, Transform: msgs.TransformOf(p),
		})
		parent = child
	}
	add("panda_link1", tool)
	add("panda_hand_tcp", geom.Pose{Q: geom.IdentityQuat})
	return m
}

// TestTruthIsWhereTheSimulatorsToolIs: the frames of a simulated arm give the pose that its state tells.
func TestTruthIsWhereTheSimulatorsToolIs(t *testing.T) {
	toy := toyarm.New(10)
	if err := toy.Reset(make([]float32, toy.Spec().ObsDim), 3); err != nil {
		t.Fatal(err)
	}
	f := simarm.Frame{Seq: 7, Stamp: time.Unix(5, 0), Arm: make([]float64, simarm.Dim(6)), Target: geom.IdentityPose}
	toy.ArmStateTo(f.Arm)
	j := &judge{now: time.Now}
	j.frames(f.Transforms(toy.Spec().PartNames))
	j.arm(f.Franka())
	for _, tolds := range j.measured {
		told := tolds[0]
		at, known := j.truth.of(told)
		if !known || at.P.Sub(told.pose.P).Norm() > 1e-12 || angle(at.Q, told.pose.Q) > 1e-7 {
			t.Errorf("told %v, true %v", told.pose, at)
		}
	}
	if len(j.measured) != 1 {
		t.Error("nothing was told")
	}
}

// TestJudgeOfTrajectories: the place that a trajectory leads to is judged, and its joints.
func TestJudgeOfTrajectories(t *testing.T) {
	arm, err := jointChain()
	if err != nil {
		t.Fatal(err)
	}
	q := []float64{0, 0.2, 0, -2.2, 0, 2.4, 0.785}
	where := arm.Forward(q)
	if !strings.Contains(string(jointArmBy(true)), "command: trajectory\n") || where.P[0] < 0.3 {
		t.Fatalf("the arm takes no trajectories, or is at %v", where)
	}
	for name, tc := range map[string]struct {
		joint int
		by    float64
		bad   string
		late  time.Duration
	}{
		"where it is":       {0, 0, "", 0},
		"a step":            {0, 0.1, "", 0},
		"far":               {0, 0.4, "from where the arm was", 0},
		"1e300 rad":         {3, 1e300, "panda_joint4", 0},
		"NaN":               {1, math.NaN(), "panda_joint2", 0},
		"a turn more":       {6, 2 * math.Pi, "panda_joint7", 0},
		"where it was long": {0, 0, "from where the arm was", 2 * answerable},
	} {
		now := time.Unix(1000, 0)
		j := &judge{now: func() time.Time { return now }, chain: arm}
		j.frames(framesOf(0, where))
		now = now.Add(statePeriod + tc.late)
		goal := slices.Clone(q)
		goal[tc.joint] += tc.by
		j.trajectory(&msgs.JointTrajectory{Points: []msgs.JointTrajectoryPoint{{Positions: goal}}})
		n, _, broken := j.verdict()
		if n != 1 || (tc.bad == "") != (len(broken) == 0) || len(broken) > 0 && !strings.Contains(broken[0], tc.bad) {
			t.Errorf("%s: %v", name, broken)
		}
	}
}
