package expert

import (
	"errors"
	"math"

	"korr/internal/geom"
	"korr/internal/layout"
)

var errStopped = errors.New("script stopped")

// arm is what a script moves: every step yields one command and waits for the next observation.
type arm struct {
	e     *Expert
	yield func(command) bool
	pose  geom.Pose // commanded tool pose, base frame
	grip  float32
	yaw   float64 // of a tool that points down, rad, kept continuous
}

func (a *arm) step() {
	if !a.yield(command{a.pose, a.grip}) {
		panic(errStopped)
	}
}

func (a *arm) hold(n int) {
	for range n {
		a.step()
	}
}

// clench closes an open hand until the fingers stand still, whatever they met.
func (a *arm) clench() {
	a.grip = 1
	for i := range 14 {
		w := a.e.obs[layout.Width]
		a.step()
		if i > 1 && math.Abs(float64(a.e.obs[layout.Width]-w)) < 5e-4 {
			break
		}
	}
	a.step()
}

// tool is the measured tool pose, base frame.
func (a *arm) tool() geom.Pose {
	o := a.e.obs
	return layout.ToolAt(o)
}

// part is the measured pose of part i, base frame.
func (a *arm) part(i int) geom.Pose {
	return geom.TagFrame.Mul(geom.PoseAt(layout.Part(i).Of(a.e.obs)))
}

func smooth(i, n int) float64 {
	t := float64(i) / float64(n)
	return t * t * (3 - 2*t)
}

// moveTo goes to the pose in n steps, straight, with a smooth start and stop.
func (a *arm) moveTo(to geom.Pose, n int) {
	from := a.pose
	for i := 1; i <= n; i++ {
		t := smooth(i, n)
		a.pose = geom.Pose{P: from.P.Lerp(to.P, t), Q: from.Q.Slerp(to.Q, t)}
		a.step()
	}
}

// swing goes to p in n steps with a tool that points down, turning its yaw by the explicit angle (a slerp would
// choose the wrist's direction by itself).
func (a *arm) swing(p geom.Vec3, yaw float64, n int) {
	from, y0 := a.pose.P, a.yaw
	n = max(n, int(math.Ceil(math.Abs(yaw-y0)*stepsPerRad)))
	for i := 1; i <= n; i++ {
		t := smooth(i, n)
		a.yaw = y0 + t*(yaw-y0)
		a.pose = geom.Pose{P: from.Lerp(p, t), Q: downward(a.yaw)}
		a.step()
	}
}

// rise goes straight up by dz (m) in n steps.
func (a *arm) rise(dz float64, n int) {
	to := a.pose
	to.P[2] += dz
	a.moveTo(to, n)
}

// stepsPerRad keeps the smooth turn of a swing, whose fastest part is 1.5 times its mean, below joint 7's 2.61 rad/s.
const stepsPerRad = 1.5 * 10 / 2.4

// readYaw takes the yaw from the measured tool pose.
func (a *arm) readYaw() {
	x := a.tool().Q.Rotate(geom.Vec3{1, 0, 0})
	a.yaw = near(math.Atan2(x[1], x[0]), math.Pi/4-math.Pi, 2*math.Pi) // joint 7 is in the middle of its range near pi/4
}

// downward is the orientation Rz(yaw) Rx(pi) of a tool that points down.
func downward(yaw float64) geom.Quat {
	return geom.AxisAngle(geom.Vec3{0, 0, 1}, yaw).Mul(geom.Quat{1, 0, 0, 0})
}

// near returns the angle equal to x modulo period that lies in [lo, lo+period).
func near(x, lo, period float64) float64 {
	return lo + math.Mod(math.Mod(x-lo, period)+period, period)
}
