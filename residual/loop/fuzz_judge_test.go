package loop

import (
	"errors"
	"fmt"
	"math"

	"korr/internal/geom"
	"korr/residual/shield"
)

// judge checks everything that a command promises.
func (h *hostile) judge(cmd []float32) error {
	age := h.clock.now.Sub(h.last.Stamp) // at the write
	for _, src := range h.last.Sources {
		if old, silent := h.clock.now.Sub(src.Stamp), h.clock.now.Sub(src.Came); old >= 3*period || silent >= 3*period {
			return fmt.Errorf("answers a source %v old by its stamp and %v by its arrival", old, silent)
		}
		if ahead := src.Stamp.Sub(h.readAt); ahead > period {
			return fmt.Errorf("answers a source %v in the future", ahead)
		}
	}
	ahead := h.last.Stamp.Sub(h.readAt)
	switch {
	case h.forbids:
		return errors.New("sent although something forbade it during the step")
	case age >= 3*period:
		return fmt.Errorf("answers an observation %v old", age)
	case h.loop.State() != StateRun:
		return fmt.Errorf("sent in %v", h.loop.State())
	case h.sent:
		return errors.New("the second in one tick")
	case h.stopped:
		return errors.New("sent after an emergency stop")
	case ahead > period:
		return fmt.Errorf("answers an observation %v in the future", ahead)
	case len(cmd) != shield.CommandDim:
		return fmt.Errorf("%d values", len(cmd))
	}
	for i, v := range cmd {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("value %d is %g", i, v)
		}
	}
	if g := cmd[9]; g < -1 || g > 1 {
		return fmt.Errorf("gripper %g", g)
	}
	p, m := geom.VecAt(cmd), geom.VecAt(h.last.Obs)
	for k := range 3 {
		if lo, hi := min(h.limits.Min[k], m[k]), max(h.limits.Max[k], m[k]); p[k] < lo || p[k] > hi {
			return fmt.Errorf("axis %d at %.9g m, allowed %.9g..%.9g", k, p[k], lo, hi)
		}
	}
	if d := p.Sub(m).Norm(); d > h.limits.MaxStep {
		return fmt.Errorf("%.9g m from the measured position", d)
	}
	if h.previous != nil {
		if d := p.Sub(h.image(geom.VecAt(h.previous), m)).Norm(); d > h.limits.MaxSpeed*period.Seconds()+1e-6 {
			return fmt.Errorf("%.9g m from the previous command's image", d)
		}
	}
	return h.judgeTurn(cmd)
}

// image is where the step limit and the stretched box put the previous command.
func (h *hostile) image(q, m geom.Vec3) geom.Vec3 {
	if d := q.Sub(m).Norm(); d > h.limits.MaxStep {
		q = m.Lerp(q, h.limits.MaxStep/d)
	}
	for k := range 3 {
		q[k] = min(max(q[k], min(h.limits.Min[k], m[k])), max(h.limits.Max[k], m[k]))
	}
	return q
}

func (h *hostile) judgeTurn(cmd []float32) error {
	a, b := geom.VecAt(cmd[3:]), geom.VecAt(cmd[6:])
	if math.Abs(a.Norm()-1) > 1e-5 || math.Abs(b.Norm()-1) > 1e-5 || math.Abs(a.Dot(b)) > 1e-5 {
		return errors.New("the rotation is not orthonormal")
	}
	r, q := geom.Rot6DAt(cmd[3:9]).Quat(), geom.Rot6DAt(h.last.Obs[3:9]).Quat()
	if d := q.Angle(r); d > h.limits.MaxTurn+1e-5 {
		return fmt.Errorf("%.6g rad from the measured rotation", d)
	}
	if h.previous == nil {
		return nil
	}
	p, limit := geom.Rot6DAt(h.previous[3:9]).Quat(), h.limits.MaxTurnRate*period.Seconds()
	d := q.Angle(p)
	if d+limit > math.Pi { // beyond half a turn from the measured rotation the shortest way back is another
		return nil
	}
	if d > h.limits.MaxTurn {
		p = q.Slerp(p, h.limits.MaxTurn/d)
	}
	if a := p.Angle(r); a > limit+1e-5 {
		return fmt.Errorf("%.6g rad from the previous command's image", a)
	}
	return nil
}
