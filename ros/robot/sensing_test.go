package robot_test

import (
	"slices"
	"testing"

	"korr/ros/robot"
	"korr/ros/simnode"
	"korr/ros/toyarm"
	"korr/sim"
	"korr/sim/disturb"
)

// TestSensedEpisode: through disturbed sensors, too, an episode over ROS in lock step is the one in process, bit for bit, and
// itself when run again.
func TestSensedEpisode(t *testing.T) {
	all := disturb.Config{
		Robot: disturb.Robot{
			Position: 0.002, Rotation: 0.01, Velocity: 0.01, Spin: 0.02, Gripper: 0.001, Delay: 1, Jitter: 1, Dropout: 0.1,
		},
		Parts: disturb.Parts{
			Position: 0.002, Rotation: 0.02, Delay: 2, Jitter: 0.5, Dropout: 0.2, Occlusion: 3, OcclusionChance: 0.3, OcclusionReach: 1,
		},
	}
	cases := map[string]disturb.Config{"all": all}
	for _, name := range disturb.Profiles() {
		cfg, err := disturb.Profile(name)
		if err != nil {
			t.Fatal(err)
		}
		cases[name] = cfg
	}
	for name, cfg := range cases {
		t.Run(name, func(t *testing.T) {
			sensed := func() sim.Env {
				env, err := disturb.Wrap(toyarm.New(200), cfg)
				if err != nil {
					t.Fatal(err)
				}
				return env
			}
			want, wantRes := inProcess(t, sensed(), 7)
			truth, _ := inProcess(t, toyarm.New(200), 7)
			r := newRig(t, toyarm.New(200), simnode.Config{LockStep: true, Sensing: cfg}, robot.Config{LockStep: true, ReportedTwist: true})
			first, res := overROS(t, r, 7)
			again, _ := overROS(t, r, 7)
			same(t, "ROS and in process", first, want)
			same(t, "ROS twice", first, again)
			if res.EpisodeReturn != wantRes.Reward || int(res.Step) != len(want) {
				t.Errorf("result %+v, in process %+v after %d steps", res, wantRes, len(want))
			}
			if slices.Equal(first[1], truth[1]) != (name == disturb.Clean) {
				t.Error("what is seen is, or is not, the truth")
			}
		})
	}
}
