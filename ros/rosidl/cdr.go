package rosidl

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"
	"unsafe"
)

// ErrMalformed marks bytes that are no message of the type they should be.
var ErrMalformed = errors.New("malformed CDR")

// headerSize is that of the encapsulation header; alignment counts from its end.
const headerSize = 4

// Representations, as the header's first two bytes tell them.
const (
	bigEndian    = 0x0000
	littleEndian = 0x0001
)

// plan is how a struct is written: its fields in order.
type plan struct {
	steps []step
	least int  // bytes of the smallest message, padding left out
	empty bool // no field: one octet is there all the same
}

func (p *plan) add(s step) {
	p.steps = append(p.steps, s)
	switch s.array {
	case Single:
		p.least += s.least()
	case Fixed:
		p.least += s.length * s.least()
	default:
		p.least += 4
	}
}

// step is one field.
type step struct {
	what   what
	offset uintptr // in the struct
	array  Array
	length int
	stride uintptr      // between elements of an array or a slice
	slice  reflect.Type // of a slice
	nested *plan
}

// what is how one value is written.
type what int

const (
	write1 what = iota
	writeBool
	write2
	write4
	write8
	writeString
	writeTime
	writeDuration
	writeNested
)

var writers = map[Kind]what{
	Int8: write1, Uint8: write1, Byte: write1, Bool: writeBool, Int16: write2, Uint16: write2, Int32: write4,
	Uint32:  write4,
	Float32: write4, Int64: write8, Uint64: write8, Float64: write8, String: writeString,
}

// least is the fewest bytes of one value.
func (s *step) least() int {
	switch s.what {
	case write2:
		return 2
	case write4, writeString:
		return 4
	case write8, writeTime, writeDuration:
		return 8
	case writeNested:
		return s.nested.least
	}
	return 1
}

// Marshal returns the CDR of a message, given by pointer.
func Marshal(message any) ([]byte, error) { return Append(nil, message) }

// Append appends the CDR of a message, given by pointer, with its header, to b.
func Append(b []byte, message any) ([]byte, error) {
	v := reflect.ValueOf(message)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return b, fmt.Errorf("rosidl: serialise %T: want a pointer to a message", message)
	}
	t, err := Of(v.Type().Elem())
	if err != nil {
		return b, err
	}
	w := writer{b: append(b, littleEndian>>8, littleEndian&0xff, 0, 0), origin: len(b) + headerSize}
	w.message(t.plan, v.UnsafePointer())
	if w.err != nil {
		return b, fmt.Errorf("serialise %s: %w", t.Name, w.err)
	}
	return w.b, nil
}

// writer appends values; the first error stays.
type writer struct {
	b      []byte
	origin int // of alignment
	err    error
}

func (w *writer) align(n int) {
	for (len(w.b)-w.origin)%n != 0 {
		w.b = append(w.b, 0)
	}
}

func (w *writer) u32(v uint32) {
	w.align(4)
	w.b = binary.LittleEndian.AppendUint32(w.b, v)
}

func (w *writer) message(p *plan, at unsafe.Pointer) {
	if p.empty {
		w.b = append(w.b, 0)
	}
	for i := range p.steps {
		s := &p.steps[i]
		field := unsafe.Add(at, s.offset)
		switch s.array {
		case Single:
			w.value(s, field)
		case Fixed:
			for k := range s.length {
				w.value(s, unsafe.Add(field, uintptr(k)*s.stride))
			}
		default:
			h := (*[]byte)(field) // length and first element of any slice
			w.u32(uint32(len(*h)))
			first := unsafe.Pointer(unsafe.SliceData(*h))
			for k := range len(*h) {
				w.value(s, unsafe.Add(first, uintptr(k)*s.stride))
			}
		}
	}
}

func (w *writer) value(s *step, at unsafe.Pointer) {
	switch s.what {
	case write1, writeBool:
		w.b = append(w.b, *(*byte)(at))
	case write2:
		w.align(2)
		w.b = binary.LittleEndian.AppendUint16(w.b, *(*uint16)(at))
	case write4:
		w.u32(*(*uint32)(at))
	case write8:
		w.align(8)
		w.b = binary.LittleEndian.AppendUint64(w.b, *(*uint64)(at))
	case writeString:
		text := *(*string)(at)
		if strings.IndexByte(text, 0) >= 0 {
			w.err = errors.Join(w.err, fmt.Errorf("the text %q holds a NUL", text))
		}
		w.u32(uint32(len(text) + 1))
		w.b = append(append(w.b, text...), 0)
	case writeTime:
		var sec, nsec int64
		if t := *(*time.Time)(at); !t.IsZero() { // the zero value is 0, as in ROS 1
			sec, nsec = t.Unix(), int64(t.Nanosecond())
		}
		w.stamp(sec, nsec)
	case writeDuration:
		d := int64(*(*time.Duration)(at))
		sec := d / int64(time.Second)
		if d%int64(time.Second) < 0 {
			sec--
		}
		w.stamp(sec, d-sec*int64(time.Second))
	case writeNested:
		w.message(s.nested, at)
	}
}

func (w *writer) stamp(sec, nsec int64) {
	if sec < math.MinInt32 || sec > math.MaxInt32 {
		w.err = errors.Join(w.err, fmt.Errorf("a time of %d s does not fit 32 bits", sec))
	}
	w.u32(uint32(int32(sec)))
	w.u32(uint32(nsec))
}

