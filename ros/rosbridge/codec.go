package rosbridge

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strconv"
	"time"

	"korr/ros/rosidl"
)

// ErrMalformed marks JSON that is not the message it should be.
var ErrMalformed = errors.New("rosbridge: malformed")

// Version is the generation of ROS behind the bridge.
type Version int

// The versions.
const (
	ROS2 Version = iota
	ROS1
)

var (
	timeType     = reflect.TypeFor[time.Time]()
	durationType = reflect.TypeFor[time.Duration]()
)

// Marshal returns the JSON of a message, a struct or a pointer to one. Numbers that are not finite become null.
func Marshal(message any, v Version) ([]byte, error) {
	return appendValue(nil, reflect.Indirect(reflect.ValueOf(message)), v)
}

// Unmarshal reads the JSON of a message into a pointer to a struct. It takes the stamps of either version. A field that
// is missing (but for a header's seq), of another type or out of its type's range is an error that wraps ErrMalformed;
// fields the message does not have are ignored.
func Unmarshal(data []byte, message any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: more than one value", ErrMalformed)
	}
	return decodeTo(reflect.ValueOf(message).Elem(), tree)
}

// fieldName is the wire name of a field, "" for the embedded markers.
func fieldName(f reflect.StructField) string {
	if f.Anonymous || !f.IsExported() {
		return ""
	}
	return rosidl.FieldName(f)
}

// isHeader reports whether a struct type is std_msgs/Header, by its fields: only there ROS 2 lacks seq.
func isHeader(t reflect.Type) bool {
	_, stamp := t.FieldByName("Stamp")
	_, frame := t.FieldByName("FrameId")
	return t.Name() == "Header" && stamp && frame
}

func appendValue(b []byte, v reflect.Value, version Version) ([]byte, error) {
	switch v.Type() {
	case timeType:
		t := v.Interface().(time.Time)
		if t.IsZero() {
			t = time.Unix(0, 0)
		}
		return appendStamp(b, t.Unix(), int64(t.Nanosecond()), version), nil
	case durationType:
		d := v.Int()
		return appendStamp(b, d/int64(time.Second), d%int64(time.Second), version), nil
	}
	switch v.Kind() {
	case reflect.Bool:
		return strconv.AppendBool(b, v.Bool()), nil
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(b, v.Int(), 10), nil
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.AppendUint(b, v.Uint(), 10), nil
	case reflect.Float32, reflect.Float64:
		return appendFloat(b, v.Float(), v.Type().Bits()), nil
	case reflect.String:
		s, err := json.Marshal(v.String())
		return append(b, s...), err
	case reflect.Slice, reflect.Array:
		return appendList(b, v, version)
	case reflect.Struct:
		return appendStruct(b, v, version)
	}
	return nil, fmt.Errorf("rosbridge: %s has no ROS type", v.Type())
}

func appendStamp(b []byte, sec, nsec int64, version Version) []byte {
	names := [2]string{`{"sec":`, `,"nanosec":`}
	if version == ROS1 {
		names = [2]string{`{"secs":`, `,"nsecs":`}
	}
	b = strconv.AppendInt(append(b, names[0]...), sec, 10)
	b = strconv.AppendInt(append(b, names[1]...), nsec, 10)
	return append(b, '}')
}

// appendFloat writes a number that every reader takes for a float, also where it is whole.
func appendFloat(b []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, "null"...)
	}
	n := len(b)
	b = strconv.AppendFloat(b, f, 'g', -1, bits)
	if !bytes.ContainsAny(b[n:], ".e") {
		b = append(b, ".0"...)
	}
	return b
}

func appendList(b []byte, v reflect.Value, version Version) (_ []byte, err error) {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		raw := make([]byte, v.Len())
		reflect.Copy(reflect.ValueOf(raw), v)
		return append(append(append(b, '"'), base64.StdEncoding.EncodeToString(raw)...), '"'), nil
	}
	b = append(b, '[')
	for i := range v.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendValue(b, v.Index(i), version); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

