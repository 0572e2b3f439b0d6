package faults

import (
	"context"
	"time"

	"korr/ros/msgs"
)

// partLies are trackers that tell what cannot be, or that confuse parts.
func partLies() []Case {
	lost := func(name, says, kind string, value ...float64) Case {
		return held(injection("tracker tells "+name, hold, "pose right; "+enabling, []string{says}, kind, "parts", value...))
	}
	return []Case{
		lost("a zero quaternion", "is lost: its quaternion", msgs.PerturbSet, pairs(0, 3, 4, 5, 6)...),
		lost("a denormal quaternion", "is lost: its quaternion", msgs.PerturbSet, 3, 0, 4, 0, 5, 0, 6, 5e-324),
		lost("a quaternion of norm 2", "is lost: its quaternion", msgs.PerturbSet, 3, 0, 4, 0, 5, 0, 6, 2),
		lost("a part at 1e30 m", "out of the workspace", msgs.PerturbSet, 7, 1e30),
		lost("a part 0.3 m aside", "leapt", msgs.PerturbAdd, 8, 0.3),
		lost("NaN of a quaternion", "not finite", msgs.PerturbSet, 10, nan),
		injection("tracker tells seven poses of six parts", fault, "length right; "+resets,
			[]string{"carries 49 values, want 42"}, msgs.PerturbLength, "parts", 1),
		injection("tracker tells poses of another frame", fault, "frame right; "+resets, []string{"frame"},
			msgs.PerturbFrame, "parts"),
		swapped("parts reordered, with 6 mm of noise", func(ctx context.Context, w *world) error {
			return w.perturb(ctx, msgs.PerturbNoise, "parts", 0.006, 0)
		}),
		swapped("parts reordered, while one moves", func(ctx context.Context, w *world) error {
			return w.perturb(ctx, msgs.PerturbAdd, "parts", 1, 0.05) // slow enough to be pushed
		}),
	}
}

// held is a case after which an operator enables, and not the loop itself.
func held(c Case) Case {
	c.heal = func(ctx context.Context, w *world) error {
		if err := w.perturb(ctx, msgs.PerturbClear, ""); err != nil {
			return err
		}
		return w.persist(ctx, w.enabled)
	}
	return c
}

// swapped is a tracker that confuses parts after something else was done to it.
func swapped(name string, before func(context.Context, *world) error) Case {
	c := injection(name, fault, "order right; "+resets, []string{"changed places"}, msgs.PerturbReorder, "")
	strike := c.strike
	c.strike = func(ctx context.Context, w *world) (time.Time, error) {
		if err := before(ctx, w); err != nil {
			return time.Time{}, err
		}
		time.Sleep(3 * w.period()) // that alone stops nothing
		return strike(ctx, w)
	}
	return c
}

// sourceFaults are single sources of the observation that are silent, or from the future.
func sourceFaults() []Case {
	resumes := "comes again; " + byItself
	ahead := injection("parts stamped 0.09 s ahead, then silent", hold, resumes, old, msgs.PerturbLoss, "parts", 1)
	strike := ahead.strike
	ahead.strike = func(ctx context.Context, w *world) (time.Time, error) {
		if err := w.perturb(ctx, msgs.PerturbStamp, "parts", 0.09); err != nil {
			return time.Time{}, err
		}
		time.Sleep(3 * w.period()) // within what a clock may be off
		return strike(ctx, w)
	}
	dead := injection("parts stamped 8 s in the future, then silent", hold, resumes, []string{"in the future"},
		msgs.PerturbStamp, "parts", 8)
	future := dead.strike
	dead.strike = func(ctx context.Context, w *world) (time.Time, error) {
		at, err := future(ctx, w)
		if err == nil {
			time.Sleep(w.period() / 2)
			err = w.perturb(ctx, msgs.PerturbLoss, "parts", 1)
		}
		return at, err
	}
	return []Case{
		injection("parts lost alone", hold, resumes, old, msgs.PerturbLoss, "parts", 1),
		over(natively, injection("gripper lost alone", hold, resumes, old, msgs.PerturbLoss, "gripper", 1))[0],
		injection("parts stamped 8 s in the future", hold, resumes, []string{"parts of observation"}, msgs.PerturbStamp,
			"parts", 8),
		dead,
		ahead,
	}
}
