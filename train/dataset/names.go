package dataset

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"korr/internal/pyjson"
	"korr/sim"
)

// names are a feature's: a list of texts, or, as LeRobot also writes them, lists below the keys of a dictionary.
type names []string

// UnmarshalJSON implements json.Unmarshaler. It takes the texts in the order of the document; of a dictionary from
// names to numbers it takes the names in the order of the numbers.
func (n *names) UnmarshalJSON(b []byte) error {
	var numbered []numberedName
	*n = nil
	if err := n.collect(json.NewDecoder(bytes.NewReader(b)), "", &numbered); err != nil {
		return err
	}
	if len(*n) == 0 {
		slices.SortStableFunc(numbered, func(a, b numberedName) int { return cmp.Compare(a.number, b.number) })
		for _, x := range numbered {
			*n = append(*n, x.name)
		}
	}
	return nil
}

type numberedName struct {
	name   string
	number float64
}

// collect walks over one value, which stands below a key.
func (n *names) collect(dec *json.Decoder, key string, numbered *[]numberedName) error {
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	switch x := tok.(type) {
	case string:
		*n = append(*n, x)
	case float64:
		*numbered = append(*numbered, numberedName{key, x})
	case json.Delim:
		for dec.More() {
			if x == '{' {
				k, err := dec.Token()
				if err != nil {
					return err
				}
				key, _ = k.(string)
			}
			if err := n.collect(dec, key, numbered); err != nil {
				return err
			}
		}
		_, err = dec.Token()
	}
	return err
}

// features are those of info.json, of which only what is read here is looked at: others may be described as they like.
type features map[string]feature

// UnmarshalJSON implements json.Unmarshaler; an error names the feature.
func (f *features) UnmarshalJSON(b []byte) error {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	*f = features{}
	for _, name := range featureNames() {
		text, ok := raw[name]
		if !ok {
			continue
		}
		var one feature
		if err := json.Unmarshal(text, &one); err != nil {
			return fmt.Errorf("features: %q: %w", name, err)
		}
		(*f)[name] = one
	}
	return nil
}

// order says from which column of the file each column of a feature is taken; nil stands for the order of the file.
type order []int

// orderOf compares the names of columns with those wanted. The same names in another order are put right; some of them
// beside others are refused; none of them say nothing, and the columns stand as they are.
func orderOf(feature string, got, want []string) (order, error) {
	if slices.Equal(got, want) || len(got) == 0 {
		return nil, nil
	}
	o, found := make(order, len(want)), 0
	for i, name := range want {
		if o[i] = slices.Index(got, name); o[i] >= 0 {
			found++
		}
	}
	switch {
	case found == 0:
		return nil, nil
	case found < len(want) || len(got) != len(want):
		return nil, fmt.Errorf("feature %q has the names %q, want %q in any order", feature, got, want)
	}
	return o, nil
}

// partsOf recovers the parts from the names of the columns of the environment's state, in the order of the task where
// that is known, and how to put the columns in order. Without names parts are numbered.
func partsOf(env feature, task string) (parts []string, o order, err error) {
	n := 0
	if len(env.Shape) == 1 {
		n = env.Shape[0]
	}
	if n < sim.PoseDim || n > maxParts*sim.PoseDim || n%sim.PoseDim != 0 {
		return nil, nil, fmt.Errorf("feature %q has shape %v, want 1 to %d poses of %d values", featEnv, env.Shape,
			maxParts, sim.PoseDim)
	}
	if len(env.Names) != n {
		for k := range n / sim.PoseDim {
			parts = append(parts, fmt.Sprintf("part%d", k))
		}
		return parts, nil, nil
	}
	for _, name := range env.Names {
		i := slices.IndexFunc(poseSuffixes, func(s string) bool { return strings.HasSuffix(name, s) })
		if i < 0 {
			return nil, nil, fmt.Errorf("feature %q: column %q: a name ends in one of %q, for a position and a quaternion",
				featEnv, name, poseSuffixes)
		}
		if part := strings.TrimSuffix(name, poseSuffixes[i]); !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	if t, err := sim.TaskByName(task); err == nil {
		if known := t.PartNames(); sameSet(known, parts) {
			parts = known
		}
	}
	o, err = orderOf(featEnv, env.Names, Info{PartNames: parts}.envNames())
	return parts, o, err
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// apply puts the columns of rows in order.
func (o order) apply(rows []float32) {
	if o == nil {
		return
	}
	row := make([]float32, len(o))
	for at := 0; at+len(o) <= len(rows); at += len(o) {
		for i, from := range o {
			row[i] = rows[at+from]
		}
		copy(rows[at:], row)
	}
}

// UnmarshalJSON implements json.Unmarshaler: the statistics of features that are not read here may have any form, and a
// number that is none is refused where it counts. The error names the key.
func (s *Stats) UnmarshalJSON(b []byte) error {
	var raw map[string]json.RawMessage
	if err := pyjson.Unmarshal(b, &raw); err != nil {
		return err
	}
	*s = Stats{}
	for _, name := range featureNames() {
		text, ok := raw[name]
		if !ok {
			continue
		}
		var plain map[string][]*float64
		if err := json.Unmarshal(text, &plain); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		for key, values := range plain {
			if slices.Contains(values, nil) {
				return fmt.Errorf("%q: %q holds a value that is no number", name, key)
			}
		}
		var one FeatureStats
		if err := json.Unmarshal(text, &one); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		(*s)[name] = one
	}
	return nil
}
