package residual

import (
	"fmt"

	"korr/koopman"
)

// Reaction is what a controller does about an observation that its model did not expect.
type Reaction string

// The reactions.
const (
	// Report only tells (Info.Surprise).
	Report Reaction = "report"
	// Shrink divides the residual by the surprise: the correction was learned where the model is right.
	Shrink Reaction = "shrink"
	// HoldLast repeats the last action for the step.
	HoldLast Reaction = "hold"
	// ReplanNow drops the rest of the base policy's chunk, which was planned for another course of events.
	ReplanNow Reaction = "replan"
)

// Source is what an observation is compared with.
type Source string

// The sources.
const (
	// FromModel is the Koopman model's prediction: the difference is the innovation.
	FromModel Source = "model"
	// FromChange is the observation one step before: what one can do without a model.
	FromChange Source = "change"
)

// Trigger says when and how a controller reacts. The zero value reports.
type Trigger struct {
	Reaction Reaction `json:"reaction"` // empty = report
	Source   Source   `json:"source"`   // empty = model
	// Threshold is the surprise that triggers, as a multiple of the calibrated limit; 0 = 1.
	Threshold float64 `json:"threshold"`
}

func (t Trigger) validate() error {
	switch t.Reaction {
	case "", Report, Shrink, HoldLast, ReplanNow:
	default:
		return fmt.Errorf("%w: unknown reaction %q", ErrPolicy, t.Reaction)
	}
	if t.Source != "" && t.Source != FromModel && t.Source != FromChange || !(t.Threshold >= 0) {
		return fmt.Errorf("%w: trigger from %q at %g", ErrPolicy, t.Source, t.Threshold)
	}
	return nil
}

// reacts reports whether the trigger does more than report.
func (t Trigger) reacts() bool { return t.Reaction != "" && t.Reaction != Report }

// restSteps is how many steps pass after a trigger before the next: a plan made a moment ago is not stale.
const restSteps = 4

// watcher scores observations for a tracker.
type watcher struct {
	trigger Trigger
	monitor *koopman.Monitor
	before  []float32 // latent one step before, for FromChange
	rest    int
}

// newWatcher returns nil for a model that was not calibrated, unless the trigger needs it.
func newWatcher(t Trigger, m *koopman.Model) (*watcher, error) {
	if t.Threshold == 0 {
		t.Threshold = 1
	}
	w := &watcher{trigger: t}
	if m != nil {
		w.monitor = m.Innovation
		if t.Source == FromChange {
			w.monitor, w.before = m.Change, make([]float32, m.LatentDim())
		}
	}
	if w.monitor != nil {
		return w, nil
	}
	if t.reacts() {
		return nil, fmt.Errorf("%w: reaction %q needs a calibrated Koopman model: train one with this version", ErrPolicy, t.Reaction)
	}
	return nil, nil
}

// score returns the surprise of the latent z, predicted as zu: 1 at the calibrated limit. The caller calls it at every
// step, with known false at the first.
func (w *watcher) score(z, zu []float32, known bool) float32 {
	if w.rest > 0 {
		w.rest--
	}
	against := zu
	if w.before != nil {
		against = w.before
	}
	var s float32
	if known {
		s = w.monitor.Score(z, against)
	}
	if w.before != nil {
		copy(w.before, z)
	}
	if s-s != 0 {
		return 0
	}
	return s
}

// fires reports whether the surprise triggers, and rests afterwards.
func (w *watcher) fires(surprise float32) bool {
	if float64(surprise) <= w.trigger.Threshold || w.rest > 0 {
		return false
	}
	w.rest = restSteps
	return true
}
