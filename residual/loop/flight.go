package loop

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"strings"
	"time"

	"korr/residual/shield"
)

const (
	maxLine    = 1 << 20 // bytes of one line of a flight record
	maxRecords = 1 << 20 // that a header may promise
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// lineEnd closes a line of a flight record: the CRC-32C of everything in it before, and the brace.
func lineEnd(body []byte) string {
	return fmt.Sprintf(",\"crc32c\":\"%08x\"}\n", crc32.Checksum(body, castagnoli))
}

// Flight is one dump of the flight recorder.
type Flight struct {
	Error   string   // the fault
	State   State    // in which it happened
	Tick    uint64   // of it
	Records []Record // the last ticks, oldest first
}

// FlightError says where a flight record is damaged or of another kind.
type FlightError struct {
	Line   int   // 1-based
	Offset int64 // byte at which the line begins
	Err    error
}

// Error implements error.
func (e *FlightError) Error() string {
	return fmt.Sprintf("flight record: line %d, byte %d: %v", e.Line, e.Offset, e.Err)
}

// Unwrap returns the cause.
func (e *FlightError) Unwrap() error { return e.Err }

// ReadFlights reads a file of flight records: one for each fault, one after the other. It returns what came before a
// damage together with a *FlightError; of a dump that was cut short, its first records. Every line bears a checksum, so
// that any change of it is noticed.
func ReadFlights(r io.Reader) ([]Flight, error) {
	f := flightReader{in: bufio.NewReader(r)}
	var out []Flight
	for {
		var head struct {
			dumpHeader
			State string `json:"state"`
		}
		switch err := f.line(&head); {
		case errors.Is(err, io.EOF) && len(out) > 0:
			return out, nil
		case errors.Is(err, io.EOF):
			return nil, &FlightError{1, 0, errors.New("it is empty: the run that made it has not faulted")}
		case err != nil:
			return out, err
		case head.Version != dumpVersion:
			return out, f.fail(fmt.Errorf("not a flight record of version %d", dumpVersion))
		case head.Kept < 0 || head.Kept > maxRecords:
			return out, f.fail(fmt.Errorf("a flight record of %d ticks, at most %d", head.Kept, maxRecords))
		}
		state, err := parseState(head.State)
		if err != nil {
			return out, f.fail(err)
		}
		out = append(out, Flight{Error: head.Error, State: state, Tick: head.Tick})
		now := &out[len(out)-1]
		for len(now.Records) < head.Kept {
			rec, err := f.record()
			if errors.Is(err, io.EOF) {
				err = f.fail(fmt.Errorf("truncated: it ends after %d of %d ticks", len(now.Records), head.Kept))
			}
			if err != nil {
				return out, err
			}
			now.Records = append(now.Records, rec)
		}
	}
}

// flightReader reads the lines of a flight record.
type flightReader struct {
	in    *bufio.Reader
	lines int   // read
	begin int64 // of the newest line
	next  int64 // of the line after it
}

func (f *flightReader) fail(err error) error { return &FlightError{f.lines, f.begin, err} }

// line reads the next line into v; io.EOF after the last.
func (f *flightReader) line(v any) error {
	f.lines++
	f.begin = f.next
	var b []byte
	for {
		part, err := f.in.ReadSlice('\n')
		b = append(b, part...)
		f.next += int64(len(part))
		switch {
		case err == nil:
		case errors.Is(err, bufio.ErrBufferFull) && len(b) <= maxLine:
			continue
		case errors.Is(err, bufio.ErrBufferFull):
			return f.fail(fmt.Errorf("not a flight record: a line of more than %d bytes", maxLine))
		case errors.Is(err, io.EOF) && len(b) == 0:
			return io.EOF
		case errors.Is(err, io.EOF):
			return f.fail(fmt.Errorf("truncated: the line ends after %d bytes", len(b)))
		default:
			return f.fail(err)
		}
		break
	}
	at := len(b) - len(lineEnd(nil))
	if at < 0 || !bytes.HasPrefix(b, []byte("{")) {
		return f.fail(errors.New("not a line of a flight record"))
	}
	if string(b[at:]) != lineEnd(b[:at]) {
		return f.fail(errors.New("the line does not match its checksum: it was changed, or it is not of a flight record"))
	}
	if err := json.Unmarshal(b, v); err != nil {
		return f.fail(err)
	}
	return nil
}

// record reads one tick.
func (f *flightReader) record() (Record, error) {
	var r struct {
		Record
		State       string    `json:"state"`
		Clamps      string    `json:"clamps"`
		Observation nullables `json:"observation"`
		Base        nullables `json:"base"`
		Residual    nullables `json:"residual"`
		Action      nullables `json:"action"`
		Command     nullables `json:"command"`
	}
	if err := f.line(&r); err != nil {
		return Record{}, err
	}
	out := r.Record
	out.Observation, out.Base, out.Residual = Floats(r.Observation), Floats(r.Base), Floats(r.Residual)
	out.Action, out.Command = Floats(r.Action), Floats(r.Command)
	var err1, err2 error
	out.State, err1 = parseState(r.State)
	out.Clamps, err2 = parseClamps(r.Clamps)
	if err := errors.Join(err1, err2); err != nil {
		return Record{}, f.fail(err)
	}
	return out, nil
}

// nullables are Floats as they are read: null is a value that was not finite.
type nullables []float32

// UnmarshalJSON implements json.Unmarshaler.
func (n *nullables) UnmarshalJSON(b []byte) error {
	var v []*float32
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	*n = make(nullables, len(v))
	for i, x := range v {
		if (*n)[i] = float32(math.NaN()); x != nil {
			(*n)[i] = *x
		}
	}
	return nil
}

func parseState(s string) (State, error) {
	for st := StateInit; st <= StateFault; st++ {
		if st.String() == s {
			return st, nil
		}
	}
	return 0, fmt.Errorf("unknown state %q", s)
}

func parseClamps(s string) (c shield.Clamp, err error) {
	if s == "" {
		return 0, nil
	}
	for name := range strings.SplitSeq(s, ",") {
		bit := shield.Clamp(1)
		for bit.String() != name {
			if bit <<= 1; bit == 0 || bit.String() == "" {
				return 0, fmt.Errorf("unknown change of a command %q", name)
			}
		}
		c |= bit
	}
	return c, nil
}

// Span is the time from the first tick recorded to the last.
func (f *Flight) Span() time.Duration {
	if len(f.Records) == 0 {
		return 0
	}
	return f.Records[len(f.Records)-1].Start.Sub(f.Records[0].Start)
}
