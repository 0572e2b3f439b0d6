package view

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"korr/sim/mujoco"
)

// Version is the protocol's, see the package comment.
const Version = 1

// MaxCommand is the size of the largest command, in bytes.
const MaxCommand = 512

// Kinds of binary messages.
const (
	kindFrame   = 1
	kindSamples = 2
)

// Sizes of the binary messages' pieces, in bytes.
const (
	frameHeader  = 16
	bodySize     = 20
	contactSize  = 20
	sampleHeader = 8
	sampleSize   = 80
)

// Flags of a sample.
const (
	hasTarget = 1 << iota
	hasBase
	hasEnded
	hasSuccess
)

// Bounds of what a command may ask for.
const (
	maxSpeed    = 20
	minSpeed    = 0.05
	maxStrength = 10
)

// Command is what a viewer asks for. Only the fields that belong to Cmd may be given.
type Command struct {
	Cmd       string   `json:"cmd"`
	Seed      *Seed    `json:"seed,omitempty"`      // reset; without it the same seed again
	Value     *float64 `json:"value,omitempty"`     // push, perturb: strength (1 = as published); speed: times real time, 0 = no limit
	On        *bool    `json:"on,omitempty"`        // contacts, loop
	Recording *int     `json:"recording,omitempty"` // open
	Episode   *int     `json:"episode,omitempty"`   // open
	Step      *int     `json:"step,omitempty"`      // seek
}

// Seed is an episode's seed on the wire: decimal digits as a string, for JavaScript's numbers hold 53 bits, or a
// number.
type Seed uint64

// UnmarshalJSON implements json.Unmarshaler.
func (s *Seed) UnmarshalJSON(text []byte) error {
	n, err := strconv.ParseUint(strings.Trim(string(text), `"`), 10, 64)
	if err != nil {
		return fmt.Errorf("seed %.30s: want a whole number from 0 to %d", text, uint64(math.MaxUint64))
	}
	*s = Seed(n)
	return nil
}

// MarshalJSON implements json.Marshaler.
func (s Seed) MarshalJSON() ([]byte, error) {
	return strconv.AppendQuote(nil, strconv.FormatUint(uint64(s), 10)), nil
}

// ErrCommand marks a message that is no command.
var ErrCommand = errors.New("bad command")

// fields says which fields each command has, in the order seed, value, on, recording, episode, step; '?' may be left
// out.
var fields = map[string]string{
	"play": "", "pause": "", "step": "", "live": "", "reset": "seed?", "push": "value", "perturb": "value",
	"speed":    "value",
	"contacts": "on", "loop": "on", "open": "recording episode", "seek": "step",
}

// DecodeCommand reads a command and refuses whatever is not one: unknown or missing fields, numbers out of range, more
// than one value. The error wraps ErrCommand.
func DecodeCommand(msg []byte) (Command, error) {
	var c Command
	if len(msg) > MaxCommand {
		return c, fmt.Errorf("%w: %d bytes, at most %d", ErrCommand, len(msg), MaxCommand)
	}
	d := json.NewDecoder(bytes.NewReader(msg))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return Command{}, fmt.Errorf("%w: %w", ErrCommand, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Command{}, fmt.Errorf("%w: something follows it", ErrCommand)
	}
	if err := c.check(); err != nil {
		return Command{}, fmt.Errorf("%w: %w", ErrCommand, err)
	}
	return c, nil
}

func (c *Command) check() error {
	want, ok := fields[c.Cmd]
	if !ok {
		return fmt.Errorf("no command %.20q", c.Cmd)
	}
	given := []struct {
		name string
		is   bool
	}{
		{"seed", c.Seed != nil},
		{"value", c.Value != nil},
		{"on", c.On != nil},
		{"recording", c.Recording != nil},
		{"episode", c.Episode != nil},
		{"step", c.Step != nil},
	}
	for _, g := range given {
		has, maybe := false, false
		for f := range strings.FieldsSeq(want) {
			has = has || strings.TrimSuffix(f, "?") == g.name
			maybe = maybe || f == g.name+"?"
		}
		if g.is && !has {
			return fmt.Errorf("%s has no %q", c.Cmd, g.name)
		}
		if !g.is && has && !maybe {
			return fmt.Errorf("%s needs %q", c.Cmd, g.name)
		}
	}
	return c.inRange()
}

