package loop

import (
	"math"
	"time"

	"korr/internal/geom"
	"korr/residual/plausible"
)

// lies is an arm that sometimes tells what cannot be, and the gates that stand before the loop, as in ros/robot. What
// they believe must be the truth.
type lies struct {
	tool   plausible.Tool
	joints plausible.Joints
}

// tell returns the position that the arm at p tells and that is believed, or why it is not.
func (l *lies) tell(h *hostile, p geom.Vec3) (geom.Vec3, error) {
	if l.joints.Limits == nil {
		l.tool.Limits = plausible.ToolLimits{Centre: geom.Vec3{0.5, 0, 0.2}, Radius: 2, MaxSpeed: 10, MaxTurn: 100}
		l.joints.Limits = []plausible.Joint{{Name: "a", Min: -2, Max: 2, MaxVelocity: 1}}
	}
	told, turn, q := p, h.turn.Mat(), []float64{0.5 * math.Sin(h.clock.now.Sub(time.Unix(1_700_000_000, 0)).Seconds())}
	lied := h.odd() && h.IntN(30) == 0
	if lied {
		switch h.IntN(7) {
		case 0:
			told, turn = geom.Vec3{}, geom.Mat3{}
		case 1:
			told[h.IntN(3)] = 1e300
		case 2:
			turn = geom.Mat3{1, 0, 0, 0, 1, 0, 0, 0, -1}
		case 3:
			turn[h.IntN(9)] = math.NaN()
		case 4:
			told = told.Add(geom.Vec3{0, 0, 5})
		case 5:
			q[0] = 1e300
		case 6:
			q[0] += 2 * math.Pi
		}
	}
	now := h.clock.now
	if err := l.joints.Accept(q, nil, now, now); err != nil {
		return told, err
	}
	if err := l.tool.Accept(told, turn, now, now); err != nil {
		return told, err
	}
	if lied {
		h.t.Fatalf("a lie is believed: %v, %v, joint %v", told, turn, q)
	}
	return told, nil
}