// Unmarshal fills a message, given by pointer, from its CDR; what was in it before is overwritten. Errors wrap
// ErrMalformed. What it allocates is bounded by the bytes there are.
func Unmarshal(data []byte, message any) error {
	v := reflect.ValueOf(message)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return fmt.Errorf("rosidl: read %T: want a pointer to a message", message)
	}
	t, err := Of(v.Type().Elem())
	if err != nil {
		return err
	}
	r := reader{b: data, order: binary.LittleEndian}
	if err := r.header(); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrMalformed, t.Name, err)
	}
	r.message(t.plan, v.UnsafePointer())
	if left := len(r.b) - r.at; r.err == nil && left > 3 {
		r.err = fmt.Errorf("%d bytes follow the last field: another version of the type", left)
	}
	if r.err != nil {
		return fmt.Errorf("%w: %s in %d bytes: %w", ErrMalformed, t.Name, len(data), r.err)
	}
	return nil
}

// reader takes values off b; after the first error it gives zeros.
type reader struct {
	b     []byte
	at    int
	order binary.ByteOrder
	err   error
}

func (r *reader) header() error {
	if len(r.b) < headerSize {
		return fmt.Errorf("%d bytes are no header", len(r.b))
	}
	switch k := binary.BigEndian.Uint16(r.b); k {
	case littleEndian:
	case bigEndian:
		r.order = binary.BigEndian
	default:
		return fmt.Errorf("representation %#04x is not plain CDR", k)
	}
	r.b = r.b[headerSize:]
	return nil
}

var zeros [8]byte

// take returns the next n bytes, aligned to a.
func (r *reader) take(n, a int) []byte {
	at := (r.at + a - 1) / a * a
	if r.err == nil && (n < 0 || at > len(r.b) || n > len(r.b)-at) {
		r.err = fmt.Errorf("it ends at byte %d, %d more are needed", len(r.b), n)
	}
	if r.err != nil {
		return zeros[:min(max(n, 0), len(zeros))]
	}
	r.at = at + n
	return r.b[at : at+n]
}

func (r *reader) u32() uint32 { return r.order.Uint32(r.take(4, 4)) }

func (r *reader) message(p *plan, at unsafe.Pointer) {
	if p.empty {
		r.take(1, 1)
	}
	for i := range p.steps {
		if r.err != nil {
			return
		}
		s := &p.steps[i]
		field := unsafe.Add(at, s.offset)
		switch s.array {
		case Single:
			r.value(s, field)
		case Fixed:
			for k := range s.length {
				r.value(s, unsafe.Add(field, uintptr(k)*s.stride))
			}
		default:
			r.sequence(s, field)
		}
	}
}

func (r *reader) sequence(s *step, field unsafe.Pointer) {
	n := int(r.u32())
	if r.err == nil && n > (len(r.b)-r.at)/max(1, s.least()) {
		r.err = fmt.Errorf("a sequence of %d in the %d bytes that are left", n, len(r.b)-r.at)
	}
	if r.err != nil {
		return
	}
	dst := reflect.NewAt(s.slice, field).Elem()
	if n == 0 {
		dst.SetZero()
		return
	}
	dst.Set(reflect.MakeSlice(s.slice, n, n))
	first := dst.UnsafePointer()
	for k := range n {
		if r.value(s, unsafe.Add(first, uintptr(k)*s.stride)); r.err != nil {
			return
		}
	}
}

func (r *reader) value(s *step, at unsafe.Pointer) {
	switch s.what {
	case write1:
		*(*byte)(at) = r.take(1, 1)[0]
	case writeBool:
		v := r.take(1, 1)[0]
		if v > 1 && r.err == nil {
			r.err = fmt.Errorf("a bool of %d", v)
		}
		*(*bool)(at) = v == 1
	case write2:
		*(*uint16)(at) = r.order.Uint16(r.take(2, 2))
	case write4:
		*(*uint32)(at) = r.u32()
	case write8:
		*(*uint64)(at) = r.order.Uint64(r.take(8, 8))
	case writeString:
		*(*string)(at) = r.text()
	case writeTime:
		if sec, nsec := r.stamp(); sec == 0 && nsec == 0 {
			*(*time.Time)(at) = time.Time{}
		} else {
			*(*time.Time)(at) = time.Unix(sec, nsec).UTC()
		}
	case writeDuration:
		sec, nsec := r.stamp()
		*(*time.Duration)(at) = time.Duration(sec*int64(time.Second) + nsec)
	case writeNested:
		r.message(s.nested, at)
	}
}

func (r *reader) text() string {
	n := int(r.u32())
	if n == 0 || r.err != nil { // some write an empty text without its NUL
		return ""
	}
	if n > len(r.b)-r.at {
		r.err = fmt.Errorf("a text of %d bytes in the %d that are left", n, len(r.b)-r.at)
		return ""
	}
	b := r.take(n, 1)
	if at := bytes.IndexByte(b, 0); at != n-1 {
		r.err = errors.New("a text does not end in its only NUL")
		return ""
	}
	return string(b[:n-1])
}

func (r *reader) stamp() (sec, nsec int64) {
	sec, nsec = int64(int32(r.u32())), int64(r.u32())
	if nsec >= int64(time.Second) && r.err == nil {
		r.err = fmt.Errorf("a time with %d nanoseconds", nsec)
	}
	return sec, nsec
}
