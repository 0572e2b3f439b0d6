package torchfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// Errors that callers may test for with errors.Is.
var (
	// ErrMalformed marks bytes that are no file of torch.save, or a damaged one.
	ErrMalformed = errors.New("torchfile: malformed file")
	// ErrGlobal marks a file that names a class or function outside the allow-list.
	ErrGlobal = errors.New("torchfile: refused")
)

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
}

// MaxPickleBytes bounds data.pkl, which has some 210 bytes for each tensor: an instruction
// of one byte may make an object of 70.
const MaxPickleBytes = 4 << 20

// machine runs one pickle.
type machine struct {
	b     []byte
	at    int
	stack []any
	marks []int // heights of the stack
	memo  map[uint32]any
	// persistent resolves the identifier of a storage.
	persistent func(id any) (any, error)
	// elements that all tensors together may still have
	elements int64
}

// run returns the pickled object.
func (m *machine) run() (any, error) {
	m.memo = map[uint32]any{}
	for {
		at := m.at
		op, err := m.bytes(1)
		if err != nil {
			return nil, malformed("the pickle ends at byte %d without a result", at)
		}
		if op[0] == '.' {
			break
		}
		if err := m.step(op[0]); err != nil {
			return nil, fmt.Errorf("%w (byte %d of the pickle)", err, at)
		}
	}
	if len(m.stack) != 1 || len(m.marks) != 0 {
		return nil, malformed("the pickle leaves %d objects, want one", len(m.stack))
	}
	return m.stack[0], nil
}

// bytes takes the next n bytes.
func (m *machine) bytes(n uint64) ([]byte, error) {
	if n > uint64(len(m.b)-m.at) {
		return nil, malformed("%d bytes are wanted and %d are left", n, len(m.b)-m.at)
	}
	b := m.b[m.at : m.at+int(n)]
	m.at += int(n)
	return b, nil
}

// uint takes an unsigned little-endian number of n bytes.
func (m *machine) uint(n uint64) (uint64, error) {
	b, err := m.bytes(n)
	if err != nil {
		return 0, err
	}
	var word [8]byte
	copy(word[:], b)
	return binary.LittleEndian.Uint64(word[:]), nil
}

// sized takes bytes that a length of n bytes precedes.
func (m *machine) sized(n uint64) ([]byte, error) {
	size, err := m.uint(n)
	if err != nil {
		return nil, err
	}
	return m.bytes(size)
}

// text is sized for a text.
func (m *machine) text(n uint64) error {
	b, err := m.sized(n)
	if err != nil {
		return err
	}
	if !utf8.Valid(b) {
		return malformed("a text is not UTF-8")
	}
	m.push(string(b))
	return nil
}

// line takes a text up to the end of its line.
func (m *machine) line() (string, error) {
	i := bytes.IndexByte(m.b[m.at:], '\n')
	if i < 0 || i > 1000 {
		return "", malformed("a name has no end")
	}
	s := string(m.b[m.at : m.at+i])
	m.at += i + 1
	return s, nil
}

func (m *machine) push(v any) { m.stack = append(m.stack, v) }

// floor is the height that must not be popped below.
func (m *machine) floor() int {
	if n := len(m.marks); n > 0 {
		return m.marks[n-1]
	}
	return 0
}

func (m *machine) pop() (any, error) {
	n := len(m.stack) - 1
	if n < m.floor() {
		return nil, malformed("the stack is empty")
	}
	v := m.stack[n]
	m.stack[n] = nil
	m.stack = m.stack[:n]
	return v, nil
}

func (m *machine) top() (any, error) {
	if len(m.stack) <= m.floor() {
		return nil, malformed("the stack is empty")
	}
	return m.stack[len(m.stack)-1], nil
}

// popMark takes everything above the last mark, which goes too.
func (m *machine) popMark() ([]any, error) {
	n := len(m.marks) - 1
	if n < 0 {
		return nil, malformed("there is no mark")
	}
	from := m.marks[n]
	m.marks = m.marks[:n]
	items := append([]any(nil), m.stack[from:]...)
	clear(m.stack[from:])
	m.stack = m.stack[:from]
	return items, nil
}

// long is a two's complement number of at most 8 bytes.
func long(b []byte) (int64, error) {
	if len(b) > 8 {
		return 0, malformed("a whole number of %d bytes", len(b))
	}
	var word [8]byte
	if len(b) > 0 && b[len(b)-1]&0x80 != 0 {
		binary.LittleEndian.PutUint64(word[:], math.MaxUint64)
	}
	copy(word[:], b)
	return int64(binary.LittleEndian.Uint64(word[:])), nil
}
