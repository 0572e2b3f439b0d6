package serve

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	"korr/sim"
)

// Version is the protocol's. A server speaks exactly one.
const Version = 1

// magic begins a hello.
const magic = "KORR"

// Kinds of messages, the first byte of a frame's body. Requests are below 0x80; a reply is its request's with the top
// bit.
const (
	kindHello = 0x01
	kindReset = 0x02
	kindStep  = 0x03
	kindClose = 0x04
	kindDraw  = 0x05

	reply     = 0x80
	kindError = 0xff
)

// Codes of error frames.
const (
	codeMalformed = 1 // no frame of this protocol; the connection is closed
	codeVersion   = 2 // another version; the connection is closed
	codeRequest   = 3 // a message of the wrong size, kind or time; the connection goes on
	codeFull      = 4 // too many connections or environments; the connection is closed
	codeTimeout   = 5 // nothing came for too long; the connection is closed
	codeInternal  = 6 // the environments could not be made; the connection is closed
	codeShutdown  = 7 // the server is going down; the connection is closed
)

// Flags of an environment in a reply. The upper four bits say why it has no result.
const (
	flagTerminated = 1 << 0
	flagTruncated  = 1 << 1
	flagSuccess    = 1 << 2

	faultShift    = 4
	faultAction   = 1 // sim.ErrAction
	faultNotReset = 2 // sim.ErrNotReset
	faultUnstable = 3 // sim.ErrUnstable
	faultOther    = 15
)

// faults maps codes to what the engine says.
var faults = []struct {
	code byte
	err  error
}{{faultAction, sim.ErrAction}, {faultNotReset, sim.ErrNotReset}, {faultUnstable, sim.ErrUnstable}}

// Sizes, in bytes.
const (
	lengthSize = 4 // of a frame's length
	helloSize  = len(magic) + 2 + 2
	largest    = 64 << 20 // frame that a client accepts
)

// RemoteError is an error frame.
type RemoteError struct {
	Code int // see docs/simulator-protocol.md
	Text string
}

// Error implements error.
func (e *RemoteError) Error() string {
	return fmt.Sprintf("simulator server: %s (code %d)", e.Text, e.Code)
}

// protocolError is an error that has a code on the wire.
type protocolError struct {
	code int
	text string
}

func (e *protocolError) Error() string { return e.text }

// fatal reports whether the connection cannot go on after the error.
func (e *protocolError) fatal() bool { return e.code != codeRequest }

func malformedf(format string, args ...any) error {
	return &protocolError{codeMalformed, fmt.Sprintf(format, args...)}
}

func requestf(format string, args ...any) error {
	return &protocolError{codeRequest, fmt.Sprintf(format, args...)}
}

// readFrame reads one frame of at most limit bytes into buf, which grows as needed, and returns its kind and payload,
// valid until the next call. begun, if not nil, is called once the length is there.
func readFrame(r io.Reader, buf *[]byte, limit int, begun func()) (kind byte, payload []byte, err error) {
	if cap(*buf) < lengthSize {
		*buf = make([]byte, 256)
	}
	head := (*buf)[:lengthSize]
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, nil, err
	}
	n := binary.LittleEndian.Uint32(head)
	if n == 0 || uint64(n) > uint64(limit) {
		return 0, nil, malformedf("a frame of %d bytes: want 1 to %d", n, limit)
	}
	if begun != nil {
		begun()
	}
	if cap(*buf) < int(n) {
		*buf = make([]byte, n)
	}
	body := (*buf)[:n]
	if _, err := io.ReadFull(r, body); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return body[0], body[1:], nil
}

// frame begins a frame in buf; sealed finishes it.
func frame(buf []byte, kind byte) []byte { return append(buf[:0], 0, 0, 0, 0, kind) }

func sealed(buf []byte) []byte {
	binary.LittleEndian.PutUint32(buf, uint32(len(buf)-lengthSize))
	return buf
}

func appendText(buf []byte, text string) []byte {
	return append(binary.LittleEndian.AppendUint32(buf, uint32(len(text))), text...)
}

func appendFloats(buf []byte, v []float32) []byte {
	for _, x := range v {
		buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(x))
	}
	return buf
}

// floats reads len(dst) numbers off b and returns the rest.
func floats(dst []float32, b []byte) []byte {
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return b[4*len(dst):]
}

// text reads a text off b and returns the rest.
func text(b []byte) (string, []byte, error) {
	if len(b) < 4 {
		return "", nil, malformedf("a text without a length")
	}
	n := binary.LittleEndian.Uint32(b)
	if uint64(n) > uint64(len(b)-4) {
		return "", nil, malformedf("a text of %d bytes in %d", n, len(b)-4)
	}
	return string(b[4 : 4+n]), b[4+n:], nil
}

// hello is a client's first message.
type hello struct {
	version int
	envs    int // 0: as the server likes
}

func decodeHello(payload []byte) (hello, error) {
	if len(payload) < len(magic)+2 || string(payload[:len(magic)]) != magic {
		return hello{}, malformedf("no hello of this protocol, which begins with %q", magic)
	}
	h := hello{version: int(binary.LittleEndian.Uint16(payload[len(magic):]))}
	if h.version != Version { // its hello may look different from here on
		return h, &protocolError{codeVersion, fmt.Sprintf("protocol version %d: this server speaks %d", h.version, Version)}
	}
	if len(payload) != helloSize {
		return h, malformedf("a hello of %d bytes, want %d", len(payload), helloSize)
	}
	h.envs = int(binary.LittleEndian.Uint16(payload[len(magic)+2:]))
	return h, nil
}

