package rosidl

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Hash is the type's RIHS01 hash: "RIHS01_" and the SHA-256 sum, in hexadecimal, of the JSON of its description.
func (t *Type) Hash() string {
	sum := sha256.Sum256(t.descriptionJSON())
	return "RIHS01_" + hex.EncodeToString(sum[:])
}

// descriptionJSON is the description as Python's json.dumps writes it.
func (t *Type) descriptionJSON() []byte {
	var b strings.Builder
	b.WriteString(`{"type_description": `)
	t.describe(&b)
	b.WriteString(`, "referenced_type_descriptions": [`)
	for i, r := range t.referenced() {
		if i > 0 {
			b.WriteString(", ")
		}
		r.describe(&b)
	}
	b.WriteString("]}")
	return []byte(b.String())
}

func (t *Type) describe(b *strings.Builder) {
	fmt.Fprintf(b, `{"type_name": %q, "fields": [`, t.Name)
	for i, f := range t.Fields {
		if i > 0 {
			b.WriteString(", ")
		}
		nested := ""
		if f.Type != nil {
			nested = f.Type.Name
		}
		fmt.Fprintf(b, `{"name": %q, "type": {"type_id": %d, "capacity": %d, "string_capacity": 0, "nested_type_name": %q}}`,
			f.Name, int(f.Kind)+int(f.Array), f.Length, nested)
	}
	b.WriteString("]}")
}

// separator stands between the definitions of two types.
var separator = strings.Repeat("=", 80) + "\n"

// Schema is the full text of the type in ROS 2's message language, and of the types in it (the encoding "ros2msg").
func (t *Type) Schema() string {
	var b strings.Builder
	t.define(&b)
	for _, r := range t.referenced() {
		b.WriteString(separator)
		b.WriteString("MSG: " + short(r.Name) + "\n")
		r.define(&b)
	}
	return b.String()
}

// short is a type's name as definitions have it: "geometry_msgs/Pose".
func short(name string) string {
	parts := strings.Split(name, "/")
	return parts[0] + "/" + parts[len(parts)-1]
}

func (t *Type) define(b *strings.Builder) {
	for _, c := range t.Constants {
		fmt.Fprintf(b, "%s %s=%s\n", c.Kind, c.Name, c.Value)
	}
	for _, f := range t.Fields {
		if f.Name == hidden {
			continue
		}
		kind := kindNames[f.Kind]
		if f.Type != nil {
			kind = short(f.Type.Name)
		}
		switch f.Array {
		case Fixed:
			kind += "[" + strconv.Itoa(f.Length) + "]"
		case Bounded:
			kind += "[<=" + strconv.Itoa(f.Length) + "]"
		case Unbounded:
			kind += "[]"
		}
		b.WriteString(kind + " " + f.Name + "\n")
	}
}

// Service is the type of a service: its name, and the types of its two messages under the names that ROS 2 gives them.
type Service struct {
	Name              string // "std_srvs/srv/Trigger"
	Request, Response *Type
}

// ServiceFor is the service type of a struct S with the request Q and the response R.
func ServiceFor[S, Q, R any]() (*Service, error) {
	t := reflect.TypeFor[S]()
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous && f.Type.Name() == "Package" {
			name := f.Tag.Get("ros2")
			if name == "" {
				name = f.Tag.Get("ros") + "/srv/" + t.Name()
			}
			return NewService[Q, R](name)
		}
	}
	return nil, fmt.Errorf("rosidl: service %s names no ROS package", t)
}

// NewService is the service type of a name with the request Q and the response R.
func NewService[Q, R any](name string) (*Service, error) {
	q, err := For[Q]()
	if err != nil {
		return nil, err
	}
	r, err := For[R]()
	if err != nil {
		return nil, err
	}
	return &Service{Name: name, Request: q.Named(name + "_Request"), Response: r.Named(name + "_Response")}, nil
}

// Named is the type under another name.
func (t *Type) Named(name string) *Type {
	c := *t
	c.Name = name
	return &c
}

var eventInfo = &Type{Name: "service_msgs/msg/ServiceEventInfo", Fields: []Field{
	{Name: "event_type", Kind: Uint8},
	{Name: "stamp", Kind: Nested, Type: timeIDL},
	{Name: "client_gid", Kind: Uint8, Array: Fixed, Length: 16},
	{Name: "sequence_number", Kind: Int64},
}}

// Hash is the service's RIHS01 hash, which covers request, response and the event by which services are watched.
func (s *Service) Hash() string {
	event := &Type{Name: s.Name + "_Event", Fields: []Field{
		{Name: "info", Kind: Nested, Type: eventInfo},
		{Name: "request", Kind: Nested, Array: Bounded, Length: 1, Type: s.Request},
		{Name: "response", Kind: Nested, Array: Bounded, Length: 1, Type: s.Response},
	}}
	return (&Type{Name: s.Name, Fields: []Field{
		{Name: "request_message", Kind: Nested, Type: s.Request},
		{Name: "response_message", Kind: Nested, Type: s.Response},
		{Name: "event_message", Kind: Nested, Type: event},
	}}).Hash()
}
