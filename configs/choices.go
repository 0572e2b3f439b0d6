package configs

import (
	"errors"
	"reflect"
	"strings"

	"korr/internal/setting"
)

// Choices lists, by key, the texts that a setting may be, or each of its texts where it is a list: true and false of a
// switch, and what Validate of the setting's section answers to a text that nothing is called. A key that may be
// anything is not in it. c is a pointer to settings that are valid; it is left as it was.
func Choices(c any) map[string][]string {
	out := map[string][]string{}
	for _, f := range setting.Fields(c) {
		was := reflect.ValueOf(f.Value.Interface())
		switch t := f.Value.Type(); {
		case isText(t):
			continue
		case t.Kind() == reflect.Bool:
			out[f.Key] = []string{"true", "false"}
			continue
		case t.Kind() == reflect.String:
			f.Value.SetString(nobody)
		case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.String:
			f.Value.Set(reflect.MakeSlice(t, 1, 1))
			f.Value.Index(0).SetString(nobody)
		default:
			continue
		}
		if choices := refusal(c, f.Key); len(choices) > 0 {
			out[f.Key] = choices
		}
		f.Value.Set(was)
	}
	return out
}

// nobody is a text that is no choice of any setting.
const nobody = "\x00"

// refusal is what may stand in the place of a key's value, by what its section says of the present one.
func refusal(c any, key string) (choices []string) {
	var e *Error
	if err := (&layers{}).validate(c); !errors.As(err, &e) || strings.Split(e.Path, "[")[0] != key {
		return nil
	}
	for _, choice := range e.choices {
		if choice != "" {
			choices = append(choices, choice)
		}
	}
	return choices
}
