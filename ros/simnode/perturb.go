package simnode

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"korr/ros/msgs"
)

// rule says what a kind of injection takes.
type rule struct {
	targets  []string // nil: a part; "" stands for everything that a controller reads
	min, max int      // number of values
	realTime bool     // it would stop a simulator in lock step for good
}

var (
	read    = []string{"", TargetArm, TargetGripper, TargetParts}
	topics  = []string{"", TargetArm, TargetGripper, TargetParts, TargetJoints, TargetClock}
	stamped = []string{"", TargetArm, TargetGripper, TargetParts, TargetJoints}
	rules   = map[string]rule{
		msgs.PerturbForce:   {nil, 3, 6, false},
		msgs.PerturbPose:    {nil, 3, 6, false},
		msgs.PerturbNoise:   {append(read, TargetJoints), 1, 2, false},
		msgs.PerturbDelay:   {topics, 1, 1, true},
		msgs.PerturbLoss:    {topics, 1, 1, false},
		msgs.PerturbStuck:   {topics, 0, 1, true},
		msgs.PerturbStamp:   {stamped, 1, 1, true},
		msgs.PerturbClock:   {[]string{"", TargetClock}, 1, 1, true},
		msgs.PerturbNaN:     {stamped, 0, 0, false},
		msgs.PerturbLength:  {[]string{TargetGripper, TargetParts, TargetJoints}, 0, 1, false},
		msgs.PerturbSet:     {stamped[1:], 2, 64, false},
		msgs.PerturbAdd:     {stamped[1:], 2, 64, false},
		msgs.PerturbFrame:   {[]string{"", TargetParts}, 0, 0, false},
		msgs.PerturbReorder: {[]string{"", TargetParts}, 0, 0, false},
		msgs.PerturbMode:    {[]string{"", TargetArm}, 1, 1, false},
	}
)

// servePerturb puts an injection in force, or ends some.
func (s *Server) servePerturb(q *msgs.PerturbReq) (*msgs.PerturbRes, bool) {
	err := s.ask(func() error {
		if q.Kind == msgs.PerturbClear {
			s.clear(q.Target)
			return nil
		}
		return s.inject(q)
	})
	return &msgs.PerturbRes{Success: err == nil, Message: message(err)}, true
}

// clear ends the injections into a target, or all.
func (s *Server) clear(target string) {
	s.faults.drop(func(f *fault) bool { return target == "" || f.Target == target })
	s.mark(0)
	s.log.Info("injections cleared", "target", target)
}

// inject puts an injection in force after checking it.
func (s *Server) inject(q *msgs.PerturbReq) error {
	if err := s.check(q); err != nil {
		return err
	}
	f := &fault{
		PerturbReq: *q, rng: rand.New(rand.NewPCG(q.Seed, 1)), joints: rand.New(rand.NewPCG(q.Seed, 2)),
		frozen: map[string]any{},
	}
	if q.Duration > 0 {
		f.until = s.at.Add(seconds(q.Duration))
	}
	s.log.Info("injection", "kind", q.Kind, "target", q.Target, "value", q.Value, "duration", q.Duration)
	switch q.Kind {
	case msgs.PerturbPose:
		return s.kick(f)
	case msgs.PerturbForce:
		f.part = slices.Index(s.spec.PartNames, q.Target)
	case msgs.PerturbReorder, msgs.PerturbFrame:
		f.Target = TargetParts
	case msgs.PerturbMode, msgs.PerturbClock:
		f.Target = map[string]string{msgs.PerturbMode: TargetArm, msgs.PerturbClock: TargetClock}[q.Kind]
	}
	s.faults.add(f)
	if s.faults.stopped() {
		s.stay()
	}
	s.mark(0) // a clock jump shows at once
	return nil
}

