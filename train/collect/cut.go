package collect

import (
	"errors"
	"fmt"
	"math"
	"time"

	"korr/internal/geom"
	"korr/internal/recording"
	"korr/sim"
	"korr/train/dataset"
)

// Outcome says who decides whether a recorded episode succeeded.
type Outcome int

// Judges of a recorded episode.
const (
	OutcomeAuto   Outcome = iota // the recording if it tells (simulator or operator), else the task's rule
	OutcomeRule                  // the task's own rule, from the part poses
	OutcomeAssume                // every episode succeeded
)

// CutOptions set how a recording becomes demonstrations.
type CutOptions struct {
	Task       *sim.Task
	FPS        float64       // frames per second
	MaxGap     time.Duration // age at which an observation is too old for a frame; 0 = 3 periods, as in the control loop
	EpisodeGap time.Duration // silence of the commands that ends an episode where the recording marks none; 0 = none does
	Outcome    Outcome
}

// EpisodeError says why an episode of a recording is no demonstration.
type EpisodeError struct {
	Path    string
	Episode int // 0-based, in the recording
	Err     error
}

// Error implements error.
func (e *EpisodeError) Error() string {
	return fmt.Sprintf("%s: episode %d: %v", e.Path, e.Episode, e.Err)
}

// Unwrap returns the cause.
func (e *EpisodeError) Unwrap() error { return e.Err }

// GapError says that a topic was silent for too long.
type GapError struct {
	Topic  string
	At     int64         // ns; a frame that needs it
	Silent time.Duration // before it; negative: nothing came before it at all
}

// Error implements error.
func (e *GapError) Error() string {
	const do = "cut the recording there, allow it (--max-gap), or leave such episodes out (--skip-bad)"
	if e.Silent < 0 {
		return fmt.Sprintf("nothing on %s before %s: %s", e.Topic, seconds(e.At), do)
	}
	return fmt.Sprintf("%s was silent for %.2f s before %s: %s", e.Topic, e.Silent.Seconds(), seconds(e.At), do)
}

func seconds(ns int64) string { return fmt.Sprintf("%d.%03d", ns/1e9, ns%1e9/1e6) }

// Cut makes demonstrations of a recording, in its order. Episodes that cannot be used are left out and reported, each
// as an
// *EpisodeError, joined; any other error concerns the whole recording.
func Cut(rec *recording.Recording, opts CutOptions) ([]dataset.Episode, error) {
	switch {
	case opts.Task == nil || !(opts.FPS > 0):
		return nil, errors.New("collect: Cut needs a task and a rate")
	case rec.Note != nil && rec.Note.Task != opts.Task.Name:
		return nil, fmt.Errorf("%s: a recording of %s, and the task is %s: say --task %s", rec.Path, rec.Note.Task,
			opts.Task.Name, rec.Note.Task)
	case len(rec.Parts) != len(opts.Task.Parts)+1:
		return nil, fmt.Errorf("%s: %d parts, %s has %d with the obstacle", rec.Path, len(rec.Parts), opts.Task.Name,
			len(opts.Task.Parts)+1)
	}
	period := time.Duration(math.Round(1e9 / opts.FPS))
	if opts.MaxGap <= 0 {
		opts.MaxGap = 3 * period
	}
	c := cutter{rec: rec, opts: opts, tolerance: int64(period) / 4}
	var out []dataset.Episode
	var errs []error
	c.segs = c.segments()
	for i, s := range c.segs {
		e, err := c.episode(s)
		if err != nil {
			errs = append(errs, &EpisodeError{rec.Path, i, err})
			continue
		}
		out = append(out, *e)
	}
	return out, errors.Join(errs...)
}

// cutter cuts one recording.
type cutter struct {
	rec       *recording.Recording
	opts      CutOptions
	segs      []segment
	tolerance int64 // ns by which stamps may be late and still count for their frame
}

// segment is an episode to be, both ends included.
type segment struct {
	begin, end int64
	mark       *recording.Mark // nil: not the recording's own
}

