package faults

import (
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"korr/internal/geom"
	"korr/ros/msgs"
)

// TestPageListsEveryFault: docs/faults.md has a row of every fault at the embedded master, and none that failed.
func TestPageListsEveryFault(t *testing.T) {
	page, err := os.ReadFile("../../docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range Cases() {
		if !strings.Contains(string(page), "\n| "+c.Name+" | "+Embedded+" |") {
			t.Errorf("docs/faults.md lacks %q: run korr verify faults --out docs/faults.md", c.Name)
		}
	}
}

// TestJudge: a command that is not finite, too far, or outside is found, and so is one that answers nothing.
func TestJudge(t *testing.T) {
	at := time.Unix(100, 0)
	arm := &msgs.FrankaState{Header: msgs.Header{Stamp: at}}
	copy(arm.OTEE[:], []float64{1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, 0, 0.5, 0, 0.2, 1})
	down := geom.Quat{1, 0, 0, 0}
	for name, tc := range map[string]struct {
		stamp time.Time
		pose  geom.Pose
		bad   string
	}{
		"good":            {at, geom.Pose{P: geom.Vec3{0.55, 0, 0.2}, Q: down}, ""},
		"hold":            {at.Add(time.Millisecond), geom.Pose{P: geom.Vec3{0.5, 0, 0.2}, Q: down}, ""},
		"far":             {at, geom.Pose{P: geom.Vec3{0.61, 0, 0.2}, Q: down}, "measured position"},
		"turned":          {at, geom.Pose{P: geom.Vec3{0.5, 0, 0.2}, Q: geom.RotVec(geom.Vec3{0, 0, 1.2}).Mul(down)}, "measured rotation"},
		"NaN":             {at, geom.Pose{P: geom.Vec3{math.NaN(), 0, 0.2}, Q: down}, "finite"},
		"answers nothing": {at.Add(time.Millisecond), geom.Pose{P: geom.Vec3{0.55, 0, 0.2}, Q: down}, "without an observation"},
	} {
		j := &judge{}
		for i := range 25 { // in time around the command
			if i == 20 {
				j.command(&msgs.PoseStamped{Header: msgs.Header{Stamp: tc.stamp}, Pose: msgs.PoseOf(tc.pose)})
			}
			j.arm(arm)
			time.Sleep(10 * time.Millisecond)
		}
		n, _, broken := j.verdict()
		if n != 1 || (tc.bad == "") != (len(broken) == 0) || len(broken) > 0 && !strings.Contains(broken[0], tc.bad) {
			t.Errorf("%s: %v", name, broken)
		}
	}
	j := &judge{} // blind: it has heard nothing for long
	j.arm(arm)
	j.command(&msgs.PoseStamped{Pose: msgs.PoseOf(geom.Pose{P: geom.Vec3{0.55, 0, 0.2}, Q: down})})
	if n, unseen, broken := j.verdict(); n != 1 || unseen != 1 || len(broken) != 0 {
		t.Errorf("blind: %d poses, %d unseen, %v", n, unseen, broken)
	}
	j = &judge{}
	low := *arm
	low.OTEE[14] = 0.01
	j.arm(&low)
	j.command(&msgs.PoseStamped{Header: msgs.Header{Stamp: at}, Pose: msgs.PoseOf(geom.Pose{P: geom.Vec3{0.5, 0, -0.02}, Q: down})})
	if _, _, broken := j.verdict(); len(broken) != 1 || !strings.Contains(broken[0], "workspace") {
		t.Errorf("below the table: %v", broken)
	}
}

// TestStalls: a goroutine that did not run is noticed.
func TestStalls(t *testing.T) {
	s := &stalls{late: []stall{{time.Unix(10, 0), time.Second}, {time.Unix(20, 0), 2 * time.Second}}}
	if s.since(time.Unix(15, 0)) != 2*time.Second || s.since(time.Unix(30, 0)) != 0 {
		t.Error("stalls are not found by their time")
	}
}
