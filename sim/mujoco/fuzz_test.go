//go:build mujoco

package mujoco

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"korr/sim"
)

// bystander is an environment that must go on unchanged whatever another one is given.
type bystander struct {
	e    *Env
	snap *Snapshot
	obs  []float32
	want [][]float32
}

func newBystander(f *testing.F) *bystander {
	b := &bystander{e: open(f, Config{Perturb: 1})}
	b.obs = make([]float32, b.e.spec.ObsDim)
	if err := b.e.Reset(b.obs, 3); err != nil {
		f.Fatal(err)
	}
	var err error
	if b.snap, err = b.e.Snapshot(); err != nil {
		f.Fatal(err)
	}
	act := still(b.obs)
	for range 2 {
		if _, err := b.e.Step(b.obs, act); err != nil {
			f.Fatal(err)
		}
		b.want = append(b.want, slices.Clone(b.obs))
	}
	return b
}

// during plays the bystander's first step while meanwhile runs beside it and its second one after that, and compares
// every bit.
func (b *bystander) during(t *testing.T, meanwhile func()) {
	done := make(chan struct{})
	go func() { defer close(done); meanwhile() }()
	if err := b.e.Restore(b.obs, b.snap); err != nil {
		t.Fatal(err)
	}
	act := still(b.obs)
	for i := range b.want {
		if _, err := b.e.Step(b.obs, act); err != nil || !slices.Equal(b.obs, b.want[i]) {
			t.Errorf("step %d of the other environment differs (%v)", i, err)
		}
		<-done
	}
}

func finite(v []float32) bool {
	return !slices.ContainsFunc(v, func(x float32) bool { return math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) })
}

// startState is a state that executions begin at.
type startState struct {
	snap *Snapshot
	next []float32 // the observation one still step later
}

// newStarts are the start of an episode, and the states after three actions at the edge of what is one.
func newStarts(f *testing.F, e *Env) (starts []startState) {
	obs := make([]float32, e.spec.ObsDim)
	for _, wild := range [][]float32{
		nil,
		{3e38, -3e38, 3e38, 1, 0, 0, 0, -1, 0, 1},
		{0.5, 0, -1, 1, 0, 0, 0, 1, 0, -1},
		{0.3, 0.5, 0.01, 0, 0, 1, 1e-30, -1, 0, 1},
	} {
		if err := e.Reset(obs, 1); err != nil {
			f.Fatal(err)
		}
		for range 3 {
			if wild == nil {
				break
			}
			if _, err := e.Step(obs, wild); err != nil {
				f.Fatal(err)
			}
		}
		snap, err := e.Snapshot()
		if err != nil {
			f.Fatal(err)
		}
		if _, err := e.Step(obs, still(obs)); err != nil {
			f.Fatal(err)
		}
		starts = append(starts, startState{snap, slices.Clone(obs)})
	}
	return starts
}