func (c *Command) inRange() error {
	switch {
	case c.Cmd == "speed" && *c.Value != 0 && !(*c.Value >= minSpeed && *c.Value <= maxSpeed):
		return fmt.Errorf("speed %g: use %g to %d, or 0 for no limit", *c.Value, minSpeed, maxSpeed)
	case (c.Cmd == "push" || c.Cmd == "perturb") && !(*c.Value >= 0 && *c.Value <= maxStrength):
		return fmt.Errorf("strength %g: use 0 to %d", *c.Value, maxStrength)
	case c.Cmd == "open" && (*c.Recording < 0 || *c.Episode < 0), c.Cmd == "seek" && *c.Step < 0:
		return errors.New("a negative number")
	}
	return nil
}

// appendFrame encodes a frame.
func appendFrame(b []byte, f *mujoco.SceneFrame, number, step uint32, time float32, contacts bool) []byte {
	le := binary.LittleEndian
	var with byte
	if contacts {
		with = 1
	}
	b = append(b, kindFrame, with)
	b = le.AppendUint16(b, uint16(len(f.Poses)))
	b = le.AppendUint32(b, number)
	b = le.AppendUint32(b, step)
	b = appendFloats(b, time)
	for i := range f.Poses {
		p := &f.Poses[i]
		b = appendFloats(b, float32(p.P[0]), float32(p.P[1]), float32(p.P[2]))
		for _, v := range p.Q {
			b = appendUnit(b, v)
		}
	}
	if !contacts {
		return b
	}
	n := min(len(f.Contacts), math.MaxUint16)
	b = le.AppendUint16(b, uint16(n))
	b = le.AppendUint16(b, 0)
	for i := range f.Contacts[:n] {
		c := &f.Contacts[i]
		b = appendFloats(b, float32(c.Pos[0]), float32(c.Pos[1]), float32(c.Pos[2]))
		for _, v := range c.Normal {
			b = appendUnit(b, v)
		}
		b = le.AppendUint16(b, uint16(int16(min(max(c.Depth*1e6, math.MinInt16), math.MaxInt16))))
	}
	return b
}

// appendSamples begins a message of n records.
func appendSamples(b []byte, anew bool, records []byte) []byte {
	var first byte
	if anew {
		first = 1
	}
	b = append(b, kindSamples, first)
	b = binary.LittleEndian.AppendUint16(b, sampleSize)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(records)/sampleSize))
	return append(b, records...)
}

// appendSample encodes a record.
func appendSample(b []byte, s *Sample, phase byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(s.Step))
	b = appendFloats(b, s.Time, s.Reward, s.Residual, s.Innovation)
	var flags byte
	for _, f := range []struct {
		on  bool
		bit byte
	}{{s.Target != nil, hasTarget}, {s.Base != nil, hasBase}, {s.Ended, hasEnded}, {s.Success, hasSuccess}} {
		if f.on {
			flags |= f.bit
		}
	}
	b = append(b, phase, flags, 0, 0)
	for _, p := range []*Pose{s.Target, s.Base} {
		if p == nil {
			p = new(Pose)
		}
		b = appendFloats(b, p[:]...)
	}
	return b
}

func appendFloats(b []byte, v ...float32) []byte {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

// appendUnit encodes a number of [-1, 1].
func appendUnit(b []byte, v float64) []byte {
	return binary.LittleEndian.AppendUint16(b, uint16(int16(math.Round(32767*min(max(v, -1), 1)))))
}
