package sense

import (
	"fmt"
	"slices"

	"korr/internal/geom"
	"korr/koopman/filter"
	"korr/residual"
	"korr/sim"
	"korr/sim/disturb"
)

// Phase is what happens to a part.
type Phase string

// The phases.
const (
	AtRest    Phase = "rest"
	Grasping  Phase = "grasped"  // the fingers close or open around it
	Carried   Phase = "carried"  // in the closed hand
	Contact   Phase = "contact"  // carried, at the mouth of its hole
	Screwing  Phase = "screwing" // in the hole
	phaseless       = -1
)

// Phases lists the phases in their order.
func Phases() []Phase { return []Phase{AtRest, Grasping, Carried, Contact, Screwing} }

var phaseOf = map[filter.Mode]int{
	filter.Rest: 0, filter.Near: 0, filter.Closing: 1, filter.Held: 2, filter.HeldJoint: 3, filter.HeldEngaged: 4,
	filter.Engaged: 4,
}

// Method makes what stands between a tracker and a policy.
type Method struct {
	Name string
	New  func(raw int, noise filter.Noise) (residual.Estimator, error)
}

// Methods are those of a fitted filter and what they are compared with.
func Methods(f *filter.Fitted) []Method {
	estimated := func(kind residual.Estimation) Method {
		return Method{string(kind), func(raw int, noise filter.Noise) (residual.Estimator, error) {
			return residual.NewPoseEstimator(kind, f, raw, noise)
		}}
	}
	raw := Method{"raw", func(int, filter.Noise) (residual.Estimator, error) { return asSeen{}, nil }}
	ms := []Method{raw, estimated(residual.Aligned)}
	for _, gain := range []float64{0.3, 0.5, 0.7} {
		ms = append(ms, Method{fmt.Sprintf("smoothed %.1f", gain), func(raw int, _ filter.Noise) (residual.Estimator, error) {
			return &smoother{gain: gain, last: make([]float32, raw)}, nil
		}})
	}
	ms = append(ms, estimated(residual.Smoothed), estimated(residual.Kinematic), estimated(residual.Koopman))
	if f.Nets != nil {
		ms = append(ms, estimated(residual.Nonlinear))
	}
	return ms
}

// asSeen shows what the tracker sent.
type asSeen struct{}

func (asSeen) Reset() {}

func (asSeen) Parts() []filter.Estimate { return nil }

func (asSeen) EstimateTo(dst, obs []float32, _ residual.When, _ []float32) error {
	copy(dst, obs)
	return nil
}

// smoother averages what the tracker sent exponentially.
type smoother struct {
	gain float64
	last []float32
	had  bool
}

func (s *smoother) Reset() { s.had = false }

func (s *smoother) Parts() []filter.Estimate { return nil }

func (s *smoother) EstimateTo(dst, obs []float32, _ residual.When, _ []float32) error {
	copy(dst, obs)
	for at := sim.StateDim; s.had && at < len(obs); at += sim.PoseDim {
		a, b := geom.PoseAt(s.last[at:]), geom.PoseAt(obs[at:])
		geom.PoseTo(dst[at:], geom.Pose{P: a.P.Lerp(b.P, s.gain), Q: a.Q.Slerp(b.Q, s.gain)})
	}
	copy(s.last, dst)
	s.had = true
	return nil
}

// Errors are those of one method in one phase: of each the median and the 95th percentile.
type Errors struct {
	Method   string     `json:"method"`
	Phase    Phase      `json:"phase"`
	Steps    int        `json:"steps"`
	Position [2]float64 `json:"position_mm"`  // of the joint's male part
	Rotation [2]float64 `json:"rotation_rad"` // likewise
	Tip      [2]float64 `json:"tip_mm"`       // of its tip, as the hole's part sees it
}

// samples are errors of one method in one phase.
type samples struct{ position, rotation, tip []float64 }

