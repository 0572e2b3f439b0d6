package rosidl

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
)

// Type is a ROS 2 interface type.
type Type struct {
	Name      string // "geometry_msgs/msg/Pose"
	Fields    []Field
	Constants []Constant

	plan *plan // of the Go struct
}

// Field is a member of a type.
type Field struct {
	Name   string
	Kind   Kind
	Array  Array
	Length int   // of a fixed array, or the most of a bounded sequence
	Type   *Type // of a nested one
}

// Kind is the kind of a field's value, by its number in type_description_interfaces/msg/FieldType.
type Kind int

// The kinds that are used.
const (
	Nested  Kind = 1
	Int8    Kind = 2
	Uint8   Kind = 3
	Int16   Kind = 4
	Uint16  Kind = 5
	Int32   Kind = 6
	Uint32  Kind = 7
	Int64   Kind = 8
	Uint64  Kind = 9
	Float32 Kind = 10
	Float64 Kind = 11
	Bool    Kind = 15
	Byte    Kind = 16
	String  Kind = 17
)

// Array says how often a field's value is there; it is what FieldType adds to the kind.
type Array int

// The forms.
const (
	Single    Array = 0
	Fixed     Array = 48
	Bounded   Array = 96
	Unbounded Array = 144
)

// Constant is a constant of a type's definition.
type Constant struct{ Kind, Name, Value string }

var kindNames = map[Kind]string{
	Int8: "int8", Uint8: "uint8", Int16: "int16", Uint16: "uint16", Int32: "int32", Uint32: "uint32", Int64: "int64",
	Uint64:  "uint64",
	Float32: "float32", Float64: "float64", Bool: "bool", Byte: "byte", String: "string",
}

var goKinds = map[reflect.Kind]Kind{
	reflect.Int8: Int8, reflect.Uint8: Uint8, reflect.Int16: Int16, reflect.Uint16: Uint16, reflect.Int32: Int32,
	reflect.Uint32: Uint32,
	reflect.Int64:  Int64, reflect.Uint64: Uint64, reflect.Float32: Float32, reflect.Float64: Float64, reflect.Bool: Bool,
	reflect.String: String,
}

var (
	timeType     = reflect.TypeFor[time.Time]()
	durationType = reflect.TypeFor[time.Duration]()

	timeIDL = &Type{Name: "builtin_interfaces/msg/Time", Fields: []Field{
		{Name: "sec", Kind: Int32},
		{Name: "nanosec", Kind: Uint32},
	}}
	durationIDL = &Type{Name: "builtin_interfaces/msg/Duration", Fields: timeIDL.Fields}
)

// hidden is the member of a struct without members.
const hidden = "structure_needs_at_least_one_member"

var (
	typesMu sync.Mutex
	types   = map[reflect.Type]*Type{}
)

// For returns the ROS 2 type of a Go struct, or an error that names the field which has none.
func For[M any]() (*Type, error) { return Of(reflect.TypeFor[M]()) }

// Of is For of a type known at run time.
func Of(t reflect.Type) (*Type, error) {
	typesMu.Lock()
	defer typesMu.Unlock()
	return of(t)
}

// of is called with typesMu held.
func of(t reflect.Type) (*Type, error) {
	if known := types[t]; known != nil {
		return known, nil
	}
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("rosidl: %s is no struct", t)
	}
	out := &Type{plan: &plan{}}
	var pack, name, full string
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			switch f.Type.Name() {
			case "Package":
				pack, full = f.Tag.Get("ros"), f.Tag.Get("ros2")
			case "Name":
				name = f.Tag.Get("ros")
			case "Definitions":
				out.Constants = constants(f.Tag.Get("ros"))
			default:
				return nil, fmt.Errorf("rosidl: %s embeds %s: take its parts (a service has two types)", t, f.Type)
			}
			continue
		}
		if f.Tag.Get("ros2") == "-" || !f.IsExported() {
			continue
		}
		field, step, err := fieldOf(f)
		if err != nil {
			return nil, fmt.Errorf("rosidl: %s.%s: %w", t, f.Name, err)
		}
		step.offset = f.Offset
		out.Fields = append(out.Fields, field)
		out.plan.add(step)
	}
	if name == "" {
		name = t.Name()
	}
	if out.Name = full; full == "" {
		out.Name = pack + "/msg/" + name
	}
	if strings.Count(out.Name, "/") != 2 || strings.HasPrefix(out.Name, "/") {
		return nil, fmt.Errorf("rosidl: %s names no ROS package", t)
	}
	if len(out.Fields) == 0 {
		out.Fields = []Field{{Name: hidden, Kind: Uint8}}
		out.plan.empty = true
		out.plan.least = 1
	}
	types[t] = out
	return out, nil
}

