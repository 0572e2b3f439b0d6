package setting

import (
	"fmt"
	"reflect"
	"strings"
)

// Field is one setting of a Config.
type Field struct {
	Key   string        // dotted, below the Config
	Value reflect.Value // of the setting; it can be set when the Config was given by pointer
	Owner reflect.Type  // struct type that declares the field
	Name  string        // of the field in Owner
}

// Fields lists the settings of a Config, a struct or a pointer to one, in the order of its fields. It panics for
// anything else and for a key that two fields share.
func Fields(config any) []Field {
	v := reflect.ValueOf(config)
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		panic(fmt.Sprintf("setting: %T is no struct", config))
	}
	fields := walk(nil, v, "")
	seen := map[string]bool{}
	for _, f := range fields {
		if seen[f.Key] {
			panic(fmt.Sprintf("setting: %T has two settings %s", config, f.Key))
		}
		seen[f.Key] = true
	}
	return fields
}

func walk(fields []Field, v reflect.Value, prefix string) []Field {
	t := v.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		key, inline := Key(f)
		switch {
		case inline:
			fields = walk(fields, v.Field(i), prefix)
		case key == "":
		case f.Type.Kind() == reflect.Struct:
			fields = walk(fields, v.Field(i), prefix+key+".")
		default:
			fields = append(fields, Field{prefix + key, v.Field(i), t, f.Name})
		}
	}
	return fields
}

// Key is the key that a field's tag gives it, empty for a field that is no setting; inline tells that the settings of
// the struct in it belong to the struct around it.
func Key(f reflect.StructField) (key string, inline bool) {
	key, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	if key == "-" {
		key = ""
	}
	return key, option == "inline"
}

// Values maps the key of every setting to its value.
func Values(config any) map[string]any {
	values := map[string]any{}
	for _, f := range Fields(config) {
		values[f.Key] = f.Value.Interface()
	}
	return values
}
