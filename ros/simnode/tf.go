package simnode

import (
	"time"

	"korr/internal/geom"
	"korr/ros/msgs"
)

// staticTransforms is where the tag stands.
func staticTransforms() *msgs.TFMessage {
	return &msgs.TFMessage{Transforms: []msgs.TransformStamped{{
		Header: msgs.Header{Stamp: time.Unix(0, 0), FrameId: msgs.BaseFrame}, ChildFrameId: msgs.TagFrame,
		Transform: msgs.TransformOf(geom.TagFrame),
	}}}
}
