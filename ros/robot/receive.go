package robot

import (
	"time"

	"korr/ros/msgs"
)

// This file is what comes from the arm, the gripper, the tracker and the simulator, and when it makes an observation.

// reorderWindow is how long a message stamped before the newest one is taken for one that was overtaken on the way; a
// publisher that was restarted with another clock is heard again after it.
const reorderWindow = time.Second

func (r *Robot) onNames(m *msgs.String) {
	r.mu.Lock()
	err := r.observe.named(m.Data)
	r.mu.Unlock()
	if err != nil {
		r.fail(err)
	}
}

func (r *Robot) onParts(m *msgs.PoseArray) {
	r.store(2, m.Header.Stamp, func(s *set) time.Time {
		if s.parts == nil {
			return time.Time{}
		}
		return s.parts.Header.Stamp
	}, func(now time.Time) error {
		if r.resetting {
			r.observe.belief.Forget()
		}
		return r.observe.see(m, now)
	}, func(s *set) { s.parts, s.places = m, r.observe.places() })
	r.mu.Lock()
	lost := r.observe.lost()
	if period := time.Duration(r.report.period.Load()); lost == "" && r.stamps != nil && period > 0 {
		lost = r.stamps.unseen(r.cfg.Parts, m.Header.Stamp, time.Now(), unseenFor*period)
	}
	r.mu.Unlock()
	r.guard.set(partLost, lost)
}

// storeArm keeps a state of the arm and reports whether it is believed.
func (r *Robot) storeArm(a *armState) bool {
	return r.store(0, a.head.Stamp, func(s *set) time.Time {
		if s.arm == nil {
			return time.Time{}
		}
		return s.arm.head.Stamp
	}, func(now time.Time) error {
		if r.resetting {
			r.arm.forget()
		}
		a.came = now
		return r.arm.accept(a, now)
	}, func(s *set) {
		if s.arm = a; r.broken == nil { // what follows a lie, before the loop has stopped, may be one too
			r.held = a
		}
	})
}

// storeFingers keeps a state of the gripper.
func (r *Robot) storeFingers(f *fingerState) {
	r.store(1, f.stamp, func(s *set) time.Time {
		if s.fingers == nil {
			return time.Time{}
		}
		return s.fingers.stamp
	}, func(time.Time) error { return f.accept() }, func(s *set) { s.fingers = f })
}

// store keeps a message of the arm (0), the gripper (1) or the parts (2), unless a newer one is there or it is not
// believed, which stops the loop. It reports whether it was kept.
func (r *Robot) store(of int, stamp time.Time, newest func(*set) time.Time, accept func(now time.Time) error,
	put func(*set),
) bool {
	now := time.Now()
	r.mu.Lock()
	if stamp.Before(newest(&r.newest)) && now.Sub(r.heard[of]) < reorderWindow {
		r.mu.Unlock()
		r.reordered.Add(1)
		return false
	}
	if stamp.Before(r.since) { // of an episode that is over
		r.mu.Unlock()
		return false
	}
	if err := accept(now); err != nil {
		r.mu.Unlock()
		r.fail(err)
		return false
	}
	r.heard[of] = now
	put(&r.newest)
	r.noticed(of == 0)
	return true
}

func (r *Robot) onSim(m *msgs.SimState) {
	r.mu.Lock()
	if m.Over() && !m.Header.Stamp.Before(r.since) && r.result == nil {
		r.result = m
		close(r.over)
	}
	r.newest.sim = m
	r.noticed(false)
}

// onTF notes when parts were seen.
func (r *Robot) onTF(m *msgs.TFMessage) {
	r.mu.Lock()
	r.stamps.hear(m, time.Now())
	r.noticed(false)
}

// noticed looks whether there is a new observation: with every message of the arm in real time, with the last message
// of a stamp in lock step. It is called with mu held and gives it back.
func (r *Robot) noticed(arm bool) {
	fresh, again := false, false
	switch {
	case !r.newest.whole() || !r.observe.belief.Known() || r.newest.arm.head.Stamp.Before(r.since):
	case !r.cfg.LockStep:
		r.ready = r.newest
		fresh = arm
	case !r.newest.aligned() || r.newest.sim.Over() || r.stamps != nil && !r.stamps.upTo.Equal(r.newest.stamp()):
	case r.ready.arm != nil && r.ready.stamp().Equal(r.newest.stamp()):
		again = arm // the simulator repeats what it has no answer to
	default:
		r.ready = r.newest
		fresh = true
	}
	if fresh {
		r.seq++
	}
	r.mu.Unlock()
	if fresh {
		r.notify()
	}
	if again && r.out != nil {
		r.out.repeat()
	}
}

// forget drops every message: the clock jumped back, so their stamps mean nothing.
func (r *Robot) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.newest, r.ready, r.heard = set{}, set{}, [3]time.Time{}
	if r.stamps != nil {
		r.stamps = newStampBook(r.cfg.Parts)
	}
}
