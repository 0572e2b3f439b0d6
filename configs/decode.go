package configs

import (
	"encoding"
	"fmt"
	"reflect"

	"github.com/go-viper/mapstructure/v2"
)

var hooks = mapstructure.ComposeDecodeHookFunc(mapstructure.TextUnmarshallerHookFunc(), strict)

// decode reads a value of YAML as one of type t.
func decode(value any, t reflect.Type) (reflect.Value, error) {
	target := reflect.New(t)
	d, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{Result: target.Interface(), DecodeHook: hooks})
	if err == nil {
		err = d.Decode(value)
	}
	return target.Elem(), err
}

// strict lets 1e6 be an int and refuses 1.5 (mapstructure would cut it to 1), -1 for an unsigned, and a list shorter
// than an array.
func strict(from, to reflect.Type, data any) (any, error) {
	switch to.Kind() {
	case reflect.Array:
		if from.Kind() != reflect.Array && from.Kind() != reflect.Slice || reflect.ValueOf(data).Len() != to.Len() {
			return nil, fmt.Errorf("%v is no list of %d", data, to.Len())
		}
		return data, nil
	case reflect.Int, reflect.Uint64:
	default:
		return data, nil
	}
	if f, ok := data.(float64); ok {
		if f != float64(int64(f)) {
			return nil, fmt.Errorf("%v is not a whole number", f)
		}
		data = int(f)
	}
	if n, ok := data.(int); ok && n < 0 && to.Kind() == reflect.Uint64 {
		return nil, fmt.Errorf("%d is negative", n)
	}
	return data, nil
}

// isText reports whether values of a type are read from text by its own method.
func isText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

func typeName(t reflect.Type) string {
	if isText(t) {
		return "text"
	}
	switch t.Kind() {
	case reflect.Slice:
		return "a list, each " + typeName(t.Elem())
	case reflect.Array:
		return fmt.Sprintf("a list of %d, each %s", t.Len(), typeName(t.Elem()))
	case reflect.Int, reflect.Uint64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "true or false"
	default:
		return "text"
	}
}
