package view

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"korr/sim/mujoco"
)

// frameRate is about how many frames are published per second of wall time in real time; twice as many are the most.
const frameRate = 40

// pause is how long a session with the loop on shows how an episode ended.
const pause = 1500 * time.Millisecond

// Library hands out recorded episodes.
type Library interface {
	// Recordings lists what there is.
	Recordings() []Recording
	// Open makes a player of an episode. Its Player is also a Seeker.
	Open(recording, episode int) (Player, error)
}

// Recording is a set of recorded episodes.
type Recording struct {
	Name     string `json:"name"`
	Task     string `json:"task"`
	Episodes int    `json:"episodes"`
}

// Config describes a session.
type Config struct {
	Live    Player  // what is simulated; nil = recordings only. The session closes it
	Library Library // nil = no recordings
	Seed    uint64  // of the first episode
	Replay  bool    // show a recording first: Recording and Episode of Library; implied when Live is nil
	// Recording and Episode choose what is shown first.
	Recording, Episode int
	Paused             bool
	Logger             *slog.Logger // nil = silent
}

// Session plays one player for all viewers. Run owns it.
type Session struct {
	cfg   Config
	board *board
	cmds  chan request

	player  Player
	seeker  Seeker // player, when it is one
	opened  [2]int // recording and episode of the seeker
	seed    uint64
	playing bool
	loop    bool
	speed   float64 // times real time, 0 = as fast as it goes
	push    float64 // of the next control step
	pushes  uint64
	last    Sample
	failure string
	resume  time.Time // when the loop starts the next episode

	frame   mujoco.SceneFrame
	due     time.Time // of the next frame
	shown   time.Time // when the newest frame was published
	steps   int       // since measured
	rate    float64   // control steps per second of wall time
	counted time.Time
	phases  []string
	dirty   bool
}

// request is a command on its way to the session.
type request struct {
	Command
	reply func(error) // called once, only on failure
}

// ErrNothing means that a session has neither a simulation nor a recording.
var ErrNothing = errors.New("nothing to show: give the session a simulation or recordings")

// NewSession makes a session; Run plays it.
func NewSession(cfg Config) (*Session, error) {
	if cfg.Live == nil && (cfg.Library == nil || len(cfg.Library.Recordings()) == 0) {
		return nil, ErrNothing
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Session{
		cfg: cfg, board: newBoard(), cmds: make(chan request, 64), seed: cfg.Seed, playing: !cfg.Paused, speed: 1,
		phases: []string{"reach", "grasp", "carry", "insert", "screw", "assembled"},
	}
	return s, nil
}

// Run plays until ctx ends, then closes the players.
func (s *Session) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, s.Close()) }()
	if s.cfg.Live != nil && !s.cfg.Replay {
		err = s.show(s.cfg.Live)
	} else {
		err = s.open(s.cfg.Recording, s.cfg.Episode)
	}
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		s.report()
		select {
		case r := <-s.cmds:
			s.handle(r)
			continue
		default:
		}
		if !s.running() {
			s.idle(ctx)
			continue
		}
		s.advance(ctx)
	}
	return nil
}

// Close closes the players. Run does it too; it is for sessions that are never run.
func (s *Session) Close() error {
	var errs []error
	if s.seeker != nil {
		errs = append(errs, s.player.Close())
	}
	if s.cfg.Live != nil {
		errs = append(errs, s.cfg.Live.Close())
	}
	s.seeker, s.cfg.Live = nil, nil
	return errors.Join(errs...)
}

func (s *Session) running() bool { return s.playing && !s.last.Ended && s.failure == "" }

// idle waits for a command, or for the loop's next episode.
func (s *Session) idle(ctx context.Context) {
	s.rate = 0
	var again <-chan time.Time
	if s.playing && s.loop {
		if s.resume.IsZero() {
			s.resume = time.Now().Add(pause)
		}
		t := time.NewTimer(time.Until(s.resume))
		defer t.Stop()
		again = t.C
	}
	select {
	case r := <-s.cmds:
		s.handle(r)
	case <-again:
		if s.seeker != nil {
			s.seek(0)
			return
		}
		s.reset(s.seed + 1)
	case <-ctx.Done():
	}
}

// show begins to play p.
func (s *Session) show(p Player) error {
	s.player = p
	s.seeker, _ = p.(Seeker)
	scene := sceneMessage(p, s.phases, s.recordings(), s.cfg.Live != nil)
	s.board.update(func() { s.board.scene, s.board.scenes = scene, s.board.scenes+1 })
	return s.reset(s.seed)
}

func (s *Session) recordings() []Recording {
	if s.cfg.Library == nil {
		return nil
	}
	return s.cfg.Library.Recordings()
}

// reset begins an episode. A failing one is shown as such; the session goes on.
func (s *Session) reset(seed uint64) error {
	s.seed, s.failure, s.resume, s.push = seed, "", time.Time{}, 0
	first, err := s.player.Reset(seed)
	s.last = first
	if err != nil {
		s.fail(err)
		return err
	}
	all := []Sample{first}
	if s.seeker != nil {
		all = s.seeker.Samples()
		s.last = all[s.seeker.At()]
		s.last.Ended = s.seeker.At() == len(all)-1
	}
	records := make([]byte, 0, sampleSize*1024)
	for i := range all {
		records = appendSample(records, &all[i], s.phase(all[i].Phase))
	}
	s.board.update(func() { s.board.samples, s.board.episode = records, s.board.episode+1 })
	s.due = time.Now()
	s.player.FrameTo(&s.frame)
	s.publish(&s.frame, s.last.Step, s.last.Time)
	s.dirty = true
	return nil
}

