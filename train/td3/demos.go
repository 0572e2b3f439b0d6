package td3

import (
	"fmt"

	"korr/train/dataset"
	"korr/train/episodes"
	"korr/train/replay"
)

// demonstrations is what was made of the recorded episodes.
type demonstrations struct {
	buffer  *replay.Buffer
	outside float64 // share of frames whose action the residual cannot reach
}

// newDemonstrations turns episodes into transitions of a buffer of their own:
// the base policy is rolled along the recorded observations, and what was
// executed is the action. Recordings lack the observation after the last action.
// The last frame of a success needs none; that of another episode is dropped,
// and returns bootstrap from it.
func newDemonstrations(cfg *Config, in *Inputs, d dims, recorded []dataset.Episode) (*demonstrations, error) {
	frames := 0
	for i := range recorded {
		frames += recorded[i].Len()
	}
	buffer := replay.New(max(1, frames), d.x, d.act)
	out := &demonstrations{buffer: buffer}
	raw := in.Base.About().Obs.RawDim()
	view, err := episodes.NewView(in.spec(cfg, nil))
	if err != nil {
		return nil, fmt.Errorf("td3: %w", err)
	}
	s := slot{View: view, x: make([]float32, d.x), stages: in.watch()}
	obs, act := make([]float32, raw), make([]float32, d.act)
	outside := 0
	for i := range recorded {
		e := &recorded[i]
		if got, want := len(e.State)+len(e.Env), e.Len()*raw; got != want || len(e.Executed) != e.Len()*d.act {
			return nil, fmt.Errorf("td3: demonstration %d of %d frames has %d observed and %d executed values, want %d and "+
				"%d: was it recorded for another task?",
				i, e.Len(), got, len(e.Executed), want, e.Len()*d.act)
		}
		env, err := in.recorded(cfg, e, i)
		if err != nil {
			return nil, fmt.Errorf("td3: demonstration %d: %w", i, err)
		}
		if seen, ok := env.(*episodes.Estimated); ok {
			if s.View, err = episodes.NewView(in.spec(cfg, seen)); err != nil {
				return nil, fmt.Errorf("td3: %w", err)
			}
		}
		s.nstep = replay.NewNStep(buffer, cfg.NStep, cfg.Gamma)
		s.Reset(e.Seed)
		s.engaged = 0
		if err := env.Reset(obs, e.Seed); err != nil {
			return nil, fmt.Errorf("td3: demonstration %d: %w", i, err)
		}
		for t := range e.Len() {
			if t > 0 {
				if _, err := env.Step(obs, e.ExecutedAt(t-1)); err != nil {
					return nil, fmt.Errorf("td3: demonstration %d, frame %d: %w", i, t, err)
				}
			}
			s.watch(obs, t == 0)
			if s.engaged == 0 && t > 0 && (e.Reward[t-1] > 0 || in.Engaged != nil && in.Engaged(obs)) {
				s.engaged = t
			}
			if err := s.observe(obs); err != nil {
				return nil, fmt.Errorf("demonstration %d, frame %d: %w", i, t, err)
			}
			frame := buffer.AddFrame(s.x)
			s.Encoder().NormalizeActionTo(act, e.ExecutedAt(t))
			s.Executed(e.ExecutedAt(t))
			buffer.SetAction(frame, act)
			if !reachable(act, d.base().Of(s.x), float32(cfg.Alpha)) {
				outside++
			}
			s.link(e, t, frame, cfg.milestone())
		}
	}
	if frames > 0 {
		out.outside = float64(outside) / float64(frames)
	}
	return out, nil
}

// link records the step that led to frame t, with the milestone's reward where it is due, and the end of the episode.
func (s *slot) link(e *dataset.Episode, t, frame int, milestone float64) {
	last := t == e.Len()-1
	if t > 0 {
		end := replay.Running
		if last && !e.Success {
			end = replay.Truncated
		}
		reward := float64(e.Reward[t-1]) + s.earned
		if s.engaged == t {
			reward += milestone
		}
		s.nstep.Push(s.frame, reward, frame, end)
	}
	s.frame = frame
	if last && e.Success {
		s.nstep.Push(frame, float64(e.Reward[t]), replay.None, replay.Terminated)
	}
}

// reachable reports whether the residual can turn the base action into act.
func reachable(act, base []float32, alpha float32) bool {
	for j, u := range act {
		if d := u - base[j]; d > alpha || d < -alpha {
			return false
		}
	}
	return true
}
