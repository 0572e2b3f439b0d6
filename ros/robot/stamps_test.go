package robot

import (
	"testing"
	"time"

	"korr/ros/msgs"
)

// TestUnseenParts: a part is lost when the tracker's frames go on without it, or end; an array from the future loses
// none.
func TestUnseenParts(t *testing.T) {
	const step, limit = 20 * time.Millisecond, time.Second
	parts := []string{"top"}
	begin := time.Unix(1000, 0)
	for name, tc := range map[string]struct {
		seen, told int           // steps for which /tf has the part, and for which there is a /tf at all
		ahead      time.Duration // of the array's stamp
		lost       bool
	}{
		"seen":                     {seen: 100, told: 100},
		"8 s ahead":                {seen: 100, told: 100, ahead: 8 * time.Second},
		"hidden for long":          {seen: 40, told: 100, lost: true},
		"hidden, and 8 s ahead":    {seen: 40, told: 100, ahead: 8 * time.Second, lost: true},
		"hidden for a moment":      {seen: 60, told: 100},
		"no frames":                {seen: 40, told: 40, lost: true},
		"no frames, and 8 s ahead": {seen: 40, told: 40, ahead: 8 * time.Second, lost: true},
	} {
		b := newStampBook(parts)
		why := ""
		for k := range 100 {
			now := begin.Add(time.Duration(k) * step)
			m := &msgs.TFMessage{Transforms: []msgs.TransformStamped{{
				Header:       msgs.Header{Stamp: now, FrameId: msgs.BaseFrame},
				ChildFrameId: "panda_link1",
			}}}
			if k < tc.seen {
				m.Transforms = append(m.Transforms, msgs.TransformStamped{
					Header:       msgs.Header{Stamp: now},
					ChildFrameId: framePrefix + "top",
				})
			}
			why = b.unseen(parts, now.Add(tc.ahead), now, limit) // it comes before its frames
			if k < tc.told {
				b.hear(m, now)
			}
		}
		if (why != "") != tc.lost {
			t.Errorf("%s: %q", name, why)
		}
	}
}