func appendStruct(b []byte, v reflect.Value, version Version) (_ []byte, err error) {
	b = append(b, '{')
	first, header := true, isHeader(v.Type())
	for i := range v.NumField() {
		name := fieldName(v.Type().Field(i))
		if name == "" || header && name == "seq" && version == ROS2 {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(append(append(b, '"'), name...), '"', ':')
		if b, err = appendValue(b, v.Field(i), version); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func mismatch(v reflect.Value, tree any) error {
	return fmt.Errorf("%w: a %T where a %s belongs", ErrMalformed, tree, v.Type())
}

func decodeTo(v reflect.Value, tree any) error {
	switch v.Type() {
	case timeType:
		sec, nsec, err := stampOf(tree)
		if err == nil {
			v.Set(reflect.ValueOf(time.Unix(sec, nsec)))
		}
		return err
	case durationType:
		sec, nsec, err := stampOf(tree)
		if err == nil {
			v.SetInt(sec*int64(time.Second) + nsec)
		}
		return err
	}
	switch v.Kind() {
	case reflect.Bool:
		x, ok := tree.(bool)
		if !ok {
			return mismatch(v, tree)
		}
		v.SetBool(x)
	case reflect.String:
		x, ok := tree.(string)
		if !ok {
			return mismatch(v, tree)
		}
		v.SetString(x)
	case reflect.Slice, reflect.Array:
		return decodeList(v, tree)
	case reflect.Struct:
		return decodeStruct(v, tree)
	default:
		return decodeNumber(v, tree)
	}
	return nil
}

func decodeNumber(v reflect.Value, tree any) error {
	if v.CanFloat() && tree == nil {
		v.SetFloat(math.NaN())
		return nil
	}
	n, ok := tree.(json.Number)
	if !ok {
		return mismatch(v, tree)
	}
	switch {
	case v.CanInt():
		x, err := strconv.ParseInt(n.String(), 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		v.SetInt(x)
	case v.CanUint():
		x, err := strconv.ParseUint(n.String(), 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		v.SetUint(x)
	case v.CanFloat():
		x, err := strconv.ParseFloat(n.String(), v.Type().Bits())
		if err != nil && !errors.Is(err, strconv.ErrRange) { // out of range is an infinity, which the loop refuses
			return fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		v.SetFloat(x)
	default:
		return mismatch(v, tree)
	}
	return nil
}

func decodeList(v reflect.Value, tree any) error {
	if text, ok := tree.(string); ok && v.Type().Elem().Kind() == reflect.Uint8 {
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		list := make([]any, len(raw))
		for i, b := range raw {
			list[i] = json.Number(strconv.Itoa(int(b)))
		}
		tree = list
	}
	list, ok := tree.([]any)
	if !ok {
		return mismatch(v, tree)
	}
	if v.Kind() == reflect.Slice {
		v.Set(reflect.MakeSlice(v.Type(), len(list), len(list)))
	} else if v.Len() != len(list) {
		return fmt.Errorf("%w: %d values where %d belong", ErrMalformed, len(list), v.Len())
	}
	for i, x := range list {
		if err := decodeTo(v.Index(i), x); err != nil {
			return err
		}
	}
	return nil
}

func decodeStruct(v reflect.Value, tree any) error {
	fields, ok := tree.(map[string]any)
	if !ok {
		return mismatch(v, tree)
	}
	header := isHeader(v.Type())
	for i := range v.NumField() {
		name := fieldName(v.Type().Field(i))
		if name == "" {
			continue
		}
		x, ok := fields[name]
		if !ok {
			if header && name == "seq" {
				continue
			}
			return fmt.Errorf("%w: no field %q", ErrMalformed, name)
		}
		if err := decodeTo(v.Field(i), x); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// stampOf reads a time or a duration of either version. Seconds beyond what a duration holds are refused.
func stampOf(tree any) (sec, nsec int64, err error) {
	fields, ok := tree.(map[string]any)
	if !ok {
		return 0, 0, fmt.Errorf("%w: a %T where a time belongs", ErrMalformed, tree)
	}
	get := func(names ...string) int64 {
		for _, name := range names {
			if n, ok := fields[name].(json.Number); ok {
				v, e := n.Int64()
				if e == nil {
					return v
				}
			}
		}
		err = fmt.Errorf("%w: a time without %s", ErrMalformed, names[0])
		return 0
	}
	sec, nsec = get("sec", "secs"), get("nanosec", "nsecs")
	if err == nil && (sec < math.MinInt32 || sec > math.MaxUint32 || nsec < -1e9 || nsec > 1e9) {
		err = fmt.Errorf("%w: a time of %d s and %d ns", ErrMalformed, sec, nsec)
	}
	return sec, nsec, err
}
