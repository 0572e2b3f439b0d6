package configs

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"

	"korr/internal/regular"
	"korr/internal/setting"
	"korr/internal/usage"
)

// Error tells which key of which source is wrong, and how.
type Error struct {
	Source  string // file, preset, variable or flag; empty when the merged value is at fault
	Path    string // dotted key; empty when the source itself is at fault
	Problem string

	choices []string // that the value may be, where these are all
}

// Error implements error.
func (e *Error) Error() string {
	parts := slices.DeleteFunc([]string{e.Source, e.Path}, func(s string) bool { return s == "" })
	return "config: " + strings.Join(append(parts, e.Problem), ": ")
}

// Options names the layers above the defaults.
type Options struct {
	Preset string   // embedded preset; empty for the defaults alone
	File   string   // YAML file; empty for none
	Set    []string // key=value, as of --set; later ones win
	// the flag, with its dashes, that gave a key its last value in Set, where it was not --set
	Flags   map[string]string
	Environ []string // as os.Environ; only KORR_* is read
}

const envPrefix = "KORR"

// Fill puts the layers over the settings of c, a pointer to a struct that holds the defaults: a field that is a struct
// is a section, often the Config of the package that reads it (see package setting). It refuses unknown keys and wrong
// types, and what a section's own Validate refuses. The error is an *Error; c is then unusable.
func Fill(c any, o Options) error {
	l := &layers{v: viper.New(), fields: map[string]setting.Field{}, source: map[string]string{}}
	for _, f := range setting.Fields(c) {
		l.fields[f.Key] = f
		l.v.SetDefault(f.Key, f.Value.Interface())
	}
	if o.Preset != "" {
		m, err := readPreset(o.Preset)
		if err != nil {
			return err
		}
		l.keepSections(m)
		if err := l.merge(m, "preset "+o.Preset); err != nil {
			return err
		}
	}
	if o.File != "" {
		m, err := readFile(o.File)
		if err != nil {
			return err
		}
		if err := l.merge(m, o.File); err != nil {
			return err
		}
	}
	if err := l.strings(o); err != nil {
		return err
	}
	for key, f := range l.fields {
		value, err := decode(l.v.Get(key), f.Value.Type())
		if err != nil { // every layer was checked when it was merged
			return &Error{Path: key, Problem: err.Error()}
		}
		f.Value.Set(value)
	}
	return l.validate(c)
}

// Keys lists every dotted key of the settings, sorted.
func Keys(c any) []string { return slices.Sorted(maps.Keys(setting.Values(c))) }

// layers are what is known of the settings while they are merged.
type layers struct {
	v      *viper.Viper
	fields map[string]setting.Field // by key
	source map[string]string        // of the layer that set a key last; absent for a default
}

// keepSections drops the sections of a preset that the command has no use for.
func (l *layers) keepSections(preset map[string]any) {
	for name := range preset {
		known := false
		for key := range l.fields {
			known = known || key == name || strings.HasPrefix(key, name+".")
		}
		if !known {
			delete(preset, name)
		}
	}
}