// Compare shows the rolls to every method through the sensors of d and returns errors by method and phase. A phase that
// no roll goes through has none.
func Compare(task *sim.Task, rolls []Roll, d disturb.Config, methods []Method) ([]Errors, error) {
	scene := SceneOf(task)
	var out []Errors
	for _, m := range methods {
		// A tracker that is known: what estimating its noise costs is another question.
		noise := filter.Noise{Position: d.Parts.Position, Rotation: d.Parts.Rotation}
		w, err := m.New(task.ObsDim(), noise)
		if err != nil {
			return nil, err
		}
		all := make([]samples, len(Phases()))
		for i := range rolls {
			if err := watch(all, w, scene, task, &rolls[i], d, uint64(i)); err != nil {
				return nil, err
			}
		}
		for k, p := range Phases() {
			s := &all[k]
			if len(s.position) == 0 {
				continue
			}
			out = append(out, Errors{m.Name, p, len(s.position), middle(s.position), middle(s.rotation), middle(s.tip)})
		}
	}
	return out, nil
}

// watch plays one roll.
func watch(
	all []samples, w residual.Estimator, scene filter.Scene, task *sim.Task, r *Roll, d disturb.Config, seed uint64,
) error {
	env, err := disturb.Wrap(r.tape(task), d)
	if err != nil {
		return err
	}
	dim := task.ObsDim()
	obs, dst := make([]float32, dim), make([]float32, dim)
	if err := env.Reset(obs, seed); err != nil {
		return err
	}
	phases := r.phases(scene)
	age, at := make([]float32, env.Spec().AgeDim()), residual.When{}
	w.Reset()
	for t := range len(r.Obs) {
		if t > 0 {
			if _, err := env.Step(obs, r.Act[t-1]); err != nil {
				return err
			}
		}
		sim.AgesTo(age, env)
		at.NextStep(age)
		var cmd []float32
		if t > 0 {
			cmd = r.Act[t-1]
		}
		if err := w.EstimateTo(dst, obs, at, cmd); err != nil {
			return err
		}
		for j := range scene.Joints {
			if k := phases[t][j]; k != phaseless {
				all[k].add(&scene.Joints[j], dst, r.Obs[t])
			}
		}
	}
	return nil
}

// phases is the phase of each joint's male part at every step.
func (r *Roll) phases(scene filter.Scene) [][]int {
	e := r.Episode()
	rule := filter.NewKinematic(scene)
	next, mode := make([]geom.Pose, len(scene.Parts)), make([]filter.Mode, len(scene.Parts))
	out := make([][]int, len(e.Arm))
	shut := false
	for t := range e.Arm {
		out[t] = slices.Repeat([]int{phaseless}, len(scene.Joints))
		if t+1 == len(e.Arm) {
			break
		}
		if g := e.Command[t].Grip; g != 0 {
			shut = g > 0
		}
		step := filter.Step{From: e.Arm[t], To: e.Arm[t+1], Target: e.Command[t].Target, Shut: shut, Steps: 1}
		rule.PredictTo(next, mode, e.Parts[t], &step)
		for j := range scene.Joints {
			out[t][j] = phaseOf[mode[scene.Joints[j].Male]]
		}
	}
	return out
}

func (s *samples) add(j *filter.Joint, got, truth []float32) {
	male, want := residual.PartOf(got, j.Male), residual.PartOf(truth, j.Male)
	s.position = append(s.position, 1000*male.P.Sub(want.P).Norm())
	s.rotation = append(s.rotation, male.Q.Angle(want.Q))
	tip := residual.PartOf(got, j.Receiver).Inv().Apply(male.Apply(j.Tip))
	s.tip = append(s.tip, 1000*tip.Sub(residual.PartOf(truth, j.Receiver).Inv().Apply(want.Apply(j.Tip))).Norm())
}

// middle is the median and the 95th percentile of one value at least.
func middle(v []float64) [2]float64 {
	slices.Sort(v)
	return [2]float64{v[len(v)/2], v[min(len(v)-1, len(v)*95/100)]}
}
