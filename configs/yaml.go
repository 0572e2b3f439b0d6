package configs

import (
	"bytes"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"korr/internal/setting"
)

// YAML writes the settings as a file that --config reads back to the same.
func YAML(c any) ([]byte, error) { return Commented(c, nil) }

// besideValue is the longest comment that is written beside a value, not before it.
const besideValue = 70

// Commented is YAML with a comment for every key that has one; comments are looked up by the dotted key, sections among
// them.
func Commented(c any, comments map[string]string) ([]byte, error) {
	root := &yaml.Node{Kind: yaml.MappingNode}
	sections := map[string]*yaml.Node{"": root}
	for _, f := range setting.Fields(c) {
		value := &yaml.Node{}
		if err := value.Encode(f.Value.Interface()); err != nil {
			return nil, fmt.Errorf("config: encode %s: %w", f.Key, err)
		}
		if value.Kind == yaml.SequenceNode {
			value.Style = yaml.FlowStyle
		}
		section, name := "", f.Key
		if i := strings.LastIndex(f.Key, "."); i >= 0 {
			section, name = f.Key[:i], f.Key[i+1:]
		}
		into := below(sections, section, comments)
		key := &yaml.Node{Kind: yaml.ScalarNode, Value: name}
		if c := comments[f.Key]; len(c) > besideValue {
			key.HeadComment = c
		} else {
			value.LineComment = c
		}
		into.Content = append(into.Content, key, value)
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(root); err != nil {
		return nil, fmt.Errorf("config: encode: %w", err)
	}
	return b.Bytes(), nil
}

// below returns the node of a section, which it makes, with those around it, when it is not there yet.
func below(sections map[string]*yaml.Node, path string, comments map[string]string) *yaml.Node {
	if n := sections[path]; n != nil {
		return n
	}
	parent, name := "", path
	if i := strings.LastIndex(path, "."); i >= 0 {
		parent, name = path[:i], path[i+1:]
	}
	n := &yaml.Node{Kind: yaml.MappingNode}
	into := below(sections, parent, comments)
	into.Content = append(into.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name, HeadComment: comments[path]}, n)
	sections[path] = n
	return n
}
