package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
	"gopkg.in/yaml.v3"
)

// Error tells which key of which source is wrong, and how.
type Error struct {
	Source  string // file, preset, variable or flag; empty when the merged value is at fault
	Path    string // dotted key; empty when the source itself is at fault
	Problem string
}

// Error implements error.
func (e *Error) Error() string {
	parts := slices.DeleteFunc([]string{e.Source, e.Path}, func(s string) bool { return s == "" })
	return "config: " + strings.Join(append(parts, e.Problem), ": ")
}

// Options names the layers above the defaults.
type Options struct {
	Preset  string   // embedded preset; empty for the defaults alone
	File    string   // YAML file; empty for none
	Set     []string // key=value, as of --set; later ones win
	Environ []string // as os.Environ; only KORR_* is read
}

const envPrefix = "KORR"

// Load merges the layers, refuses unknown keys and wrong types, and validates. The error is an *Error.
func Load(o Options) (*Config, error) {
	v := viper.New()
	defaults, err := readPreset("default")
	if err != nil {
		return nil, err
	}
	for _, key := range leaves(defaults, "") {
		v.SetDefault(key.path, key.value)
	}
	if o.Preset != "" && o.Preset != "default" {
		m, err := readPreset(o.Preset)
		if err != nil {
			return nil, err
		}
		if err := merge(v, m, "preset "+o.Preset); err != nil {
			return nil, err
		}
	}
	if o.File != "" {
		m, err := readFile(o.File)
		if err != nil {
			return nil, err
		}
		if err := merge(v, m, o.File); err != nil {
			return nil, err
		}
	}
	if err := setEnv(v, o.Environ, o.Set); err != nil {
		return nil, err
	}
	return decode(v)
}

// YAML is the resolved configuration, as a file that --config reads back to the same.
func (c *Config) YAML() ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(c); err != nil {
		return nil, fmt.Errorf("config: encode: %w", err)
	}
	return b.Bytes(), nil
}

func readFile(path string) (map[string]any, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, &Error{Source: path, Problem: reason(err)}
	}
	return parse(b, path)
}

func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

func parse(b []byte, source string) (map[string]any, error) {
	m := map[string]any{}
	if err := yaml.Unmarshal(b, &m); err != nil {
		return nil, &Error{Source: source, Problem: strings.TrimPrefix(err.Error(), "yaml: ")}
	}
	return m, nil
}

// leaf is one dotted key and its value.
type leaf struct {
	path  string
	value any
}

// leaves flattens a tree of maps; a list is a leaf.
func leaves(m map[string]any, prefix string) []leaf {
	var out []leaf
	for k, v := range m {
		path := strings.ToLower(k)
		if prefix != "" {
			path = prefix + "." + path
		}
		if sub, ok := v.(map[string]any); ok {
			out = append(out, leaves(sub, path)...)
			continue
		}
		if v == nil { // "section:" with nothing below
			continue
		}
		out = append(out, leaf{path, v})
	}
	slices.SortFunc(out, func(a, b leaf) int { return strings.Compare(a.path, b.path) })
	return out
}

func merge(v *viper.Viper, m map[string]any, source string) error {
	for _, l := range leaves(m, "") {
		if err := check(l, source); err != nil {
			return err
		}
	}
	return v.MergeConfigMap(m)
}

// setEnv applies the two layers whose values are strings: variables, then --set.
func setEnv(v *viper.Viper, environ, set []string) error {
	variables := map[string]string{}
	for _, key := range Keys() {
		variables[envPrefix+"_"+strings.ToUpper(strings.ReplaceAll(key, ".", "_"))] = key
	}
	apply := func(key, text, source string) error {
		l := leaf{strings.ToLower(key), scalar(key, text)}
		if err := check(l, source); err != nil {
			return err
		}
		v.Set(l.path, l.value)
		return nil
	}
	for _, kv := range environ {
		name, text, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, envPrefix+"_") {
			continue
		}
		key, ok := variables[name]
		if !ok {
			return &Error{Source: "environment", Path: name, Problem: "no such setting; KORR_EVAL_EPISODES, for example, sets eval.episodes"}
		}
		if err := apply(key, text, name); err != nil {
			return err
		}
	}
	for _, kv := range set {
		key, text, ok := strings.Cut(kv, "=")
		if !ok {
			return &Error{Source: "--set " + kv, Problem: "is not key=value"}
		}
		if err := apply(key, text, "--set"); err != nil {
			return err
		}
	}
	return nil
}

// scalar reads the text of a variable or flag as YAML; "a,b" is a list where the key takes one.
func scalar(key, text string) any {
	t, ok := keyTypes()[strings.ToLower(key)]
	if !ok || t.Kind() == reflect.String {
		return text
	}
	if t.Kind() == reflect.Slice && !strings.HasPrefix(text, "[") {
		text = "[" + text + "]"
	}
	var value any
	if yaml.Unmarshal([]byte(text), &value) != nil {
		return text // decoding it names the key and what it must be
	}
	return value
}

// check refuses an unknown key and a value of the wrong type, naming both.
func check(l leaf, source string) error {
	t, ok := keyTypes()[l.path]
	if !ok {
		return &Error{Source: source, Path: l.path, Problem: "no such key" + siblings(l.path)}
	}
	if err := decodeInto(l.value, reflect.New(t).Interface()); err != nil {
		return &Error{Source: source, Path: l.path, Problem: fmt.Sprintf("cannot be %#v, must be %s", l.value, typeName(t))}
	}
	return nil
}

func siblings(path string) string {
	section := ""
	if i := strings.LastIndex(path, "."); i >= 0 {
		section = path[:i+1]
	}
	var known []string
	for _, k := range Keys() {
		if rest, ok := strings.CutPrefix(k, section); ok && section != "" {
			known = append(known, rest)
		}
	}
	if len(known) == 0 {
		return ""
	}
	return "; " + strings.TrimSuffix(section, ".") + " has " + strings.Join(known, ", ")
}

func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Slice:
		return "a list, each " + typeName(t.Elem())
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

func decode(v *viper.Viper) (*Config, error) {
	c := &Config{}
	if err := decodeInto(v.AllSettings(), c); err != nil {
		return nil, &Error{Problem: err.Error()}
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return c, nil
}

func decodeInto(value, target any) error {
	d, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result: target, TagName: "yaml", ErrorUnused: true, ErrorUnset: true, DecodeHook: wholeNumber,
	})
	if err != nil {
		return err
	}
	return d.Decode(value)
}

// wholeNumber lets 1e6 be an int and refuses 1.5 (mapstructure would cut it to 1) and -1 for an unsigned.
func wholeNumber(_, to reflect.Type, data any) (any, error) {
	switch to.Kind() {
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
