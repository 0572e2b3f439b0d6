package node

import (
	"context"
	"errors"

	"korr/ros/xmlrpc"
)

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
