package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.yaml.in/yaml/v3"

	"korr/ros/names"
	"korr/ros/xmlrpc"
)

// PrivateParams sets the private parameters that the command line gave (_key:=value, value in YAML) and returns all
// private parameters of the node, those of a launch file included, as a tree: map[string]any below. It needs no open
// node. The error is a *MasterError when there is no master.
func PrivateParams(ctx context.Context, n *names.Names) (map[string]any, error) {
	c := xmlrpc.NewClient(n.MasterURI, 3*time.Second)
	for key, text := range n.Params {
		var v any
		if err := yaml.Unmarshal([]byte(text), &v); err != nil {
			return nil, fmt.Errorf("_%s:=%s: %w", key, text, err)
		}
		if v == nil {
			v = text
		}
		if _, _, err := c.CallROS(ctx, "setParam", n.Node, n.Node+"/"+key, v); err != nil {
			return nil, &MasterError{n.MasterURI, err}
		}
	}
	_, v, err := c.CallROS(ctx, "getParam", n.Node, n.Node)
	var none *xmlrpc.ROSError
	switch {
	case errors.As(err, &none):
		return nil, nil
	case err != nil:
		return nil, &MasterError{n.MasterURI, err}
	}
	tree, _ := v.(map[string]any)
	return tree, nil
}

// Param reads a parameter of any type: bool, int, float64, string, []any or map[string]any. found is false when the
// master has no such parameter.
func (n *Node) Param(ctx context.Context, name string) (value any, found bool, err error) {
	key, err := n.cfg.Names.Resolve(name)
	if err != nil {
		return nil, false, err
	}
	_, v, err := n.master.CallROS(ctx, "getParam", n.cfg.Names.Node, key)
	var none *xmlrpc.ROSError
	if errors.As(err, &none) {
		return nil, false, nil
	}
	return v, err == nil, err
}

// SetParam writes a parameter; value is of a type that Param returns.
func (n *Node) SetParam(ctx context.Context, name string, value any) error {
	key, err := n.cfg.Names.Resolve(name)
	if err != nil {
		return err
	}
	_, _, err = n.master.CallROS(ctx, "setParam", n.cfg.Names.Node, key, value)
	return err
}
