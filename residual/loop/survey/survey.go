package survey

import (
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"korr/internal/geom"
	"korr/internal/layout"
	"korr/residual/loop"
)

// Survey collects samples. The zero value is empty.
type Survey struct {
	arm    []armAt
	frames []frame
	parts  [][]seen // of each part, every pose once
}

type armAt struct {
	at   time.Time
	hand geom.Pose
}

type frame struct{ stamp, came time.Time }

type seen struct {
	at   time.Time
	pose geom.Pose // in the arm's base frame
}

// Add takes in a sample whose sources are named "arm" and "parts", and which tells when each part was measured. Samples
// that tell nothing new are fine.
func (s *Survey) Add(x *loop.Sample) {
	n, ok := layout.Poses(len(x.Obs))
	if !ok || len(x.Measured) != 1+n {
		return
	}
	if s.parts == nil {
		s.parts = make([][]seen, n)
	}
	if at := x.Measured[0]; len(s.arm) == 0 || at.After(s.arm[len(s.arm)-1].at) {
		s.arm = append(s.arm, armAt{at, layout.ArmAt(x.Obs).Tool})
	}
	for _, src := range x.Sources {
		if src.Name == "parts" && (len(s.frames) == 0 || src.Stamp.After(s.frames[len(s.frames)-1].stamp)) {
			s.frames = append(s.frames, frame{src.Stamp, src.Came})
		}
	}
	for i := range s.parts {
		at := x.Measured[1+i]
		if p := s.parts[i]; len(p) == 0 || at.After(p[len(p)-1].at) {
			s.parts[i] = append(p, seen{at, geom.TagFrame.Mul(geom.PoseAt(layout.Part(i).Of(x.Obs)))})
		}
	}
}

// Schema names the JSON form of a Report.
const Schema = "korr.tracker/1"

// Report is what a tracker is like.
type Report struct {
	Schema  string  `json:"schema"` // Schema
	Seconds float64 `json:"seconds"`
	Frames  int     `json:"frames"`
	RateHz  float64 `json:"rate_hz"`
	// Latency is the time from a frame's stamp to its arrival, s: the median, and half of what 95 % of the frames span.
	Latency float64 `json:"latency_s"`
	Jitter  float64 `json:"jitter_s"`
	// Skew is how much earlier the exposure was than the stamp says, s, found where a part moved in the closed hand; nil
	// where none did for long enough. The pose is then Latency + Skew late.
	Skew *float64 `json:"stamp_skew_s,omitempty"`
	// Position (m) and Rotation (rad) are standard deviations of the noise per axis.
	Position float64   `json:"position_m"`
	Rotation float64   `json:"rotation_rad"`
	Dropout  float64   `json:"dropout"`        // share of frames in which a part is missing, over all parts
	Missing  []float64 `json:"dropout_part"`   // of each part
	Longest  float64   `json:"longest_gap_s"`  // that a part was not seen
	Moved    float64   `json:"arm_moved_m"`    // by the hand, from one end to the other
	Keys     []string  `json:"keys,omitempty"` // that describe it to training, evaluation and the control node, KEY=VALUE
}

// fewest is how many frames an estimate needs.
const fewest = 30

// Report estimates, for a control loop of so many steps per second. The error says what is missing.
func (s *Survey) Report(controlHz float64) (*Report, error) {
	if len(s.frames) < fewest {
		return nil, fmt.Errorf("survey: %d frames of the tracker, and at least %d are needed: is it running, and seen here?",
			len(s.frames), fewest)
	}
	r := &Report{Schema: Schema, Frames: len(s.frames)}
	s.timing(r)
	s.noise(r)
	s.dropout(r)
	for _, a := range s.arm {
		r.Moved = max(r.Moved, a.hand.P.Sub(s.arm[0].hand.P).Norm())
	}
	if skew, ok := s.skew(); ok {
		r.Skew = &skew
	}
	r.keys(controlHz)
	return r, nil
}

// timing fills rate, latency and jitter.
func (s *Survey) timing(r *Report) {
	first, last := s.frames[0].stamp, s.frames[len(s.frames)-1].stamp
	r.Seconds = last.Sub(first).Seconds()
	r.RateHz = float64(len(s.frames)-1) / r.Seconds
	late := make([]float64, len(s.frames))
	for i, f := range s.frames {
		late[i] = f.came.Sub(f.stamp).Seconds()
	}
	r.Latency = quantile(late, 0.5)
	r.Jitter = (quantile(late, 0.975) - quantile(late, 0.025)) / 2
}

// medianChi3 is the median of a chi-squared distribution with three degrees of freedom.
const medianChi3 = 2.366

// noise fills the noise, from the differences of a part's poses in a row: their variance is twice the noise's. The
// median over all parts leaves out the one that moves, if most are at rest.
func (s *Survey) noise(r *Report) {
	var p, q []float64
	for _, part := range s.parts {
		for i := 1; i < len(part); i++ {
			a, b := part[i-1].pose, part[i].pose
			d, phi := b.P.Sub(a.P), a.Q.Inv().Mul(b.Q).RotVec()
			p, q = append(p, d.Dot(d)), append(q, phi.Dot(phi))
		}
	}
	if len(p) == 0 {
		return
	}
	r.Position = math.Sqrt(quantile(p, 0.5) / medianChi3 / 2)
	r.Rotation = math.Sqrt(quantile(q, 0.5) / medianChi3 / 2)
}