// check refuses what makes no sense, and says what would.
func (s *Server) check(q *msgs.PerturbReq) error {
	r, ok := rules[q.Kind]
	if !ok {
		kinds := []string{msgs.PerturbClear}
		for k := range rules {
			kinds = append(kinds, k)
		}
		slices.Sort(kinds)
		return fmt.Errorf("kind %q: take one of %s", q.Kind, strings.Join(kinds, ", "))
	}
	targets := r.targets
	if targets == nil {
		if s.parts == nil {
			return fmt.Errorf("%s: this simulator has no parts that can be pushed", q.Kind)
		}
		targets = s.spec.PartNames[:max(len(s.spec.PartNames)-1, 0)] // the obstacle is fixed
	}
	if !slices.Contains(targets, q.Target) {
		return fmt.Errorf("%s of target %q: take one of %q", q.Kind, q.Target, targets)
	}
	if len(q.Value) < r.min || len(q.Value) > r.max {
		return fmt.Errorf("%s takes %d to %d values, got %d", q.Kind, r.min, r.max, len(q.Value))
	}
	if err := checkValues(q); err != nil {
		return err
	}
	if s.cfg.LockStep && (r.realTime || q.Kind == msgs.PerturbLoss && q.Value[0] >= 1) {
		return fmt.Errorf("%s needs real time: in lock step nothing moves until every observation is answered", q.Kind)
	}
	return nil
}

// checkValues looks at the numbers.
func checkValues(q *msgs.PerturbReq) error {
	any := q.Kind == msgs.PerturbSet || q.Kind == msgs.PerturbAdd // what they put into messages is theirs
	if any && len(q.Value)%2 != 0 {
		return fmt.Errorf("%s takes pairs of an index and a number, got %d values", q.Kind, len(q.Value))
	}
	for _, v := range append(slices.Clone(q.Value), q.Duration) {
		if !any && (math.IsNaN(v) || math.Abs(v) > 1e9) {
			return errors.New("values and duration must be finite and below 1e9")
		}
	}
	if q.Duration < 0 {
		return fmt.Errorf("duration %g s: take 0 (until cleared) or more", q.Duration)
	}
	limit := map[string][2]float64{
		msgs.PerturbLoss: {0, 1}, msgs.PerturbDelay: {0, 60}, msgs.PerturbNoise: {0, 10}, msgs.PerturbMode: {0, 6},
		msgs.PerturbStuck: {0, 1}, msgs.PerturbLength: {0, 1},
	}
	if l, ok := limit[q.Kind]; ok {
		for _, v := range q.Value {
			if v < l[0] || v > l[1] {
				return fmt.Errorf("%s %g: take %g to %g", q.Kind, v, l[0], l[1])
			}
		}
	}
	return nil
}

// kick displaces a part at once.
func (s *Server) kick(f *fault) error {
	part := slices.Index(s.spec.PartNames, f.Target)
	shift, turn := [3]float64{f.value(0), f.value(1), f.value(2)}, [3]float64{f.value(3), f.value(4), f.value(5)}
	if err := s.parts.MovePart(part, shift, turn); err != nil {
		return err
	}
	if s.cfg.LockStep {
		return nil // seen with the next observation: the present one is published already, and never changes
	}
	s.observe()
	s.senses.follow(s.arm)
	return nil
}

// push applies the forces in force to the next slice or step, and ends those that are not any more.
func (s *Server) push() {
	for _, part := range s.pushed {
		_ = s.parts.PushPart(part, [6]float64{}) // the part exists
	}
	s.pushed = s.pushed[:0]
	for _, f := range s.faults.list {
		if f.Kind != msgs.PerturbForce {
			continue
		}
		w := [6]float64{f.value(0), f.value(1), f.value(2), f.value(3), f.value(4), f.value(5)}
		if err := s.parts.PushPart(f.part, w); err != nil {
			s.log.Warn("a force could not be applied", "part", f.Target, "err", err)
		}
		s.pushed = append(s.pushed, f.part)
	}
}
