package faults

import (
	"math"
	"time"

	"korr/internal/geom"
	"korr/ros/msgs"
)

// claim is what the arm told about itself, which may be a lie.
type claim struct {
	pose  geom.Pose
	seq   uint32 // of the observation
	stamp int64  // ns
	came  time.Time
}

// truth is where the arm was, by its frames (/tf), into which nothing is injected. Messages of one observation bear one
// sequence number, whatever was done to their stamps.
type truth struct {
	poses map[uint32][]claim // an arm that was started again counts anew
	order []uint32
}

const (
	truthKept = 1000            // poses
	sameLife  = 3 * time.Second // between two messages of one observation, at most
)

// frames notes the pose that a message of the arm's frames tells.
func (j *judge) frames(m *msgs.TFMessage) {
	at := geom.Pose{Q: geom.IdentityQuat}
	parent := msgs.BaseFrame
	var h *msgs.Header
	for i := range m.Transforms { // base to tip, as they come
		t := &m.Transforms[i]
		if t.Header.FrameId != parent || t.ChildFrameId == "panda_leftfinger" || t.ChildFrameId == "panda_rightfinger" {
			continue
		}
		p, q := t.Transform.Translation, t.Transform.Rotation
		at = at.Mul(geom.Pose{P: geom.Vec3{p.X, p.Y, p.Z}, Q: geom.Quat{q.X, q.Y, q.Z, q.W}})
		parent, h = t.ChildFrameId, &t.Header
	}
	if parent != "panda_hand_tcp" {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.truth.add(claim{at, h.Seq, h.Stamp.UnixNano(), j.now()})
}

func (t *truth) add(c claim) {
	if t.poses == nil {
		t.poses = map[uint32][]claim{}
	}
	t.poses[c.seq] = append(t.poses[c.seq], c)
	t.order = append(t.order, c.seq)
}

// of is where the arm was when it told something.
func (t *truth) of(told claim) (geom.Pose, bool) {
	var pose geom.Pose
	best := sameLife
	for _, c := range t.poses[told.seq] {
		d := c.came.Sub(told.came).Abs()
		if c.stamp == told.stamp { // nothing was done to the stamp
			d = 0
		}
		if d < best {
			best, pose = d, c.pose
		}
	}
	return pose, best < sameLife
}

// nearest is how far a pose is from where the arm was, m and rad.
func (t *truth) nearest(p geom.Pose) (distance, turn float64) {
	distance = math.Inf(1)
	for _, cs := range t.poses {
		for _, c := range cs {
			if d := c.pose.P.Sub(p.P).Norm(); d < distance {
				distance, turn = d, angle(c.pose.Q, p.Q)
			}
		}
	}
	return distance, turn
}

// prune forgets all but the newest.
func (t *truth) prune() {
	n := len(t.order) - truthKept
	if n <= 0 {
		return
	}
	for _, seq := range t.order[:n] {
		if t.poses[seq] = t.poses[seq][1:]; len(t.poses[seq]) == 0 {
			delete(t.poses, seq)
		}
	}
	t.order = t.order[n:]
}