func (h hello) append(buf []byte) []byte {
	buf = append(frame(buf, kindHello), magic...)
	buf = binary.LittleEndian.AppendUint16(buf, uint16(h.version))
	return sealed(binary.LittleEndian.AppendUint16(buf, uint16(h.envs)))
}

// Space is what a server says about its environments.
type Space struct {
	Spec        sim.Spec
	Form        string    // of the actions, see package action
	Low, High   []float32 // bounds of an action, [Spec.ActDim]
	Fingerprint string    // of the physics
	Envs        int       // of this connection
}

// about is the part of a Space that travels as JSON.
type about struct {
	Task        string   `json:"task"`
	Parts       []string `json:"parts"`
	Form        string   `json:"form"`
	Fingerprint string   `json:"fingerprint"`
}

func (s *Space) append(buf []byte) ([]byte, error) {
	note, err := json.Marshal(about{s.Spec.Task, s.Spec.PartNames, s.Form, s.Fingerprint})
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	buf = le.AppendUint16(frame(buf, kindHello|reply), Version)
	buf = le.AppendUint16(buf, uint16(s.Envs))
	for _, n := range []int{s.Spec.ObsDim, s.Spec.ActDim, s.Spec.MaxSteps} {
		buf = le.AppendUint32(buf, uint32(n))
	}
	buf = appendFloats(buf, []float32{float32(s.Spec.ControlHz)})
	buf = appendFloats(appendFloats(buf, s.Low), s.High)
	return sealed(appendText(buf, string(note))), nil
}

func decodeSpace(b []byte) (*Space, error) {
	const fixed = 2 + 2 + 3*4 + 4
	if len(b) < fixed {
		return nil, malformedf("a specification of %d bytes", len(b))
	}
	le := binary.LittleEndian
	s := &Space{Envs: int(le.Uint16(b[2:]))}
	obs, act, steps := le.Uint32(b[4:]), le.Uint32(b[8:]), le.Uint32(b[12:])
	if v := le.Uint16(b); v != Version || s.Envs == 0 || obs == 0 || act == 0 || uint64(s.Envs)*uint64(obs) > largest/8 ||
		uint64(act)*8 > uint64(len(b)) {
		return nil, malformedf("a specification of version %d, %d environments, %d observations, %d actions", v, s.Envs,
			obs, act)
	}
	s.Spec = sim.Spec{ObsDim: int(obs), ActDim: int(act), MaxSteps: int(steps)}
	var hz [1]float32
	b = floats(hz[:], b[16:])
	s.Spec.ControlHz = float64(hz[0])
	if len(b) < 8*s.Spec.ActDim {
		return nil, malformedf("a specification without bounds")
	}
	s.Low, s.High = make([]float32, act), make([]float32, act)
	note, rest, err := text(floats(s.High, floats(s.Low, b)))
	if err != nil || len(rest) != 0 {
		return nil, errors.Join(err, malformedf("a specification with %d bytes too many", len(rest)))
	}
	var a about
	if err := json.Unmarshal([]byte(note), &a); err != nil {
		return nil, malformedf("a specification whose text is no JSON: %v", err)
	}
	s.Spec.Task, s.Spec.PartNames, s.Form, s.Fingerprint = a.Task, a.Parts, a.Form, a.Fingerprint
	return s, nil
}

// decodeReset reads which environments start which episodes.
func decodeReset(active []bool, seeds []uint64, payload []byte) error {
	n := len(active)
	if len(payload) != 9*n {
		return requestf("a reset of %d bytes, want %d: a flag for each of %d environments, then a seed for each",
			len(payload), 9*n, n)
	}
	if err := decodeFlags(active, payload); err != nil {
		return err
	}
	for i := range seeds {
		seeds[i] = binary.LittleEndian.Uint64(payload[n+8*i:])
	}
	return nil
}

// decodeStep reads which environments take which actions, act [n*dim]. Numbers that are not finite are the
// environment's business.
func decodeStep(active []bool, act []float32, payload []byte) error {
	n := len(active)
	if want := n + 4*len(act); len(payload) != want {
		return requestf("a step of %d bytes, want %d: a flag for each of %d environments, then %d numbers for each",
			len(payload), want, n, len(act)/n)
	}
	if err := decodeFlags(active, payload); err != nil {
		return err
	}
	floats(act, payload[n:])
	return nil
}

func decodeFlags(active []bool, b []byte) error {
	for i := range active {
		if b[i] > 1 {
			return requestf("flag %d is %d: use 0 or 1", i, b[i])
		}
		active[i] = b[i] == 1
	}
	return nil
}

func appendFlags(buf []byte, active []bool) []byte {
	for _, a := range active {
		b := byte(0)
		if a {
			b = 1
		}
		buf = append(buf, b)
	}
	return buf
}

// faultCode is the upper half of an environment's flags.
func faultCode(err error) byte {
	if err == nil {
		return 0
	}
	for _, f := range faults {
		if errors.Is(err, f.err) {
			return f.code << faultShift
		}
	}
	return faultOther << faultShift
}

// faultError is the error behind an environment's flags.
func faultError(flags byte, said string) error {
	code := flags >> faultShift
	if code == 0 {
		return nil
	}
	for _, f := range faults {
		if f.code == code {
			return fmt.Errorf("%w (the server said: %s)", f.err, said)
		}
	}
	return errors.New(said)
}
