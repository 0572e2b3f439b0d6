package sim

// Aged is an environment whose observations show channels of different ages, as a part tracker's stamps tell them.
type Aged interface {
	// AgesTo writes the age of what the newest observation shows, in control steps: of the robot's state, then of every
	// part in the order of Spec.PartNames. dst has AgeDim values.
	AgesTo(dst []float32)
}

// AgeReader is a policy that wants the ages of the observation it acts on; whoever plays it tells them before every
// ActTo.
type AgeReader interface {
	// ReadAges takes in what Aged.AgesTo wrote. The slice is reused.
	ReadAges(ages []float32)
}

// AgeDim is the number of ages of an observation: the robot's and one for each part.
func (s Spec) AgeDim() int { return 1 + len(s.PartNames) }

// AgesTo writes the ages of env's newest observation: zeros where all of it is fresh.
func AgesTo(dst []float32, env Env) {
	if a, ok := As[Aged](env); ok {
		a.AgesTo(dst)
		return
	}
	clear(dst)
}

// Ages hands the ages of an environment's observations to a policy that reads them, and is nothing for another policy.
type Ages struct {
	reader AgeReader
	env    Env
	ages   []float32
}

// NewAges is for a policy that plays in env.
func NewAges(policy any, env Env) Ages {
	reader, _ := policy.(AgeReader)
	return Ages{reader: reader, env: env, ages: make([]float32, env.Spec().AgeDim())}
}

// Tell hands over the ages of the newest observation: before the policy acts on it.
func (a *Ages) Tell() {
	if a.reader != nil {
		AgesTo(a.ages, a.env)
		a.reader.ReadAges(a.ages)
	}
}
