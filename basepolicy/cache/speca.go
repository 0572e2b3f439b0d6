package cache

import "math"

// floorSpeca is the least threshold of a draft.
const floorSpeca = 0.01

// Verdict says what a step of SpeCa is, and why.
type Verdict int

// The verdicts.
const (
	AfterFull  Verdict = iota // a draft: the step before was full
	Unverified                // a draft below the minimum
	Verified                  // a draft to be compared
	WarmingUp                 // full: warm-up
	TooMany                   // full: the maximum of drafts is reached
	Refused                   // full: the draft of the step before was too far off
)

// Full reports whether the step calls the network.
func (v Verdict) Full() bool { return v >= WarmingUp }

// Speculation is SpeCa's rule (arXiv 2509.11628, as the authors' code for DiT has it): Taylor drafts, of which those
// beyond the first Min after a full step are compared. A draft whose error exceeds the threshold of the next step,
// max(0.01, Tau Beta^progress) with progress (i + 1) / steps, makes that step full. A step after a full one is a draft
// always, so of three warm-up steps the second is one.
//
// A run calls Begin, then Next for every step, Found after a comparison and Called after every call of the network.
type Speculation struct {
	Tau, Beta float64
	WarmUp    int
	Min, Max  int // drafts in a row: not compared, at most

	steps   int
	verdict Verdict
	called  bool    // at the step before
	drafts  int     // since the last full step
	off     float64 // error found at the step before, or negative
}

// Begin announces a run of so many steps.
func (s *Speculation) Begin(steps int) { s.steps, s.called, s.drafts, s.off = steps, false, 0, -1 }

// Threshold is what a draft may be off by at step i, counted from 0.
func (s *Speculation) Threshold(i int) float64 {
	return math.Max(floorSpeca, s.Tau*math.Pow(s.Beta, float64(i+1)/float64(s.steps)))
}

// Next decides on step i.
func (s *Speculation) Next(i int) Verdict {
	switch {
	case s.called:
		s.verdict = AfterFull
	case i < s.WarmUp:
		s.verdict = WarmingUp
	case s.drafts >= s.Max:
		s.verdict = TooMany
	case s.off > s.Threshold(i):
		s.verdict = Refused
	case s.drafts < s.Min:
		s.verdict = Unverified
	default:
		s.verdict = Verified
	}
	if s.verdict == AfterFull && s.Min == 0 {
		s.verdict = Verified // every draft is compared
	}
	s.called, s.off = false, -1
	s.drafts++
	return s.verdict
}

// Verify reports whether the draft of this step is to be compared.
func (s *Speculation) Verify() bool { return s.verdict == Verified }

// Found tells the error of this step's draft.
func (s *Speculation) Found(off float64) {
	if math.IsNaN(off) {
		off = math.Inf(1)
	}
	s.off = off
}

// Called tells that this step called the network.
func (s *Speculation) Called() { s.called, s.drafts, s.off = true, 0, -1 }

// speculation is the rule of the configuration.
func (c Config) speculation() *Speculation {
	return &Speculation{Tau: c.Tau, Beta: c.Beta, WarmUp: c.WarmUp, Min: c.MinDraft, Max: c.MaxDraft}
}

// RelativeError is how far a draft is from the truth, by MetricL1 or MetricL2.
func RelativeError(draft, truth []float32, metric string) float64 {
	var sum float64
	for i, t := range truth {
		e := math.Abs(float64(draft[i])-float64(t)) / (math.Abs(float64(t)) + 1e-10)
		if metric == MetricL2 {
			e *= e
		}
		sum += e
	}
	sum /= float64(max(1, len(truth)))
	if metric == MetricL2 {
		return math.Sqrt(sum)
	}
	return sum
}
