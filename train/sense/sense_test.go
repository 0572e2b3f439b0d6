package sense

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"korr/internal/geom"
	"korr/internal/layout"
	"korr/koopman/filter"
	"korr/sim"
	"korr/sim/disturb"
)

func oneLeg(t *testing.T) *sim.Task {
	t.Helper()
	task, err := sim.TaskByName("one_leg")
	if err != nil {
		t.Fatal(err)
	}
	return task
}

// TestScenes: every task has a scene in which each part's nominal tip is inside its own box and at a mouth when
// assembled.
func TestScenes(t *testing.T) {
	for _, name := range sim.TaskNames() {
		task, err := sim.TaskByName(name)
		if err != nil {
			t.Fatal(err)
		}
		s := SceneOf(task)
		if len(s.Parts) != len(task.Parts)+1 || len(s.Joints) != len(task.Pairs) {
			t.Fatalf("%s: %d parts and %d joints", name, len(s.Parts), len(s.Joints))
		}
		for i := range task.Pairs {
			p, j := &task.Pairs[i], &s.Joints[i]
			for k, v := range j.Tip {
				if b := s.Parts[j.Male]; v < b.Lo[k]-1e-9 || v > b.Hi[k]+1e-9 {
					t.Errorf("%s: tip of part %d is outside its box %v", name, j.Male, b)
				}
			}
			first, second := geom.IdentityPose, p.Target(0)
			fit := p.Fit(first, second)
			seat := 0.0
			if p.Thread != nil {
				seat = p.Thread.Seat
			}
			if math.Abs(fit.Offset[1]+seat) > 1e-9 || fit.Lateral() > 1e-9 {
				t.Errorf("%s: assembled, the tip of pair %d is at %v", name, i, fit.Offset)
			}
		}
	}
}

// carriedLeg is a roll in which the closed hand carries one_leg's fourth leg about.
func carriedLeg(task *sim.Task, n int) Roll {
	var r Roll
	for k := range n {
		t := float64(k) / 10
		hand := geom.Pose{P: geom.Vec3{.5 + .1*math.Sin(t), .2, .3 + .1*math.Cos(t)}, Q: geom.RotVec(geom.Vec3{0, .5 * t, 0})}
		obs, act := make([]float32, task.ObsDim()), make([]float32, layout.Action)
		layout.ToolTo(obs, hand)
		layout.ToolTo(act, hand)
		obs[layout.Width], act[layout.Gripper] = .03, 1
		for i := range len(task.Parts) + 1 {
			x := geom.Pose{P: geom.Vec3{.3 * float64(i), .3, 0}, Q: geom.IdentityQuat}
			if i == task.Pairs[0].Male() {
				x = geom.TagFrame.Inv().Mul(hand).Mul(geom.Pose{P: geom.Vec3{0, .002, 0}, Q: geom.RotVec(geom.Vec3{.1, 0, 0})})
			}
			geom.PoseTo(layout.Part(i).Of(obs), x)
		}
		r.Obs, r.Act = append(r.Obs, obs), append(r.Act, act)
	}
	return r
}

// TestCompareFindsTheCarriedPart: of a part that is carried 1 cm a step, two steps late, the filters show where it
// is, and what neither filter nor alignment stands for does not.
func TestCompareFindsTheCarriedPart(t *testing.T) {
	task := oneLeg(t)
	rolls := []Roll{carriedLeg(task, 120), carriedLeg(task, 120)}
	fitted, err := filter.Fit(SceneOf(task), []filter.Episode{rolls[0].Episode(), rolls[1].Episode()})
	if err != nil {
		t.Fatal(err)
	}
	tracker, err := disturb.Profile("T2")
	if err != nil {
		t.Fatal(err)
	}
	errors, err := Compare(task, rolls, tracker, Methods(fitted))
	if err != nil {
		t.Fatal(err)
	}
	median := map[string]float64{}
	for _, e := range errors {
		if e.Phase == Carried {
			median[e.Method] = e.Position[0]
		}
	}
	for method, most := range map[string]float64{"kinematic": 0.6, "koopman": 0.6, "smoothed": 1, "aligned": 2} {
		if !(median[method] < most) {
			t.Errorf("%s: the median error is %g mm, want below %g", method, median[method], most)
		}
	}
	if !(median["raw"] > 15) {
		t.Errorf("raw: the median error is %g mm of a part that moves 1 cm a step and is two steps late", median["raw"])
	}
}

// TestPhasesThatNothingShowsHaveNoErrors: a report of rolls that never reach a hole is JSON, which has no NaN.
func TestPhasesThatNothingShowsHaveNoErrors(t *testing.T) {
	task := oneLeg(t)
	errors, err := Compare(task, []Roll{carriedLeg(task, 9)}, disturb.Config{}, Methods(&filter.Fitted{})[:1])
	if err != nil {
		t.Fatal(err)
	}
	if len(errors) != 1 || errors[0].Phase != Carried || errors[0].Steps != 8 || errors[0].Position != [2]float64{} {
		t.Errorf("a leg that is carried, seen as it is: %+v", errors)
	}
	r := Report{Sensing: []Tracked{{"clean", errors}}}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
	var b strings.Builder
	if err := r.WriteText(&b); err != nil || !strings.Contains(b.String(), "carried") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

// TestPlayDealsTheEpisodes: every third episode is the base policy's, whoever of the workers plays it.
func TestPlayDealsTheEpisodes(t *testing.T) {
	task := oneLeg(t)
	still := carriedLeg(task, 4)
	says := func(v float32) func() (sim.Policy, error) {
		return func() (sim.Policy, error) { return always(v), nil }
	}
	told := 0
	rolls, err := Play(t.Context(), Plays{
		Episodes: 7, Seed: 1, Workers: 3, Open: func() (sim.Env, error) { return still.tape(task), nil },
		Expert: says(1), Base: says(2), Progress: func(done, of int) { told += of - done + 1 },
	})
	if err != nil || len(rolls) != 7 || told != 7*8/2 {
		t.Fatalf("%d rolls, told %d, %v", len(rolls), told, err)
	}
	for i, r := range rolls {
		if want := map[bool]float32{true: 2, false: 1}[i%3 == 0]; len(r.Act) != 3 || r.Act[0][0] != want {
			t.Errorf("episode %d has %d steps, the first by %v", i, len(r.Act), r.Act[0][0])
		}
	}
}

// always is a policy that only says its number.
type always float32

func (always) Reset(uint64) {}

func (a always) ActTo(act, _ []float32) error {
	act[0] = float32(a)
	return nil
}
