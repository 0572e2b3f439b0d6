//go:build mujoco

package mujoco

/*
#include "shim.h"
*/
import "C"

import (
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"korr/sim"
)

// longest is how many control steps a window has at most: the engine alone rounds a part's quaternion once more than
// the environment, and contacts make differences grow.
const longest = 20

// window is a stretch of a recorded episode in which no thread takes hold or lets go: the engine's inputs alone then
// lead from its first state to its last.
type window struct {
	start *Snapshot
	act   []float32  // [n*sim.ActDim]
	tape  []C.double // [n*substeps*korr_tape_width]
	end   *Snapshot  // to check a repetition against
}

// Tape is a recorded episode that can be repeated, for measurements, with the environment and with the bare engine.
type Tape struct {
	env     *Env
	obs     []float32
	windows []window
	steps   int
}

// Record plays the episode of the seed with a policy on e and keeps it. The tape goes on using e.
func Record(e *Env, p sim.Policy, seed uint64) (*Tape, error) {
	t := &Tape{env: e, obs: make([]float32, e.spec.ObsDim)}
	if err := e.Reset(t.obs, seed); err != nil {
		return nil, err
	}
	p.Reset(seed)
	width := int(C.korr_tape_width(e.s)) * substeps
	act, tape := make([]float32, sim.ActDim), make([]C.double, width)
	var pin runtime.Pinner
	pin.Pin(&tape[0])
	defer func() {
		e.s.tape = nil
		pin.Unpin()
	}()
	fresh := true
	for done := false; !done; {
		before, threads := (*Snapshot)(nil), e.threads()
		if fresh {
			var err error
			if before, err = e.Snapshot(); err != nil {
				return nil, err
			}
		}
		if err := p.ActTo(act, t.obs); err != nil {
			return nil, err
		}
		e.s.tape = &tape[0]
		r, err := e.Step(t.obs, act)
		if err != nil {
			return nil, err
		}
		done = r.Terminated || r.Truncated
		if done || threads != e.threads() { // not repeatable by the engine alone, or not at all
			fresh = true
			continue
		}
		if fresh {
			t.windows = append(t.windows, window{start: before})
		}
		w := &t.windows[len(t.windows)-1]
		w.act = append(w.act, act...)
		w.tape = append(w.tape, tape...)
		t.steps++
		fresh = len(w.act) == longest*sim.ActDim
		if w.end, err = e.Snapshot(); err != nil {
			return nil, err
		}
	}
	if t.steps == 0 {
		return nil, fmt.Errorf("episode %d of %s has nothing to repeat", seed, e.task.Name)
	}
	return t, nil
}

// threads has a bit for each engaged thread.
func (e *Env) threads() (set int) {
	for i := range int(e.s.npeg) {
		if e.threaded(i) {
			set |= 1 << i
		}
	}
	return set
}

// Steps is the number of control steps that a repetition takes.
func (t *Tape) Steps() int { return t.steps }

// Step repeats the episode with the environment and returns the time it took, without that of moving between windows.
func (t *Tape) Step() (time.Duration, error) {
	return t.repeat(func(w *window) error {
		for i := 0; i < len(w.act); i += sim.ActDim {
			if _, err := t.env.Step(t.obs, w.act[i:i+sim.ActDim]); err != nil {
				return err
			}
		}
		return nil
	})
}

// Bare repeats the episode with MuJoCo's mj_step alone: the same model, states and inputs. With broad, this package's
// broad phase runs before every step, which MuJoCo alone does without.
func (t *Tape) Bare(broad bool) (time.Duration, error) {
	var cull C.int
	if broad {
		cull = 1
	}
	return t.repeat(func(w *window) error {
		C.korr_bare(t.env.s, &w.tape[0], C.int(len(w.act)/sim.ActDim*substeps), cull)
		return nil
	})
}

func (t *Tape) repeat(run func(*window) error) (spent time.Duration, err error) {
	for i := range t.windows {
		w := &t.windows[i]
		if err := t.env.Restore(t.obs, w.start); err != nil {
			return 0, err
		}
		start := time.Now()
		if err := run(w); err != nil {
			return 0, err
		}
		spent += time.Since(start)
	}
	return spent, nil
}

// drift is the largest difference of a position coordinate (m, rad) between the engine's state and the end of the last
// window.
func (t *Tape) drift() (far float64) {
	end := t.windows[len(t.windows)-1].end.state[1:] // after the time
	for i, v := range unsafe.Slice(t.env.s.d.qpos, t.env.s.m.nq) {
		far = max(far, end[i]-float64(v), float64(v)-end[i])
	}
	return far
}

// Phases repeats the episode with clocks running, which slow it down a little. The engine's own clocks are the
// process's: no other environment may be stepped meanwhile.
func (t *Tape) Phases() (Phases, error) {
	var spent [C.KORR_PHASES]C.double
	var pin runtime.Pinner
	pin.Pin(&spent[0])
	s := t.env.s
	s.spent = &spent[0]
	C.korr_engine_timers(1)
	defer func() {
		C.korr_engine_timers(0)
		s.spent = nil
		pin.Unpin()
	}()
	total, err := t.repeat(func(w *window) error {
		timers := &s.d.timer
		collision, solver := timers[C.mjTIMER_POS_COLLISION].duration, timers[C.mjTIMER_CONSTRAINT].duration
		for i := 0; i < len(w.act); i += sim.ActDim {
			if _, err := t.env.Step(t.obs, w.act[i:i+sim.ActDim]); err != nil {
				return err
			}
		}
		spent[C.KORR_COLLISION] += (timers[C.mjTIMER_POS_COLLISION].duration - collision) / 1e6
		spent[C.KORR_SOLVER] += (timers[C.mjTIMER_CONSTRAINT].duration - solver) / 1e6
		return nil
	})
	if err != nil {
		return Phases{}, err
	}
	per := func(i int) float64 { return float64(spent[i]) / float64(t.steps) }
	p := Phases{
		Total: total.Seconds() / float64(t.steps), Engine: per(C.KORR_ENGINE), Collision: per(C.KORR_COLLISION),
		Solver:  per(C.KORR_SOLVER),
		Control: per(C.KORR_CONTROL), Threads: per(C.KORR_THREADS), Outputs: per(C.KORR_OUTPUTS),
	}
	p.Go = p.Total - p.Engine - p.Control - p.Threads - p.Outputs
	return p, nil
}

// Memory is what the engine holds for the environment, bytes: model, state and stack.
func (e *Env) Memory() int { return int(C.korr_memory(e.s)) }
