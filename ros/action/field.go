package action

import (
	"fmt"
	"reflect"
)

// field returns a pointer to the field of a message struct, of type T. It panics when the message has no such field:
// that is a wrong type parameter.
func field[T any](message any, name string) *T {
	f := reflect.ValueOf(message).Elem().FieldByName(name)
	if !f.IsValid() || f.Type() != reflect.TypeFor[T]() {
		panic(fmt.Sprintf("action: %T has no field %s of type %v", message, name, reflect.TypeFor[T]()))
	}
	return f.Addr().Interface().(*T)
}