// segments finds the episodes: by the recording's own marks, by silences of the commands, or the whole of it.
func (c *cutter) segments() []segment {
	var out []segment
	if c.rec.Marks != nil {
		for i := range c.rec.Marks {
			m := &c.rec.Marks[i]
			out = append(out, segment{m.Begin, m.End, m})
		}
		return out
	}
	stamps := c.rec.Commands.Stamps
	first := 0
	for i := 1; i < len(stamps) && c.opts.EpisodeGap > 0; i++ {
		if stamps[i]-stamps[i-1] > int64(c.opts.EpisodeGap) {
			out = append(out, segment{stamps[first], stamps[i-1], nil})
			first = i
		}
	}
	return append(out, segment{stamps[first], stamps[len(stamps)-1], nil})
}

// tick is when frame k of an episode that began at t0 was observed, ns.
func (c *cutter) tick(t0 int64, k int) int64 {
	return t0 + int64(math.Round(float64(k)*1e9/c.opts.FPS))
}

// frames says when an episode's first frame is and how many there are: from the first command on to which every
// observation has come, to the last.
func (c *cutter) frames(s segment) (t0 int64, n int, err error) {
	cmd := &c.rec.Commands
	first, last := cmd.Newest(s.begin-1)+1, cmd.Newest(s.end)
	if last < first {
		return 0, 0, fmt.Errorf("no command on %s in it", cmd.Topic)
	}
	t0 = cmd.Stamps[first]
	for _, t := range c.observations() {
		if t.Stamps[0]-c.tolerance > t0 { // the recording begins with commands alone
			t0 = t.Stamps[0]
		}
	}
	for c.tick(t0, n)-c.tolerance <= cmd.Stamps[last] {
		n++
	}
	if n < 2 {
		return 0, 0, fmt.Errorf("commands on %s for less than two frames of %.3f s", cmd.Topic, 1/c.opts.FPS)
	}
	return t0, n, nil
}

func (c *cutter) observations() []*recording.Track {
	return []*recording.Track{&c.rec.State, &c.rec.Width, &c.rec.Poses}
}

// episode makes one demonstration.
func (c *cutter) episode(s segment) (*dataset.Episode, error) {
	if s.mark != nil && s.mark.Fault != "" {
		return nil, fmt.Errorf("it ended with a fault: %s", s.mark.Fault)
	}
	t0, n, err := c.frames(s)
	if err != nil {
		return nil, err
	}
	for _, t := range append(c.observations(), &c.rec.Commands) {
		if err := finite(t, t0, min(s.end, c.tick(t0, n))); err != nil {
			return nil, err
		}
	}
	e := &dataset.Episode{}
	if note := c.rec.Note; note != nil {
		e.Randomness, e.Perturb, e.Simulator = note.Randomness, note.Perturb, note.Simulator
	}
	if s.mark != nil {
		e.Seed = s.mark.Seed
	}
	for k := range n {
		if err := c.frame(e, c.tick(t0, k)); err != nil {
			return nil, err
		}
	}
	c.judge(e, s, t0, n) // which ends it where the task is solved
	for _, stop := range c.rec.Stops {
		if stop.At >= t0 && stop.At <= c.tick(t0, e.Len()) {
			return nil, fmt.Errorf("the arm stands %s at %s (%s): it does not follow commands, which then show nothing",
				stop.Why, seconds(stop.At), c.rec.State.Topic)
		}
	}
	return e, e.CheckPoses(dataset.Info{PartNames: c.rec.Parts})
}

// finite refuses a track with a value that is not, between two stamps.
func finite(t *recording.Track, from, to int64) error {
	for i := max(0, t.Newest(from)); i < t.Len() && t.Stamps[i] <= to; i++ {
		for k, v := range t.At(i) {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return fmt.Errorf("%s at %s: value %d is %v", t.Topic, seconds(t.Stamps[i]), k, v)
			}
		}
	}
	return nil
}

// at is the newest sample for a frame at ns.
func (c *cutter) at(t *recording.Track, ns int64) ([]float64, error) {
	i := t.Newest(ns + c.tolerance)
	if i < 0 {
		return nil, &GapError{Topic: t.Topic, At: ns, Silent: -1}
	}
	if age := time.Duration(ns - t.Stamps[i]); age > c.opts.MaxGap {
		return nil, &GapError{Topic: t.Topic, At: ns, Silent: age}
	}
	return t.At(i), nil
}