// FuzzStep gives one environment up to three actions of any length and any bits, from the start of an episode or from
// the middle of a rough one: what is no action ends its episode with sim.ErrAction, anything else is executed or ends
// with sim.ErrUnstable, observations stay finite, a snapshot or a reset brings it back bit for bit, and another
// environment that steps at the same time goes on bit for bit. A reset takes ten steps' time: one input in eight asks
// for it.
func FuzzStep(f *testing.F) {
	b, e := newBystander(f), open(f, Config{Perturb: 1})
	starts := newStarts(f, e)
	obs := make([]float32, e.spec.ObsDim)
	if err := e.Reset(obs, 1); err != nil {
		f.Fatal(err)
	}
	first := slices.Clone(obs)
	bits := func(v ...float32) (out []byte) {
		for _, x := range v {
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(x))
		}
		return out
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	f.Add(bits(0.5, 0, 0.2, 1, 0, 0, 0, -1, 0, 1), uint8(10))
	f.Add(bits(0.5, 0, 0.2, 1, 0, 0, 0, nan, 0, 1), uint8(10))
	f.Add(bits(inf, 0, 0.2, 1, 0, 0, 0, -1, 0, -inf), uint8(10))
	f.Add(bits(3e38, -3e38, 3e38, 3e38, 3e38, 3e38, 3e38, 3e38, 3e38, 3e38), uint8(10))
	f.Add(bits(0, 0, 0, 0, 0, 0, 0, 0, 0, 0), uint8(10))
	f.Add(bits(1e-45, 0, 0, 1e-45, 0, 0, 1e-45, 0, 0, 0.5), uint8(10))
	f.Add(bits(0.5, 0, 0.2, 1, 0, 0, 0, -1, 0, 1, 0.6, 0, 0.1, 1, 0, 0, 0, -1, 0, -1, nan), uint8(16+10))
	f.Add(bits(3e38, 0, 0.2, 1, 0, 0, 0, -1, 0, 1, inf), uint8(192+10))
	f.Add(bits(1, 2, 3), uint8(3))
	f.Add([]byte{}, uint8(0))
	f.Fuzz(func(t *testing.T, data []byte, width uint8) {
		n, from, reset := int(width)%16, &starts[width>>4&3], width>>6 == 3 && len(data)%2 == 0
		var act []float32
		for len(data) >= 4 && len(act) < 3*n {
			act, data = append(act, math.Float32frombits(binary.LittleEndian.Uint32(data))), data[4:]
		}
		b.during(t, func() {
			if err := e.Restore(obs, from.snap); err != nil {
				t.Errorf("restore: %v", err)
			}
			for again := true; again; again = len(act) > 0 {
				a := act[:min(n, len(act))]
				act = act[len(a):]
				_, err := e.Step(obs, a)
				switch bad := len(a) != sim.ActDim || !finite(a); {
				case bad && !errors.Is(err, sim.ErrAction):
					t.Errorf("%v: error %v, want sim.ErrAction", a, err)
				case !bad && err != nil && !errors.Is(err, sim.ErrUnstable):
					t.Errorf("%v: error %v", a, err)
				case err == nil && !finite(obs):
					t.Errorf("%v: an observation that is not finite", a)
				}
				if err == nil {
					continue
				}
				if _, err := e.Step(obs, a); !errors.Is(err, sim.ErrNotReset) && !errors.Is(err, sim.ErrAction) {
					t.Errorf("step after an error: %v", err)
				}
				if reset {
					if err := e.Reset(obs, 1); err != nil || !slices.Equal(obs, first) {
						t.Errorf("a reset after an error gives another episode (%v)", err)
					}
					continue
				}
				if err := e.Restore(obs, from.snap); err != nil {
					t.Errorf("restore after an error: %v", err)
				}
				if _, err := e.Step(obs, still(obs)); err != nil || !slices.Equal(obs, from.next) {
					t.Errorf("a snapshot after an error goes on otherwise (%v)", err)
				}
			}
		})
	})
}

// FuzzModel changes the scene's text anywhere: it is refused with an error that names the task, or it runs; and another
// environment that steps at the same time goes on bit for bit.
func FuzzModel(f *testing.F) {
	b := newBystander(f)
	good, err := ModelXML(task(f, "one_leg"))
	if err != nil {
		f.Fatal(err)
	}
	at := func(s string) uint16 { return uint16(strings.Index(good, s)) }
	f.Add(uint16(0), uint16(0), []byte(""))
	f.Add(uint16(0), uint16(65535), []byte("no model"))
	f.Add(at("timestep"), uint16(16), []byte(`timestep="-1"`))
	f.Add(at("nconmax"), uint16(13), []byte(`nconmax="-5"`))
	f.Add(at("nstack"), uint16(15), []byte(`nstack="10"`))
	f.Add(at("<worldbody>"), uint16(11), []byte(""))
	f.Add(at("<worldbody>"), uint16(0), []byte{0, 255, '<', '!'})
	f.Add(at("<asset>"), uint16(0), []byte(`<include file="/etc/passwd"/>`))
	f.Add(at("<worldbody>"), uint16(11), []byte("<worldbody>"+strings.Repeat("<body>", 3000)))
	// these four end the process when the engine sees them
	f.Add(at("nstack"), uint16(0), []byte(`nuser_body="2000000000" `))
	f.Add(at("nstack"), uint16(0), []byte(`nkey="2000000000" `))
	f.Add(at("<asset>"), uint16(7), []byte(`<asset><texture type="skybox" builtin="flat" width="60000" height="360000"/>`))
	f.Add(at("<worldbody>"), uint16(11),
		[]byte(`<worldbody><body><composite type="grid" count="300 300 1" spacing="1"><geom size=".1"/></composite></body>`))
	f.Fuzz(func(t *testing.T, at, cut uint16, insert []byte) {
		from := min(int(at), len(good))
		xml := good[:from] + string(insert) + good[min(from+int(cut), len(good)):]
		b.during(t, func() {
			e, err := New(Config{Task: "one_leg", ModelXML: xml})
			if err != nil {
				if !strings.Contains(err.Error(), "one_leg") {
					t.Errorf("the error does not name the task: %v", err)
				}
				return
			}
			defer e.Close()
			obs := make([]float32, e.spec.ObsDim)
			if err := e.Reset(obs, 1); err != nil {
				return
			}
			if _, err := e.Step(obs, still(obs)); err == nil && !finite(obs) {
				t.Error("an observation that is not finite")
			}
		})
	})
}
