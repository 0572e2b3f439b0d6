package bag

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kinds of records.
const (
	opMessage    = 0x02
	opBag        = 0x03
	opIndex      = 0x04
	opChunk      = 0x05
	opChunkInfo  = 0x06
	opConnection = 0x07
)

const (
	magic         = "#ROSBAG V2.0\n"
	bagHeaderSize = 4096 // of the bag header record, padding included, that is written; others are read
	indexVersion  = 1
	infoVersion   = 1

	lengthSize = 4  // of a length prefix
	entrySize  = 12 // of an entry of an index record: time and offset
	countSize  = 8  // of an entry of a chunk info record: connection and count
)

// Names of header fields.
const (
	fieldOp       = "op"
	fieldChecksum = "crc32c" // ours: of a chunk's data as stored
)

// field is one name=value of a header.
type field struct {
	name  string
	value []byte
}

func u8(name string, v uint8) field { return field{name, []byte{v}} }

func u32(name string, v uint32) field { return field{name, binary.LittleEndian.AppendUint32(nil, v)} }

func u64(name string, v uint64) field { return field{name, binary.LittleEndian.AppendUint64(nil, v)} }

func text(name, v string) field { return field{name, []byte(v)} }

func stamp(name string, t time.Time) field { return field{name, appendTime(nil, t)} }

// appendTime appends seconds and nanoseconds since 1970.
func appendTime(b []byte, t time.Time) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(t.Unix()))
	return binary.LittleEndian.AppendUint32(b, uint32(t.Nanosecond()))
}

// timeAt reads what appendTime wrote.
func timeAt(b []byte) time.Time {
	return time.Unix(int64(binary.LittleEndian.Uint32(b)), int64(binary.LittleEndian.Uint32(b[4:]))).UTC()
}

// representable reports whether a bag can hold t.
func representable(t time.Time) bool { return t.Unix() >= 0 && t.Unix() <= 1<<32-1 }

// appendFields appends the fields, each with its length.
func appendFields(b []byte, fields ...field) []byte {
	for _, f := range fields {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(f.name)+1+len(f.value)))
		b = append(append(append(b, f.name...), '='), f.value...)
	}
	return b
}

// appendRecord appends a record: header and data with their lengths.
func appendRecord(b, data []byte, fields ...field) []byte {
	at := len(b)
	b = appendFields(append(b, 0, 0, 0, 0), fields...)
	binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at-lengthSize))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
	return append(b, data...)
}

// header is a record's header as read.
type header map[string][]byte

// parseHeader splits the fields of a header.
func parseHeader(b []byte) (header, error) {
	h := header{}
	for len(b) > 0 {
		if len(b) < lengthSize {
			return nil, fmt.Errorf("a header field ends early")
		}
		n := int64(binary.LittleEndian.Uint32(b))
		b = b[lengthSize:]
		if n > int64(len(b)) {
			return nil, fmt.Errorf("a header field of %d bytes in the %d that are left", n, len(b))
		}
		name, value, ok := bytes.Cut(b[:n], []byte("="))
		if !ok || len(name) == 0 {
			return nil, fmt.Errorf("a header field without a name")
		}
		if _, twice := h[string(name)]; twice {
			return nil, fmt.Errorf("field %q stands twice in a header", name)
		}
		h[string(name)] = value
		b = b[n:]
	}
	if len(h[fieldOp]) != 1 {
		return nil, fmt.Errorf("a header without its kind (field op)")
	}
	return h, nil
}

func (h header) op() byte { return h[fieldOp][0] }

// bytes returns a field of n bytes.
func (h header) bytes(name string, n int) ([]byte, error) {
	v, ok := h[name]
	if !ok {
		return nil, fmt.Errorf("field %q is missing", name)
	}
	if len(v) != n {
		return nil, fmt.Errorf("field %q has %d bytes, want %d", name, len(v), n)
	}
	return v, nil
}

func (h header) u32(name string) (uint32, error) {
	v, err := h.bytes(name, 4)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(v), nil
}

func (h header) u64(name string) (uint64, error) {
	v, err := h.bytes(name, 8)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(v), nil
}

func (h header) time(name string) (time.Time, error) {
	v, err := h.bytes(name, 8)
	if err != nil {
		return time.Time{}, err
	}
	if nanos := binary.LittleEndian.Uint32(v[4:]); nanos >= 1e9 {
		return time.Time{}, fmt.Errorf("field %q has %d nanoseconds", name, nanos)
	}
	return timeAt(v), nil
}

// known looks at the fields beside op and those that the format names. Other programs may have written fields of their
// own, which mean nothing here and are left alone, as rosbag does. But a name that only a changed byte makes another is
// a damaged one.
func (h header) known(names ...string) error {
	for n := range h {
		if n == fieldOp || slices.Contains(names, n) {
			continue
		}
		for _, k := range append([]string{fieldOp}, names...) {
			if damagedName(n, k) {
				return fmt.Errorf("field %q in the header of a record of kind %#02x seems to be a damaged %q", n, h.op(), k)
			}
		}
	}
	return nil
}

// damagedName reports whether a name may be another one with a changed byte, in itself or in the "=" behind it.
func damagedName(name, known string) bool {
	if strings.HasPrefix(name, known) {
		return true
	}
	if len(name) != len(known) {
		return strings.IndexFunc(name, func(r rune) bool { return r < ' ' || r > '~' }) >= 0
	}
	differ := 0
	for i := range len(name) {
		if name[i] != known[i] {
			differ++
		}
	}
	return differ == 1
}
