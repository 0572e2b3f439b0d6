package td3

import (
	"fmt"
	"maps"
	"math"

	"korr/train/episodes"
)

// mean is a running average.
type mean struct {
	sum float64
	n   int
}

func (m *mean) add(v float64) { m.sum += v; m.n++ }

// put writes the average under key if there is one, and starts afresh.
func (m *mean) put(values map[string]float64, key string) {
	if m.n > 0 {
		values[key] = m.sum / float64(m.n)
	}
	*m = mean{}
}

// learnerStats averages what the updates saw since the last report.
type learnerStats struct {
	criticLoss, q, qDemo, qOnline, target, spread mean
	actorLoss, residual, gradNorm, modelLoss      mean
	expanded                                      mean    // by value expansion
	radius                                        float64 // last one measured
}

func (s *learnerStats) critics(l *learner) {
	for _, c := range l.critics {
		s.criticLoss.add(c.loss)
	}
	first, last := l.critics[0].q, l.critics[len(l.critics)-1].q
	gap := 0.0
	for i := range l.y {
		q := float64(first[i])
		s.q.add(q)
		s.target.add(float64(l.y[i]))
		gap += math.Abs(q - float64(last[i]))
		if i < l.fromDemos {
			s.qDemo.add(q)
		} else {
			s.qOnline.add(q)
		}
	}
	s.spread.add(gap / float64(len(l.y)))
}

func (s *learnerStats) actor(loss, residual float64, info stepInfo) {
	s.actorLoss.add(loss)
	s.residual.add(residual)
	s.gradNorm.add(info.gradNorm)
	s.modelLoss.add(info.modelLoss)
	if info.radius > 0 {
		s.radius = info.radius
	}
}

// put writes the averages and starts afresh.
func (s *learnerStats) put(values map[string]float64, korr bool) {
	s.criticLoss.put(values, "critic_loss")
	s.q.put(values, "q_mean")
	s.qDemo.put(values, "q_demo")
	s.qOnline.put(values, "q_online")
	s.target.put(values, "target_mean")
	s.spread.put(values, "q_spread")
	s.actorLoss.put(values, "actor_loss")
	s.residual.put(values, "residual_rms")
	s.gradNorm.put(values, "grad_norm")
	s.expanded.put(values, "expansion_shift")
	if korr {
		s.modelLoss.put(values, "koopman_loss")
		if s.radius > 0 {
			values["spectral_radius"] = s.radius
		}
	}
	s.modelLoss = mean{}
}

// window keeps the outcomes of the last episodes.
type window struct {
	outcomes []bool // oldest first
	size     int
}

func (w *window) add(success bool) {
	if len(w.outcomes) == w.size {
		w.outcomes = append(w.outcomes[:0], w.outcomes[1:]...)
	}
	w.outcomes = append(w.outcomes, success)
}

// rate is the share of successes; NaN before the first episode.
func (w *window) rate() float64 {
	n := 0
	for _, s := range w.outcomes {
		if s {
			n++
		}
	}
	return float64(n) / float64(len(w.outcomes))
}

// rolloutStats counts the episodes that ended since the last report.
type rolloutStats struct {
	episodes, successes, failed, timeouts, errors int
	steps                                         mean             // per episode
	engaged                                       mean             // whether a pair engaged
	passed                                        map[string]*mean // whether a stage was, by its key in a report
}

// pass notes which stages an episode passed.
func (s *rolloutStats) pass(in *Inputs, w *episodes.StageWatch) {
	if w == nil {
		return
	}
	if s.passed == nil {
		s.passed = map[string]*mean{}
	}
	for i := range in.Task.Pairs {
		for k, stage := range in.Task.Pairs[i].Stages() {
			key := fmt.Sprintf("pair%d_%s", i+1, stage)
			if s.passed[key] == nil {
				s.passed[key] = &mean{}
			}
			s.passed[key].add(indicator(w.Passed(i) > k))
		}
	}
}

func (s *rolloutStats) put(values map[string]float64) {
	maps.Copy(values, map[string]float64{
		"ended": float64(s.episodes), "ended_success": float64(s.successes), "ended_failed": float64(s.failed),
		"ended_timeout": float64(s.timeouts), "sim_errors": float64(s.errors),
	})
	s.steps.put(values, "episode_steps")
	s.engaged.put(values, "engaged")
	for key, m := range s.passed {
		m.put(values, key)
	}
	*s = rolloutStats{}
}

// indicator is 1 or 0.
func indicator(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
