package robotcmd

import (
	"errors"
	"fmt"
	"strings"

	"korr/basepolicy"
	"korr/basepolicy/acting"
	"korr/basepolicy/remote"
	"korr/cmd/internal/cli"
	"korr/residual"
)

// CacheUsage explains a flag that several verbs have.
const CacheUsage = "how a diffusion base saves network calls, `NAME[:key=value,...]`; " +
	"none = not at all (default: the checkpoint's own)"

// LoadPolicy reads a residual policy of the task, or wraps a base policy into one that acts alone.
// remote:ws://HOST:PORT is a base policy behind a server (package basepolicy/remote).
func LoadPolicy(name, task string, how *acting.Config) (*residual.Policy, error) {
	switch {
	case strings.HasPrefix(name, remote.Prefix):
		return openRemote(name, task, how)
	case strings.HasSuffix(name, ".onnx"):
		return nil, cli.UsageErrorf("policy %s: ONNX files cannot be run here: serve it from Python and name the server, "+
			"%sws://HOST:PORT (examples/python/policy_server.py)", name, remote.Prefix)
	}
	f, err := OpenWeights(name, task)
	if err != nil {
		return nil, fmt.Errorf("policy %s: %w", name, err)
	}
	p, err := residual.LoadEither(f, how.Execute)
	if err != nil {
		return nil, fmt.Errorf("policy %s: %w", name, err)
	}
	if p.Base, err = how.Apply(p.Base); err != nil {
		return nil, cli.Usage(err)
	}
	if p.Task != task {
		return nil, cli.UsageErrorf("policy %s was trained for task %q, not %q", name, p.Task, task)
	}
	return p, nil
}

// openRemote connects to a policy server. What it does not say of ranges is taken from the task's shipped base policy.
func openRemote(name, task string, how *acting.Config) (*residual.Policy, error) {
	o := remote.Options{Task: task}
	if f, err := OpenWeights("base", task); err == nil {
		shipped, err := basepolicy.LoadFrom(f, "")
		if err != nil {
			return nil, fmt.Errorf("shipped base policy of %s: %w", task, err)
		}
		o.Obs, o.Act = shipped.About().Obs, shipped.About().Act
	}
	p, rate, err := remote.Open(name, o)
	if errors.Is(err, basepolicy.ErrLate) {
		return nil, cli.Unreachable(fmt.Errorf("policy %s: %w", name, err))
	}
	if err != nil {
		return nil, fmt.Errorf("policy %s: %w", name, err)
	}
	var base basepolicy.Policy = p
	if rate >= 0 {
		base = basepolicy.Ensembled{Policy: p, Rate: rate}
	}
	if base, err = how.Apply(base); err != nil {
		return nil, cli.Usage(err)
	}
	return &residual.Policy{
		Method: residual.MethodBase, Task: task, Base: base, Execute: min(how.Execute, p.Horizon),
	}, nil
}