// dropout fills the shares of missing poses and the longest gap.
func (s *Survey) dropout(r *Report) {
	begin, end := s.frames[0].stamp, s.frames[len(s.frames)-1].stamp
	for _, part := range s.parts {
		n, last := 0, begin
		for _, x := range part {
			if x.at.Before(begin) || x.at.After(end) {
				continue
			}
			n++
			r.Longest = max(r.Longest, x.at.Sub(last).Seconds())
			last = x.at
		}
		missing := max(0, 1-float64(n)/float64(len(s.frames)))
		r.Missing = append(r.Missing, missing)
		r.Dropout += missing / float64(len(s.parts))
	}
}

// What a part in the hand must do for its skew to be told.
const (
	skewStep  = 10 * time.Millisecond
	skewLimit = 400 * time.Millisecond
	skewWay   = 0.05  // m that the hand must move while it holds the part
	skewNear  = 0.08  // m between hand and part
	skewShift = 0.004 // m per frame: a part that moves less tells nothing about time
)

// skew is the shift of the parts' stamps with which a part moves rigidly with the closed hand; false where no part was
// carried.
func (s *Survey) skew() (float64, bool) {
	type carried struct {
		at   time.Time
		pose geom.Pose
	}
	var all []carried
	for _, part := range s.parts {
		for i := 1; i < len(part); i++ {
			if hand, ok := s.handAt(part[i].at); ok && part[i].pose.P.Sub(part[i-1].pose.P).Norm() > skewShift &&
				part[i].pose.P.Sub(hand.P).Norm() < skewNear {
				all = append(all, carried{part[i].at, part[i].pose})
			}
		}
	}
	if len(all) < fewest {
		return 0, false
	}
	var lo, hi geom.Vec3
	for i, x := range all {
		for k, v := range x.pose.P {
			if i == 0 {
				lo[k], hi[k] = v, v
			}
			lo[k], hi[k] = min(lo[k], v), max(hi[k], v)
		}
	}
	if hi.Sub(lo).Norm() < skewWay {
		return 0, false
	}
	best, at := math.Inf(1), time.Duration(0)
	for by := -skewLimit; by <= skewLimit; by += skewStep {
		var x, y, z []float64
		for _, c := range all {
			if hand, ok := s.handAt(c.at.Add(-by)); ok {
				d := hand.Inv().Apply(c.pose.P)
				x, y, z = append(x, d[0]), append(y, d[1]), append(z, d[2])
			}
		}
		if len(x) < fewest {
			continue
		}
		if spread := width(x) + width(y) + width(z); spread < best {
			best, at = spread, by
		}
	}
	return at.Seconds(), !math.IsInf(best, 1)
}

// width is the span of the middle half.
func width(v []float64) float64 { return quantile(v, 0.75) - quantile(v, 0.25) }

// handAt is where the hand was at a time between two of the arm's states.
func (s *Survey) handAt(at time.Time) (hand geom.Pose, ok bool) {
	i, _ := slices.BinarySearchFunc(s.arm, at, func(a armAt, t time.Time) int { return a.at.Compare(t) })
	if i == 0 || i == len(s.arm) {
		return hand, false
	}
	a, b := s.arm[i-1], s.arm[i]
	f := at.Sub(a.at).Seconds() / b.at.Sub(a.at).Seconds()
	return geom.Pose{P: a.hand.P.Lerp(b.hand.P, f), Q: a.hand.Q.Slerp(b.hand.Q, f)}, true
}

// keys fills the settings.
func (r *Report) keys(controlHz float64) {
	late := r.Latency
	if r.Skew != nil {
		late += *r.Skew
	}
	// Per control step a part is missing when all of the step's frames lack it.
	perStep := max(1, r.RateHz/controlHz)
	r.Keys = []string{
		fmt.Sprintf("disturb.part.position=%.2g", r.Position),
		fmt.Sprintf("disturb.part.rotation=%.2g", r.Rotation),
		fmt.Sprintf("disturb.part.delay=%d", int(math.Round(max(0, late)*controlHz))),
		fmt.Sprintf("disturb.part.dropout=%.2g", min(0.99, math.Pow(r.Dropout, perStep))),
	}
}

// Holds is how old the tracker's newest frame can become on the way, s: a control node holds at a smaller largest age.
func (r *Report) Holds() float64 { return r.Latency + r.Jitter + 1/r.RateHz }

// WriteText prints the report in a few lines.
func (r *Report) WriteText(w io.Writer) error {
	stamps := "not told: carry a part about in the closed hand meanwhile"
	if r.Skew != nil {
		stamps = fmt.Sprintf("%.0f ms after the exposure", 1e3**r.Skew)
	}
	_, err := fmt.Fprintf(w, "rate     %.1f Hz, %d frames in %.0f s\n"+
		"latency  %.0f ms from stamp to arrival, give or take %.0f ms\n"+
		"stamps   %s\n"+
		"noise    %.2f mm, %.4f rad, per axis\n"+
		"dropout  %.0f %% of a part's frames, at most %.1f s without one\n"+
		"oldest   %.0f ms: the control node's largest age must be more\n"+
		"the hand moved %.2f m\n\n",
		r.RateHz, r.Frames, r.Seconds, 1e3*r.Latency, 1e3*r.Jitter, stamps, 1e3*r.Position, r.Rotation,
		100*r.Dropout, r.Longest, 1e3*r.Holds(), r.Moved)
	for _, k := range r.Keys {
		if err == nil {
			_, err = fmt.Fprintf(w, "--set %s\n", k)
		}
	}
	return err
}

// quantile is the q-th of v, which it sorts.
func quantile(v []float64, q float64) float64 {
	slices.Sort(v)
	return v[min(len(v)-1, int(q*float64(len(v))))]
}
