package robot

import (
	"fmt"
	"time"

	"korr/ros/msgs"
)

// framePrefix and a part's name are its frame in /tf.
const framePrefix = "furniture/"

const (
	stampsKept = 16 // of each part: more frames of a tracker than the array can lag behind
	unseenFor  = 32 // control steps after which a pose is too old for the filter that pairs it with the arm of its time
)

// stampBook keeps when the pose of each part was measured. An array of poses bears the stamp of its frame, also for a
// part that the frame did not show and whose old pose is there again; /tf has a part's frame only for what was seen.
type stampBook struct {
	part map[string]int // by frame
	told [][]time.Time  // of each part, ascending
	upTo time.Time      // stamp of the arm's newest frames: in lock step everything of that observation has come before

	newest, came time.Time // stamp of the newest frame in /tf; when it came (monotonic)
}

func newStampBook(parts []string) *stampBook {
	b := &stampBook{part: map[string]int{}, told: make([][]time.Time, len(parts))}
	for i, name := range parts {
		b.part[framePrefix+name] = i
		b.told[i] = make([]time.Time, 0, stampsKept)
	}
	return b
}

// hear notes the stamps of a message that came now (monotonic). One that is not newer than the last tells nothing new.
func (b *stampBook) hear(m *msgs.TFMessage, now time.Time) {
	for i := range m.Transforms {
		t := &m.Transforms[i]
		if t.Header.Stamp.After(b.newest) {
			b.newest, b.came = t.Header.Stamp, now
		}
		if t.Header.FrameId == msgs.BaseFrame {
			b.upTo = t.Header.Stamp
		}
		p, ok := b.part[t.ChildFrameId]
		if !ok {
			continue
		}
		told := b.told[p]
		if n := len(told); n > 0 && !t.Header.Stamp.After(told[n-1]) {
			continue
		}
		if len(told) == stampsKept {
			copy(told, told[1:])
			told = told[:stampsKept-1]
		}
		b.told[p] = append(told, t.Header.Stamp)
	}
}

// of is when the pose of a part was measured that an array of the stamp frame shows: the newest time of which /tf
// tells, not after frame; frame itself where /tf tells of none.
func (b *stampBook) of(part int, frame time.Time) time.Time {
	told := b.told[part]
	for i := len(told) - 1; i >= 0; i-- {
		if !told[i].After(frame) {
			return told[i]
		}
	}
	return frame
}

// forget drops what was measured before t.
func (b *stampBook) forget(t time.Time) {
	for i, told := range b.told {
		n := 0
		for n < len(told) && told[n].Before(t) {
			n++
		}
		b.told[i] = append(told[:0], told[n:]...)
	}
}

// unseen says which part's pose is older than limit in an array of the stamp frame that came now (monotonic); "" if
// none is. An array that is ahead of /tf, while that goes on, is no reason: its stamp is from the future, or the clock
// leapt, and the loop says so.
func (b *stampBook) unseen(parts []string, frame, now time.Time, limit time.Duration) string {
	if frame.After(b.newest) && now.Sub(b.came) <= limit {
		frame = b.newest
	}
	for i, name := range parts {
		if age := frame.Sub(b.of(i, frame)); age > limit {
			return fmt.Sprintf("part %s is lost: the tracker has not seen it for %v, and %v is the most that the filter bridges",
				name, age.Round(10*time.Millisecond), limit)
		}
	}
	return ""
}
