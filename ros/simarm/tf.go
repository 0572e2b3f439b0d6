package simarm

import (
	"time"

	"korr/internal/geom"
	"korr/ros/msgs"
	"korr/ros/panda"
	"korr/sim"
)

// fingerOffset is where the fingers' joints sit on the hand, m.
const fingerOffset = 0.0584

// Transforms are the frames of franka_description (panda_link1 to panda_link8, panda_hand, panda_hand_tcp and the
// fingers) below panda_link0, and furniture/NAME of every part below the tag's frame, all at the frame's stamp.
func (f *Frame) Transforms(parts []string) *msgs.TFMessage {
	m := &msgs.TFMessage{}
	add := func(parent, child string, p geom.Pose) {
		m.Transforms = append(m.Transforms, msgs.TransformStamped{
			Header: f.Header(parent), ChildFrameId: child,
			Transform: msgs.TransformOf(p),
		})
	}
	shift := func(z float64) geom.Pose { return geom.Pose{P: geom.Vec3{0, 0, z}, Q: geom.IdentityQuat} }
	parent, at := msgs.BaseFrame, geom.Pose{Q: geom.IdentityQuat}
	q := [panda.Joints]float64(f.Arm[Q:])
	for i, link := range panda.Links(&q) {
		child := "panda_link" + string(rune('1'+i))
		add(parent, child, at.Inv().Mul(link))
		parent, at = child, link
	}
	add(parent, "panda_link8", shift(panda.FlangeOffset))
	add("panda_link8", "panda_hand", geom.Pose{Q: geom.AxisAngle(geom.Vec3{0, 0, 1}, panda.HandYaw)})
	add("panda_hand", "panda_hand_tcp", shift(panda.ToolOffset))
	add("panda_hand", "panda_leftfinger", geom.Pose{P: geom.Vec3{0, f.Arm[Fingers], fingerOffset}, Q: geom.IdentityQuat})
	add("panda_hand", "panda_rightfinger", geom.Pose{
		P: geom.Vec3{0, -f.Arm[Fingers+1], fingerOffset},
		Q: geom.Quat{0, 0, 1, 0},
	})
	for i := range parts {
		m.Transforms = append(m.Transforms, f.Part(parts[i], i, f.Stamp))
	}
	return m
}

// Part is the frame of a part, of which the pose was measured at a time of its own.
func (f *Frame) Part(name string, i int, stamp time.Time) msgs.TransformStamped {
	p := f.Arm[Parts+sim.PoseDim*i:]
	h := f.Header(msgs.TagFrame)
	h.Stamp = stamp
	return msgs.TransformStamped{
		Header: h, ChildFrameId: "furniture/" + name, Transform: msgs.TransformOf(geom.Pose{
			P: geom.Vec3(p),
			Q: geom.Quat(p[3:]),
		}),
	}
}