func readFile(path string) (map[string]any, error) {
	b, err := regular.Read(path, regular.Text)
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

func (l *layers) merge(m map[string]any, source string) error {
	for _, at := range leaves(m, "") {
		if err := l.check(at, source); err != nil {
			return err
		}
		l.source[at.path] = source
	}
	if err := l.v.MergeConfigMap(m); err != nil {
		return &Error{Source: source, Problem: err.Error()}
	}
	return nil
}

// Variable is the name of the environment variable that sets a key.
func Variable(key string) string {
	return envPrefix + "_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// Variables are those of an environment, NAME=value, that set a key.
func Variables(environ []string) (out []string) {
	for _, kv := range environ {
		if strings.HasPrefix(kv, envPrefix+"_") {
			out = append(out, kv)
		}
	}
	return out
}

// strings applies the two layers whose values are strings: variables, then --set.
func (l *layers) strings(o Options) error {
	variables := map[string]string{}
	for key := range l.fields {
		variables[Variable(key)] = key
	}
	for _, kv := range Variables(o.Environ) {
		name, text, _ := strings.Cut(kv, "=")
		key, ok := variables[name]
		if !ok {
			hint := nearest(name, slices.Collect(maps.Keys(variables)), "KORR_EVAL_EPISODES, for example, sets eval.episodes")
			return &Error{Source: "environment", Path: name, Problem: "no such setting; " + hint}
		}
		if err := l.set(key, text, name); err != nil {
			return err
		}
	}
	for _, kv := range o.Set {
		key, text, ok := strings.Cut(kv, "=")
		if !ok {
			return &Error{Source: "--set " + kv, Problem: "is not key=value"}
		}
		if err := l.set(key, text, cmp.Or(o.Flags[key], "--set")); err != nil {
			return err
		}
	}
	return nil
}

func (l *layers) set(key, text, source string) error {
	at := leaf{strings.ToLower(key), l.scalar(key, text)}
	if err := l.check(at, source); err != nil {
		return err
	}
	l.v.Set(at.path, at.value)
	l.source[at.path] = source
	return nil
}

// scalar reads the text of a variable or flag as YAML; "a,b" is a list where the key takes one.
func (l *layers) scalar(key, text string) any {
	f, ok := l.fields[strings.ToLower(key)]
	if !ok || f.Value.Kind() == reflect.String || isText(f.Value.Type()) {
		return text
	}
	if k := f.Value.Kind(); (k == reflect.Slice || k == reflect.Array) && !strings.HasPrefix(text, "[") {
		text = "[" + text + "]"
	}
	var value any
	if yaml.Unmarshal([]byte(text), &value) != nil {
		return text // decoding it names the key and what it must be
	}
	return value
}

// check refuses an unknown key and a value of the wrong type, naming both.
func (l *layers) check(at leaf, source string) error {
	f, ok := l.fields[at.path]
	if !ok {
		return &Error{Source: source, Path: at.path, Problem: "no such key" + l.hint(at.path)}
	}
	if _, err := decode(at.value, f.Value.Type()); err != nil {
		return &Error{Source: source, Path: at.path, Problem: fmt.Sprintf("cannot be %#v, must be %s", at.value,
			typeName(f.Value.Type()))}
	}
	return nil
}

// hint is what may have been meant by an unknown key: a similar one, or any of its section.
func (l *layers) hint(path string) string {
	known := slices.Sorted(maps.Keys(l.fields))
	var siblings []string
	if i := strings.LastIndex(path, "."); i >= 0 {
		for _, key := range known {
			if rest, ok := strings.CutPrefix(key, path[:i+1]); ok {
				siblings = append(siblings, rest)
			}
		}
	}
	all := ""
	if len(siblings) > 0 {
		all = path[:strings.LastIndex(path, ".")] + " has " + strings.Join(siblings, ", ")
	}
	if h := nearest(path, known, all); h != "" {
		return "; " + h
	}
	return ""
}

// nearest asks whether the most similar of the names was meant, if one is similar enough, and else says what else there
// is.
func nearest(name string, known []string, otherwise string) string {
	best, least := "", 1+len(name)/4
	for _, k := range known {
		if d := usage.Distance(name, k); d < least || d == least && k < best {
			best, least = k, d
		}
	}
	if best == "" {
		return otherwise
	}
	return "did you mean " + best + "?"
}

// validate asks every section, and then the whole, whether its values go together.
func (l *layers) validate(c any) error {
	whole := reflect.ValueOf(c)
	for i := range whole.Elem().NumField() {
		key, _ := setting.Key(whole.Elem().Type().Field(i))
		if v, ok := whole.Elem().Field(i).Addr().Interface().(validator); ok && key != "" {
			if err := v.Validate(); err != nil {
				return l.refused(key, err)
			}
		}
	}
	if v, ok := c.(validator); ok {
		if err := v.Validate(); err != nil {
			return l.refused("", err)
		}
	}
	return nil
}

type validator interface{ Validate() error }

// refused names the key and the layer that is at fault.
func (l *layers) refused(section string, err error) error {
	var e *setting.Error
	var ours *Error
	if errors.As(err, &ours) {
		return err
	}
	if !errors.As(err, &e) {
		return &Error{Path: section, Problem: err.Error()}
	}
	path := strings.TrimPrefix(section+"."+e.Key, ".")
	source := l.source[path]
	if source == "" { // a list's element, "eval.randomness[1]"
		source = l.source[strings.Split(path, "[")[0]]
	}
	return &Error{Source: source, Path: path, Problem: e.Problem, choices: e.Choices}
}
