package loop

// slow is a robot whose commands wait on their way out, as in ros/robot, and sometimes for longer than a tick.
type slow struct {
	command []float32
	permit  Permit
	waits   bool
}

// hand takes a command over. One that waits meanwhile must not go out any more.
func (h *hostile) hand(cmd []float32, permit Permit) {
	if h.slow.waits && h.slow.permit.Err() == nil {
		h.t.Fatalf("command %d: the one before may still go out", h.commands)
	}
	h.slow = slow{append(h.slow.command[:0], cmd...), permit, true}
	if !h.odd() || h.IntN(3) > 0 {
		h.goOut()
	}
}

// goOut is the robot that sends what waits, if it may: the next command is judged against it.
func (h *hostile) goOut() {
	if !h.slow.waits {
		return
	}
	h.slow.waits = false
	if h.slow.permit.Take() == nil {
		if s := h.loop.State(); s != StateRun {
			h.t.Fatalf("command %d: it goes out in %v", h.commands, s)
		}
		h.previous = append(h.previous[:0], h.slow.command...)
	}
}