// constants reads "uint8 OK=0,uint8 WARN=1".
func constants(tag string) (all []Constant) {
	for c := range strings.SplitSeq(tag, ",") {
		kind, rest, _ := strings.Cut(c, " ")
		name, value, ok := strings.Cut(rest, "=")
		if ok {
			all = append(all, Constant{Kind: kind, Name: name, Value: value})
		}
	}
	return all
}

// FieldName is the name on the wire of a struct's field: its tag rosname, or the Go name in snake case.
func FieldName(f reflect.StructField) string {
	if name, ok := f.Tag.Lookup("rosname"); ok {
		return name
	}
	var b strings.Builder
	for i, c := range f.Name {
		if unicode.IsUpper(c) {
			if i > 0 {
				b.WriteByte('_')
			}
			c = unicode.ToLower(c)
		}
		b.WriteRune(c)
	}
	return b.String()
}

// fieldOf describes a field and how it is written.
func fieldOf(f reflect.StructField) (Field, step, error) {
	out := Field{Name: FieldName(f)}
	t := f.Type
	switch {
	case t.Kind() == reflect.Array:
		out.Array, out.Length = Fixed, t.Len()
	case t.Kind() == reflect.Slice:
		out.Array = Unbounded
	}
	elem := t
	if out.Array != Single {
		elem = t.Elem()
	}
	s := step{slice: t, array: out.Array, length: out.Length, stride: elem.Size()}
	switch {
	case elem == timeType:
		out.Kind, out.Type, s.what = Nested, timeIDL, writeTime
	case elem == durationType:
		out.Kind, out.Type, s.what = Nested, durationIDL, writeDuration
	case elem.Kind() == reflect.Struct:
		nested, err := of(elem)
		if err != nil {
			return out, s, err
		}
		out.Kind, out.Type, s.what, s.nested = Nested, nested, writeNested, nested.plan
	default:
		kind, ok := goKinds[elem.Kind()]
		if !ok {
			return out, s, fmt.Errorf("%s has no ROS type", elem)
		}
		out.Kind, s.what = kind, writers[kind]
		if f.Tag.Get("rostype") == "byte" {
			out.Kind = Byte
		}
	}
	return out, s, nil
}

// DDS is the name of the type on DDS: "geometry_msgs::msg::dds_::Pose_".
func (t *Type) DDS() string { return DDSName(t.Name) }

// DDSName is the DDS name of a type's full name.
func DDSName(name string) string {
	parts := strings.Split(name, "/")
	last := len(parts) - 1
	return strings.Join(parts[:last], "::") + "::dds_::" + parts[last] + "_"
}

// referenced are the types in a type, themselves included where they are nested deeper, sorted by name.
func (t *Type) referenced() []*Type {
	var all []*Type
	var walk func(*Type)
	walk = func(t *Type) {
		for _, f := range t.Fields {
			if f.Type != nil && !slices.ContainsFunc(all, func(o *Type) bool { return o.Name == f.Type.Name }) {
				all = append(all, f.Type)
				walk(f.Type)
			}
		}
	}
	walk(t)
	slices.SortFunc(all, func(a, b *Type) int { return strings.Compare(a.Name, b.Name) })
	return all
}
