package remote

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// ErrAnswer marks an answer that is none: no msgpack, a wrong shape or type, or a number that is not finite.
var ErrAnswer = errors.New("remote: the server's answer cannot be used")

// Bounds on what is decoded.
const (
	// MaxAnswer bounds a frame (bytes).
	MaxAnswer = 16 << 20
	maxDepth  = 16
	maxDims   = 8
	maxItems  = 1 << 16 // of a dictionary or a list
)

// Array is an ndarray of a message.
type Array struct {
	Shape []int
	Data  []float64 // row-major; whole numbers and booleans are converted
}

// Marshal writes a dictionary as msgpack: values are texts, float32 slices (arrays of one dimension), Rows, or
// dictionaries.
func Marshal(dict map[string]any, keys []string) ([]byte, error) {
	var b bytes.Buffer
	e := msgpack.NewEncoder(&b)
	if err := encodeDict(e, dict, keys); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Rows is an array of n rows of equal width.
type Rows struct {
	N    int
	Data []float32
}

func encodeDict(e *msgpack.Encoder, dict map[string]any, keys []string) error {
	err := e.EncodeMapLen(len(keys))
	for _, k := range keys {
		err = errors.Join(err, e.EncodeString(k))
		switch v := dict[k].(type) {
		case string:
			err = errors.Join(err, e.EncodeString(v))
		case []float32:
			err = errors.Join(err, encodeArray(e, v, len(v)))
		case Rows:
			err = errors.Join(err, encodeArray(e, v.Data, v.N, len(v.Data)/max(1, v.N)))
		default:
			err = errors.Join(err, fmt.Errorf("remote: %s is a %T, which has no form on the wire", k, v))
		}
	}
	return err
}

// encodeArray writes what openpi's client does: keys are bytes, not texts.
func encodeArray(e *msgpack.Encoder, x []float32, shape ...int) error {
	data := make([]byte, 4*len(x))
	for i, v := range x {
		binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(v))
	}
	err := errors.Join(
		e.EncodeMapLen(4),
		e.EncodeBytes([]byte("__ndarray__")), e.EncodeBool(true),
		e.EncodeBytes([]byte("data")), e.EncodeBytes(data),
		e.EncodeBytes([]byte("dtype")), e.EncodeString("<f4"),
		e.EncodeBytes([]byte("shape")), e.EncodeArrayLen(len(shape)),
	)
	for _, n := range shape {
		err = errors.Join(err, e.EncodeInt(int64(n)))
	}
	return err
}

// Unmarshal reads a msgpack dictionary. Values are nil, bool, int64, uint64, float64, string, []byte, []any, *Array and
// map[string]any; keys of bytes become texts. The error wraps ErrAnswer.
func Unmarshal(frame []byte) (map[string]any, error) {
	r := bytes.NewReader(frame)
	v, err := decode(&reader{msgpack.NewDecoder(r), r}, 0)
	if err == nil && r.Len() > 0 {
		err = fmt.Errorf("%d bytes follow the message", r.Len())
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	dict, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%w: a %T, want a dictionary", ErrAnswer, v)
	}
	return dict, nil
}

// reader decodes a frame and knows how much of it is left.
type reader struct {
	*msgpack.Decoder
	left *bytes.Reader
}

// content reads a text or bytes. Room is made for no more than the frame has: msgpack's own methods make what a length
// says.
func (d *reader) content() ([]byte, error) {
	n, err := d.DecodeBytesLen()
	if err != nil {
		return nil, err
	}
	if n < 0 || n > d.left.Len() {
		return nil, fmt.Errorf("%d bytes are told, %d are there", n, d.left.Len())
	}
	b := make([]byte, n)
	return b, d.ReadFull(b)
}

