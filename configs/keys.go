package configs

import (
	"reflect"
	"slices"
	"sync"
)

// Keys lists every dotted key, sorted.
func Keys() []string {
	keys := make([]string, 0, len(keyTypes()))
	for k := range keyTypes() {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// keyTypes maps every dotted key to its Go type, read from Config's tags.
var keyTypes = sync.OnceValue(func() map[string]reflect.Type {
	types := map[string]reflect.Type{}
	var walk func(t reflect.Type, prefix string)
	walk = func(t reflect.Type, prefix string) {
		for i := range t.NumField() {
			f := t.Field(i)
			path := prefix + f.Tag.Get("yaml")
			if f.Type.Kind() == reflect.Struct {
				walk(f.Type, path+".")
				continue
			}
			types[path] = f.Type
		}
	}
	walk(reflect.TypeFor[Config](), "")
	return types
})
