package torchfile

import (
	"fmt"
	"strings"
)

// builder makes the value that a call would have returned.
type builder func(m *machine, args Tuple) (any, error)

// callable is a global that a pickle may call.
type callable struct {
	name  string
	build builder
}

// callables is the allow-list of what may be called, by module and name.
var callables = map[string]builder{
	"collections.OrderedDict":             buildDict,
	"collections.defaultdict":             buildEmptyDict,
	"builtins.dict":                       buildDict,
	"builtins.list":                       buildList,
	"builtins.set":                        buildList,
	"builtins.frozenset":                  buildList,
	"torch.Size":                          buildSize,
	"torch.device":                        buildFirst,
	"torch._utils._rebuild_tensor_v2":     buildTensor,
	"torch._utils._rebuild_parameter":     buildFirst,
	"_codecs.encode":                      buildBytes,
	"numpy.dtype":                         buildDType,
	"numpy.core.multiarray.scalar":        buildScalar,
	"numpy.core.multiarray._reconstruct":  buildArray,
	"numpy._core.multiarray.scalar":       buildScalar,
	"numpy._core.multiarray._reconstruct": buildArray,
	"copyreg._reconstructor":              buildInstance,
}

// classes is the allow-list of classes that are only named. Instances of inert
// ones are Objects.
var classes = map[string]bool{
	"numpy.ndarray": true, "typing.Any": true, "builtins.object": true, "builtins.int": true, "builtins.float": true,
	"builtins.bool": true, "builtins.str": true, "torch.nn.parameter.Parameter": true,
}

// inert are the classes of OmegaConf's configurations.
var inert = map[string]bool{
	"omegaconf.dictconfig.DictConfig": true, "omegaconf.listconfig.ListConfig": true, "omegaconf.base.Metadata": true,
	"omegaconf.base.ContainerMetadata": true, "omegaconf.base.SCMode": true, "omegaconf.nodes.AnyNode": true,
	"omegaconf.nodes.IntegerNode": true,
	"omegaconf.nodes.FloatNode":   true, "omegaconf.nodes.BooleanNode": true, "omegaconf.nodes.StringNode": true,
	"argparse.Namespace": true,
}

// find returns what a global stands for.
func find(module, name string) (any, error) {
	if module == "__builtin__" { // Python 2's name, which protocol 2 writes
		module = "builtins"
	}
	if module == "copy_reg" {
		module = "copyreg"
	}
	full := module + "." + name
	if build, ok := callables[full]; ok {
		return &callable{full, build}, nil
	}
	if classes[full] || inert[full] {
		return Class(full), nil
	}
	if dtype, ok := strings.CutPrefix(full, "torch."); ok {
		if _, ok := dtypes[dtype]; ok {
			return Class(full), nil
		}
		if _, ok := storageTypes[dtype]; ok {
			return Class(full), nil
		}
	}
	return nil, fmt.Errorf("%w: the file wants %.200q, which is not in the list of what a checkpoint may hold; it could "+
		"run code when PyTorch loads it", ErrGlobal, full)
}

// call builds what f(args...) would have returned.
func (m *machine) call(f any, args Tuple) (any, error) {
	switch f := f.(type) {
	case *callable:
		v, err := f.build(m, args)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		return v, nil
	case Class:
		if inert[string(f)] {
			return &Object{Class: f}, nil
		}
		return nil, fmt.Errorf("%w: an instance of %s", ErrGlobal, f)
	}
	return nil, malformed("a %T is called", f)
}

// build sets the state of the object on top.
func (m *machine) build() error {
	state, err := m.pop()
	if err != nil {
		return err
	}
	top, err := m.top()
	if err != nil {
		return err
	}
	switch o := top.(type) {
	case *Object:
		o.State = state
	case *Dict: // attributes of a dictionary, such as a state dictionary's versions
	case *dtype:
		return o.setState(state)
	case *Tensor:
		return m.setArray(o, state)
	default:
		return malformed("a %T is given a state", top)
	}
	return nil
}

func buildDict(_ *machine, args Tuple) (any, error) {
	d := &Dict{}
	if len(args) == 0 {
		return d, nil
	}
	pairs, ok := args[0].(*List)
	if !ok || len(args) > 1 {
		return nil, malformed("arguments %T", args[0])
	}
	for _, p := range pairs.Items {
		var key, value any
		switch p := p.(type) {
		case Tuple:
			if len(p) != 2 {
				return nil, malformed("an entry of %d values", len(p))
			}
			key, value = p[0], p[1]
		case *List:
			if len(p.Items) != 2 {
				return nil, malformed("an entry of %d values", len(p.Items))
			}
			key, value = p.Items[0], p.Items[1]
		default:
			return nil, malformed("an entry is a %T", p)
		}
		if err := d.set(key, value); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func buildEmptyDict(*machine, Tuple) (any, error) { return &Dict{}, nil }

func buildList(_ *machine, args Tuple) (any, error) {
	switch {
	case len(args) == 0:
		return &List{}, nil
	case len(args) == 1:
		if l, ok := args[0].(*List); ok {
			return l, nil
		}
	}
	return nil, malformed("%d arguments", len(args))
}

func buildSize(_ *machine, args Tuple) (any, error) {
	if len(args) == 1 {
		if t, ok := args[0].(Tuple); ok {
			return t, nil
		}
	}
	return nil, malformed("%d arguments", len(args))
}

// buildFirst passes the first argument on: a parameter is its tensor, a device its name.
func buildFirst(_ *machine, args Tuple) (any, error) {
	if len(args) == 0 {
		return nil, malformed("no arguments")
	}
	return args[0], nil
}

// buildBytes is how protocol 2 writes bytes: a text whose characters are they.
func buildBytes(_ *machine, args Tuple) (any, error) {
	if len(args) != 2 || args[1] != any("latin1") {
		return nil, malformed("want a text as latin1")
	}
	text, ok := args[0].(string)
	if !ok {
		return nil, malformed("a text is a %T", args[0])
	}
	b := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xff {
			return nil, malformed("character %#x in bytes", r)
		}
		b = append(b, byte(r))
	}
	return b, nil
}

// buildInstance is copyreg's: an instance of a class whose base is object.
func buildInstance(m *machine, args Tuple) (any, error) {
	if len(args) != 3 || args[1] != any(Class("builtins.object")) || args[2] != nil {
		return nil, malformed("%d arguments", len(args))
	}
	return m.call(args[0], Tuple{})
}
