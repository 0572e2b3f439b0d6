package robot_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"korr/residual/loop"
	"korr/ros/robot"
	"korr/ros/simnode"
	"korr/ros/toyarm"
	"korr/sim"
	"korr/sim/disturb"
)

// TestSensedEpisode: through disturbed sensors, too, an episode over ROS in lock step is the one in process, bit for
// bit, and itself when run again.
func TestSensedEpisode(t *testing.T) {
	all := disturb.Config{
		Robot: disturb.Robot{
			Position: 0.002, Rotation: 0.01, Velocity: 0.01, Spin: 0.02, Gripper: 0.001, Delay: 1, Jitter: 1, Dropout: 0.1,
		},
		Parts: disturb.Parts{
			Position: 0.002, Rotation: 0.02, Delay: 2, Jitter: 0.5, Dropout: 0.2, Occlusion: 3, OcclusionChance: 0.3,
			OcclusionReach: 1,
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
			r := newRig(t, toyarm.New(200), simnode.Config{LockStep: true, Sensing: cfg}, robot.Config{
				LockStep:      true,
				ReportedTwist: true,
			})
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

// aged is the environment in process, which tells how old what it shows is.
type aged struct {
	direct
	ages []float32
}

func (d *aged) Read(s *loop.Sample) error {
	sim.AgesTo(d.ages, d.env)
	for _, a := range d.ages {
		s.Measured = append(s.Measured, time.Unix(1000, 0).Add(-time.Duration(a)*period))
	}
	return d.direct.Read(s)
}

// TestAgesAreTheTrackers: over ROS in lock step a policy is told the age of every part that the tracker's own stamps
// give in process, in every tick and under every profile, and sees the same; so a filter that pairs poses with the arm
// of their time does the same with them.
func TestAgesAreTheTrackers(t *testing.T) {
	for _, name := range disturb.Profiles() {
		t.Run(name, func(t *testing.T) {
			cfg, err := disturb.Profile(name)
			if err != nil {
				t.Fatal(err)
			}
			env, err := disturb.Wrap(toyarm.New(200), cfg)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			d := &aged{direct: direct{env: env, obs: make([]float32, env.Spec().ObsDim), seq: 1, over: cancel}}
			d.ages = make([]float32, env.Spec().AgeDim())
			if err := env.Reset(d.obs, 7); err != nil {
				t.Fatal(err)
			}
			stepped := loop.Config{LockStep: true, Step: period, Shield: wide()}
			want := &wander{}
			if err := loop.Run(ctx, d, want, stepped); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			sc := simnode.Config{LockStep: true, Sensing: cfg, Resend: time.Millisecond} // most of it is said again
			r := newRig(t, toyarm.New(200), sc, robot.Config{LockStep: true, ReportedTwist: true, PartStamps: true})
			got := &wander{}
			if _, err := r.robot.Run(t.Context(), got, stepped, 7); err != nil {
				t.Fatal(err)
			}
			same(t, "ROS and in process", got.seen, want.seen)
			oldest := 0.0
			for k := range want.ages {
				if !slices.Equal(got.ages[k], want.ages[k]) || len(want.ages[k]) != 7 {
					t.Fatalf("step %d: ages %v, in process %v", k, got.ages[k], want.ages[k])
				}
				oldest = max(oldest, slices.Max(want.ages[k]))
			}
			if late := float64(cfg.Parts.Delay); oldest < late || oldest > 0 && late == 0 {
				t.Errorf("nothing is older than %g steps, delay %g", oldest, late)
			}
		})
	}
}
