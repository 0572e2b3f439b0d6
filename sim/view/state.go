package view

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"time"

	"korr/sim/mujoco"
)

// sceneJSON is the message "scene".
type sceneJSON struct {
	Type       string        `json:"type"`
	Version    int           `json:"version"`
	Scene      *mujoco.Scene `json:"scene"`
	Phases     []string      `json:"phases"`
	Recordings []Recording   `json:"recordings"`
	Live       bool          `json:"live"` // there is a simulation to go back to
}

// stateJSON is the message "state".
type stateJSON struct {
	Type      string   `json:"type"`
	Mode      string   `json:"mode"` // live or replay
	Task      string   `json:"task"`
	Policy    string   `json:"policy"` // or the title of a recording
	Status    string   `json:"status"` // running, paused, assembled, over or failed
	Message   string   `json:"message,omitempty"`
	Playing   bool     `json:"playing"`
	Loop      bool     `json:"loop"`
	Speed     float64  `json:"speed"`
	Seed      uint64   `json:"seed,string"` // JavaScript's numbers hold 53 bits
	MaxSteps  int      `json:"max_steps"`
	Hz        float64  `json:"hz"`
	Perturb   *float64 `json:"perturb,omitempty"` // strength of the random pushes; absent where there are none
	Length    int      `json:"length,omitempty"`  // samples of a recording
	Recording int      `json:"recording"`
	Episode   int      `json:"episode"`
	Rate      float64  `json:"rate"` // control steps per second of wall time, measured over the last second
}

func sceneMessage(p Player, phases []string, recordings []Recording, live bool) []byte {
	return mustJSON(sceneJSON{
		Type: "scene", Version: Version, Scene: p.Scene(), Phases: phases, Recordings: recordings,
		Live: live,
	})
}

// errorMessage is the message "error".
func errorMessage(err error) []byte {
	return mustJSON(map[string]string{"type": "error", "message": err.Error()})
}

// mustJSON encodes values that always can be: they hold no numbers but finite ones.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// report publishes the state when it changed, and once a second while it runs.
func (s *Session) report() {
	if d := time.Since(s.counted); d > time.Second {
		rate := math.Round(float64(s.steps)/d.Seconds()*10) / 10
		s.dirty = s.dirty || rate != s.rate
		s.rate, s.steps, s.counted = rate, 0, time.Now()
	}
	if !s.dirty {
		return
	}
	s.dirty = false
	a := s.player.About()
	st := stateJSON{
		Type: "state", Mode: "live", Task: a.Task, Policy: a.Policy, Status: s.status(), Message: s.failure,
		Playing: s.playing, Loop: s.loop,
		Speed: s.speed, Seed: s.seed, MaxSteps: a.MaxSteps, Hz: a.Hz, Recording: -1, Rate: s.rate,
	}
	if s.seeker != nil {
		st.Mode, st.Length, st.Recording, st.Episode = "replay", len(s.seeker.Samples()), s.opened[0], s.opened[1]
	}
	if p, ok := s.player.(Perturber); ok {
		v := p.Perturb()
		st.Perturb = &v
	}
	msg := mustJSON(st)
	s.board.update(func() { s.board.state, s.board.turns = msg, s.board.turns+1 })
}

func (s *Session) status() string {
	switch {
	case s.failure != "":
		return "failed"
	case s.last.Ended && s.last.Success:
		return "assembled"
	case s.last.Ended:
		return "over"
	case s.playing:
		return "running"
	}
	return "paused"
}

// submit hands a command to the session without waiting; a full queue is an error.
func (s *Session) submit(r request) error {
	select {
	case s.cmds <- r:
		return nil
	default:
		return errors.New("the session is busy: try again")
	}
}

func (s *Session) handle(r request) {
	s.dirty, s.due = true, time.Now()
	if err := s.do(r.Command); err != nil && r.reply != nil {
		r.reply(err)
	}
}

// do executes a checked command.
func (s *Session) do(c Command) error {
	switch c.Cmd {
	case "play":
		s.playing, s.resume = true, time.Time{}
		if s.seeker != nil && s.last.Ended {
			s.seek(0)
		}
	case "pause":
		s.playing = false
	case "step":
		s.playing = false
		if s.failure == "" && !s.last.Ended {
			s.advance(context.Background())
		}
	case "reset":
		if c.Seed != nil {
			s.seed = uint64(*c.Seed)
		}
		if s.seeker != nil {
			s.seek(0)
			return nil
		}
		return s.reset(s.seed)
	case "loop":
		s.loop = *c.On
	case "speed":
		s.speed = *c.Value
	case "open":
		return s.open(*c.Recording, *c.Episode)
	case "live":
		return s.live()
	default:
		return s.disturb(c)
	}
	return nil
}

// disturb executes the commands that only one kind of player has.
func (s *Session) disturb(c Command) error {
	p, ok := s.player.(Perturber)
	switch {
	case c.Cmd == "seek" && s.seeker == nil:
		return errors.New("a simulation cannot seek: open a recording")
	case c.Cmd == "seek":
		s.seek(*c.Step)
		return nil
	case !ok:
		return errors.New("a recording cannot be disturbed: go back to the simulation")
	case c.Cmd == "push":
		s.push = *c.Value
		return nil
	}
	return p.SetPerturb(*c.Value)
}
