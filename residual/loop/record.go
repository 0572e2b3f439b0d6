package loop

import (
	"bufio"
	"encoding/json"
	"io"
	"strconv"
	"time"

	"korr/internal/layout"
	"korr/koopman/filter"
	"korr/residual"
	"korr/residual/shield"
)

// lastRecords is how many ticks an error carries; the dump holds all that were kept.
const lastRecords = 8

// dumpVersion is the "korr_flight" number in the first line of a dump.
const dumpVersion = 1

// recordTime is how far back the flight recorder reaches, unless Config.Records says otherwise.
const recordTime = 30 * time.Second

// recordsFor is the number of ticks that recordTime takes, at least DefaultRecords.
func recordsFor(period time.Duration) int {
	if period <= 0 {
		return DefaultRecords
	}
	return max(DefaultRecords, int((recordTime+period-1)/period))
}

// Floats is a []float32 whose JSON writes NaN and infinities, which JSON cannot express, as null.
type Floats []float32

// MarshalJSON implements json.Marshaler.
func (f Floats) MarshalJSON() ([]byte, error) {
	b := append(make([]byte, 0, 2+12*len(f)), '[')
	for i, v := range f {
		if i > 0 {
			b = append(b, ',')
		}
		if v-v != 0 {
			b = append(b, "null"...)
			continue
		}
		b = strconv.AppendFloat(b, float64(v), 'g', -1, 32)
	}
	return append(b, ']'), nil
}

// Record is one tick of the flight recorder. Base and Residual are normalised; Observation, Action (what
// the policy asked for) and Command (what the shield let through) are raw.
type Record struct {
	Tick        uint64        `json:"tick"`       // ticks of the loop so far, this one included
	State       State         `json:"state"`      // in which it was decided
	Start       time.Time     `json:"start"`      // waking up, on the loop's clock
	Seq         uint64        `json:"seq"`        // of the observation
	Stamp       time.Time     `json:"stamp"`      // of the observation
	Age         time.Duration `json:"age_ns"`     // as StaleError has it
	Latency     time.Duration `json:"latency_ns"` // from waking up to Write's return; 0 when nothing was sent
	Missed      int           `json:"missed"`     // deadlines missed in a row before this tick
	Observation Floats        `json:"observation"`
	Base        Floats        `json:"base"`
	Residual    Floats        `json:"residual"`
	Action      Floats        `json:"action"`
	Command     Floats        `json:"command"`
	Clamps      shield.Clamp  `json:"clamps"`
	Innovation  float32       `json:"innovation"` // 0 when there was no prediction to compare with
	FellBack    bool          `json:"fell_back"`  // the residual was not finite
	Sent        bool          `json:"sent"`

	// Parts is what the policy's filter knows of each part; empty without one. A flight record does not keep it: it
	// follows from the observations.
	Parts []filter.Estimate `json:"-"`
}

// newRecord allocates a record for the widths given.
func newRecord(obsDim, actDim int) Record {
	flat := make(Floats, obsDim+4*actDim)
	cut := func(n int) Floats {
		f := flat[:n:n]
		flat = flat[n:]
		return f
	}
	return Record{
		Observation: cut(obsDim), Base: cut(actDim), Residual: cut(actDim), Action: cut(actDim), Command: cut(actDim),
		Parts: make([]filter.Estimate, 0, max(obsDim-layout.State, 0)/layout.Pose),
	}
}

// clear zeroes the record and keeps its slices.
func (r *Record) clear() {
	o, b, s, a, c, p := r.Observation, r.Base, r.Residual, r.Action, r.Command, r.Parts[:0]
	clear(o[:cap(o)])
	clear(b)
	clear(s)
	clear(a)
	clear(c)
	*r = Record{Observation: o, Base: b, Residual: s, Action: a, Command: c, Parts: p}
}

// decide copies what the stepper decided.
func (r *Record) decide(info *residual.Info) {
	copy(r.Base, info.Base)
	copy(r.Residual, info.Residual)
	r.Parts = append(r.Parts[:0], info.Parts...)
	r.Innovation, r.FellBack = info.Innovation, info.FellBack
	if r.Innovation-r.Innovation != 0 {
		r.Innovation = 0
	}
}

// Clone returns a deep copy, to keep a record that a hook was lent.
func (r *Record) Clone() Record {
	c := newRecord(len(r.Observation), len(r.Command))
	o, b, s, a, cmd := c.Observation, c.Base, c.Residual, c.Action, c.Command
	c = *r
	c.Observation, c.Base, c.Residual, c.Action, c.Command = o, b, s, a, cmd
	c.Parts = append([]filter.Estimate(nil), r.Parts...)
	copy(c.Observation, r.Observation)
	copy(c.Base, r.Base)
	copy(c.Residual, r.Residual)
	copy(c.Action, r.Action)
	copy(c.Command, r.Command)
	return c
}

// recorder is a ring of the last ticks, owned by the loop's goroutine.
type recorder struct {
	ring  []Record
	count uint64 // committed so far
}

func newRecorder(ticks, obsDim, actDim int) recorder {
	r := recorder{ring: make([]Record, ticks)}
	for i := range r.ring {
		r.ring[i] = newRecord(obsDim, actDim)
	}
	return r
}

// slot is the record to fill next; filling it again before commit is allowed.
func (r *recorder) slot() *Record { return &r.ring[r.count%uint64(len(r.ring))] }

func (r *recorder) commit() { r.count++ }

// unsent corrects the record of the last command, which did not go out. It is the newest that says so, or the one
// before.
func (r *recorder) unsent() {
	for back := uint64(1); back <= min(r.count, 2); back++ {
		if rec := &r.ring[(r.count-back)%uint64(len(r.ring))]; rec.Sent {
			rec.Sent = false
			return
		}
	}
}

// last calls f on the last n records, oldest first.
func (r *recorder) last(n int, f func(*Record) error) error {
	kept := min(r.count, uint64(len(r.ring)), uint64(n))
	for i := r.count - kept; i < r.count; i++ {
		if err := f(&r.ring[i%uint64(len(r.ring))]); err != nil {
			return err
		}
	}
	return nil
}

// copies returns deep copies of the last n records, oldest first.
func (r *recorder) copies(n int) []Record {
	var out []Record
	_ = r.last(n, func(rec *Record) error {
		out = append(out, rec.Clone())
		return nil
	})
	return out
}

// dumpHeader is the first line of a dump.
type dumpHeader struct {
	Version int    `json:"korr_flight"`
	Error   string `json:"error"`
	State   State  `json:"state"`
	Tick    uint64 `json:"tick"`
	Kept    int    `json:"kept"`
}

// dump writes JSON lines: a header, then one record per line, oldest first, each line with a checksum of itself as its
// last field (see ReadFlights).
func (r *recorder) dump(w io.Writer, head dumpHeader) error {
	head.Version, head.Kept = dumpVersion, int(min(r.count, uint64(len(r.ring))))
	buf := bufio.NewWriter(w)
	if err := writeLine(buf, head); err != nil {
		return err
	}
	if err := r.last(len(r.ring), func(rec *Record) error { return writeLine(buf, rec) }); err != nil {
		return err
	}
	return buf.Flush()
}

// writeLine writes v, a struct, as one line.
func writeLine(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	body := b[:len(b)-1] // without the closing brace
	_, err = w.Write(append(body, lineEnd(body)...))
	return err
}
