package torchfile

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
)

// Values of a pickle are nil, bool, int64, float64, string, []byte, Tuple, *List,
// *Dict, *Tensor, *Object and Class.

// Tuple is a Python tuple or torch.Size.
type Tuple []any

// List is a Python list or set.
type List struct{ Items []any }

// Class is a class or type that was named but not used, such as torch.float32.
type Class string

// Object is an instance of an inert class of the allow-list, and the state that was
// set.
type Object struct {
	Class Class
	State any
}

// Dict is a Python dictionary in the order of its keys.
type Dict struct {
	Keys, Values []any
	index        map[any]int // of keys that are scalars
}

// Len is the number of entries.
func (d *Dict) Len() int { return len(d.Keys) }

// Get returns the value under a text.
func (d *Dict) Get(key string) (any, bool) {
	i, ok := d.index[key]
	if !ok {
		return nil, false
	}
	return d.Values[i], true
}

// set adds or replaces an entry. Keys that are no scalars are never equal.
func (d *Dict) set(key, value any) error {
	switch k := key.(type) {
	case string, int64, bool, nil:
	case float64:
		if math.IsNaN(k) {
			return malformed("a dictionary's key is not a number")
		}
	case Tuple, Class:
		d.Keys, d.Values = append(d.Keys, key), append(d.Values, value)
		return nil
	default:
		return malformed("a dictionary's key is a %T", key)
	}
	if i, ok := d.index[key]; ok {
		d.Values[i] = value
		return nil
	}
	if d.index == nil {
		d.index = map[any]int{}
	}
	d.index[key] = len(d.Keys)
	d.Keys, d.Values = append(d.Keys, key), append(d.Values, value)
	return nil
}

// Bounds on what Plain makes.
const (
	plainDepth = 64
	plainNodes = 1 << 20
)

// errPlain marks objects that are too deep or too many, as circles are.
var errPlain = errors.New("torchfile: too deep or too large for a configuration")

// Plain turns a value into what encoding/json takes: maps with text keys,
// slices, numbers and texts. Configurations of OmegaConf become their content; a tensor becomes a
// text that names its type and shape.
func Plain(v any) (any, error) {
	w := &walker{left: plainNodes}
	return w.plain(v, plainDepth)
}

type walker struct{ left int }

func (w *walker) plain(v any, depth int) (any, error) {
	if w.left--; w.left < 0 || depth == 0 {
		return nil, errPlain
	}
	switch v := v.(type) {
	case Tuple:
		return w.slice(v, depth)
	case *List:
		return w.slice(v.Items, depth)
	case *Dict:
		m := make(map[string]any, v.Len())
		for i, k := range v.Keys {
			x, err := w.plain(v.Values[i], depth-1)
			if err != nil {
				return nil, err
			}
			text, ok := k.(string)
			if !ok {
				text = fmt.Sprintf("%.100v", k)
				if _, tuple := k.(Tuple); tuple {
					text = fmt.Sprintf("key %d", i)
				}
			}
			m[text] = x
		}
		return m, nil
	case []byte:
		w.left -= len(v) / 16
		return base64.StdEncoding.EncodeToString(v), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Sprint(v), nil
		}
		return v, nil
	case *Tensor:
		return fmt.Sprintf("tensor %s %v", v.DType, v.Shape), nil
	case Class:
		return string(v), nil
	case *Object:
		return w.object(v, depth)
	}
	return v, nil // nil, bool, int64, string
}

func (w *walker) slice(items []any, depth int) (any, error) {
	if len(items) > w.left {
		return nil, errPlain
	}
	out := make([]any, len(items))
	for i, x := range items {
		var err error
		if out[i], err = w.plain(x, depth-1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// object unwraps a node of OmegaConf; of other objects the state is what they are.
func (w *walker) object(o *Object, depth int) (any, error) {
	if state, ok := o.State.(*Dict); ok {
		for _, key := range []string{"_content", "_val"} {
			if x, ok := state.Get(key); ok {
				return w.plain(x, depth-1)
			}
		}
	}
	return w.plain(o.State, depth-1)
}