// decode reads one value. It goes down by itself, so that a frame cannot nest without end.
func decode(d *reader, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested more than %d deep", maxDepth)
	}
	code, err := d.PeekCode()
	if err != nil {
		return nil, err
	}
	switch {
	case code == msgpcode.Nil:
		return nil, d.DecodeNil()
	case code == msgpcode.True, code == msgpcode.False:
		return d.DecodeBool()
	case code == msgpcode.Float, code == msgpcode.Double:
		return d.DecodeFloat64()
	case code == msgpcode.Uint64:
		return d.DecodeUint64()
	case msgpcode.IsFixedNum(code), code >= msgpcode.Uint8 && code <= msgpcode.Int64:
		return d.DecodeInt64()
	case msgpcode.IsString(code):
		b, err := d.content()
		return string(b), err
	case msgpcode.IsBin(code):
		return d.content()
	case msgpcode.IsFixedArray(code), code == msgpcode.Array16, code == msgpcode.Array32:
		return decodeList(d, depth)
	case msgpcode.IsFixedMap(code), code == msgpcode.Map16, code == msgpcode.Map32:
		return decodeDict(d, depth)
	}
	return nil, fmt.Errorf("code %#x is none that openpi sends", code)
}

func decodeList(d *reader, depth int) (any, error) {
	n, err := d.DecodeArrayLen()
	if err != nil {
		return nil, err
	}
	if n > maxItems {
		return nil, fmt.Errorf("a list of %d, want at most %d", n, maxItems)
	}
	var out []any
	for range n {
		v, err := decode(d, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func decodeDict(d *reader, depth int) (any, error) {
	n, err := d.DecodeMapLen()
	if err != nil {
		return nil, err
	}
	if n > maxItems {
		return nil, fmt.Errorf("a dictionary of %d, want at most %d", n, maxItems)
	}
	dict := map[string]any{}
	for range n {
		k, err := decode(d, depth+1)
		if err != nil {
			return nil, err
		}
		key, ok := text(k)
		if !ok {
			return nil, fmt.Errorf("a dictionary's key is a %T, want a text", k)
		}
		if dict[key], err = decode(d, depth+1); err != nil {
			return nil, err
		}
	}
	if _, ok := dict["__ndarray__"]; ok {
		return newArray(dict)
	}
	if _, ok := dict["__npgeneric__"]; ok {
		return dict["data"], nil
	}
	return dict, nil
}

// text is a text that was sent as one or as bytes.
func text(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case []byte:
		return string(v), true
	}
	return "", false
}

// elements are the types of numpy that are read, by their letter and size.
var elements = map[string]struct {
	size int
	read func(b []byte) float64
}{
	"f4": {4, func(b []byte) float64 { return float64(math.Float32frombits(binary.LittleEndian.Uint32(b))) }},
	"f8": {8, func(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }},
	"i4": {4, func(b []byte) float64 { return float64(int32(binary.LittleEndian.Uint32(b))) }},
	"i8": {8, func(b []byte) float64 { return float64(int64(binary.LittleEndian.Uint64(b))) }},
	"u1": {1, func(b []byte) float64 { return float64(b[0]) }},
	"b1": {1, func(b []byte) float64 { return float64(b[0]) }},
}

// newArray reads an ndarray's dictionary.
func newArray(dict map[string]any) (*Array, error) {
	dtype, _ := text(dict["dtype"])
	data, _ := dict["data"].([]byte)
	shape, _ := dict["shape"].([]any)
	if len(dtype) != 3 || dtype[0] != '<' && dtype[0] != '|' {
		return nil, fmt.Errorf("an array's dtype is %q, want <f4 or another little-endian number", dtype)
	}
	e, ok := elements[dtype[1:]]
	if !ok {
		return nil, fmt.Errorf("an array's dtype is %q: send float32 or float64", dtype)
	}
	if len(shape) > maxDims {
		return nil, fmt.Errorf("an array of %d dimensions, want at most %d", len(shape), maxDims)
	}
	a, n := &Array{}, 1
	for _, v := range shape {
		k, ok := v.(int64)
		if !ok || k < 0 || k > MaxAnswer || n*int(k) > MaxAnswer {
			return nil, fmt.Errorf("an array's shape is %v", shape)
		}
		a.Shape = append(a.Shape, int(k))
		n *= int(k)
	}
	if n*e.size != len(data) {
		return nil, fmt.Errorf("an array of shape %v and dtype %s has %d bytes", a.Shape, dtype, len(data))
	}
	a.Data = make([]float64, n)
	for i := range a.Data {
		a.Data[i] = e.read(data[i*e.size:])
	}
	return a, nil
}