// frame appends what was observed at ns, the newest of each topic as the control loop would have read it, and what was
// commanded in the period that followed.
func (c *cutter) frame(e *dataset.Episode, ns int64) error {
	var obs [3][]float64
	for i, t := range c.observations() {
		v, err := c.at(t, ns)
		if err != nil {
			return err
		}
		obs[i] = v
	}
	for _, v := range obs[0] {
		e.State = append(e.State, float32(v))
	}
	e.State = append(e.State, float32(obs[1][0]))
	var pose [sim.PoseDim]float32
	for i := range c.rec.Parts {
		geom.PoseTo(pose[:], poseAt(obs[2], i))
		e.Env = append(e.Env, pose[:]...)
	}
	end := c.tick(ns, 1) - c.tolerance - 1
	cmd := &c.rec.Commands
	var act [sim.ActDim]float32
	for k, v := range cmd.At(max(0, cmd.Newest(end))) {
		act[k] = float32(v)
	}
	if g := c.rec.Gripper.Newest(end); g >= 0 { // without a goal so far the gripper keeps what it does
		act[recording.CommandWidth] = float32(c.rec.Gripper.At(g)[0])
	}
	e.Action = append(e.Action, act[:]...)
	e.Executed = append(e.Executed, act[:]...)
	return nil
}

func poseAt(sample []float64, i int) geom.Pose {
	v := sample[recording.PoseWidth*i:]
	return geom.Pose{P: geom.Vec3(v), Q: geom.Quat(v[3:])}
}

// judge fills in the rewards and the success, and ends the episode where the task was solved.
func (c *cutter) judge(e *dataset.Episode, s segment, t0 int64, n int) {
	e.Reward = make([]float32, n)
	told := &c.rec.Success
	switch {
	case c.opts.Outcome == OutcomeAssume:
		e.Success, e.Reward[n-1] = true, 1
	case c.opts.Outcome == OutcomeAuto && s.mark != nil && s.mark.Judged:
		e.Success = s.mark.Success
		r := &s.mark.Rewards
		for i := range r.Len() {
			k := int(math.Round(float64(r.Stamps[i]-t0)*c.opts.FPS/1e9)) - 1
			e.Reward[min(max(k, 0), n-1)] += float32(r.At(i)[0])
		}
	case c.opts.Outcome == OutcomeAuto && told.Len() > 0:
		if i := told.Newest(c.until(s)); i >= 0 && told.Stamps[i] >= s.begin && told.At(i)[0] == 1 {
			e.Success, e.Reward[n-1] = true, 1
		}
	default:
		c.byRule(e, t0, n)
	}
}

// until is when the next episode begins: an operator's verdict may come after the last command.
func (c *cutter) until(s segment) int64 {
	next := int64(math.MaxInt64)
	for _, o := range c.segs {
		if o.begin > s.begin && o.begin-1 < next {
			next = o.begin - 1
		}
	}
	return next
}

// byRule scores the episode as the simulator would, by the poses after every step.
func (c *cutter) byRule(e *dataset.Episode, t0 int64, n int) {
	task := c.opts.Task
	j := sim.NewJudge(task)
	poses := make([]geom.Pose, len(task.Parts))
	for k := range n {
		v := c.rec.Poses.At(c.rec.Poses.Newest(c.tick(t0, k+1) + c.tolerance))
		for i := range poses {
			poses[i] = poseAt(v, i)
			poses[i].Q = poses[i].Q.Normalize()
		}
		if e.Reward[k], e.Success = j.Score(poses); e.Success {
			d := len(e.Env) / n
			e.State, e.Env, e.Reward = e.State[:(k+1)*sim.StateDim], e.Env[:(k+1)*d], e.Reward[:k+1]
			e.Action, e.Executed = e.Action[:(k+1)*sim.ActDim], e.Executed[:(k+1)*sim.ActDim]
			return
		}
	}
}