// open plays a recorded episode.
func (s *Session) open(recording, episode int) error {
	if s.cfg.Library == nil {
		return errors.New("there are no recordings: start with --replay DIR")
	}
	list := s.cfg.Library.Recordings()
	if recording >= len(list) || episode >= list[min(recording, len(list)-1)].Episodes {
		return fmt.Errorf("no episode %d of recording %d", episode, recording)
	}
	p, err := s.cfg.Library.Open(recording, episode)
	if err != nil {
		return err
	}
	if _, ok := p.(Seeker); !ok {
		return errors.Join(errors.New("the library's player cannot seek"), p.Close())
	}
	old := s.player
	if s.seeker == nil {
		old = nil
	}
	s.opened = [2]int{recording, episode}
	err = s.show(p)
	if old != nil {
		err = errors.Join(err, old.Close())
	}
	return err
}

// live goes back to the simulation.
func (s *Session) live() error {
	if s.cfg.Live == nil {
		return errors.New("there is no simulation: start with --policy")
	}
	if s.seeker == nil {
		return nil
	}
	err := s.player.Close()
	return errors.Join(err, s.show(s.cfg.Live))
}

func (s *Session) seek(i int) {
	s.seeker.Seek(i)
	all := s.seeker.Samples()
	s.last = all[s.seeker.At()]
	s.last.Ended = s.seeker.At() == len(all)-1
	s.failure, s.resume, s.due, s.dirty = "", time.Time{}, time.Now(), true
	s.player.FrameTo(&s.frame)
	s.publish(&s.frame, s.last.Step, s.last.Time)
}

func (s *Session) fail(err error) {
	s.failure = err.Error()
	s.dirty = true
	s.cfg.Logger.Warn("the episode failed; reset to go on", "error", err)
}

// phase is the number of a phase's name.
func (s *Session) phase(name string) byte {
	i := slices.Index(s.phases, name)
	return byte(max(i, 0))
}

// framesPerStep is into how many frames a control step is cut so that about frameRate are shown per second.
func (s *Session) framesPerStep() int {
	if s.speed == 0 {
		return 1
	}
	want := 0.75 * frameRate / (s.speed * s.player.About().Hz)
	for n := 1; n < mujoco.FramesPerStep; n++ {
		if mujoco.FramesPerStep%n == 0 && float64(n) >= want {
			return n
		}
	}
	return mujoco.FramesPerStep
}

// advance executes one control step, in real time times speed.
func (s *Session) advance(ctx context.Context) {
	n, hz := s.framesPerStep(), s.player.About().Hz
	push := Push{Strength: s.push, Salt: s.seed ^ s.pushes<<32}
	if s.push > 0 {
		s.push, s.pushes = 0, s.pushes+1
	}
	k := 0
	next, err := s.player.Step(n, push, func(f *mujoco.SceneFrame) {
		k++
		s.wait(ctx, 1/(hz*float64(n)))
		if k == n || s.speed > 0 {
			s.publishPaced(f, s.last.Step, s.last.Time+float32(float64(k)/(float64(n)*hz)))
		}
	})
	if err != nil {
		s.fail(err)
		return
	}
	s.last = next
	s.steps++
	if s.seeker == nil {
		phase := s.phase(next.Phase)
		s.board.update(func() { s.board.samples = appendSample(s.board.samples, &next, phase) })
	}
	if next.Ended { // whatever was skipped, the last instant is shown
		s.player.FrameTo(&s.frame)
		s.publish(&s.frame, next.Step, next.Time)
		s.dirty = true
	}
}

// wait sleeps until the next frame of so many simulated seconds is due; a waiting command cuts it short.
func (s *Session) wait(ctx context.Context, seconds float64) {
	now := time.Now()
	if s.speed == 0 || len(s.cmds) > 0 {
		s.due = now
		return
	}
	s.due = s.due.Add(time.Duration(seconds / s.speed * float64(time.Second)))
	if s.due.Before(now.Add(-200 * time.Millisecond)) {
		s.due = now // too slow for real time: nothing is caught up
	}
	if d := s.due.Sub(now); d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
}

// publishPaced is publish at most frameRate times a second.
func (s *Session) publishPaced(f *mujoco.SceneFrame, step int, at float32) {
	if time.Since(s.shown) >= time.Second/(2*frameRate) {
		s.publish(f, step, at)
	}
}

func (s *Session) publish(f *mujoco.SceneFrame, step int, at float32) {
	s.shown = time.Now()
	number := uint32(s.board.frames + 1) // only the session writes it
	plain := appendFrame(make([]byte, 0, frameHeader+bodySize*len(f.Poses)), f, number, uint32(step), at, false)
	full := appendFrame(make([]byte, 0, len(plain)+4+contactSize*len(f.Contacts)), f, number, uint32(step), at, true)
	s.board.update(func() { s.board.frame, s.board.full, s.board.frames = plain, full, s.board.frames+1 })
}
