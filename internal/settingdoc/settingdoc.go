// Package settingdoc writes the documents about settings from the sources: what a setting means is the comment of its
// field. It reads Go files and is meant for tests that keep the documents up to date; no command links it.
package settingdoc

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"korr/configs"
	"korr/internal/setting"
)

// Sources is where the Go files of this module are.
type Sources struct {
	Root string // folder of go.mod
	Main string // folder, below Root, of the program whose package main holds settings
	// ReadFile replaces os.ReadFile, as go build -overlay does; may be nil.
	ReadFile func(path string) ([]byte, error)
}

// Comments maps the dotted key of every setting, and of every section that has a comment, to the comment of its field
// in one line. A setting without a comment is an error.
func (s Sources) Comments(config any) (map[string]string, error) {
	r := reader{Sources: s, fields: map[string]map[string]string{}, out: map[string]string{}}
	if r.ReadFile == nil {
		r.ReadFile = os.ReadFile
	}
	return r.out, r.walk(reflect.Indirect(reflect.ValueOf(config)).Type(), "")
}

type reader struct {
	Sources
	fields map[string]map[string]string // package path -> "Type.Field" -> comment
	out    map[string]string
}

func (r *reader) walk(t reflect.Type, prefix string) error {
	for i := range t.NumField() {
		f := t.Field(i)
		key, inline := setting.Key(f)
		if inline {
			if err := r.walk(f.Type, prefix); err != nil {
				return err
			}
			continue
		}
		if key == "" {
			continue
		}
		comment, err := r.comment(t, f.Name)
		if err != nil {
			return err
		}
		if comment != "" {
			r.out[prefix+key] = comment
		}
		if f.Type.Kind() == reflect.Struct {
			if err := r.walk(f.Type, prefix+key+"."); err != nil {
				return err
			}
		} else if comment == "" {
			return fmt.Errorf("%s.%s, the setting %s%s, has no comment that says what it means", t, f.Name, prefix, key)
		}
	}
	return nil
}

// comment is that of a field.
func (r *reader) comment(t reflect.Type, field string) (string, error) {
	pkg := t.PkgPath()
	if r.fields[pkg] == nil {
		dir := strings.TrimPrefix(pkg, "korr/")
		if pkg == "main" || dir == r.Main {
			dir = r.Main
		}
		comments, err := r.parse(filepath.Join(r.Root, dir))
		if err != nil {
			return "", err
		}
		r.fields[pkg] = comments
	}
	return r.fields[pkg][t.Name()+"."+field], nil
}

// parse collects the comments of all struct fields of a package.
func (r *reader) parse(dir string) (map[string]string, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	comments := map[string]string{}
	for _, name := range names {
		text, err := r.ReadFile(name)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if t, ok := n.(*ast.TypeSpec); ok {
				if s, ok := t.Type.(*ast.StructType); ok {
					collect(comments, t.Name.Name, s)
				}
			}
			return true
		})
	}
	return comments, nil
}

func collect(comments map[string]string, owner string, s *ast.StructType) {
	for _, f := range s.Fields.List {
		text := f.Doc.Text()
		if text == "" {
			text = f.Comment.Text()
		}
		for _, name := range f.Names {
			comments[owner+"."+name.Name] = strings.Join(strings.Fields(text), " ")
		}
	}
}

// DefaultFile is a YAML file of the defaults, with the meaning of every key, and an empty line between sections.
func DefaultFile(config any, comments map[string]string) ([]byte, error) {
	wrapped := map[string]string{}
	for key, text := range comments {
		wrapped[key] = wrap(text, 110)
	}
	text, err := configs.Commented(config, wrapped)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	indented := false
	for line := range strings.Lines(string(text)) {
		if indented && !strings.HasPrefix(line, " ") {
			b.WriteByte('\n')
		}
		indented = strings.HasPrefix(line, " ")
		b.WriteString(line)
	}
	return []byte(b.String()), nil
}

// wrap breaks lines at the last space before a width.
func wrap(text string, width int) string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return strings.Join(append(lines, line), "\n")
}

// Table is the reference page's part about the settings: every key with its default, its meaning and its variable.
func Table(config any, comments map[string]string) (string, error) {
	var b strings.Builder
	section := "?"
	for _, f := range setting.Fields(config) {
		top := ""
		if name, _, ok := strings.Cut(f.Key, "."); ok {
			top = name
		}
		if top != section {
			section = top
			if top != "" {
				fmt.Fprintf(&b, "\n## %s\n", top)
			}
			if comments[top] != "" {
				fmt.Fprintf(&b, "\n%s\n", comments[top])
			}
			b.WriteString("\n| key | default | meaning | variable |\n| --- | --- | --- | --- |\n")
		}
		value, err := inline(f)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", code(f.Key), code(value), escape(comments[f.Key]),
			code(configs.Variable(f.Key)))
	}
	return b.String(), nil
}

// Defaults maps the key of every setting to its value as YAML on one line.
func Defaults(config any) (map[string]string, error) {
	out := map[string]string{}
	for _, f := range setting.Fields(config) {
		text, err := inline(f)
		if err != nil {
			return nil, err
		}
		out[f.Key] = text
	}
	return out, nil
}

func inline(f setting.Field) (string, error) {
	n := &yaml.Node{}
	if err := n.Encode(f.Value.Interface()); err != nil {
		return "", fmt.Errorf("%s: %w", f.Key, err)
	}
	n.Style = yaml.FlowStyle
	text, err := yaml.Marshal(n)
	return strings.TrimSuffix(string(text), "\n"), err
}

func code(s string) string { return "`" + escape(s) + "`" }

func escape(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
