package checkpoint

import (
	"errors"
	"fmt"
	"strings"

	"korr/basepolicy"
	"korr/basepolicy/acting"
	"korr/basepolicy/remote"
	"korr/internal/usage"
	"korr/residual"
)

// UnreachableError reports a policy server that does not answer.
type UnreachableError struct {
	Policy string
	Err    error
}

func (e *UnreachableError) Error() string { return fmt.Sprintf("policy %s: %v", e.Policy, e.Err) }

// Unwrap returns the cause.
func (e *UnreachableError) Unwrap() error { return e.Err }

// Policy reads a residual policy of the task, or wraps a base policy into one that acts alone.
// remote:ws://HOST:PORT is a base policy behind a server (package basepolicy/remote).
func Policy(name, task string, how *acting.Config) (*residual.Policy, error) {
	switch {
	case strings.HasPrefix(name, remote.Prefix):
		return openRemote(name, task, how)
	case strings.HasSuffix(name, ".onnx"):
		return nil, usage.Errorf("policy %s: ONNX files cannot be run here: serve it from Python and name the server, "+
			"%sws://HOST:PORT (examples/python/policy_server.py)", name, remote.Prefix)
	}
	f, err := Open(name, task)
	if err != nil {
		return nil, fmt.Errorf("policy %s: %w", name, err)
	}
	p, err := residual.LoadEither(f, how.Execute)
	if err != nil {
		return nil, fmt.Errorf("policy %s: %w", name, err)
	}
	if p.Base, err = how.Apply(p.Base); err != nil {
		return nil, usage.Wrap(err)
	}
	if p.Task != task {
		return nil, usage.Errorf("policy %s was trained for task %q, not %q", name, p.Task, task)
	}
	return p, nil
}

// openRemote connects to a policy server. What it does not say of ranges is taken from the task's shipped base policy.
func openRemote(name, task string, how *acting.Config) (*residual.Policy, error) {
	o := remote.Options{Task: task}
	if f, err := Open("base", task); err == nil {
		shipped, err := basepolicy.LoadFrom(f, "")
		if err != nil {
			return nil, fmt.Errorf("shipped base policy of %s: %w", task, err)
		}
		o.Obs, o.Act = shipped.About().Obs, shipped.About().Act
	}
	p, rate, err := remote.Open(name, o)
	if errors.Is(err, basepolicy.ErrLate) {
		return nil, &UnreachableError{name, err}
	}
	if err != nil {
		return nil, fmt.Errorf("policy %s: %w", name, err)
	}
	var base basepolicy.Policy = p
	if rate >= 0 {
		base = basepolicy.Ensembled{Policy: p, Rate: rate}
	}
	if base, err = how.Apply(base); err != nil {
		return nil, usage.Wrap(err)
	}
	return &residual.Policy{
		Method: residual.MethodBase, Task: task, Base: base, Execute: min(how.Execute, p.Horizon),
	}, nil
}
